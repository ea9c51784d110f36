//! A query of entries as one SQL statement, and where its pages end.

use std::fmt::Write as _;

use lakehand_domain::entry::Entry;
use lakehand_domain::port::ledger::{EntryQuery, LedgerError, PageToken};
use rusqlite::types::Value;

/// Entries of a page where the caller does not say, and the most it gets.
const USUAL: usize = 100;
const MOST: usize = 1_000;

/// A statement that gives one row more than the page holds.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
    pub(super) limit: usize,
}

impl Statement {
    pub(super) fn of(query: &EntryQuery) -> Result<Self, LedgerError> {
        let mut made = Self { text: "SELECT id, document FROM entry WHERE 1".to_owned(), values: Vec::new(), limit: 0 };
        if let Some(dataset) = &query.dataset {
            made.and("dataset = ?", [Value::from(dataset.as_str().to_owned())]);
        }
        if let Some(object) = &query.object {
            made.and("object = ?", [Value::from(object.as_str().to_owned())]);
        }
        if let Some(state) = query.state {
            made.and("state = ?", [Value::from(state.as_str().to_owned())]);
        }
        if query.untold {
            // Spelled as in the partial index, so that it is used.
            made.and("untold = 1", []);
        }
        if let Some(since) = query.since {
            made.and("updated >= ?", [Value::from(since.micros())]);
        }
        if let Some(until) = query.until {
            made.and("updated < ?", [Value::from(until.micros())]);
        }
        let (direction, beyond) = if query.newest_first { ("DESC", '<') } else { ("ASC", '>') };
        if let Some(after) = &query.after {
            let (updated, id) = read_token(after)?;
            made.and(&format!("(updated, id) {beyond} (?, ?)"), [Value::from(updated), Value::from(id)]);
        }
        made.limit = if query.limit == 0 { USUAL } else { query.limit.min(MOST) };
        let rows = made.limit + 1;
        // Unwrap safety: writing to a String cannot fail.
        write!(made.text, " ORDER BY updated {direction}, id {direction} LIMIT {rows}").expect("a String takes all");
        Ok(made)
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.text.push_str(" AND ");
        self.text.push_str(condition);
        self.values.extend(values);
    }
}

/// Where a page ends that has `last` as its last entry.
pub(super) fn token(last: &Entry) -> PageToken {
    PageToken(format!("{} {}", last.updated.micros(), last.id))
}

fn read_token(token: &PageToken) -> Result<(i64, String), LedgerError> {
    token.0.split_once(' ').and_then(|(updated, id)| Some((updated.parse().ok()?, id.to_owned()))).ok_or_else(|| {
        LedgerError::Unintelligible { operation: "list", message: format!("the page token {:?}", token.0) }
    })
}
