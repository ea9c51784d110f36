//! What is being worked on now, for status and drain.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::id::{DatasetId, MessageId};
use lakehand_domain::message::Message;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::observe::{FileInWork, LeaseKind, Observer};
use lakehand_pipeline::settle::{Fate, Settlement};

/// Looks on, remembers what is in work, and passes everything on to whoever else looks on.
#[derive(Debug)]
pub struct InFlight {
    clock: Arc<dyn Clock>,
    next: Arc<dyn Observer>,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    /// When they were first sent.
    messages: BTreeMap<MessageId, Timestamp>,
    files: BTreeMap<(MessageId, ObjectUri), FileNow>,
}

/// A file in work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileNow {
    /// The object.
    pub object: ObjectUri,
    /// Its dataset, once it is routed.
    pub dataset: Option<DatasetId>,
    /// Its size, once stat has said it.
    pub bytes: Option<u64>,
    /// The stage it is in.
    pub stage: Stage,
    /// When it entered its first stage.
    pub since: Timestamp,
    /// When it entered the stage it is in.
    pub entered: Timestamp,
}

impl InFlight {
    /// Nothing is in work yet.
    pub fn new(clock: Arc<dyn Clock>, next: Arc<dyn Observer>) -> Self {
        Self { clock, next, work: Mutex::default() }
    }

    /// How many messages are held.
    pub fn messages(&self) -> usize {
        self.work().messages.len()
    }

    /// When the oldest of the messages that are held was first sent.
    pub fn oldest_message(&self) -> Option<Timestamp> {
        self.work().messages.values().min().copied()
    }

    /// The files in work, the one that began first at the front.
    pub fn files(&self) -> Vec<FileNow> {
        let mut files: Vec<FileNow> = self.work().files.values().cloned().collect();
        files.sort_by_key(|file| file.since);
        files
    }

    /// A message whose work ended without being settled, because it panicked, is not in work any more.
    pub fn forget(&self, message: &MessageId) {
        let mut work = self.work();
        work.messages.remove(message);
        work.files.retain(|(of, _), _| of != message);
    }

    fn left(&self, before: Option<FileNow>, now: Timestamp) {
        if let Some(before) = before {
            self.next.file_left(before.stage, now.since(before.entered));
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for InFlight {
    fn message_received(&self, message: &Message) {
        self.work().messages.insert(message.id.clone(), message.sent_at);
        self.next.message_received(message);
    }

    fn file_enters(&self, file: FileInWork<'_>, stage: Stage) {
        let now = self.clock.now();
        let key = (file.message.clone(), file.object.clone());
        let before = {
            let mut work = self.work();
            let since = work.files.get(&key).map_or(now, |before| before.since);
            let (object, dataset) = (file.object.clone(), file.dataset.cloned());
            work.files.insert(key, FileNow { object, dataset, bytes: file.bytes, stage, since, entered: now })
        };
        self.left(before, now);
        self.next.file_enters(file, stage);
    }

    fn file_left(&self, stage: Stage, took: Duration) {
        self.next.file_left(stage, took);
    }

    fn lease_lost(&self, lease: LeaseKind) {
        self.next.lease_lost(lease);
    }

    fn record_ended(&self, message: &MessageId, file: Option<FileInWork<'_>>, fate: &Fate) {
        let before = file.and_then(|file| self.work().files.remove(&(message.clone(), file.object.clone())));
        let bytes = before.as_ref().and_then(|before| before.bytes);
        self.left(before, self.clock.now());
        let file = file.map(|file| FileInWork { bytes: file.bytes.or(bytes), ..file });
        self.next.record_ended(message, file, fate);
    }

    fn message_settled(&self, message: &MessageId, settlement: &Settlement) {
        self.forget(message);
        self.next.message_settled(message, settlement);
    }

    fn outside_failed(&self, error: &str) {
        self.next.outside_failed(error);
    }

    fn queue_answered(&self, error: Option<&str>) {
        self.next.queue_answered(error);
    }

    fn queue_told(&self, error: Option<&str>) {
        self.next.queue_told(error);
    }

    fn prolonged(&self, lease: LeaseKind, error: Option<&str>) {
        self.next.prolonged(lease, error);
    }
}
