//! Ports for tests that answer what they are told to, and refuse what nobody here asks.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lakehand_domain::entry::Entry;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce, WorkerId};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PageToken, PutEntry, StateCount};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, MigrationPlan, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

/// A ledger of these entries, in pages of `page`.
#[derive(Debug)]
pub(crate) struct FakeLedger {
    pub(crate) entries: Vec<Entry>,
    pub(crate) page: usize,
    /// Numbers that it keeps, by name.
    pub(crate) numbers: Vec<(String, i64)>,
}

fn ledger_refuses() -> LedgerError {
    LedgerError::Unavailable {
        operation: "unasked",
        effect: Effect::NotApplied,
        source: "nobody asks this here".into(),
    }
}

#[async_trait]
impl Ledger for FakeLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        Err(ledger_refuses())
    }
    async fn get(&self, _: &EntryId) -> Result<Option<Entry>, LedgerError> {
        Err(ledger_refuses())
    }
    async fn put(&self, _: &Entry) -> Result<PutEntry, LedgerError> {
        Err(ledger_refuses())
    }
    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        let mut matching: Vec<Entry> = self
            .entries
            .iter()
            .filter(|entry| query.object.as_ref().is_none_or(|object| *object == entry.object.uri))
            .filter(|entry| query.dataset.as_ref().is_none_or(|dataset| *dataset == entry.dataset))
            .filter(|entry| query.state.is_none_or(|state| state == entry.state_name()))
            .filter(|entry| query.since.is_none_or(|since| entry.updated >= since))
            .cloned()
            .collect();
        matching.sort_by_key(|entry| entry.updated);
        if query.newest_first {
            matching.reverse();
        }
        let from: usize = query.after.as_ref().map_or(0, |after| after.0.parse().expect("a token of ours"));
        let until = (from + self.page.min(query.limit)).min(matching.len());
        let next = (until < matching.len()).then(|| PageToken(until.to_string()));
        Ok(EntryPage { entries: matching[from..until].to_vec(), next })
    }
    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        let mut counts: Vec<StateCount> = Vec::new();
        for entry in &self.entries {
            let (dataset, state) = (entry.dataset.clone(), entry.state_name());
            match counts.iter_mut().find(|count| count.dataset == dataset && count.state == state) {
                Some(count) => count.entries += 1,
                None => counts.push(StateCount { dataset, state, entries: 1, oldest: entry.updated }),
            }
        }
        Ok(counts)
    }
    async fn hold(&self, _: &str, _: &WorkerId, _: Timestamp, _: Timestamp) -> Result<bool, LedgerError> {
        Err(ledger_refuses())
    }
    async fn let_go(&self, _: &str, _: &WorkerId) -> Result<(), LedgerError> {
        Err(ledger_refuses())
    }
    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        Ok(self.numbers.iter().find(|(known, _)| known == name).map(|(_, number)| *number))
    }
    async fn raise(&self, _: &str, _: i64) -> Result<(), LedgerError> {
        Err(ledger_refuses())
    }
    async fn reset(&self, _: &str, _: i64) -> Result<(), LedgerError> {
        Err(ledger_refuses())
    }
}

/// A store with these objects in it, which cannot be opened.
#[derive(Debug, Default)]
pub(crate) struct FakeStore {
    pub(crate) objects: Vec<ObjectStat>,
}

fn store_refuses(uri: &ObjectUri) -> StoreError {
    StoreError::Foreign { uri: uri.clone(), store: "fake" }
}

#[async_trait]
impl ObjectStore for FakeStore {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        let found = self.objects.iter().find(|stat| stat.uri == *uri);
        found.cloned().ok_or_else(|| StoreError::NotFound { uri: uri.clone() })
    }
    async fn open(&self, stat: &ObjectStat, _: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        Err(store_refuses(&stat.uri))
    }
    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        Err(store_refuses(&stat.uri))
    }
    async fn put(&self, uri: &ObjectUri, _: Bytes, _: PutCondition) -> Result<PutOutcome, StoreError> {
        Err(store_refuses(uri))
    }
    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        Err(store_refuses(uri))
    }
    async fn list(&self, prefix: &ObjectUri, _: Option<&str>, _: usize) -> Result<ListPage, StoreError> {
        Err(store_refuses(prefix))
    }
    async fn copy(&self, from: &ObjectStat, _: &ObjectUri) -> Result<(), StoreError> {
        Err(store_refuses(&from.uri))
    }
    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        Err(store_refuses(&stat.uri))
    }
    async fn tag(&self, stat: &ObjectStat, _: &str, _: &str) -> Result<(), StoreError> {
        Err(store_refuses(&stat.uri))
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, _: Timestamp) -> Result<u64, StoreError> {
        Err(store_refuses(prefix))
    }
}

/// A warehouse in which the rows of these loads stand as said; asked for another, it does not answer.
#[derive(Debug, Default)]
pub(crate) struct FakeWarehouse {
    pub(crate) standings: Vec<(LoadId, Vec<TableStanding>)>,
}

fn warehouse_refuses() -> WarehouseError {
    WarehouseError::Unavailable {
        operation: "standing",
        effect: Effect::NotApplied,
        source: "the database is locked".into(),
    }
}

#[async_trait]
impl Warehouse for FakeWarehouse {
    async fn ensure(&self, _: &FamilyId) -> Result<(), WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn take_fence(&self, _: &FamilyId, _: &Nonce, _: &LedgerId) -> Result<TakeOutcome, WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn markers(&self, _: &FamilyId, _: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn migrate(&self, _: &Fence, _: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn plan(&self, _: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn stage(&self, _: &FamilyShape, _: &Nonce, _: &[Arc<Manifest>]) -> Result<Staging, WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn commit(&self, _: &FamilyShape, _: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn drop_staging(&self, _: &Nonce) -> Result<(), WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn stagings(&self, _: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        Err(warehouse_refuses())
    }
    async fn standing(&self, _: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        let found = self.standings.iter().find(|(known, _)| known == load);
        found.map(|(_, standing)| standing.clone()).ok_or_else(warehouse_refuses)
    }
    async fn ping(&self) -> Result<(), WarehouseError> {
        Err(warehouse_refuses())
    }
    fn ddl(&self, _: &FamilyShape) -> Vec<String> {
        Vec::new()
    }
}
