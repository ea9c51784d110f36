//! A store of objects as S3 is one: an object appears whole, the newest write wins, reads are pinned, and its clock
//! tells seconds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use lakehand_domain::clock::Clock;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::digest;
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;

const SECOND: i64 = 1_000_000;

/// A store in memory, of the scheme `s3`. Clones are the same store.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    /// Whether it gives each write a version id.
    versioned: bool,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    writes: u64,
    objects: BTreeMap<ObjectUri, (ObjectStat, Bytes)>,
}

impl MemoryStore {
    /// An empty store. Without version ids a version is named by eTag, size and time, so that the same bytes written in
    /// the same second are the same version.
    pub fn new(clock: Arc<dyn Clock>, versioned: bool) -> Self {
        Self { clock, versioned, held: Arc::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is of an object now.
    pub fn stat_now(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        ours(uri)?;
        let held = self.held();
        let there = held.objects.get(uri).ok_or_else(|| StoreError::NotFound { uri: uri.clone() })?;
        Ok(there.0.clone())
    }

    /// The bytes of exactly this version.
    pub fn read_now(&self, stat: &ObjectStat) -> Result<Bytes, StoreError> {
        ours(&stat.uri)?;
        let held = self.held();
        let there = held.objects.get(&stat.uri).ok_or_else(|| StoreError::NotFound { uri: stat.uri.clone() })?;
        if there.0.version != stat.version {
            return Err(StoreError::Changed { uri: stat.uri.clone() });
        }
        Ok(there.1.clone())
    }

    /// Writes an object.
    pub fn put_now(&self, uri: &ObjectUri, bytes: &Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        ours(uri)?;
        if condition == PutCondition::IfAbsent && self.held().objects.contains_key(uri) {
            return Ok(PutOutcome::Exists);
        }
        self.put_as_of(uri, bytes, self.clock.now());
        Ok(PutOutcome::Written)
    }

    /// Writes an object that says of itself that it is of this time, cut to the second.
    pub fn put_as_of(&self, uri: &ObjectUri, bytes: &Bytes, at: Timestamp) -> ObjectStat {
        let mut held = self.held();
        held.writes += 1;
        let last_modified = Timestamp::from_micros(at.micros() / SECOND * SECOND);
        let etag = Some(digest(&[bytes]));
        let version_id = self.versioned.then(|| format!("v{:06}", held.writes));
        let size = bytes.len() as u64;
        let version = ObjectVersion::of(version_id.as_deref(), etag.as_deref(), size, last_modified);
        let stat = ObjectStat { uri: uri.clone(), version, version_id, etag, size, last_modified };
        held.objects.insert(uri.clone(), (stat.clone(), bytes.clone()));
        stat
    }

    /// Objects below a prefix.
    pub fn list_now(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        ours(prefix)?;
        let held = self.held();
        let beyond = |uri: &ObjectUri| after.is_none_or(|after| uri.key() > after);
        let below = held.objects.values().map(|(stat, _)| stat).filter(|stat| stat.uri.is_below(prefix));
        let mut objects: Vec<ObjectStat> = below.filter(|stat| beyond(&stat.uri)).cloned().collect();
        objects.sort_by(|a, b| a.uri.key().cmp(b.uri.key()));
        let more = objects.len() > limit;
        objects.truncate(limit);
        let next = objects.last().filter(|_| more).map(|stat| stat.uri.key().to_owned());
        Ok(ListPage { objects, next })
    }

    /// Copies exactly this version.
    pub fn copy_now(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        ours(to)?;
        let bytes = self.read_now(from)?;
        self.put_now(to, &bytes, PutCondition::Always).map(drop)
    }

    /// Deletes exactly this version.
    pub fn delete_now(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        match self.read_now(stat) {
            Ok(_) => {
                self.held().objects.remove(&stat.uri);
                Ok(DeleteOutcome::Deleted)
            }
            Err(StoreError::NotFound { .. }) => Ok(DeleteOutcome::Deleted),
            Err(StoreError::Changed { .. }) => Ok(DeleteOutcome::Changed),
            Err(error) => Err(error),
        }
    }
}

/// Whether the URI is of this store.
pub fn ours(uri: &ObjectUri) -> Result<(), StoreError> {
    if uri.scheme() == "s3" { Ok(()) } else { Err(StoreError::Foreign { uri: uri.clone(), store: "memory" }) }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for MemoryStore {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        self.stat_now(uri)
    }

    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        let mut bytes = self.read_now(stat)?;
        if let Some(range) = range {
            let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            bytes = bytes.slice(place(range.start)..place(range.end));
        }
        Ok(ObjectBody::Stream(futures::stream::iter([Ok(bytes)]).boxed()))
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        self.read_now(stat).map(drop)
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        self.put_now(uri, &bytes, condition)
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        ours(uri)?;
        Ok(Box::new(MemoryUpload { store: self.clone(), uri: uri.clone(), bytes: BytesMut::new(), sealed: false }))
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        self.list_now(prefix, after, limit)
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        self.copy_now(from, to)
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        self.delete_now(stat)
    }

    async fn tag(&self, stat: &ObjectStat, _: &str, _: &str) -> Result<(), StoreError> {
        let source = "a store in memory has no tags".into();
        Err(StoreError::Denied { operation: "tag", uri: stat.uri.clone(), source })
    }

    async fn sweep_unfinished(&self, _: &ObjectUri, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[derive(Debug)]
struct MemoryUpload {
    store: MemoryStore,
    uri: ObjectUri,
    bytes: BytesMut,
    sealed: bool,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Upload for MemoryUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.sealed {
            let (uri, source) = (self.uri.clone(), "nothing comes after the seal".into());
            return Err(StoreError::Unavailable { operation: "write", uri, effect: Effect::NotApplied, source });
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        self.sealed = true;
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        self.store.put_now(&self.uri, &self.bytes.freeze(), PutCondition::Always).map(drop)
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::object_store::{Service, StoreUnderTest, object_store_suite};
    use crate::manual_clock::ManualClock;

    #[tokio::test]
    async fn it_passes_the_suite_with_version_ids_and_without() {
        for versioned in [true, false] {
            object_store_suite(|| async move {
                let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_800_000_000_000_000)));
                let store = Arc::new(MemoryStore::new(clock, versioned));
                StoreUnderTest {
                    first: Arc::<MemoryStore>::clone(&store),
                    second: store,
                    prefix: ObjectUri::parse("s3://bucket/of/the/test").unwrap(),
                    foreign: ObjectUri::parse("file:///elsewhere/a").unwrap(),
                    service: Service::FILES,
                }
            })
            .await;
        }
    }
}
