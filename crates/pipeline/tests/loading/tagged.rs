//! A store before another that has tags, which files have not.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;

/// Keeps what was tagged: file, key, value.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) inner: Arc<dyn ObjectStore>,
    pub(crate) tags: Mutex<Vec<(String, String, String)>>,
    /// Whether what is in the store is archived, so that it cannot be copied.
    pub(crate) is_archived: bool,
}

#[async_trait]
impl ObjectStore for Tagged {
    async fn tag(&self, stat: &ObjectStat, key: &str, value: &str) -> Result<(), StoreError> {
        if self.inner.stat(&stat.uri).await?.version != stat.version {
            return Err(StoreError::Changed { uri: stat.uri.clone() });
        }
        let tag = (stat.uri.file_name().to_owned(), key.to_owned(), value.to_owned());
        self.tags.lock().unwrap().push(tag);
        Ok(())
    }

    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        self.inner.stat(uri).await
    }

    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        self.inner.open(stat, range).await
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        self.inner.unchanged(stat).await
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        self.inner.put(uri, bytes, condition).await
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        self.inner.begin_upload(uri).await
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        if self.is_archived {
            return Err(StoreError::Archived { uri: from.uri.clone(), class: None, source: "GLACIER".into() });
        }
        self.inner.copy(from, to).await
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        self.inner.delete(stat).await
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.sweep_unfinished(prefix, before).await
    }
}
