//! The error of a stage: which one, whose fault, and the two questions every port error answers.

use std::fmt;

use lakehand_domain::fault::{Cause, Effect, Fault, Retry};

/// A stage of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Message to object events.
    Event,
    /// Ledger entry and lease.
    Claim,
    /// The pinned bytes.
    Read,
    /// Accepted and rejected rows.
    Transform,
    /// Parts, manifest, ledger.
    Write,
    /// The end of a message.
    Settle,
    /// The written entries of a dataset.
    Gather,
    /// Staging tables.
    Stage,
    /// The transaction.
    Commit,
    /// What follows a load.
    Finish,
}

impl Stage {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Claim => "claim",
            Self::Read => "read",
            Self::Transform => "transform",
            Self::Write => "write",
            Self::Settle => "settle",
            Self::Gather => "gather",
            Self::Stage => "stage",
            Self::Commit => "commit",
            Self::Finish => "finish",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// On whom a failure falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// A store, queue, ledger, disk or network. It never uses up a file's attempts.
    Infrastructure,
    /// The file made the engine fail: it counts as one of its attempts.
    File,
    /// The object was replaced or deleted while it was read: look at it again.
    ObjectChanged,
    /// The object is archived: nobody can read it before a person has restored it.
    ObjectArchived,
    /// The lease is another's: whoever has it answers for the entry.
    LeaseLost,
    /// Nobody: the work was stopped on purpose.
    Cancelled,
}

/// Why a stage did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("{stage}")]
pub struct StageError {
    /// Which stage.
    pub stage: Stage,
    /// On whom it falls.
    pub blame: Blame,
    /// Whether a retry can help.
    pub retry: Retry,
    /// Whether the call that failed may have happened.
    pub effect: Effect,
    /// Why.
    #[source]
    pub source: Cause,
}

impl StageError {
    /// A port's failure in a stage.
    pub fn of<E: Fault>(stage: Stage, error: E) -> Self {
        let blame = if error.is_cancelled() { Blame::Cancelled } else { Blame::Infrastructure };
        Self { stage, blame, retry: error.retry(), effect: error.effect(), source: Box::new(error) }
    }

    /// A failure that is no port's own, of which nothing happened.
    pub fn new(stage: Stage, blame: Blame, source: impl Into<Cause>) -> Self {
        Self { stage, blame, retry: Retry::Backoff, effect: Effect::NotApplied, source: source.into() }
    }

    /// The same failure, falling on someone else.
    #[must_use]
    pub fn blamed_on(self, blame: Blame) -> Self {
        Self { blame, ..self }
    }

    /// The work was stopped on purpose.
    pub fn cancelled(stage: Stage) -> Self {
        Self::new(stage, Blame::Cancelled, "cancelled")
    }

    /// The lease is another's.
    pub fn lease_lost(stage: Stage) -> Self {
        Self::new(stage, Blame::LeaseLost, "the lease is another worker's, or could not be prolonged in time")
    }
}

impl Fault for StageError {
    fn retry(&self) -> Retry {
        self.retry
    }

    fn effect(&self) -> Effect {
        self.effect
    }

    fn is_cancelled(&self) -> bool {
        self.blame == Blame::Cancelled
    }
}
