//! What the operator finds in the dead-letter queue: one letter for each thing that needs a person.

use serde::{Deserialize, Serialize};

use crate::entry::{SetAsideKind, SetAsideReason};
use crate::id::{DatasetId, EntryId, Generation, MessageId};
use crate::object::ObjectUri;
use crate::timestamp::Timestamp;

/// Queues take bodies up to this many bytes (SQS: 1 MiB with the attributes, of which lakehand sends none).
pub const LARGEST_BODY: usize = 1 << 20;

/// The body of a dead letter. Sending the same letter twice is harmless: a replay looks at the ledger first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// The version of this format: 1.
    pub lakehand_dead_letter: u32,
    /// Why, as a word to filter by.
    pub kind: SetAsideKind,
    /// Why, in words.
    pub reason: String,
    /// When it was set aside.
    pub at: Timestamp,
    /// The object, where the message named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectUri>,
    /// Its dataset, where one claims it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetId>,
    /// Its entry in the ledger, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The generation that was set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<Generation>,
    /// The message that no entry answers for, as it came; of a message of several records, this record alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalMessage>,
}

/// A message, or one record of it in the same shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginalMessage {
    /// Its id in the queue it came from.
    pub id: MessageId,
    /// What was sent.
    pub body: String,
    /// When.
    pub sent_at: Timestamp,
}

impl DeadLetter {
    /// The letter about a message, or a record of one, that no entry answers for.
    pub fn of_message(
        reason: SetAsideReason,
        at: Timestamp,
        object: Option<ObjectUri>,
        original: OriginalMessage,
    ) -> Self {
        Self {
            lakehand_dead_letter: 1,
            kind: reason.kind,
            reason: reason.message,
            at,
            object,
            dataset: None,
            entry: None,
            generation: None,
            original: Some(original),
        }
    }

    /// The letter that takes the place of this one, whose replay ended in `reason`. It is about the same thing.
    #[must_use]
    pub fn again(&self, reason: SetAsideReason, at: Timestamp) -> Self {
        Self { kind: reason.kind, reason: reason.message, at, ..self.clone() }
    }

    /// Its text.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
