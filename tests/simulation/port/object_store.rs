//! Landing and lake behind a wire.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use lakehand_domain::fault::Effect;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::memory::object_store::MemoryStore;

use super::cause;
use crate::judge::Judge;
use crate::wire::{Broken, Fate, Wire};

#[derive(Debug, Clone)]
pub(crate) struct WiredStore {
    pub(crate) wire: Wire,
    pub(crate) store: MemoryStore,
    pub(crate) judge: Arc<Judge>,
    pub(crate) is_lake: bool,
}

fn broken(operation: &'static str, uri: &ObjectUri) -> impl Fn(Broken) -> StoreError + use<> {
    let uri = uri.clone();
    move |what| match what {
        Broken::Unavailable(effect) => StoreError::Unavailable { operation, uri: uri.clone(), effect, source: cause() },
        // What cannot be written is so for want of room.
        Broken::Denied if matches!(operation, "store.put" | "store.complete" | "begin_upload" | "write") => {
            StoreError::Full { operation, uri: uri.clone(), source: cause() }
        }
        Broken::Denied => StoreError::Denied { operation, uri: uri.clone(), source: cause() },
    }
}

impl WiredStore {
    async fn ask<T: Send + 'static>(
        &self,
        name: &'static str,
        uri: &ObjectUri,
        happen: impl FnOnce(&MemoryStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        self.wire.call(name, || uri.to_string(), move || happen(&store), broken(name, uri)).await
    }

    /// Whether a call that takes no time fails. An upload that is not completed leaves nothing, however far it came.
    fn at_once(&self, operation: &'static str, uri: &ObjectUri) -> Result<(), StoreError> {
        let network = &self.wire.network;
        let faults = network.faults();
        let fails = network.timeline.draw(|random| random.once_in(faults.before * 2));
        match network.outage(self.wire.port) {
            Some(Fate::Denied) => Err(broken(operation, uri)(Broken::Denied)),
            Some(_) => Err(broken(operation, uri)(Broken::Unavailable(Effect::NotApplied))),
            None if fails => Err(broken(operation, uri)(Broken::Unavailable(Effect::NotApplied))),
            None => Ok(()),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for WiredStore {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        let wanted = uri.clone();
        self.ask("store.stat", uri, move |store| store.stat_now(&wanted)).await
    }

    async fn open(&self, stat: &ObjectStat, _: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        let wanted = stat.clone();
        let bytes = self.ask("store.open", &stat.uri, move |store| store.read_now(&wanted)).await?;
        let chunk = self.at_once("read", &stat.uri).map(|()| bytes);
        Ok(ObjectBody::Stream(futures::stream::iter([chunk]).boxed()))
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        let wanted = stat.clone();
        self.ask("store.unchanged", &stat.uri, move |store| store.read_now(&wanted).map(drop)).await
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        let wanted = uri.clone();
        self.ask("store.put", uri, move |store| store.put_now(&wanted, &bytes, condition)).await
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        self.at_once("begin_upload", uri)?;
        Ok(Box::new(WiredUpload { store: self.clone(), uri: uri.clone(), bytes: BytesMut::new() }))
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        let (below, after) = (prefix.clone(), after.map(str::to_owned));
        self.ask("store.list", prefix, move |store| store.list_now(&below, after.as_deref(), limit)).await
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        let (from, wanted) = (from.clone(), to.clone());
        self.ask("store.copy", to, move |store| store.copy_now(&from, &wanted)).await
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        let wanted = stat.clone();
        let (judge, is_lake) = (Arc::clone(&self.judge), self.is_lake);
        let delete = move |store: &MemoryStore| {
            let outcome = store.delete_now(&wanted)?;
            match (outcome, is_lake) {
                (DeleteOutcome::Deleted, false) => judge.source_deleted(&wanted),
                (DeleteOutcome::Deleted, true) => judge.part_deleted(&wanted.uri),
                (DeleteOutcome::Changed, _) => {}
            }
            Ok(outcome)
        };
        self.ask("store.delete", &stat.uri, delete).await
    }

    async fn tag(&self, stat: &ObjectStat, _: &str, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Denied { operation: "tag", uri: stat.uri.clone(), source: "no world tags".into() })
    }

    async fn sweep_unfinished(&self, _: &ObjectUri, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

/// Ready at once until it is completed: the transform of the simulation writes without waiting.
#[derive(Debug)]
struct WiredUpload {
    store: WiredStore,
    uri: ObjectUri,
    bytes: BytesMut,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Upload for WiredUpload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.store.at_once("write", &self.uri)?;
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn complete(self: Box<Self>) -> Result<(), StoreError> {
        let Self { store, uri, bytes } = *self;
        let (wanted, bytes) = (uri.clone(), bytes.freeze());
        let put = move |store: &MemoryStore| store.put_now(&wanted, &bytes, PutCondition::Always).map(drop);
        store.ask("store.complete", &uri, put).await
    }

    async fn abort(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}
