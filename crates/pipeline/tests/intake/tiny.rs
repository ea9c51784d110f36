//! A transformer that is small enough to be seen through, and a warehouse that nobody may touch.

use std::fmt;
use std::io::{Read, Seek, Write};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::transformer::{
    Content, PartSink, TransformError, TransformInput, Transformed, TransformedPart, TransformedTable, Transformer,
    Verdict,
};
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, MigrationPlan, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::reject::{RejectCounts, Rule};
use lakehand_domain::shape::{ColumnShape, FamilyShape};
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

type During = Box<dyn FnMut() + Send>;

/// One row for each line. Lines that begin with `bad` are rejected, more than half of them too many; a line `UNREADABLE`,
/// `ENGINE` or `PANIC` is what it says.
#[derive(Default)]
pub(crate) struct Tiny {
    /// Called once a part has been begun, before it is finished.
    during: Mutex<Option<During>>,
}

impl fmt::Debug for Tiny {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tiny")
    }
}

impl Tiny {
    pub(crate) fn during(&self, call: impl FnMut() + Send + 'static) {
        *self.during.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(call));
    }
}

impl Transformer for Tiny {
    fn transform(
        &self,
        input: &TransformInput,
        sink: &dyn PartSink,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Transformed, TransformError> {
        let io = |what: &str| {
            let what = what.to_owned();
            move |source| TransformError::Io { what, source }
        };
        let text = text_of(&input.content).map_err(io("read"))?;
        let mut rejects = RejectCounts::default();
        let (bad, good): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("bad"));
        for _ in &bad {
            rejects.add(Rule::Syntax, None);
        }
        let mut parts = Vec::new();
        for (index, lines) in good.chunks(2).enumerate() {
            let name = format!("t/{}-{index}.parquet", input.load_id);
            let mut writer = sink.create(&name).map_err(io("begin"))?;
            let body = lines.join("\n");
            writer.write_all(body.as_bytes()).map_err(io("write"))?;
            if let Some(during) = self.during.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                during();
            }
            if cancelled() {
                return Err(TransformError::Cancelled);
            }
            writer.finish().map_err(io("finish"))?;
            parts.push(part(name, lines.len(), &body));
        }
        if text.contains("UNREADABLE") {
            return Err(TransformError::Unreadable { message: "line 1: not what it should be".to_owned() });
        }
        if text.contains("ENGINE") {
            return Err(TransformError::Engine { what: "the engine".to_owned(), source: "gave up".into() });
        }
        assert!(!text.contains("PANIC"), "the engine is broken");
        let quarantine = if bad.is_empty() {
            None
        } else {
            let name = format!("_quarantine/{}.jsonl", input.load_id);
            let body = bad.join("\n");
            let mut writer = sink.create(&name).map_err(io("begin"))?;
            writer.write_all(body.as_bytes()).map_err(io("write"))?;
            writer.finish().map_err(io("finish"))?;
            Some(part(name, bad.len(), &body))
        };
        let verdict = if bad.len() > good.len() {
            Verdict::TooManyRejects { message: format!("{} of {} are bad", bad.len(), bad.len() + good.len()) }
        } else {
            Verdict::Accepted
        };
        let rows = good.len() as u64;
        let tables = vec![TransformedTable { table: "t".to_owned(), columns: Vec::new(), rows, parts }];
        Ok(Transformed { verdict, records: rows + bad.len() as u64, rejects, tables, quarantine })
    }

    fn empty_part(&self, _: &[ColumnShape]) -> Result<(Vec<u8>, String), TransformError> {
        Ok((Vec::new(), String::new()))
    }

    fn check(&self, _dataset: &Dataset) -> Vec<(String, String)> {
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

fn part(name: String, rows: usize, body: &str) -> TransformedPart {
    let checksum = blake3::hash(body.as_bytes()).to_hex()[..32].to_owned();
    TransformedPart { name, rows: rows as u64, bytes: body.len() as u64, checksum, partition: Vec::new() }
}

/// Intake goes on whatever state the warehouse is in, because it never asks it for anything.
#[derive(Debug)]
pub(crate) struct Untouched;

#[async_trait]
impl Warehouse for Untouched {
    async fn ensure(&self, _: &FamilyId) -> Result<(), WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn take_fence(&self, _: &FamilyId, _: &Nonce, _: &LedgerId) -> Result<TakeOutcome, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn markers(&self, _: &FamilyId, _: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn migrate(&self, _: &Fence, _: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn plan(&self, _: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn stage(&self, _: &FamilyShape, _: &Nonce, _: &[Arc<Manifest>]) -> Result<Staging, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn commit(&self, _: &FamilyShape, _: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn drop_staging(&self, _: &Nonce) -> Result<(), WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn stagings(&self, _: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn standing(&self, _: &FamilyShape, _: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    async fn ping(&self) -> Result<(), WarehouseError> {
        unreachable!("intake asks the warehouse for nothing")
    }
    fn ddl(&self, _: &FamilyShape) -> Vec<String> {
        Vec::new()
    }
}
