//! From chunks of lines to typed columns of accepted records, and rejects.
//!
//! A [`Plan`] is compiled once for an object and shared; each worker has a [`Decoder`] of its own, which learns the
//! order in which keys come.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::transformer::TransformError;

use crate::piece::{Chunk, Piece};

/// Everything about a dataset that decoding needs, with the captures of one object's name.
#[derive(Debug)]
pub(crate) struct Plan {}

impl Plan {
    /// Compiles the dataset. A capture that cannot be typed makes the object [`TransformError::Unreadable`]; what the
    /// check of the definition should have refused is [`TransformError::Engine`].
    pub(crate) fn compile(_dataset: &Dataset, _captures: &BTreeMap<String, String>) -> Result<Arc<Self>, TransformError> {
        Err(TransformError::Cancelled)
    }

    /// A decoder for one worker.
    pub(crate) fn decoder(self: &Arc<Self>) -> Decoder {
        Decoder { plan: Arc::clone(self) }
    }
}

/// Decodes chunks, one at a time. What it has learned from earlier chunks makes it faster and changes no result.
#[derive(Debug)]
pub(crate) struct Decoder {
    plan: Arc<Plan>,
}

impl Decoder {
    /// Decodes one chunk. Fails only where the whole object cannot be read, such as for a missing header column.
    pub(crate) fn decode(&mut self, _chunk: &Chunk) -> Result<Piece, TransformError> {
        let _ = &self.plan;
        Err(TransformError::Cancelled)
    }
}
