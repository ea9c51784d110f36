//! How much may come out of an object: bombs are stopped while they unfold, not after.

use lakehand_dataset::dataset::Source;
use lakehand_dataset::transformer::TransformError;

/// Below this many bytes out the ratio is not judged: small files of one repeated line compress well.
const RATIO_FREE_BYTES: u64 = 1_000_000;

/// Counts what comes out of one object, over all its members, against the limits of its dataset.
#[derive(Debug)]
pub(crate) struct Budget {
    produced: u64,
    object_bytes: u64,
    max_expanded_bytes: u64,
    /// `None` where nothing is compressed.
    max_expansion: Option<u64>,
}

impl Budget {
    /// The limits of this dataset for an object of so many bytes.
    pub(crate) fn new(source: &Source, object_bytes: u64, compressed: bool) -> Self {
        Self {
            produced: 0,
            object_bytes,
            max_expanded_bytes: source.max_expanded_bytes,
            max_expansion: compressed.then_some(source.max_expansion),
        }
    }

    /// Whether nothing came out so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.produced == 0
    }

    /// Counts so many bytes more.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), TransformError> {
        self.produced = self.produced.saturating_add(bytes as u64);
        self.judge(self.produced)
    }

    /// Whether so many bytes in all would be within the limits.
    pub(crate) fn judge(&self, total: u64) -> Result<(), TransformError> {
        if total > self.max_expanded_bytes {
            return Err(TransformError::Unreadable {
                message: format!(
                    "has more than {} bytes decompressed, the limit source.max_expanded_bytes; split the file, or raise \
                     the limit if files of this dataset are that large",
                    self.max_expanded_bytes
                ),
            });
        }
        if let Some(most) = self.max_expansion
            && total > RATIO_FREE_BYTES
            && total > most.saturating_mul(self.object_bytes)
        {
            return Err(TransformError::Unreadable {
                message: format!(
                    "expands to more than {most} times its {} bytes, the limit source.max_expansion, as decompression \
                     bombs do; raise the limit if files of this dataset compress that well",
                    self.object_bytes
                ),
            });
        }
        Ok(())
    }
}
