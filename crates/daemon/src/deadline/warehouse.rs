//! Deadlines for the warehouse.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::warehouse::{
    CallLimits, CommitOutcome, MigrateOutcome, MigrationPlan, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

use crate::deadline::{Deadlines, within};

/// A call that ends by itself has this long to say so.
const MARGIN: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct PatientWarehouse {
    inner: Arc<dyn Warehouse>,
    deadlines: Deadlines,
}

impl PatientWarehouse {
    /// A warehouse that ends its calls by itself is left the time to do so: to give a call up sooner would be to begin it
    /// anew, for ever, where it takes just that long.
    pub(super) fn new(inner: Arc<dyn Warehouse>, mut deadlines: Deadlines) -> Self {
        if let Some(CallLimits { short, rows }) = inner.call_limits() {
            deadlines.warehouse = deadlines.warehouse.max(short.saturating_add(MARGIN));
            deadlines.rows = deadlines.rows.max(rows.saturating_add(MARGIN));
        }
        Self { inner, deadlines }
    }
}

fn late(operation: &'static str) -> impl FnOnce(Cause) -> WarehouseError {
    move |source| WarehouseError::Unavailable { operation, effect: Effect::Unknown, source }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Warehouse for PatientWarehouse {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        within(self.deadlines.warehouse, self.inner.ensure(family), late("ensure")).await
    }

    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        // It may wait for a commit in doubt.
        within(self.deadlines.rows, self.inner.take_fence(family, owner, ledger), late("take_fence")).await
    }

    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        within(self.deadlines.warehouse, self.inner.markers(family, entries), late("markers")).await
    }

    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        within(self.deadlines.rows, self.inner.migrate(fence, shape), late("migrate")).await
    }

    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        within(self.deadlines.warehouse, self.inner.plan(shape), late("plan")).await
    }

    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError> {
        within(self.deadlines.rows, self.inner.stage(shape, name, manifests), late("stage")).await
    }

    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        within(self.deadlines.rows, self.inner.commit(shape, request), late("commit")).await
    }

    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        within(self.deadlines.warehouse, self.inner.drop_staging(name), late("drop_staging")).await
    }

    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        within(self.deadlines.warehouse, self.inner.stagings(family), late("stagings")).await
    }

    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        within(self.deadlines.warehouse, self.inner.standing(shape, load), late("standing")).await
    }

    async fn ping(&self) -> Result<(), WarehouseError> {
        within(self.deadlines.warehouse, self.inner.ping(), late("ping")).await
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
