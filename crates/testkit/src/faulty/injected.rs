//! The cause that an injected failure names.

use std::fmt;

/// Says that a plan made this call fail, so that nobody takes it for a failure of the backend.
#[derive(Debug)]
pub struct Injected {
    /// `port.method`.
    pub call: &'static str,
}

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fails as planned", self.call)
    }
}

impl std::error::Error for Injected {}
