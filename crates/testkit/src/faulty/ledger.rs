//! The ledger port, failing as planned.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::entry::Entry;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{EntryId, LedgerId, WorkerId};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PutEntry, StateCount};
use lakehand_domain::timestamp::Timestamp;

use crate::faulty::injected::Injected;
use crate::faulty::plan::{Fate, FaultPlan};

/// A ledger whose calls meet the fates of a plan.
#[derive(Debug)]
pub struct FaultyLedger {
    inner: Arc<dyn Ledger>,
    plan: Arc<FaultPlan>,
}

impl FaultyLedger {
    /// Calls `inner`, as `plan` decides.
    pub fn new(inner: Arc<dyn Ledger>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }

    async fn meet<T>(
        &self,
        name: &'static str,
        operation: &'static str,
        call: impl Future<Output = Result<T, LedgerError>> + Send,
    ) -> Result<T, LedgerError> {
        let unavailable =
            |effect| LedgerError::Unavailable { operation, effect, source: Box::new(Injected { call: name }) };
        match self.plan.next(name) {
            Fate::Works => call.await,
            Fate::FailsBefore => Err(unavailable(Effect::NotApplied)),
            Fate::FailsAfter => {
                call.await?;
                Err(unavailable(Effect::Unknown))
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Ledger for FaultyLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        self.meet("ledger.identity", "identity", self.inner.identity()).await
    }

    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        self.meet("ledger.get", "get", self.inner.get(id)).await
    }

    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        self.meet("ledger.put", "put", self.inner.put(entry)).await
    }

    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        self.meet("ledger.list", "list", self.inner.list(query)).await
    }

    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        self.meet("ledger.counts", "counts", self.inner.counts()).await
    }

    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        self.meet("ledger.hold", "hold", self.inner.hold(name, owner, now, until)).await
    }

    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        self.meet("ledger.let_go", "let_go", self.inner.let_go(name, owner)).await
    }

    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        self.meet("ledger.number", "number", self.inner.number(name)).await
    }

    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.meet("ledger.raise", "raise", self.inner.raise(name, value)).await
    }

    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.meet("ledger.reset", "reset", self.inner.reset(name, value)).await
    }

    fn lag(&self) -> Duration {
        self.inner.lag()
    }
}
