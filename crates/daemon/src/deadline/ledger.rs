//! Deadlines for the ledger.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::entry::Entry;
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::id::{EntryId, LedgerId, WorkerId};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PutEntry, StateCount};
use lakehand_domain::timestamp::Timestamp;

use crate::deadline::{Deadlines, within};

#[derive(Debug)]
pub(super) struct PatientLedger {
    pub(super) inner: Arc<dyn Ledger>,
    pub(super) deadlines: Deadlines,
}

fn late(operation: &'static str) -> impl FnOnce(Cause) -> LedgerError {
    move |source| LedgerError::Unavailable { operation, effect: Effect::Unknown, source }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Ledger for PatientLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        within(self.deadlines.ledger, self.inner.identity(), late("identity")).await
    }

    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        within(self.deadlines.ledger, self.inner.get(id), late("get")).await
    }

    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        within(self.deadlines.ledger, self.inner.put(entry), late("put")).await
    }

    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        within(self.deadlines.ledger, self.inner.list(query), late("list")).await
    }

    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        within(self.deadlines.ledger, self.inner.counts(), late("counts")).await
    }

    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        within(self.deadlines.ledger, self.inner.hold(name, owner, now, until), late("hold")).await
    }

    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        within(self.deadlines.ledger, self.inner.let_go(name, owner), late("let_go")).await
    }

    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        within(self.deadlines.ledger, self.inner.number(name), late("number")).await
    }

    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        within(self.deadlines.ledger, self.inner.raise(name, value), late("raise")).await
    }

    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        within(self.deadlines.ledger, self.inner.reset(name, value), late("reset")).await
    }

    fn lag(&self) -> Duration {
        self.inner.lag()
    }
}
