//! One partition of one table: row groups encoded by any worker, written in their order into parts of a target size.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lakehand_dataset::transformer::{PartSink, TransformError, TransformedPart};

use crate::encode::{ColumnData, EncodedColumn, PartSchema, encode_column};
use crate::part::ParquetPart;

/// A row group below this is encoded by one worker in one go: dividing it costs more than it gains.
const WHOLE_GROUP_BYTES: usize = 1 << 20;

/// One partition of one table.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Index of the table.
    pub(crate) table: usize,
    /// `p_<column>=<value>` in order.
    pub(crate) partition: Vec<String>,
    /// Of the names of its parts.
    prefix: String,
    schema: Arc<PartSchema>,
    part_bytes: u64,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// The next step to take.
    next: u64,
    /// Steps whose turn has not come.
    waiting: BTreeMap<u64, Step>,
    part: Option<ParquetPart>,
    /// Parts begun so far: the number of the next one.
    begun: usize,
    parts: Vec<TransformedPart>,
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("next", &self.next).field("begun", &self.begun).finish_non_exhaustive()
    }
}

/// What happens to a lane, in the order of its rows.
#[derive(Debug)]
pub(crate) enum Step {
    /// A row group is ready.
    Group {
        /// Its rows.
        rows: usize,
        /// Its columns, encoded.
        columns: Vec<EncodedColumn>,
    },
    /// The part is closed, so that few are open at a time.
    Close,
}

impl Lane {
    /// A lane whose parts are named `<prefix>-<n>.parquet`.
    pub(crate) fn new(
        table: usize,
        partition: Vec<String>,
        prefix: String,
        schema: Arc<PartSchema>,
        part_bytes: u64,
    ) -> Self {
        Self { table, partition, prefix, schema, part_bytes, written: Mutex::default() }
    }

    /// Takes a step once all before it are taken. Blocks on writing.
    pub(crate) fn deliver(&self, sequence: u64, step: Step, sink: &dyn PartSink) -> Result<(), TransformError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.waiting.insert(sequence, step);
        while let Some(step) = {
            let next = written.next;
            written.waiting.remove(&next)
        } {
            written.next += 1;
            match step {
                Step::Group { rows, columns } => {
                    let mut part = if let Some(part) = written.part.take() {
                        part
                    } else {
                        let name = format!("{}-{:05}.parquet", self.prefix, written.begun);
                        written.begun += 1;
                        ParquetPart::open(sink, name, &self.schema)?
                    };
                    part.write(rows, &columns)?;
                    if part.bytes() >= self.part_bytes {
                        written.parts.push(part.finish(self.partition.clone())?);
                    } else {
                        written.part = Some(part);
                    }
                }
                Step::Close => self.close(&mut written)?,
            }
        }
        Ok(())
    }

    /// Closes the last part; all parts.
    pub(crate) fn finish(&self) -> Result<Vec<TransformedPart>, TransformError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.close(&mut written)?;
        Ok(std::mem::take(&mut written.parts))
    }

    fn close(&self, written: &mut Written) -> Result<(), TransformError> {
        if let Some(part) = written.part.take() {
            written.parts.push(part.finish(self.partition.clone())?);
        }
        Ok(())
    }
}

/// A closed row group whose columns are being encoded.
#[derive(Debug)]
pub(crate) struct Group {
    lane: Arc<Lane>,
    sequence: u64,
    rows: usize,
    columns: Mutex<Vec<Option<ColumnData>>>,
    encoded: Mutex<Vec<Option<EncodedColumn>>>,
    left: AtomicUsize,
}

/// Some columns of a row group, to be encoded.
#[derive(Debug)]
pub(crate) struct EncodeTask {
    group: Arc<Group>,
    columns: Vec<usize>,
}

impl Group {
    /// Divides the encoding of a row group into tasks, the largest first.
    pub(crate) fn tasks(lane: Arc<Lane>, sequence: u64, rows: usize, columns: Vec<ColumnData>) -> Vec<EncodeTask> {
        let sizes: Vec<usize> = columns.iter().map(ColumnData::bytes).collect();
        let count = columns.len();
        let group = Arc::new(Self {
            lane,
            sequence,
            rows,
            columns: Mutex::new(columns.into_iter().map(Some).collect()),
            encoded: Mutex::new((0..count).map(|_| None).collect()),
            left: AtomicUsize::new(count),
        });
        if sizes.iter().sum::<usize>() < WHOLE_GROUP_BYTES {
            return vec![EncodeTask { group, columns: (0..count).collect() }];
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by_key(|column| std::cmp::Reverse(sizes[*column]));
        order.into_iter().map(|column| EncodeTask { group: Arc::clone(&group), columns: vec![column] }).collect()
    }
}

impl EncodeTask {
    /// Encodes; whoever encodes the last column of the group hands it to its lane.
    pub(crate) fn run(self, sink: &dyn PartSink) -> Result<(), TransformError> {
        let group = &self.group;
        let schema = &group.lane.schema;
        for column in &self.columns {
            let data = group.columns.lock().unwrap_or_else(PoisonError::into_inner)[*column].take();
            let encoded = data.map(|data| encode_column(schema, *column, data, group.rows)).transpose();
            let encoded = encoded.map_err(|error| TransformError::Engine {
                what: format!("encode column {} of {}", schema.name(*column), group.lane.prefix),
                source: Box::new(error),
            })?;
            group.encoded.lock().unwrap_or_else(PoisonError::into_inner)[*column] = encoded;
        }
        if group.left.fetch_sub(self.columns.len(), Ordering::AcqRel) > self.columns.len() {
            return Ok(());
        }
        let columns = std::mem::take(&mut *group.encoded.lock().unwrap_or_else(PoisonError::into_inner));
        let step = Step::Group { rows: group.rows, columns: columns.into_iter().flatten().collect() };
        group.lane.deliver(group.sequence, step, sink)
    }
}
