//! Entries that a person means, page by page.

use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::id::{DatasetId, Fingerprint};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::{EntryQuery, Ledger, LedgerError};
use lakehand_domain::timestamp::Timestamp;

/// The most entries asked of a ledger at once.
const PAGE: usize = 500;

/// Which entries are meant. Empty: all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Of this dataset.
    pub dataset: Option<DatasetId>,
    /// Of this object, all versions.
    pub object: Option<ObjectUri>,
    /// In this state.
    pub state: Option<StateName>,
    /// Changed at or after.
    pub since: Option<Timestamp>,
    /// Changed before.
    pub until: Option<Timestamp>,
    /// Only those with rejected records.
    pub with_rejects: bool,
    /// Only those of another definition than this.
    pub not_of: Option<Fingerprint>,
}

/// The entries of a selection, the oldest change first.
#[derive(Debug)]
pub struct Selected<'a> {
    ledger: &'a dyn Ledger,
    selection: &'a Selection,
    query: EntryQuery,
    over: bool,
}

impl<'a> Selected<'a> {
    /// Begins.
    pub fn new(ledger: &'a dyn Ledger, selection: &'a Selection) -> Self {
        let query = EntryQuery {
            dataset: selection.dataset.clone(),
            object: selection.object.clone(),
            state: selection.state,
            since: selection.since,
            until: selection.until,
            limit: PAGE,
            ..EntryQuery::default()
        };
        Self { ledger, selection, query, over: false }
    }

    /// The next page, which may have no entries and others after it; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Entry>>, LedgerError> {
        if self.over {
            return Ok(None);
        }
        let page = self.ledger.list(&self.query).await?;
        self.over = page.next.is_none();
        self.query.after = page.next;
        let meant = page.entries.into_iter().filter(|entry| self.selection.takes(entry)).collect();
        Ok(Some(meant))
    }
}

impl Selection {
    fn takes(&self, entry: &Entry) -> bool {
        let rejects = entry.summary().map_or(0, |summary| summary.rejects.total());
        (!self.with_rejects || rejects > 0) && self.not_of.as_ref().is_none_or(|known| entry.fingerprint != *known)
    }
}
