//! A transformer and a reader of its parts that are small enough to be seen through.

use std::fmt;
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::transformer::{
    Content, PartSink, TransformError, TransformInput, Transformed, TransformedPart, TransformedTable, Transformer,
    Verdict,
};
use lakehand_domain::manifest::Part;
use lakehand_domain::port::row_reader::{PartError, PartReader, RowReader};
use lakehand_domain::reject::{RejectCounts, Rule};
use lakehand_domain::shape::ColumnShape;
use lakehand_domain::value::{ColumnValues, RowBatch};

/// One row for each line that is a number; the others are rejected, and more than half of them are too many. A line
/// `UNREADABLE` is what it says, `SLOW` takes its
/// time and `STUCK` takes until it is cancelled.
#[derive(Debug, Default)]
pub(crate) struct Tiny {
    pub(crate) is_stuck: AtomicBool,
    /// `UNREADABLE` is a line that is rejected, and the rest of the file is as good as any: somebody mended the engine.
    pub(crate) is_mended: AtomicBool,
}

impl Transformer for Tiny {
    fn transform(
        &self,
        input: &TransformInput,
        sink: &dyn PartSink,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Transformed, TransformError> {
        let io = |source| TransformError::Io { what: "tiny".to_owned(), source };
        let text = text_of(&input.content).map_err(io)?;
        if text.contains("UNREADABLE") && !self.is_mended.load(Ordering::SeqCst) {
            return Err(TransformError::Unreadable { message: "line 1: not what it should be".to_owned() });
        }
        while text.contains("STUCK") {
            self.is_stuck.store(true, Ordering::SeqCst);
            if cancelled() {
                return Err(TransformError::Cancelled);
            }
            std::thread::yield_now();
        }
        if text.contains("SLOW") {
            std::thread::park_timeout(Duration::from_millis(1_500));
        }
        let mut rejects = RejectCounts::default();
        let mut rows = Vec::new();
        for (at, line) in text.lines().enumerate() {
            match line.parse::<i64>() {
                Ok(value) => {
                    rows.push(format!(
                        "{value}|{}|{}|{}|{}",
                        input.load_id,
                        input.object,
                        at + 1,
                        input.order.as_str()
                    ));
                }
                Err(_) => rejects.add(Rule::Type, Some("t.a")),
            }
        }
        let records = rows.len() as u64 + rejects.total();
        let mut parts = Vec::new();
        for (number, rows) in rows.chunks(3).enumerate() {
            let name = format!("t/{}-{number:05}.parquet", input.load_id);
            let body = rows.join("\n");
            let mut writer = sink.create(&name).map_err(io)?;
            writer.write_all(body.as_bytes()).map_err(io)?;
            writer.finish().map_err(io)?;
            let checksum = blake3::hash(body.as_bytes()).to_hex()[..32].to_owned();
            let (rows, bytes) = (rows.len() as u64, body.len() as u64);
            parts.push(TransformedPart { name, rows, bytes, checksum, partition: Vec::new() });
        }
        let verdict = if rejects.total() * 2 > records {
            Verdict::TooManyRejects { message: format!("{} of {records} are rejected", rejects.total()) }
        } else {
            Verdict::Accepted
        };
        let columns = input.dataset.tables[0].shape.part_columns();
        let table = TransformedTable { table: "t".to_owned(), columns, rows: rows.len() as u64, parts };
        Ok(Transformed { verdict, records, rejects, tables: vec![table], quarantine: None })
    }

    fn empty_part(&self, _: &[ColumnShape]) -> Result<(Vec<u8>, String), TransformError> {
        Ok((Vec::new(), blake3::hash(b"").to_hex()[..32].to_owned()))
    }

    fn check(&self, _: &Dataset) -> Vec<(String, String)> {
        Vec::new()
    }
}

fn text_of(content: &Content) -> std::io::Result<String> {
    match content {
        Content::Bytes(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Content::File { file, .. } => {
            let mut text = String::new();
            let mut file = file.try_clone()?;
            file.rewind()?;
            file.read_to_string(&mut text)?;
            Ok(text)
        }
        Content::Arriving(arriving) => {
            let mut bytes = vec![0; usize::try_from(arriving.size()).unwrap()];
            let mut filled = 0;
            while filled < bytes.len() {
                filled += arriving.read_at(filled as u64, &mut bytes[filled..])?;
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

/// Reads the parts of [`Tiny`] from the folder of the lake.
#[derive(Debug)]
pub(crate) struct TinyParts;

#[async_trait]
impl PartReader for TinyParts {
    async fn open(&self, part: &Part, columns: &[ColumnShape]) -> Result<Box<dyn RowReader>, PartError> {
        let text = std::fs::read_to_string(format!("/{}", part.uri.key()))
            .map_err(|_| PartError::Gone { uri: part.uri.clone() })?;
        if blake3::hash(text.as_bytes()).to_hex()[..32] != part.checksum {
            return Err(PartError::Mismatch { uri: part.uri.clone(), message: "it has another checksum".to_owned() });
        }
        assert_eq!(columns.len(), 5);
        let cells: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').collect()).collect();
        let cells = &cells;
        let number = |at: usize| ColumnValues::Integer(cells.iter().map(|row| row[at].parse().ok()).collect());
        // An order holds the separator itself.
        let order = |row: &Vec<&str>| Some(row[4..].join("|"));
        let text = |at: usize| ColumnValues::Text(cells.iter().map(|row| Some(row[at].to_owned())).collect());
        let orders = ColumnValues::Text(cells.iter().map(order).collect());
        let batch = RowBatch { columns: vec![number(0), text(1), text(2), number(3), orders], rows: cells.len() };
        Ok(Box::new(Once(Some(batch))))
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
