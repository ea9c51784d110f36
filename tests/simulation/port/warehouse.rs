//! The warehouse behind a wire, and the pace of its transactions.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::warehouse::{
    CallLimits, CommitOutcome, MigrateOutcome, MigrationPlan, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};
use lakehand_testkit::memory::warehouse::{MemoryWarehouse, Pace};

use super::cause;
use crate::judge::Judge;
use crate::timeline::Slot;
use crate::wire::{Broken, Network, Wire};

/// Between two steps of a transaction goes a little time, or a long one, or the transaction ends.
#[derive(Debug)]
pub(crate) struct DrawnPace(pub(crate) Arc<Network>);

#[async_trait]
impl Pace for DrawnPace {
    async fn step(&self) -> Result<(), WarehouseError> {
        let faults = self.0.faults();
        let (pause, aborted) = self.0.timeline.draw(|random| {
            let slow = random.once_in(faults.slow_step);
            let pause = if slow { random.millis(500, 8_000) } else { random.millis(1, 30) };
            (pause, random.once_in(faults.abort))
        });
        let slot = Slot::new();
        let filled = slot.clone();
        self.0.timeline.after(pause, move || filled.fill(()));
        slot.await;
        if aborted { Err(broken("transaction")(Broken::Unavailable(Effect::Unknown))) } else { Ok(()) }
    }
}

#[derive(Debug)]
pub(crate) struct WiredWarehouse {
    pub(crate) wire: Wire,
    pub(crate) warehouse: Arc<MemoryWarehouse>,
    pub(crate) judge: Arc<Judge>,
}

fn broken(operation: &'static str) -> impl Fn(Broken) -> WarehouseError {
    move |what| match what {
        Broken::Unavailable(effect) => WarehouseError::Unavailable { operation, effect, source: cause() },
        Broken::Denied => WarehouseError::Denied { operation, source: cause() },
    }
}

impl WiredWarehouse {
    async fn ask<T, W>(
        &self,
        name: &'static str,
        detail: impl FnOnce() -> String,
        work: impl FnOnce(Arc<MemoryWarehouse>) -> W + Send + 'static,
    ) -> Result<T, WarehouseError>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, WarehouseError>> + Send + 'static,
    {
        let warehouse = Arc::clone(&self.warehouse);
        self.wire.request(name, detail, move || Box::pin(work(warehouse)), broken(name)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Warehouse for WiredWarehouse {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        let family = family.clone();
        self.ask("warehouse.ensure", String::new, async move |w: Arc<MemoryWarehouse>| w.ensure(&family).await).await
    }

    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        let (family, owner, ledger) = (family.clone(), owner.clone(), ledger.clone());
        let detail = format!("{family} {owner}");
        let take = async move |w: Arc<MemoryWarehouse>| w.take_fence(&family, &owner, &ledger).await;
        self.ask("warehouse.take_fence", || detail, take).await
    }

    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        let (family, entries) = (family.clone(), entries.to_vec());
        let ask = async move |w: Arc<MemoryWarehouse>| w.markers(&family, &entries).await;
        self.ask("warehouse.markers", String::new, ask).await
    }

    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        let (fence, shape) = (fence.clone(), shape.clone());
        let detail = format!("token {}", fence.token.0);
        let migrate = async move |w: Arc<MemoryWarehouse>| w.migrate(&fence, &shape).await;
        self.ask("warehouse.migrate", || detail, migrate).await
    }

    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        let shape = shape.clone();
        let ask = async move |w: Arc<MemoryWarehouse>| w.plan(&shape).await;
        self.ask("warehouse.plan", String::new, ask).await
    }

    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError> {
        let (shape, name, manifests) = (shape.clone(), name.clone(), manifests.to_vec());
        let detail = name.to_string();
        let stage = async move |w: Arc<MemoryWarehouse>| w.stage(&shape, &name, &manifests).await;
        self.ask("warehouse.stage", || detail, stage).await
    }

    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        let (shape, request) = (shape.clone(), request.clone());
        let loads: Vec<String> = request.loads.iter().map(|load| load.manifest.load_id.to_string()).collect();
        let detail = format!("token {} {loads:?}", request.fence.token.0);
        self.judge.commits(&request.definition.dataset);
        let timeline = Arc::clone(&self.wire.network.timeline);
        let commit = async move |w: Arc<MemoryWarehouse>| {
            let answer = w.commit(&shape, &request).await;
            timeline.trace(|| format!("    token {} {answer:?}", request.fence.token.0));
            answer
        };
        self.ask("warehouse.commit", || detail, commit).await
    }

    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        let name = name.clone();
        let detail = name.to_string();
        let ask = async move |w: Arc<MemoryWarehouse>| w.drop_staging(&name).await;
        self.ask("warehouse.drop_staging", || detail, ask).await
    }

    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        let family = family.clone();
        let ask = async move |w: Arc<MemoryWarehouse>| w.stagings(&family).await;
        self.ask("warehouse.stagings", String::new, ask).await
    }

    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        let (shape, load) = (shape.clone(), load.clone());
        let ask = async move |w: Arc<MemoryWarehouse>| w.standing(&shape, &load).await;
        self.ask("warehouse.standing", String::new, ask).await
    }

    async fn ping(&self) -> Result<(), WarehouseError> {
        self.ask("warehouse.ping", String::new, async move |w: Arc<MemoryWarehouse>| w.ping().await).await
    }

    fn ddl(&self, shape: &FamilyShape) -> Vec<String> {
        self.warehouse.ddl(shape)
    }

    fn call_limits(&self) -> Option<CallLimits> {
        self.warehouse.call_limits()
    }

    async fn come_to_rest(&self) {
        self.warehouse.come_to_rest().await;
    }
}
