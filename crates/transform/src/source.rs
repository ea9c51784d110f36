//! From the pinned bytes of an object to chunks of whole lines, decompressed and within bounds.

use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::transformer::{Content, TransformError};

use crate::piece::Chunk;

/// Where the chunks of one object come from; shared by all workers.
#[derive(Debug)]
pub(crate) struct ChunkSource {}

/// Recognises the content by its first bytes, whatever its name, and makes it ready to be read.
pub(crate) fn open(_content: &Content, _dataset: &Dataset) -> Result<ChunkSource, TransformError> {
    Err(TransformError::Cancelled)
}

impl ChunkSource {
    /// The next chunk, or `None` after the last. `reuse` is a buffer to read into. May be called from several threads;
    /// chunks are numbered in the order of the object. After an error every further call fails too.
    pub(crate) fn next(&self, _reuse: Vec<u8>) -> Result<Option<Chunk>, TransformError> {
        Err(TransformError::Cancelled)
    }
}
