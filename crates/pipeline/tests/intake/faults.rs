//! Queue, ledger and store whose calls fail by plan.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use lakehand_domain::entry::Entry;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{EntryId, LedgerId, MessageId, ReceiptHandle, WorkerId};
use lakehand_domain::message::Message;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PutEntry, StateCount};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

macro_rules! faulty {
    ($name:ident) => {
        #[derive(Debug)]
        pub(crate) struct $name<P: ?Sized> {
            inner: Arc<P>,
            plan: Arc<FaultPlan>,
        }

        impl<P: ?Sized> $name<P> {
            pub(crate) fn new(inner: Arc<P>, plan: Arc<FaultPlan>) -> Self {
                Self { inner, plan }
            }
        }
    };
}

faulty!(FaultyQueue);
faulty!(FaultyLedger);
faulty!(FaultyObjectStore);

macro_rules! fated {
    ($plan:expr, $port:literal, $operation:literal, $call:expr, $error:expr) => {
        match $plan.next(concat!($port, ".", $operation)) {
            Fate::Works => $call.await,
            Fate::FailsBefore => Err($error($operation, Effect::NotApplied)),
            Fate::FailsAfter => {
                drop($call.await);
                Err($error($operation, Effect::Unknown))
            }
        }
    };
}

fn queue_error(operation: &'static str, effect: Effect) -> QueueError {
    QueueError::Unavailable { operation, effect, source: "planned fault".into() }
}

#[async_trait]
impl<P: Queue + ?Sized> Queue for FaultyQueue<P> {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        fated!(self.plan, "queue", "receive", self.inner.receive(max, visibility, wait), queue_error)
    }
    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        fated!(self.plan, "queue", "extend", self.inner.extend(receipts, visibility), queue_error)
    }
    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        fated!(self.plan, "queue", "delete", self.inner.delete(receipts), queue_error)
    }
    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        fated!(self.plan, "queue", "send", self.inner.send(body, delay), queue_error)
    }
    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        fated!(self.plan, "queue", "depth", self.inner.depth(), queue_error)
    }
}

fn ledger_error(operation: &'static str, effect: Effect) -> LedgerError {
    LedgerError::Unavailable { operation, effect, source: "planned fault".into() }
}

#[async_trait]
impl<P: Ledger + ?Sized> Ledger for FaultyLedger<P> {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        fated!(self.plan, "ledger", "identity", self.inner.identity(), ledger_error)
    }
    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        fated!(self.plan, "ledger", "get", self.inner.get(id), ledger_error)
    }
    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        fated!(self.plan, "ledger", "put", self.inner.put(entry), ledger_error)
    }
    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        fated!(self.plan, "ledger", "list", self.inner.list(query), ledger_error)
    }
    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        fated!(self.plan, "ledger", "counts", self.inner.counts(), ledger_error)
    }
    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        fated!(self.plan, "ledger", "hold", self.inner.hold(name, owner, now, until), ledger_error)
    }
    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        fated!(self.plan, "ledger", "let_go", self.inner.let_go(name, owner), ledger_error)
    }
    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        fated!(self.plan, "ledger", "number", self.inner.number(name), ledger_error)
    }
    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        fated!(self.plan, "ledger", "raise", self.inner.raise(name, value), ledger_error)
    }
    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        fated!(self.plan, "ledger", "reset", self.inner.reset(name, value), ledger_error)
    }
}

fn store_error(uri: &ObjectUri) -> impl Fn(&'static str, Effect) -> StoreError {
    let uri = uri.clone();
    move |operation, effect| StoreError::Unavailable {
        operation,
        uri: uri.clone(),
        effect,
        source: "planned fault".into(),
    }
}

#[async_trait]
impl<P: ObjectStore + ?Sized> ObjectStore for FaultyObjectStore<P> {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        fated!(self.plan, "store", "stat", self.inner.stat(uri), store_error(uri))
    }
    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        fated!(self.plan, "store", "open", self.inner.open(stat, range), store_error(&stat.uri))
    }
    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        fated!(self.plan, "store", "unchanged", self.inner.unchanged(stat), store_error(&stat.uri))
    }
    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        fated!(self.plan, "store", "put", self.inner.put(uri, bytes, condition), store_error(uri))
    }
    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        let inner = fated!(self.plan, "store", "begin_upload", self.inner.begin_upload(uri), store_error(uri))?;
        Ok(Box::new(FaultyUpload { uri: uri.clone(), inner, plan: Arc::clone(&self.plan) }))
    }
    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        fated!(self.plan, "store", "list", self.inner.list(prefix, after, limit), store_error(prefix))
    }
    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        fated!(self.plan, "store", "copy", self.inner.copy(from, to), store_error(to))
    }
    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        fated!(self.plan, "store", "delete", self.inner.delete(stat), store_error(&stat.uri))
    }
}

#[derive(Debug)]
struct FaultyUpload {
    uri: ObjectUri,
    inner: Box<dyn Upload>,
    plan: Arc<FaultPlan>,
}

#[async_trait]
impl Upload for FaultyUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        fated!(self.plan, "upload", "write", self.inner.write(bytes), store_error(&self.uri))
    }
    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let Self { uri, inner, plan } = *self;
        fated!(plan, "upload", "complete", inner.complete(), store_error(&uri))
    }
    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        let Self { uri, inner, plan } = *self;
        fated!(plan, "upload", "abort", inner.abort(), store_error(&uri))
    }
}
