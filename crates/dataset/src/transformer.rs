//! The port to the one crate that turns bytes into Parquet.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use lakehand_domain::fault::{Cause, Effect, Fault, Retry};
use lakehand_domain::id::LoadId;
use lakehand_domain::object::{ObjectUri, Order};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::shape::ColumnShape;

use crate::dataset::Dataset;

/// Turns the pinned bytes of one object into parts of Parquet and a quarantine part.
///
/// The work is CPU-bound and blocks: call it where blocking is allowed. For the same input, apart from `content` being a
/// file or bytes, every part is the same byte for byte, whatever the number of threads.
pub trait Transformer: Debug + Send + Sync {
    /// Runs one object through its dataset. Parts are created in `sink` as they fill; nothing in `sink` may become
    /// visible before the caller has seen an accepting verdict. `cancelled` is asked at least once a chunk.
    fn transform(
        &self,
        input: &TransformInput,
        sink: &dyn PartSink,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Transformed, TransformError>;

    /// A part of these columns without a row, whole, and its checksum, as manifests have it: every warehouse that takes any
    /// part of them takes it.
    fn empty_part(&self, columns: &[ColumnShape]) -> Result<(Vec<u8>, String), TransformError>;

    /// Whether a transform takes no longer than any other code, so that it needs no thread where blocking is allowed:
    /// true only of what stands in for an engine, in a simulation whose every step is to be repeatable. The uploads of
    /// such a transform must be ready at once.
    fn is_instant(&self) -> bool {
        false
    }

    /// Everything about the dataset that only the engine can judge: expressions and filters that do not resolve, or
    /// have another type than declared. Each problem is (key path in the definition, message).
    fn check(&self, dataset: &Dataset) -> Vec<(String, String)>;
}

/// One object on its way.
#[derive(Debug, Clone)]
pub struct TransformInput {
    /// The dataset.
    pub dataset: Arc<Dataset>,
    /// The `{captures}` of the object's name.
    pub captures: BTreeMap<String, String>,
    /// The load; names the parts.
    pub load_id: LoadId,
    /// The object, for lineage.
    pub object: ObjectUri,
    /// The order of its version, for lineage.
    pub order: Order,
    /// The bytes.
    pub content: Content,
}

/// The pinned bytes of an object.
#[derive(Debug, Clone)]
pub enum Content {
    /// An open file that holds them from its start; read by position, so that the handle may be shared.
    File {
        /// The file.
        file: Arc<File>,
        /// How many bytes.
        len: u64,
    },
    /// In memory.
    Bytes(Bytes),
    /// On their way.
    Arriving(Arc<dyn Arriving>),
}

/// The bytes of an object while they come. Who reads from the start onwards is given them as they come, and they are kept
/// nowhere; what has been read may not be asked for again then, but for the first few. Who first reads somewhere else
/// waits until all are there.
pub trait Arriving: Debug + Send + Sync {
    /// How many bytes there will be.
    fn size(&self) -> u64;

    /// Reads at a position, at least a byte unless `into` is empty or the position is behind the end. Blocks until the
    /// byte there has come, and fails where it will not.
    fn read_at(&self, position: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Content {
    /// How many bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Arriving(arriving) => arriving.size(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where parts go before the verdict.
pub trait PartSink: Send + Sync {
    /// Begins a part. `name` is relative to the dataset's place in the lake.
    fn create(&self, name: &str) -> io::Result<Box<dyn PartWriter>>;
}

/// A part being written; dropping it without `finish` gives it up.
pub trait PartWriter: Write + Send {
    /// All bytes are written. The part is complete, and still not visible.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// What a transform made.
#[derive(Debug, Clone, PartialEq)]
pub struct Transformed {
    /// Whether the file passed.
    pub verdict: Verdict,
    /// Records read, accepted or not.
    pub records: u64,
    /// Rejected records by rule and column.
    pub rejects: RejectCounts,
    /// The tables, in the order of the dataset; all of them, with no parts where there are no rows.
    pub tables: Vec<TransformedTable>,
    /// The rejected records, where there are any; written whatever the verdict.
    pub quarantine: Option<TransformedPart>,
}

/// Whether a file passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Its accepted rows are to be loaded.
    Accepted,
    /// It has more rejects than the dataset allows: nothing of it is loaded.
    TooManyRejects {
        /// In words, with the numbers and the limit.
        message: String,
    },
    /// It has fewer accepted records than the dataset asks for: nothing of it is loaded.
    TooFewRecords {
        /// In words, with the numbers and the limit.
        message: String,
    },
}

/// What was made of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformedTable {
    /// The table's name.
    pub table: String,
    /// The columns of every part.
    pub columns: Vec<ColumnShape>,
    /// All rows.
    pub rows: u64,
    /// The parts, in the order of their names.
    pub parts: Vec<TransformedPart>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformedPart {
    /// Relative to the dataset's place in the lake.
    pub name: String,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its bytes, 32 hexadecimal digits.
    pub checksum: String,
    /// `p_<name>=<value>` in order.
    pub partition: Vec<String>,
}

/// Why a transform gave no verdict.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// The bytes cannot be read as what they should be, and never will: a truncated archive, a wrong checksum, a
    /// bomb, a missing header column. The whole file is set aside.
    #[error("{message}")]
    Unreadable {
        /// What is wrong, where, and what to do.
        message: String,
    },
    /// Reading the pinned bytes or writing a part failed; the file is not at fault.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The engine failed in a way that no input should cause.
    #[error("{what}")]
    Engine {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: Cause,
    },
    /// The work was stopped on purpose.
    #[error("cancelled")]
    Cancelled,
}

impl Fault for TransformError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unreadable { .. } => Retry::Never,
            Self::Io { .. } | Self::Engine { .. } | Self::Cancelled => Retry::Backoff,
        }
    }

    fn effect(&self) -> Effect {
        // Nothing a transform makes is visible, so nothing has happened.
        Effect::NotApplied
    }

    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}
