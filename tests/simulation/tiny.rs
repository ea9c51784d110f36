//! A transform that is small enough to be seen through, and a reader of its parts.

use std::fmt;
use std::io::Write;

use async_trait::async_trait;
use lakehand_dataset::dataset::{Dataset, Table};
use lakehand_dataset::transformer::{
    Content, PartSink, TransformError, TransformInput, Transformed, TransformedPart, TransformedTable, Transformer,
    Verdict,
};
use lakehand_domain::fault::Cause;
use lakehand_domain::id::digest;
use lakehand_domain::manifest::Part;
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::port::row_reader::{PartError, PartReader, RowReader};
use lakehand_domain::reject::{RejectCounts, Rule};
use lakehand_domain::shape::{ColumnShape, ColumnType, lineage};
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_testkit::memory::object_store::MemoryStore;

use crate::wire::Network;

/// Rows in a part.
const PART: usize = 2;

/// Reads lines as [`crate::plan::Body`] writes them.
#[derive(Debug)]
pub(crate) struct Tiny;

/// A record that is accepted.
struct Record {
    number: usize,
    key: Option<i64>,
    version: Option<i64>,
    passes: bool,
}

impl Transformer for Tiny {
    fn transform(
        &self,
        input: &TransformInput,
        sink: &dyn PartSink,
        _: &(dyn Fn() -> bool + Sync),
    ) -> Result<Transformed, TransformError> {
        let Content::Bytes(bytes) = &input.content else { unreachable!("small objects stay in memory") };
        let text = String::from_utf8_lossy(bytes);
        if text.starts_with("UNREADABLE") {
            return Err(TransformError::Unreadable { message: "it is not what it should be".to_owned() });
        }
        let mut rejects = RejectCounts::default();
        let mut records = Vec::new();
        for (at, line) in text.lines().enumerate() {
            match record(at + 1, line) {
                Some(record) => records.push(record),
                None => rejects.add(Rule::Type, Some("t.k")),
            }
        }
        let read = text.lines().count() as u64;
        let tables = input.dataset.tables.iter().map(|table| write_table(input, table, &records, sink));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let quarantine = if rejects.total() == 0 {
            None
        } else {
            let name = format!("_quarantine/{}.jsonl.zst", input.load_id);
            Some(write_part(sink, name, &rejects.total().to_string(), rejects.total())?)
        };
        let verdict = if input.dataset.quality.max_rejects.exceeded(read, rejects.total()).is_some() {
            Verdict::TooManyRejects { message: format!("{} of {read} are rejected", rejects.total()) }
        } else {
            Verdict::Accepted
        };
        Ok(Transformed { verdict, records: read, rejects, tables, quarantine })
    }

    fn is_instant(&self) -> bool {
        true
    }

    fn empty_part(&self, _: &[ColumnShape]) -> Result<(Vec<u8>, String), TransformError> {
        Ok((Vec::new(), digest(&[b""])))
    }

    fn check(&self, _: &Dataset) -> Vec<(String, String)> {
        Vec::new()
    }
}

fn record(number: usize, line: &str) -> Option<Record> {
    if line == "poison" {
        return Some(Record { number, key: None, version: None, passes: true });
    }
    let mut fields = line.split(',');
    let key = fields.next()?.parse().ok()?;
    Some(Record { number, key: Some(key), version: fields.next()?.parse().ok(), passes: fields.next()? == "1" })
}

fn write_table(
    input: &TransformInput,
    table: &Table,
    records: &[Record],
    sink: &dyn PartSink,
) -> Result<TransformedTable, TransformError> {
    let columns = table.shape.part_columns();
    let is_second = table.shape.name == "u";
    let of_table = |record: &&Record| !is_second || record.key.is_none_or(|key| key % 2 == 0);
    let records: Vec<&Record> = records.iter().filter(of_table).collect();
    let mut parts = Vec::new();
    for (number, some) in records.chunks(PART).enumerate() {
        let cell = |record: &Record, column: &ColumnShape| match column.name.as_str() {
            "k" => record.key.map(|key| key.to_string()),
            "v" => record.version.map(|version| version.to_string()),
            "p" | lineage::PASSES => Some(record.passes.to_string()),
            lineage::LOAD_ID => Some(input.load_id.to_string()),
            lineage::OBJECT => Some(input.object.to_string()),
            lineage::RECORD => Some(record.number.to_string()),
            lineage::ORDER => Some(input.order.as_str().to_owned()),
            extra => {
                extra.strip_prefix('x').and_then(|n| Some(record.key? + n.parse::<i64>().ok()?)).map(|n| n.to_string())
            }
        };
        let line = |record: &&Record| {
            let cells = columns.iter().map(|column| cell(record, column).unwrap_or_default());
            cells.collect::<Vec<_>>().join("\t")
        };
        let body = some.iter().map(line).collect::<Vec<_>>().join("\n");
        let name = format!("{}/{}-{number:05}.parquet", table.shape.name, input.load_id);
        parts.push(write_part(sink, name, &body, some.len() as u64)?);
    }
    Ok(TransformedTable { table: table.shape.name.clone(), columns, rows: records.len() as u64, parts })
}

fn write_part(sink: &dyn PartSink, name: String, body: &str, rows: u64) -> Result<TransformedPart, TransformError> {
    let io = |source| TransformError::Io { what: "write a part".to_owned(), source };
    let mut writer = sink.create(&name).map_err(io)?;
    writer.write_all(body.as_bytes()).map_err(io)?;
    writer.finish().map_err(io)?;
    let checksum = digest(&[body.as_bytes()]);
    Ok(TransformedPart { name, rows, bytes: body.len() as u64, checksum, partition: Vec::new() })
}

/// Reads the parts of [`Tiny`] from the lake, as the warehouse does.
#[derive(Debug)]
pub(crate) struct TinyParts {
    pub(crate) lake: MemoryStore,
    pub(crate) network: std::sync::Arc<Network>,
}

#[async_trait]
impl PartReader for TinyParts {
    async fn open(&self, part: &Part, columns: &[ColumnShape]) -> Result<Box<dyn RowReader>, PartError> {
        let uri = part.uri.clone();
        let faults = self.network.faults();
        if self.network.timeline.draw(|random| random.once_in(faults.before)) {
            let source: Cause = "as the simulation has it".into();
            return Err(PartError::Io { uri, source });
        }
        let read = self.lake.stat_now(&uri).and_then(|stat| self.lake.read_now(&stat));
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Err(PartError::Gone { uri }),
            Err(error) => return Err(PartError::Io { uri, source: error.into() }),
        };
        if digest(&[&bytes]) != part.checksum {
            return Err(PartError::Mismatch { uri, message: "it has another checksum".to_owned() });
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        let batch = RowBatch {
            columns: columns.iter().enumerate().map(|(at, column)| values(&lines, at, column.column_type)).collect(),
            rows: lines.len(),
        };
        Ok(Box::new(Once(Some(batch))))
    }
}

fn values(lines: &[Vec<&str>], at: usize, column_type: ColumnType) -> ColumnValues {
    let cells = lines.iter().map(|line| line.get(at).copied().filter(|cell| !cell.is_empty()));
    match column_type {
        ColumnType::Boolean => ColumnValues::Boolean(cells.map(|cell| cell.map(|cell| cell == "true")).collect()),
        ColumnType::Varchar { .. } => ColumnValues::Text(cells.map(|cell| cell.map(str::to_owned)).collect()),
        _ => ColumnValues::Integer(cells.map(|cell| cell.and_then(|cell| cell.parse().ok())).collect()),
    }
}

struct Once(Option<RowBatch>);

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

impl RowReader for Once {
    fn next(&mut self) -> Result<Option<RowBatch>, PartError> {
        Ok(self.0.take())
    }
}
