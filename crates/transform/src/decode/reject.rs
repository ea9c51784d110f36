//! Rejects: what is kept of a record that is refused.

use std::borrow::Cow;

use lakehand_domain::reject::{Reject, Rule};

use super::record::Objection;
use super::walk::Failure;

/// The most of an offending text that is kept.
const VALUE_BYTES: usize = 200;
/// The most of a raw record that is kept.
const RAW_BYTES: usize = 64 << 10;

/// The beginning of a text, cut between characters.
pub(super) fn excerpt(text: &str) -> &str {
    cut(text, VALUE_BYTES)
}

fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// As much of a raw record as is kept, and whether that is less than all.
pub(super) fn cut_raw(raw: &str) -> (&str, bool) {
    let kept = cut(raw, RAW_BYTES);
    (kept, kept.len() < raw.len())
}

/// A record that is refused: its line in the chunk and its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// The line in the chunk, from 1.
    pub(super) line: u64,
    /// The record without its line end.
    pub(super) raw: &'a [u8],
    /// Where it starts in the chunk.
    pub(super) start: usize,
}

impl Refusal<'_> {
    /// With a rule and its words.
    pub(super) fn plain(self, rule: Rule, message: Cow<'static, str>) -> Reject {
        let kept = self.raw.get(..RAW_BYTES).unwrap_or(self.raw);
        let mut text = String::from_utf8_lossy(kept).into_owned();
        let mut raw_cut = kept.len() < self.raw.len();
        if raw_cut && std::str::from_utf8(kept).is_err_and(|error| error.error_len().is_none()) {
            // The cut parted a character.
            text.pop();
        }
        if text.len() > RAW_BYTES {
            text.truncate(text.floor_char_boundary(RAW_BYTES));
            raw_cut = true;
        }
        Reject {
            object: String::new(),
            record: self.line,
            member: None,
            line: self.line,
            byte: None,
            column: None,
            rule,
            message: message.into_owned(),
            value: None,
            raw: text,
            raw_cut,
        }
    }

    /// For a value of a column.
    pub(super) fn objection(self, objection: Objection) -> Reject {
        Reject {
            column: Some(objection.column),
            value: objection.value,
            ..self.plain(objection.complaint.rule, objection.complaint.message)
        }
    }

    /// For a line that could not be read.
    pub(super) fn failure(self, failure: Failure) -> Reject {
        let offset = failure.at.saturating_sub(self.start);
        let tail = self.raw.get(offset..).unwrap_or_default();
        let tail = String::from_utf8_lossy(tail.get(..VALUE_BYTES).unwrap_or(tail)).into_owned();
        let value = (!tail.is_empty()).then(|| excerpt(&tail).to_owned());
        Reject {
            byte: Some(offset as u64 + 1),
            column: failure.path,
            value,
            ..self.plain(failure.rule, failure.message)
        }
    }
}
