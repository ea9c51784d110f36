//! Deadlines for landing and lake.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;

use crate::deadline::{Deadlines, within};

#[derive(Debug)]
pub(super) struct PatientStore {
    pub(super) inner: Arc<dyn ObjectStore>,
    pub(super) deadlines: Deadlines,
}

fn late(operation: &'static str, uri: &ObjectUri) -> impl FnOnce(Cause) -> StoreError {
    let uri = uri.clone();
    move |source| StoreError::Unavailable { operation, uri, effect: Effect::Unknown, source }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ObjectStore for PatientStore {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        within(self.deadlines.store, self.inner.stat(uri), late("stat", uri)).await
    }

    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        let limit = self.deadlines.store;
        let body = within(limit, self.inner.open(stat, range), late("open", &stat.uri)).await?;
        let ObjectBody::Stream(chunks) = body else { return Ok(body) };
        let uri = stat.uri.clone();
        // A stream that stalls fails once, and is over.
        let chunks = stream::unfold(Some((chunks, uri)), move |open| async move {
            let (mut chunks, uri) = open?;
            let next = async { Ok(chunks.next().await) };
            match within(limit, next, late("read", &uri)).await {
                Ok(chunk) => chunk.map(|chunk| (chunk, Some((chunks, uri)))),
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(ObjectBody::Stream(chunks.boxed()))
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        within(self.deadlines.store, self.inner.unchanged(stat), late("stat", &stat.uri)).await
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        within(self.deadlines.transfer, self.inner.put(uri, bytes, condition), late("put", uri)).await
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        let begun = within(self.deadlines.store, self.inner.begin_upload(uri), late("begin upload of", uri)).await?;
        Ok(Box::new(PatientUpload { inner: begun, uri: uri.clone(), limit: self.deadlines.transfer }))
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        within(self.deadlines.store, self.inner.list(prefix, after, limit), late("list", prefix)).await
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        within(self.deadlines.transfer, self.inner.copy(from, to), late("copy", &from.uri)).await
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError> {
        within(self.deadlines.transfer, self.inner.sweep_unfinished(prefix, before), late("sweep", prefix)).await
    }

    async fn tag(&self, stat: &ObjectStat, key: &str, value: &str) -> Result<(), StoreError> {
        within(self.deadlines.store, self.inner.tag(stat, key, value), late("tag", &stat.uri)).await
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        within(self.deadlines.store, self.inner.delete(stat), late("delete", &stat.uri)).await
    }
}

#[derive(Debug)]
struct PatientUpload {
    inner: Box<dyn Upload>,
    uri: ObjectUri,
    limit: Duration,
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Upload for PatientUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        within(self.limit, self.inner.write(bytes), late("write", &self.uri)).await
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        within(self.limit, self.inner.seal(), late("seal", &self.uri)).await
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let Self { inner, uri, limit } = *self;
        within(limit, inner.complete(), late("complete", &uri)).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        let Self { inner, uri, limit } = *self;
        within(limit, inner.abort(), late("abort", &uri)).await
    }
}
