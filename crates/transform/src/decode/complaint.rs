//! What is wrong with a value, before it is known where it stands.

use std::borrow::Cow;

use lakehand_domain::reject::Rule;

/// A rule and why it is broken, as the end of a sentence that begins with the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The rule that is broken.
    pub(crate) rule: Rule,
    /// Why, in words.
    pub(crate) message: Cow<'static, str>,
}

impl Complaint {
    /// With words that are always the same.
    pub(crate) fn new(rule: Rule, message: &'static str) -> Self {
        Self { rule, message: Cow::Borrowed(message) }
    }

    /// With words that name a limit.
    pub(crate) fn owned(rule: Rule, message: String) -> Self {
        Self { rule, message: Cow::Owned(message) }
    }
}
