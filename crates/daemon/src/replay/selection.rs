//! Which dead letters are replayed, and what a message of the dead-letter queue says of itself.

use std::collections::BTreeSet;
use std::fmt;

use lakehand_dataset::catalog::Catalog;
use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::SetAsideKind;
use lakehand_domain::id::{DatasetId, EntryId, Generation, MessageId};
use lakehand_domain::message::Message;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::event::{Record, decode};

/// Which letters are replayed. What is not named does not restrict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterSelection {
    /// Only those about files of this dataset: as the letter says, or as the objects it names are routed now.
    pub dataset: Option<DatasetId>,
    /// Only what was set aside then or later. What the queue itself gave up counts from when it was sent.
    pub since: Option<Timestamp>,
    /// Only what was set aside before.
    pub until: Option<Timestamp>,
    /// Only what was set aside for this reason.
    pub reason: Option<LetterReason>,
    /// At most this many letters.
    pub limit: usize,
}

impl Default for LetterSelection {
    fn default() -> Self {
        Self { dataset: None, since: None, until: None, reason: None, limit: 10_000 }
    }
}

/// Why a message is in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LetterReason {
    /// lakehand set something aside.
    SetAside(SetAsideKind),
    /// It is no letter of lakehand's: the queue itself gave it up after very many deliveries, or somebody sent it.
    Raw,
}

impl LetterReason {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        SetAsideKind::ALL.into_iter().map(Self::SetAside).chain([Self::Raw])
    }

    /// As people read and write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SetAside(kind) => kind.as_str(),
            Self::Raw => "raw",
        }
    }
}

impl fmt::Display for LetterReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message of the dead-letter queue as a selection sees it.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) message: MessageId,
    pub(super) reason: LetterReason,
    pub(super) why: String,
    pub(super) at: Timestamp,
    pub(super) entry: Option<(EntryId, Generation)>,
    pub(super) objects: Vec<(ObjectUri, Option<DatasetId>)>,
    datasets: BTreeSet<DatasetId>,
}

impl Letter {
    pub(super) fn of(message: &Message, catalog: &Catalog) -> Self {
        let decoded = decode(&message.body);
        let objects: Vec<_> = decoded
            .records
            .into_iter()
            .filter_map(|record| match record {
                Record::Object(event) => {
                    let dataset = catalog.route(&event.uri).map(|route| route.dataset.id.clone());
                    Some((event.uri, dataset))
                }
                Record::Ignored { .. } | Record::Bad { .. } => None,
            })
            .collect();
        let mut datasets: BTreeSet<DatasetId> = objects.iter().filter_map(|(_, dataset)| dataset.clone()).collect();
        let letter = decoded.letter;
        let (reason, why, at, entry) =
            if let Some(DeadLetter { kind, reason, at, dataset, entry, generation, .. }) = letter {
                datasets.extend(dataset);
                (LetterReason::SetAside(kind), reason, at, entry.zip(generation))
            } else {
                let count = message.delivery_count;
                let why = format!("the queue gave it up, or somebody sent it; delivered {count} times here");
                (LetterReason::Raw, why, message.sent_at, None)
            };
        Self { message: message.id.clone(), reason, why, at, entry, objects, datasets }
    }
}

impl LetterSelection {
    pub(super) fn selects(&self, letter: &Letter) -> bool {
        self.dataset.as_ref().is_none_or(|dataset| letter.datasets.contains(dataset))
            && self.since.is_none_or(|since| letter.at >= since)
            && self.until.is_none_or(|until| letter.at < until)
            && self.reason.is_none_or(|reason| letter.reason == reason)
    }
}
