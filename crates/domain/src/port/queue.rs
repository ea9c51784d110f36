//! The queue of messages. The dead-letter queue is a queue of its own behind the same port.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::fault::{Cause, Effect, Fault, Retry};
use crate::id::{MessageId, ReceiptHandle};
use crate::message::Message;

/// At-least-once delivery, in no order. Even a deleted message may come again, and a receipt may be lost at any time;
/// nothing here is relied on for exactly once.
#[async_trait]
pub trait Queue: Debug + Send + Sync {
    /// Receives up to `max` messages (1 to 10), which others do not see for `visibility`. Waits up to `wait` for the
    /// first, and no longer for more. May be dropped while it waits: what was received then comes again.
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError>;

    /// Hides each message for `visibility` from now on; zero shows it at once. The answer has one outcome for each
    /// receipt, in order. Asking for longer than the queue allows gives what it allows.
    async fn extend(&self, receipts: &[ReceiptHandle], visibility: Duration)
    -> Result<Vec<ReceiptOutcome>, QueueError>;

    /// Deletes messages by the receipts of their newest delivery. The answer has one outcome for each receipt, in
    /// order. Deleting twice is harmless.
    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError>;

    /// Sends a message, visible after `delay`. After an unknown outcome sending again may double it, which receivers
    /// bear.
    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError>;

    /// About how many messages there are.
    async fn depth(&self) -> Result<QueueDepth, QueueError>;
}

/// What became of one receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// As asked.
    Done,
    /// The receipt is not the newest delivery's, or the message is gone: it is not ours any more.
    Lost,
}

/// About how many messages there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// Ready to be received.
    pub visible: u64,
    /// Received and not deleted.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
}

impl QueueDepth {
    /// All together.
    pub fn total(&self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// Why a call to a queue failed.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// It refuses: no permission, no such queue. An operator has to act.
    #[error("{operation}: the queue refuses")]
    Denied {
        /// `receive`, …
        operation: &'static str,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// It cannot be reached, is throttled, is full, or failed.
    #[error("{operation}: the queue is unavailable")]
    Unavailable {
        /// `receive`, …
        operation: &'static str,
        /// Whether the call may have happened.
        effect: Effect,
        /// What it said.
        #[source]
        source: Cause,
    },
}

impl Fault for QueueError {
    fn retry(&self) -> Retry {
        Retry::Backoff
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Denied { .. } => Effect::NotApplied,
            Self::Unavailable { effect, .. } => *effect,
        }
    }
}
