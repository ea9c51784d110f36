//! What failures of SQS are to the port.

use std::sync::Arc;

use lakehand_aws::{Failure, Kind};
use lakehand_domain::fault::Effect;
use lakehand_domain::port::queue::QueueError;

/// What a failed call is to its caller.
pub(super) fn failed(operation: &'static str, failure: Failure) -> QueueError {
    match failure.kind {
        Kind::Denied | Kind::NotFound | Kind::Invalid => QueueError::Denied { operation, source: failure.cause },
        Kind::Condition | Kind::Throttled | Kind::Unavailable => {
            QueueError::Unavailable { operation, effect: failure.effect, source: failure.cause }
        }
    }
}

/// A failure that several callers share, since their receipts went in one request.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    denied: bool,
    effect: Effect,
    said: Arc<str>,
}

impl Trouble {
    /// Nobody knows whether it happened.
    pub(super) fn unknown(said: impl Into<Arc<str>>) -> Self {
        Self { denied: false, effect: Effect::Unknown, said: said.into() }
    }

    /// The service refuses.
    pub(super) fn denied(said: impl Into<Arc<str>>) -> Self {
        Self { denied: true, effect: Effect::NotApplied, said: said.into() }
    }

    pub(super) fn of(operation: &'static str, failure: Failure) -> Self {
        let error = failed(operation, failure);
        let (denied, effect) = match &error {
            QueueError::Unavailable { effect, .. } => (false, *effect),
            QueueError::Denied { .. } | QueueError::TooLong { .. } => (true, Effect::NotApplied),
        };
        let said = std::error::Error::source(&error).map(lakehand_domain::fault::chain).unwrap_or_default();
        Self { denied, effect, said: said.into() }
    }

    pub(super) fn said(&self) -> &str {
        &self.said
    }

    pub(super) fn error(&self, operation: &'static str) -> QueueError {
        let source = self.said.to_string().into();
        if self.denied {
            return QueueError::Denied { operation, source };
        }
        QueueError::Unavailable { operation, effect: self.effect, source }
    }
}
