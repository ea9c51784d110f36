//! Who looks on while files are worked on: progress, status and counts are made from these calls.

use std::fmt::Debug;
use std::time::Duration;

use lakehand_domain::id::{DatasetId, MessageId};
use lakehand_domain::message::Message;
use lakehand_domain::object::ObjectUri;

use crate::error::Stage;
use crate::settle::{Fate, Settlement};

/// Is told what happens; must return at once. Every method does nothing unless it is implemented.
pub trait Observer: Debug + Send + Sync {
    /// A message was received.
    fn message_received(&self, message: &Message) {
        let _ = message;
    }

    /// A file enters a stage of intake, from claim on.
    fn file_enters(&self, file: FileInWork<'_>, stage: Stage) {
        let _ = (file, stage);
    }

    /// A file left a stage of intake, after so long.
    fn file_left(&self, stage: Stage, took: Duration) {
        let _ = (stage, took);
    }

    /// A lease is another's, or could not be prolonged in time: the work under it stops.
    fn lease_lost(&self, lease: LeaseKind) {
        let _ = lease;
    }

    /// What became of one record of a message. `file` is `None` for records that name no object.
    fn record_ended(&self, message: &MessageId, file: Option<FileInWork<'_>>, fate: &Fate) {
        let _ = (message, file, fate);
    }

    /// What became of a message.
    fn message_settled(&self, message: &MessageId, settlement: &Settlement) {
        let _ = (message, settlement);
    }

    /// Something that is no file's fault failed while a file was worked on: a store, the ledger, the disk, the network.
    fn outside_failed(&self, error: &str) {
        let _ = error;
    }

    /// The queue was asked for messages: `None`, it answered; else why it did not.
    fn queue_answered(&self, error: Option<&str>) {
        let _ = error;
    }

    /// The queue was told what becomes of a message: `None`, it took it; else why it did not, so that the message comes
    /// again.
    fn queue_told(&self, error: Option<&str>) {
        let _ = error;
    }

    /// Leases of a kind were prolonged: `None`, some of those that were due; else why none could be.
    fn prolonged(&self, lease: LeaseKind, error: Option<&str>) {
        let _ = (lease, error);
    }
}

/// What is leased for as long as there is work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseKind {
    /// A message, by its visibility.
    Message,
    /// An entry of the ledger.
    Entry,
}

impl LeaseKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Message, Self::Entry];

    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Entry => "entry",
        }
    }
}

/// One file being worked on.
#[derive(Debug, Clone, Copy)]
pub struct FileInWork<'a> {
    /// The message that names it.
    pub message: &'a MessageId,
    /// The object.
    pub object: &'a ObjectUri,
    /// Its dataset, once it is routed.
    pub dataset: Option<&'a DatasetId>,
    /// Its size, once stat has said it.
    pub bytes: Option<u64>,
}

/// Nobody looks on.
impl Observer for () {}
