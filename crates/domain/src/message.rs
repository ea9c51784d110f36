//! One delivery from the queue.

use crate::id::{MessageId, ReceiptHandle};
use crate::timestamp::Timestamp;

/// A message as one receive handed it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The queue's name of it; the same over redeliveries.
    pub id: MessageId,
    /// The token of this delivery.
    pub receipt: ReceiptHandle,
    /// What was sent.
    pub body: String,
    /// When it was first sent.
    pub sent_at: Timestamp,
    /// When this delivery was received; the queue's longest visibility counts from here.
    pub received_at: Timestamp,
    /// How many times it was delivered, this one included; approximate.
    pub delivery_count: u32,
}
