//! The store port, failing as planned.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lakehand_domain::fault::Effect;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;

use crate::faulty::injected::Injected;
use crate::faulty::plan::{Fate, FaultPlan};

/// A store whose calls, and those of its uploads, meet the fates of a plan.
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    plan: Arc<FaultPlan>,
}

impl FaultyStore {
    /// Calls `inner`, as `plan` decides.
    pub fn new(inner: Arc<dyn ObjectStore>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }
}

/// An upload whose calls meet the fates of the store's plan.
#[derive(Debug)]
struct FaultyUpload {
    inner: Box<dyn Upload>,
    plan: Arc<FaultPlan>,
    uri: ObjectUri,
}

async fn meet<T>(
    plan: &FaultPlan,
    name: &'static str,
    operation: &'static str,
    uri: &ObjectUri,
    call: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let unavailable = |effect| StoreError::Unavailable {
        operation,
        uri: uri.clone(),
        effect,
        source: Box::new(Injected { call: name }),
    };
    match plan.next(name) {
        Fate::Works => call.await,
        Fate::FailsBefore => Err(unavailable(Effect::NotApplied)),
        Fate::FailsAfter => {
            call.await?;
            Err(unavailable(Effect::Unknown))
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for FaultyStore {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        meet(&self.plan, "store.stat", "stat", uri, self.inner.stat(uri)).await
    }

    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        meet(&self.plan, "store.open", "open", &stat.uri, self.inner.open(stat, range)).await
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        meet(&self.plan, "store.unchanged", "unchanged", &stat.uri, self.inner.unchanged(stat)).await
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        meet(&self.plan, "store.put", "put", uri, self.inner.put(uri, bytes, condition)).await
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        let inner = meet(&self.plan, "store.begin_upload", "begin_upload", uri, self.inner.begin_upload(uri)).await?;
        Ok(Box::new(FaultyUpload { inner, plan: Arc::clone(&self.plan), uri: uri.clone() }))
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        meet(&self.plan, "store.list", "list", prefix, self.inner.list(prefix, after, limit)).await
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        meet(&self.plan, "store.copy", "copy", to, self.inner.copy(from, to)).await
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError> {
        meet(&self.plan, "store.sweep_unfinished", "sweep", prefix, self.inner.sweep_unfinished(prefix, before)).await
    }

    async fn tag(&self, stat: &ObjectStat, key: &str, value: &str) -> Result<(), StoreError> {
        meet(&self.plan, "store.tag", "tag", &stat.uri, self.inner.tag(stat, key, value)).await
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        meet(&self.plan, "store.delete", "delete", &stat.uri, self.inner.delete(stat)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Upload for FaultyUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        meet(&self.plan, "store.write", "write", &self.uri, self.inner.write(bytes)).await
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        meet(&self.plan, "store.seal", "seal", &self.uri, self.inner.seal()).await
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let Self { inner, plan, uri } = *self;
        meet(&plan, "store.complete", "complete", &uri, inner.complete()).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        let Self { inner, plan, uri } = *self;
        meet(&plan, "store.abort", "abort", &uri, inner.abort()).await
    }
}
