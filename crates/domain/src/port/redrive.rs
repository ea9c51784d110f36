//! Moving all dead letters back to the queue of messages by the service itself, where it can do so. It filters nothing:
//! whoever wants only some of the letters receives and sends them one by one.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::fault::{Cause, Effect, Fault, Retry};
use crate::port::queue::QueueError;
use crate::timestamp::Timestamp;

/// The move of all dead letters. One runs at a time, for all processes: it is the queue's, not ours, and goes on when we
/// end.
#[async_trait]
pub trait RedriveAll: Debug + Send + Sync {
    /// Starts moving all dead letters, at most `max_per_second` of them a second; `None`: as fast as the service sees fit.
    /// A move that runs already, perhaps since an answer to this very call was lost, is told of and left as it is.
    async fn start(&self, max_per_second: Option<u32>) -> Result<RedriveStart, RedriveError>;

    /// The newest move; `None` where there was none, or none that the service remembers.
    async fn newest(&self) -> Result<Option<RedriveMove>, RedriveError>;

    /// Stops the move that runs. What was moved stays moved. Stopping twice is harmless.
    async fn cancel(&self) -> Result<RedriveCancel, RedriveError>;
}

/// What a start led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedriveStart {
    /// A move was begun.
    Started,
    /// One was under way.
    AlreadyRunning(RedriveMove),
}

/// What a stop led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveCancel {
    /// The move ends.
    Cancelled {
        /// About how many letters were moved before.
        moved: u64,
    },
    /// No move was under way.
    NoneRunning,
}

/// One move, as the service tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedriveMove {
    /// How far it is.
    pub state: RedriveState,
    /// About how many letters were moved.
    pub moved: u64,
    /// About how many letters there were when it began, once the service has counted them.
    pub to_move: Option<u64>,
    /// The most letters a second, where that was said.
    pub max_per_second: Option<u32>,
    /// When it began.
    pub started_at: Timestamp,
    /// Why it failed, where it did, in the service's words.
    pub failure: Option<String>,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveState {
    /// Letters are being moved.
    Running,
    /// All that could be moved are.
    Completed,
    /// It was told to stop and has not yet.
    Cancelling,
    /// It was stopped.
    Cancelled,
    /// It gave up.
    Failed,
}

impl RedriveState {
    /// Whether letters may still be moved.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }

    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

/// Why a move could not be started, stopped or told of.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// The service behind the queue cannot move letters by itself.
    #[error("{operation}: the queue's service cannot move messages by itself; replay the dead letters instead")]
    Unsupported {
        /// `start the move`, …
        operation: &'static str,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// The queue is not named as the dead-letter queue of any other: the service moves messages of such queues alone.
    #[error(
        "{operation}: the service takes it for no dead-letter queue; name it in the redrive policy of the queue of \
         messages, or replay the dead letters instead"
    )]
    NoDeadLetterQueue {
        /// `start the move`, …
        operation: &'static str,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// The call failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Fault for RedriveError {
    fn retry(&self) -> Retry {
        match self {
            Self::Unsupported { .. } | Self::NoDeadLetterQueue { .. } => Retry::Never,
            Self::Queue(error) => error.retry(),
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Unsupported { .. } | Self::NoDeadLetterQueue { .. } => Effect::NotApplied,
            Self::Queue(error) => error.effect(),
        }
    }
}
