//! What the operator finds in the dead-letter queue: one letter for each thing that needs a person.

use serde::{Deserialize, Serialize};

use crate::entry::{Entry, EntryState, SetAsideKind, SetAsideReason};
use crate::id::{DatasetId, EntryId, Generation, MessageId};
use crate::message::{Attributes, beginning};
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
    /// The message that no entry answers for, as it came; of a message of several records, this record alone. Where an
    /// entry answers: what it remembers of the message that it was begun for, which is never its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalMessage>,
}

/// A message, or one record of it in the same shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginalMessage {
    /// Its id in the queue it came from.
    pub id: MessageId,
    /// What was sent; empty where an entry answers for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// When.
    pub sent_at: Timestamp,
    /// What was said of it beside the body.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// How many bytes the body had, where only its beginning is kept: only ever in a letter that names its object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_bytes: Option<u64>,
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

    /// The letter about an entry that is set aside and was not told of; `None`: none is owed.
    pub fn of_entry(entry: &Entry) -> Option<Self> {
        let EntryState::SetAside { at, reason, told: false, .. } = &entry.state else { return None };
        let original = entry.asked_by.clone().map(|message| OriginalMessage {
            id: message.id,
            body: String::new(),
            sent_at: message.sent_at,
            attributes: message.attributes,
            full_bytes: None,
        });
        Some(Self {
            lakehand_dead_letter: 1,
            kind: reason.kind,
            reason: reason.message.clone(),
            at: *at,
            object: Some(entry.object.uri.clone()),
            dataset: Some(entry.dataset.clone()),
            entry: Some(entry.id.clone()),
            generation: Some(entry.generation),
            original,
        })
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

    /// What stands beside its text, for people and tools that look at the queue without reading bodies.
    pub fn attributes(&self) -> Attributes {
        let original = self.original.as_ref();
        let before = original.filter(|original| !original.attributes.is_empty());
        let before = before.map(|original| serde_json::to_string(&original.attributes).unwrap_or_default());
        let all = [
            ("kind", Some(self.kind.as_str().to_owned())),
            ("reason", Some(beginning(&self.reason, EXCERPT))),
            ("object", self.object.as_ref().map(|object| object.as_str().to_owned())),
            ("dataset", self.dataset.as_ref().map(|dataset| dataset.as_str().to_owned())),
            ("entry", self.entry.as_ref().map(|entry| entry.as_str().to_owned())),
            ("generation", self.generation.map(|generation| generation.0.to_string())),
            ("original_id", original.map(|original| original.id.as_str().to_owned())),
            ("original_attributes", before.map(|text| beginning(&text, EXCERPT))),
        ];
        let said = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        said.filter(|(_, value)| !value.is_empty()).collect()
    }

    /// Its text in at most `most` bytes, for a queue that does not take all of it. The reason is kept to its beginning,
    /// and so is the original body where the object is named, which is all that a replay needs. Otherwise the original
    /// body is the text, as it came: the reason stands in the attributes alone. `None` where even that is too long.
    pub fn body_within(&self, most: usize) -> Option<String> {
        let short = [EXCERPT * 16, EXCERPT, EXCERPT / 8, 0].into_iter().map(|kept| self.shortened(kept).body());
        let as_it_came = self.as_it_came().map(str::to_owned);
        std::iter::once(self.body()).chain(short).chain(as_it_came).find(|text| text.len() <= most)
    }

    /// The body of the message that it is about, where it has it.
    pub fn as_it_came(&self) -> Option<&str> {
        self.original.as_ref().map(|original| original.body.as_str()).filter(|body| !body.is_empty())
    }

    fn shortened(&self, kept: usize) -> Self {
        let original = self.original.clone().map(|original| {
            if self.object.is_none() || original.body.len() <= kept {
                return original;
            }
            let full_bytes = original.full_bytes.or(u64::try_from(original.body.len()).ok());
            let attributes = if kept < EXCERPT { Attributes::new() } else { original.attributes };
            OriginalMessage { body: beginning(&original.body, kept), full_bytes, attributes, ..original }
        });
        Self { reason: beginning(&self.reason, kept), original, ..self.clone() }
    }
}

/// So many bytes of a text are enough for a person to see what it is.
const EXCERPT: usize = 1024;

#[cfg(test)]
mod tests;
