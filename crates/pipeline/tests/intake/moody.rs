//! A store in a mood: full, forbidding, or sending streams where it has files.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;

#[derive(Debug, Default)]
pub(crate) struct Mood {
    /// The operation for which there is no room.
    pub(crate) full: Option<&'static str>,
    /// The operation that is not permitted.
    pub(crate) denied: Option<&'static str>,
    /// What is in the store is archived: it is there, and cannot be read.
    pub(crate) archived: bool,
    /// Bodies are streams of small chunks.
    pub(crate) streams: bool,
    /// A stream has this many bytes more than the object.
    pub(crate) off_by: i32,
}

#[derive(Debug)]
pub(crate) struct Moody {
    pub(crate) inner: Arc<dyn ObjectStore>,
    pub(crate) mood: Arc<Mutex<Mood>>,
}

fn refuse(mood: &Mutex<Mood>, operation: &'static str, uri: &ObjectUri) -> Result<(), StoreError> {
    let mood = mood.lock().unwrap();
    let uri = uri.clone();
    if mood.full == Some(operation) {
        return Err(StoreError::Full { operation, uri, source: "ENOSPC".into() });
    }
    if mood.denied == Some(operation) {
        return Err(StoreError::Denied { operation, uri, source: "EACCES".into() });
    }
    Ok(())
}

#[async_trait]
impl ObjectStore for Moody {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        refuse(&self.mood, "stat", uri)?;
        self.inner.stat(uri).await
    }

    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        refuse(&self.mood, "open", &stat.uri)?;
        if self.mood.lock().unwrap().archived {
            let class = Some("GLACIER".to_owned());
            return Err(StoreError::Archived { uri: stat.uri.clone(), class, source: "InvalidObjectState".into() });
        }
        let body = self.inner.open(stat, range).await?;
        let (streams, off_by) = {
            let mood = self.mood.lock().unwrap();
            (mood.streams, mood.off_by)
        };
        let mut bytes = Vec::new();
        match body {
            ObjectBody::File { mut file, .. } if streams => file.read_to_end(&mut bytes).unwrap(),
            body => return Ok(body),
        };
        let length = usize::try_from(i32::try_from(bytes.len()).unwrap() + off_by).unwrap();
        bytes.resize(length, b'x');
        let chunks: Vec<_> = bytes.chunks(50_000).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        Ok(ObjectBody::Stream(futures::stream::iter(chunks).boxed()))
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        self.inner.unchanged(stat).await
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        refuse(&self.mood, "put", uri)?;
        self.inner.put(uri, bytes, condition).await
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        refuse(&self.mood, "begin_upload", uri)?;
        let inner = self.inner.begin_upload(uri).await?;
        Ok(Box::new(MoodyUpload { uri: uri.clone(), inner, mood: Arc::clone(&self.mood) }))
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        self.inner.copy(from, to).await
    }

    async fn tag(&self, stat: &ObjectStat, key: &str, value: &str) -> Result<(), StoreError> {
        self.inner.tag(stat, key, value).await
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        self.inner.delete(stat).await
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError> {
        self.inner.sweep_unfinished(prefix, before).await
    }
}

#[derive(Debug)]
struct MoodyUpload {
    uri: ObjectUri,
    inner: Box<dyn Upload>,
    mood: Arc<Mutex<Mood>>,
}

#[async_trait]
impl Upload for MoodyUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        refuse(&self.mood, "write", &self.uri)?;
        self.inner.write(bytes).await
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        self.inner.seal().await
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        refuse(&self.mood, "complete", &self.uri)?;
        self.inner.complete().await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        self.inner.abort().await
    }
}
