//! The two questions every port error answers: can a retry help, and did the call happen?

use std::time::Duration;

/// Whether the same call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The same call with the same input fails again.
    Never,
    /// Later, after a growing delay.
    Backoff,
    /// Not before this long from now, as the service itself said.
    After(Duration),
}

/// Whether a failed call may have taken effect all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It surely did not happen.
    NotApplied,
    /// It may have happened: look before repeating what is not idempotent.
    Unknown,
}

/// An error that can be classified by the caller without knowing who made it.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// Whether a retry can help.
    fn retry(&self) -> Retry;
    /// Whether the call may have happened.
    fn effect(&self) -> Effect;
    /// Whether the work was stopped on purpose; such an error is no failure and is not counted as one.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// A boxed cause, kept as the source of a port's error.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The text of an error and of all its causes, joined by `: `, each said once.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}
