//! The ledger behind a wire.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::entry::Entry;
use lakehand_domain::id::{EntryId, LedgerId, WorkerId};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PutEntry, StateCount};
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::memory::ledger::MemoryLedger;

use super::cause;
use crate::judge::{Judge, told};
use crate::wire::{Broken, Wire};

#[derive(Debug)]
pub(crate) struct WiredLedger {
    pub(crate) wire: Wire,
    pub(crate) ledger: Arc<MemoryLedger>,
    pub(crate) judge: Arc<Judge>,
}

fn broken(operation: &'static str) -> impl Fn(Broken) -> LedgerError {
    move |what| match what {
        Broken::Unavailable(effect) => LedgerError::Unavailable { operation, effect, source: cause() },
        Broken::Denied => LedgerError::Denied { operation, source: cause() },
    }
}

impl WiredLedger {
    async fn ask<T: Send + 'static>(
        &self,
        name: &'static str,
        detail: impl FnOnce() -> String,
        happen: impl FnOnce(&MemoryLedger) -> T + Send + 'static,
    ) -> Result<T, LedgerError> {
        let ledger = Arc::clone(&self.ledger);
        self.wire.call(name, detail, move || Ok(happen(&ledger)), broken(name)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Ledger for WiredLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        self.ask("ledger.identity", String::new, MemoryLedger::identity_now).await
    }

    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        let wanted = id.clone();
        self.ask("ledger.get", || id.to_string(), move |ledger| ledger.get_now(&wanted)).await
    }

    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        let (wanted, judge) = (entry.clone(), Arc::clone(&self.judge));
        let (process, timeline) = (Arc::clone(&self.wire.process), Arc::clone(&self.wire.network.timeline));
        let happen = move |ledger: &MemoryLedger| {
            let before = ledger.get_now(&wanted.id);
            let outcome = ledger.put_now(&wanted);
            let is_stored = outcome == PutEntry::Stored;
            timeline.trace(|| format!("    {} {}", if is_stored { "stored" } else { "mismatch" }, told(&wanted)));
            if is_stored {
                judge.stored(before.as_ref(), &wanted, &process);
            }
            outcome
        };
        self.ask("ledger.put", || told(entry), happen).await
    }

    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        let wanted = query.clone();
        self.ask("ledger.list", || format!("{:?}", query.state), move |ledger| ledger.list_now(&wanted)).await
    }

    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        self.ask("ledger.counts", String::new, MemoryLedger::counts_now).await
    }

    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        let (lease, owner) = (name.to_owned(), owner.clone());
        self.ask("ledger.hold", || name.to_owned(), move |ledger| ledger.hold_now(&lease, &owner, now, until)).await
    }

    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        let (lease, owner) = (name.to_owned(), owner.clone());
        self.ask("ledger.let_go", || name.to_owned(), move |ledger| ledger.let_go_now(&lease, &owner)).await
    }

    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        let number = name.to_owned();
        self.ask("ledger.number", || name.to_owned(), move |ledger| ledger.number_now(&number)).await
    }

    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        let number = name.to_owned();
        self.ask("ledger.raise", || format!("{name} {value}"), move |ledger| ledger.raise_now(&number, value)).await
    }

    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        let number = name.to_owned();
        self.ask("ledger.reset", || format!("{name} {value}"), move |ledger| ledger.reset_now(&number, value)).await
    }

    fn lag(&self) -> Duration {
        self.ledger.lag()
    }
}
