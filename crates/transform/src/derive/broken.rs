//! Records that are rejected after they were decoded: what is wrong with them, and what is kept of them.

use std::ops::Range;

use lakehand_domain::reject::Reject;

use super::Misfit;
use crate::decode::WITHHELD;

/// The most bytes of a raw record that a reject keeps.
const RAW_BYTES: usize = 64 << 10;
/// The most bytes of an offending value that a reject keeps.
const VALUE_BYTES: usize = 200;

/// The records of a chunk as they came.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) accepted: Vec<(u32, Range<u32>)>,
    pub(super) withhold: bool,
}

impl Kept {
    /// The reject of a record for a column.
    pub(crate) fn reject(&self, line: u32, column: &str, misfit: Misfit) -> Reject {
        let broken = Broken { column: column.to_owned(), misfit };
        broken.reject(line, &self.accepted, &self.bytes, self.withhold)
    }
}

/// Why a record is struck.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) column: String,
    pub(super) misfit: Misfit,
}

impl Broken {
    pub(super) fn reject(self, line: u32, accepted: &[(u32, Range<u32>)], bytes: &[u8], withhold: bool) -> Reject {
        let range = accepted.binary_search_by_key(&line, |(at, _)| *at).ok();
        let range = range.map(|at| accepted[at].1.clone()).unwrap_or_default();
        let raw = bytes.get(range.start as usize..range.end as usize).unwrap_or_default();
        let raw = if withhold { WITHHELD.into() } else { String::from_utf8_lossy(raw) };
        let kept = cut(&raw, RAW_BYTES);
        Reject {
            object: String::new(),
            record: line.into(),
            member: None,
            line: line.into(),
            byte: None,
            column: Some(self.column),
            rule: self.misfit.rule,
            message: self.misfit.message,
            value: self.misfit.value.map(|value| cut(&value, VALUE_BYTES).to_owned()),
            raw: kept.to_owned(),
            raw_cut: withhold || kept.len() < raw.len(),
            // Records that were decoded are text.
            raw_base64: None,
        }
    }
}

/// The longest start of a text that has at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
