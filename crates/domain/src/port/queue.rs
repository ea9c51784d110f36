//! The queue of messages. The dead-letter queue is a queue of its own behind the same port.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::fault::{Cause, Effect, Fault, Retry};
use crate::id::{MessageId, ReceiptHandle};
use crate::message::{Attributes, Message};

/// The longest that may be asked for to hide a message, counted from its receipt: SQS counts twelve hours, does not start
/// anew when they are prolonged, and refuses exactly twelve (Amazon SQS visibility timeout).
pub const LONGEST_VISIBILITY: Duration = Duration::from_secs(43_195);

/// No message is delayed for longer (Amazon SQS message quotas).
pub const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// The most bytes of a message, its attributes included; a queue may be made for shorter ones (Amazon SQS message
/// quotas).
pub const LONGEST_MESSAGE: usize = 1 << 20;

/// At-least-once delivery, in no order. Even a deleted message may come again, and a receipt may be lost at any time;
/// nothing here is relied on for exactly once.
#[async_trait]
pub trait Queue: Debug + Send + Sync {
    /// Receives up to `max` messages (1 to 10), which others do not see for `visibility`. Waits up to `wait` for the
    /// first, and no longer for more. May be dropped while it waits: what was received then comes again.
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError>;

    /// Hides each message for `visibility` from now on; zero shows it at once. The answer has one outcome for each
    /// receipt, in order; an error where none of them is known to have been done. Asking for longer than the queue
    /// allows gives what it allows.
    async fn extend(&self, receipts: &[ReceiptHandle], visibility: Duration)
    -> Result<Vec<ReceiptOutcome>, QueueError>;

    /// Deletes messages by the receipts of their newest delivery. The answer has one outcome for each receipt, in
    /// order; an error where none of them is known to have been done. Deleting twice is harmless.
    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError>;

    /// Sends a message, visible after `delay`, or sooner where the queue allows no such delay. After an unknown outcome
    /// sending again may double it, which receivers bear.
    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        self.send_with(body, &Attributes::new(), delay).await
    }

    /// The same, with attributes: ten at most, none of them empty.
    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError>;

    /// About how many messages there are.
    async fn depth(&self) -> Result<QueueDepth, QueueError>;
}

/// What became of one receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// As asked.
    Done,
    /// The receipt is not the newest delivery's, or the message is gone: it is not ours any more. Not every queue can
    /// tell: one may take an old receipt for good.
    Lost,
    /// It may have happened or not; what was said of it is in the log. The other receipts of the call stand.
    Failed,
}

/// About how many messages there are. How old the oldest is, no queue tells: who wants to know looks at
/// [`Message::sent_at`] of what is received, or asks the service's own metrics.
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
    /// The message is longer than the queue takes. It was not sent.
    #[error("{operation}: the message has {bytes} bytes with its attributes, and the queue takes {most} at most")]
    TooLong {
        /// `send`.
        operation: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
}

/// How long a message is, as its queue counts: body, names, values, and the word for the type of each value.
pub fn message_bytes(body: &str, attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| name.len() + value.len() + "String".len()).sum::<usize>() + body.len()
}

impl Fault for QueueError {
    fn retry(&self) -> Retry {
        match self {
            Self::Denied { .. } | Self::Unavailable { .. } => Retry::Backoff,
            Self::TooLong { .. } => Retry::Never,
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Denied { .. } | Self::TooLong { .. } => Effect::NotApplied,
            Self::Unavailable { effect, .. } => *effect,
        }
    }
}
