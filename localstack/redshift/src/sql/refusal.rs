//! Why a statement is not run.

/// What Redshift, or the stand-in for it, says to a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// As the statement's error tells it, without `ERROR: `.
    pub(crate) message: String,
}

impl Refusal {
    /// The words are Redshift's, or near to them.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// The statement cannot be parsed.
    pub(crate) fn syntax(what: impl Into<String>) -> Self {
        Self::new(what)
    }

    /// The parser stops here.
    pub(crate) fn near(token: &str) -> Self {
        Self::new(format!("syntax error at or near \"{token}\""))
    }

    /// PostgreSQL would run it, Redshift has no such thing.
    pub(crate) fn lacks(what: &str) -> Self {
        Self::new(format!("{what} is not supported"))
    }

    /// Redshift has it, the stand-in does not.
    pub(crate) fn stand_in(what: impl Into<String>) -> Self {
        Self::new(format!("[stand-in] {}", what.into()))
    }
}
