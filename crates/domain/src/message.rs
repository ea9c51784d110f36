//! One delivery from the queue.

use std::collections::BTreeMap;

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
