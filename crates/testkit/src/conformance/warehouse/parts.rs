//! Where the suite's parts lie: in memory, or wherever the warehouse under test reads them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use lakehand_domain::manifest::Part;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::row_reader::{PartError, PartReader, RowReader};
use lakehand_domain::shape::ColumnShape;
use lakehand_domain::value::RowBatch;

/// Keeps the parts of sample loads where the warehouse under test reads them.
pub trait SampleParts: Debug + Send + Sync {
    /// Below which URI parts lie.
    fn root(&self) -> ObjectUri;

    /// Keeps the rows of a part under this URI, batch by batch, in place of what is there. Gives how many bytes the part
    /// has, and its checksum.
    fn keep(&self, uri: &ObjectUri, columns: &[ColumnShape], batches: Vec<RowBatch>) -> (u64, String);

    /// Loses a part.
    fn lose(&self, uri: &ObjectUri);
}

#[derive(Debug, Clone)]
struct Held {
    columns: Vec<ColumnShape>,
    batches: Vec<RowBatch>,
}

/// Gives back the rows that were put under a part's URI.
#[derive(Debug, Default)]
pub struct MemoryParts {
    parts: Mutex<BTreeMap<ObjectUri, Held>>,
}

impl MemoryParts {
    /// Holds the rows of a part, batch by batch.
    pub fn put(&self, uri: &ObjectUri, columns: &[ColumnShape], batches: Vec<RowBatch>) {
        let held = Held { columns: columns.to_vec(), batches };
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(uri.clone(), held);
    }

    /// Forgets a part.
    pub fn remove(&self, uri: &ObjectUri) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
    }
}

impl SampleParts for MemoryParts {
    fn root(&self) -> ObjectUri {
        ObjectUri::parse("s3://lake").unwrap()
    }

    fn keep(&self, uri: &ObjectUri, columns: &[ColumnShape], batches: Vec<RowBatch>) -> (u64, String) {
        self.put(uri, columns, batches);
        (1, String::new())
    }

    fn lose(&self, uri: &ObjectUri) {
        self.remove(uri);
    }
}

#[async_trait]
impl PartReader for MemoryParts {
    async fn open(&self, part: &Part, columns: &[ColumnShape]) -> Result<Box<dyn RowReader>, PartError> {
        let held = self.parts.lock().unwrap_or_else(PoisonError::into_inner).get(&part.uri).cloned();
        // What has no rows need not be put.
        if held.is_none() && part.rows == 0 {
            return Ok(Box::new(MemoryRows(VecDeque::new())));
        }
        let held = held.ok_or_else(|| PartError::Gone { uri: part.uri.clone() })?;
        if held.columns != columns {
            return Err(PartError::Mismatch { uri: part.uri.clone(), message: "it has other columns".to_owned() });
        }
        Ok(Box::new(MemoryRows(held.batches.into())))
    }
}

struct MemoryRows(VecDeque<RowBatch>);

impl RowReader for MemoryRows {
    fn next(&mut self) -> Result<Option<RowBatch>, PartError> {
        Ok(self.0.pop_front())
    }
}
