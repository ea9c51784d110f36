//! What is wrong with the settings, and where.

use std::fmt;

use serde::Serialize;

use super::layers::Origin;

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SettingsProblem {
    /// Where it was said.
    pub(crate) origin: Origin,
    /// The key, `intake.concurrency`; empty where it is not about one key.
    pub(crate) key: String,
    /// What is wrong, and what is allowed.
    pub(crate) message: String,
}

impl SettingsProblem {
    /// A problem of a key.
    pub(crate) fn new(origin: Origin, key: &str, message: impl Into<String>) -> Self {
        Self { origin, key: key.to_owned(), message: message.into() }
    }
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => f.write_str("settings: ")?,
            origin => write!(f, "{origin}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}
