//! What is being worked on now, for status and drain.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lakehand_domain::clock::Clock;
use lakehand_domain::id::{DatasetId, MessageId};
use lakehand_domain::message::Message;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::observe::{FileInWork, Observer};
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

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for InFlight {
    fn message_received(&self, message: &Message) {
        self.work().messages.insert(message.id.clone(), message.received_at);
        self.next.message_received(message);
    }

    fn file_enters(&self, file: FileInWork<'_>, stage: Stage) {
        let now = self.clock.now();
        let key = (file.message.clone(), file.object.clone());
        {
            let mut work = self.work();
            let since = work.files.get(&key).map_or(now, |before| before.since);
            let object = file.object.clone();
            work.files.insert(key, FileNow { object, dataset: file.dataset.cloned(), bytes: file.bytes, stage, since });
        }
        self.next.file_enters(file, stage);
    }

    fn record_ended(&self, message: &MessageId, file: Option<FileInWork<'_>>, fate: &Fate) {
        if let Some(file) = file {
            self.work().files.remove(&(message.clone(), file.object.clone()));
        }
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
}
