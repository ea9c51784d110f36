//! The warehouse port, failing as planned.

use std::sync::Arc;

use async_trait::async_trait;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::warehouse::{
    CallLimits, CommitOutcome, MigrateOutcome, MigrationPlan, QueryAnswer, QueryWarehouse, TakeOutcome, Warehouse,
    WarehouseError,
};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

use super::plan::{Fate, FaultPlan};

/// A warehouse whose calls fail by plan: before they happen, or after, so that only the answer is lost. Calls are named
/// `warehouse.commit` and so on.
#[derive(Debug)]
pub struct FaultyWarehouse<W: ?Sized> {
    inner: Arc<W>,
    plan: Arc<FaultPlan>,
}

impl<W: ?Sized> FaultyWarehouse<W> {
    /// Wraps `inner`, which may be an `Arc<dyn Warehouse>` or one of a known kind.
    pub fn new(inner: Arc<W>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }
}

fn unavailable(operation: &'static str, effect: Effect) -> WarehouseError {
    WarehouseError::Unavailable { operation, effect, source: "planned fault".into() }
}

macro_rules! fated {
    ($self:ident, $operation:literal, $call:expr) => {
        match $self.plan.next(concat!("warehouse.", $operation)) {
            Fate::Works => $call.await,
            Fate::FailsBefore => Err(unavailable($operation, Effect::NotApplied)),
            Fate::FailsAfter => {
                // What the call answers is what gets lost.
                drop($call.await);
                Err(unavailable($operation, Effect::Unknown))
            }
        }
    };
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<W: Warehouse + ?Sized> Warehouse for FaultyWarehouse<W> {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        fated!(self, "ensure", self.inner.ensure(family))
    }

    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        fated!(self, "take_fence", self.inner.take_fence(family, owner, ledger))
    }

    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        fated!(self, "markers", self.inner.markers(family, entries))
    }

    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        fated!(self, "migrate", self.inner.migrate(fence, shape))
    }

    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        fated!(self, "plan", self.inner.plan(shape))
    }

    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError> {
        fated!(self, "stage", self.inner.stage(shape, name, manifests))
    }

    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        fated!(self, "commit", self.inner.commit(shape, request))
    }

    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        fated!(self, "drop_staging", self.inner.drop_staging(name))
    }

    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        fated!(self, "stagings", self.inner.stagings(family))
    }

    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        fated!(self, "standing", self.inner.standing(shape, load))
    }

    async fn ping(&self) -> Result<(), WarehouseError> {
        fated!(self, "ping", self.inner.ping())
    }

    fn ddl(&self, shape: &FamilyShape) -> Vec<String> {
        self.inner.ddl(shape)
    }

    fn call_limits(&self) -> Option<CallLimits> {
        self.inner.call_limits()
    }

    async fn come_to_rest(&self) {
        self.inner.come_to_rest().await;
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<W: QueryWarehouse + ?Sized> QueryWarehouse for FaultyWarehouse<W> {
    async fn query(&self, sql: &str, limit: usize) -> Result<QueryAnswer, WarehouseError> {
        fated!(self, "query", self.inner.query(sql, limit))
    }
}
