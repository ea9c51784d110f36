//! One file through its dataset, to be looked at: nothing is written anywhere.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lakehand_dataset::transformer::{
    PartSink, PartWriter, TransformError, TransformInput, TransformedTable, Transformer, Verdict,
};
use lakehand_domain::manifest::Part;
use lakehand_domain::port::row_reader::RowReader;
use lakehand_domain::reject::{Reject, RejectCounts};
use lakehand_domain::shape::{ColumnShape, ColumnType, lineage};
use lakehand_domain::value::{ColumnValues, RowBatch};

use crate::derive::text_of;
use crate::engine::Engine;
use crate::physical::Scalar;
use crate::reader::PartRows;

/// What a file would become.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Whether the file would pass.
    pub verdict: Verdict,
    /// Records read, accepted or not.
    pub records: u64,
    /// The tables, in the order of the dataset.
    pub tables: Vec<PreviewTable>,
    /// The first rejected records, in full.
    pub rejects: Vec<Reject>,
    /// All rejected records by rule and column.
    pub counts: RejectCounts,
}

/// What a file would give to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewTable {
    /// The table's name.
    pub table: String,
    /// The columns of its parts, lineage included.
    pub columns: Vec<ColumnShape>,
    /// All rows.
    pub rows: u64,
    /// Rows by partition, `p_<name>=<value>` joined by `/`; empty where the table has none.
    pub partitions: BTreeMap<String, u64>,
    /// The first rows in the order of their records, each value as its column writes it, exactly; `None` is null.
    pub first: Vec<Vec<Option<String>>>,
}

/// Runs one object through its dataset in memory, and shows at most `limit` rows of each table and `limit` rejects. The
/// compressed parts are held in memory for as long as it runs.
pub fn preview(engine: &Engine, input: &TransformInput, limit: usize) -> Result<Preview, TransformError> {
    let parts = InMemory::default();
    let done = engine.transform(input, &parts, &|| false)?;
    let tables = done.tables.into_iter().map(|table| parts.table(table, limit)).collect::<Result<_, _>>()?;
    let rejects = match &done.quarantine {
        Some(part) => first_rejects(&parts.bytes(&part.name), limit)?,
        None => Vec::new(),
    };
    Ok(Preview { verdict: done.verdict, records: done.records, tables, rejects, counts: done.rejects })
}

#[derive(Debug, Default)]
struct InMemory {
    parts: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

struct InMemoryPart {
    name: String,
    bytes: Vec<u8>,
    parts: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl PartSink for InMemory {
    fn create(&self, name: &str) -> io::Result<Box<dyn PartWriter>> {
        Ok(Box::new(InMemoryPart { name: name.to_owned(), bytes: Vec::new(), parts: Arc::clone(&self.parts) }))
    }
}

impl Write for InMemoryPart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartWriter for InMemoryPart {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name, Bytes::from(self.bytes));
        Ok(())
    }
}

impl InMemory {
    fn bytes(&self, name: &str) -> Bytes {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }

    fn table(&self, table: TransformedTable, limit: usize) -> Result<PreviewTable, TransformError> {
        let record = table.columns.iter().position(|column| column.name == lineage::RECORD);
        let element = table.columns.iter().position(|column| column.name == lineage::ELEMENT);
        let mut partitions = BTreeMap::new();
        let mut first = Vec::new();
        for part in &table.parts {
            if !part.partition.is_empty() {
                *partitions.entry(part.partition.join("/")).or_default() += part.rows;
            }
            let failed = |source| TransformError::Engine { what: format!("read back part {}", part.name), source };
            let manifest = Part {
                uri: lakehand_domain::object::ObjectUri::parse("file:///preview")
                    .map_err(|error| failed(error.into()))?
                    .join(&part.name),
                rows: part.rows,
                bytes: part.bytes,
                checksum: part.checksum.clone(),
                partition: part.partition.clone(),
            };
            let mut rows = PartRows::open(self.bytes(&part.name), &manifest, table.columns.clone())
                .map_err(|error| failed(error.into()))?;
            let mut taken = 0;
            while taken < limit {
                let Some(batch) = rows.next().map_err(|error| failed(error.into()))? else { break };
                for row in 0..batch.rows.min(limit - taken) {
                    let place = |at: Option<usize>| at.map_or(0, |at| number(&batch.columns[at], row));
                    first.push((place(record), place(element), cells(&batch, &table.columns, row)));
                }
                taken += batch.rows;
            }
        }
        first.sort_by_key(|(record, element, _)| (*record, *element));
        let first = first.into_iter().take(limit).map(|(_, _, cells)| cells).collect();
        Ok(PreviewTable { table: table.table, columns: table.columns, rows: table.rows, partitions, first })
    }
}

fn first_rejects(bytes: &[u8], limit: usize) -> Result<Vec<Reject>, TransformError> {
    let failed = |source| TransformError::Io { what: "read back the rejects".to_owned(), source };
    let lines = BufReader::new(zstd::stream::read::Decoder::new(bytes).map_err(failed)?).lines().take(limit);
    lines.map(|line| serde_json::from_str(&line.map_err(failed)?).map_err(|error| failed(error.into()))).collect()
}

fn number(values: &ColumnValues, row: usize) -> i64 {
    match values {
        ColumnValues::Integer(values) => values.get(row).copied().flatten().unwrap_or(0),
        _ => 0,
    }
}

fn cells(batch: &RowBatch, columns: &[ColumnShape], row: usize) -> Vec<Option<String>> {
    batch.columns.iter().zip(columns).map(|(values, column)| cell(values, column.column_type, row)).collect()
}

fn cell(values: &ColumnValues, column_type: ColumnType, row: usize) -> Option<String> {
    let scalar = match values {
        ColumnValues::Boolean(values) => Scalar::Boolean(values[row]?),
        ColumnValues::Integer(values) | ColumnValues::Timestamp(values) => Scalar::Integer(values[row]?),
        ColumnValues::Double(values) => Scalar::Float(values[row]?),
        ColumnValues::Decimal { unscaled, .. } => Scalar::Decimal(unscaled[row]?),
        ColumnValues::Text(values) => Scalar::Text(values[row].as_deref()?),
        ColumnValues::Date(values) => Scalar::Integer(values[row]?.into()),
    };
    text_of(scalar, column_type)
}
