//! One delivery from the queue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{MessageId, ReceiptHandle};
use crate::timestamp::Timestamp;

/// What is said of a message beside its body, by name: for people and tools that look at a queue. Nothing is decided by
/// it.
pub type Attributes = BTreeMap<String, String>;

/// A message as one receive handed it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's name of it; the same over redeliveries.
    pub id: MessageId,
    /// The token of this delivery.
    pub receipt: ReceiptHandle,
    /// What was sent.
    pub body: String,
    /// What was said of it beside the body.
    pub attributes: Attributes,
    /// When it was first sent, by the queue's clock.
    pub sent_at: Timestamp,
    /// When this delivery was received, by our clock; the queue's longest visibility counts from here.
    pub received_at: Timestamp,
    /// How many times it was delivered, this one included; approximate.
    pub delivery_count: u32,
}

/// A message as an entry remembers it: what somebody needs who looks for it in the records of its sender or its queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRef {
    /// The queue's name of it.
    pub id: MessageId,
    /// When it was first sent, by the queue's clock.
    pub sent_at: Timestamp,
    /// The beginning of what was said of it beside its body: an entry stays small, whatever a sender says.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// An entry remembers at most so many bytes of a message's attributes, names and values together.
const ATTRIBUTES_BYTES: usize = 512;

/// And at most so many of one value, so that one that is long leaves room for the others.
const VALUE_BYTES: usize = 128;

/// A queue's names of messages are shorter than this; what is longer was made up.
const ID_BYTES: usize = 256;

impl MessageRef {
    /// What is remembered of a message: values are cut with a mark, and what does not fit is left out.
    pub fn new(id: &MessageId, sent_at: Timestamp, attributes: &Attributes) -> Self {
        let mut left = ATTRIBUTES_BYTES;
        let mut kept = Attributes::new();
        for (name, value) in attributes {
            let value = beginning(value, VALUE_BYTES);
            if let Some(still) = left.checked_sub(name.len() + value.len()) {
                left = still;
                kept.insert(name.clone(), value);
            }
        }
        Self { id: MessageId::new(beginning(id.as_str(), ID_BYTES)), sent_at, attributes: kept }
    }
}

/// The text, or its beginning and a mark where it is longer than `most` bytes.
pub(crate) fn beginning(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_message_that_says_much_little_is_remembered() {
        let attributes: Attributes = (0..10).map(|n| (format!("name {n}"), "ü".repeat(100_000))).collect();
        let kept = MessageRef::new(&MessageId::new("i".repeat(1_000)), Timestamp::from_micros(1), &attributes);
        assert!(kept.id.as_str().len() < 300);
        let bytes: usize = kept.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!((300..=ATTRIBUTES_BYTES).contains(&bytes), "{bytes}");
        assert!(kept.attributes.values().all(|value| value.ends_with("ü…")), "{kept:?}");
        let few = Attributes::from([("origin".to_owned(), "a topic".to_owned())]);
        assert_eq!(MessageRef::new(&MessageId::new("i"), Timestamp::from_micros(1), &few).attributes, few);
    }
}
