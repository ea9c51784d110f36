//! Errors of calls, which are not those of statements.

use serde_json::{Value, json};

/// A call that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// The exception's name.
    pub(crate) code: String,
    /// What it says.
    pub(crate) message: String,
    /// The HTTP status.
    pub(crate) status: u16,
}

impl ApiError {
    /// An error of the caller's.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), status: 400 }
    }

    /// The request is not as it must be.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// No such statement, or it has nothing of the kind.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new("ResourceNotFoundException", message)
    }

    /// The cluster is paused.
    pub(crate) fn paused() -> Self {
        Self::validation("The cluster is paused. Resume it to run statements.")
    }

    /// Too many calls.
    pub(crate) fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    /// Too many statements that have not ended.
    pub(crate) fn active_statements(limit: usize) -> Self {
        Self::new(
            "ActiveStatementsExceededException",
            format!("Active statements exceeded the allowed quota ({limit})."),
        )
    }

    /// Too many sessions.
    pub(crate) fn active_sessions(limit: usize) -> Self {
        Self::new("ActiveSessionsExceededException", format!("Active sessions exceeded the allowed quota ({limit})."))
    }

    /// The body of the answer.
    pub(crate) fn body(&self) -> Value {
        json!({ "__type": self.code, "Message": self.message, "message": self.message })
    }
}
