//! Reading the rows of a part, for warehouses that take rows and not files.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::fault::{Cause, Effect, Fault, Retry};
use crate::manifest::Part;
use crate::object::ObjectUri;
use crate::shape::ColumnShape;
use crate::value::RowBatch;

/// Opens parts of the lake as rows.
#[async_trait]
pub trait PartReader: Debug + Send + Sync {
    /// Opens a part. `columns` are those of the manifest; a part whose bytes, checksum or columns differ from what the
    /// manifest says is [`PartError::Mismatch`], and is never read.
    async fn open(&self, part: &Part, columns: &[ColumnShape]) -> Result<Box<dyn RowReader>, PartError>;
}

/// The rows of one part, in order. Decoding blocks the thread for a batch at a time.
pub trait RowReader: Send {
    /// The next rows, at most some ten thousand; `None` at the end.
    fn next(&mut self) -> Result<Option<RowBatch>, PartError>;
}

/// Why a part cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// There is no such object. The load goes back to transform.
    #[error("part {uri} is gone")]
    Gone {
        /// The part.
        uri: ObjectUri,
    },
    /// The part is not what the manifest says. The load goes back to transform.
    #[error("part {uri} is not what its manifest says: {message}")]
    Mismatch {
        /// The part.
        uri: ObjectUri,
        /// What differs.
        message: String,
    },
    /// The store could not be read now.
    #[error("read part {uri}")]
    Io {
        /// The part.
        uri: ObjectUri,
        /// Why.
        #[source]
        source: Cause,
    },
}

impl Fault for PartError {
    fn retry(&self) -> Retry {
        match self {
            Self::Gone { .. } | Self::Mismatch { .. } => Retry::Never,
            Self::Io { .. } => Retry::Backoff,
        }
    }

    fn effect(&self) -> Effect {
        Effect::NotApplied
    }
}
