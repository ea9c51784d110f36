//! A daemon that is told to stop finishes what it can and gives back the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_daemon::{Mode, Phase};
use lakehand_domain::entry::StateName;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, MigrationPlan, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};
use lakehand_warehouse::sqlite::SqliteWarehouse;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_runs_until_it_is_told_to_stop() {
    let world = World::new();
    let daemon = world.daemon("first");
    let mut snapshot = daemon.snapshot();
    let shutdown = CancellationToken::new();
    let run = JoinSet::from_iter([daemon.run(Mode::Forever, shutdown.clone())]);
    for file in 1..=3 {
        world.land(&format!("in_{file}.txt"), &file.to_string());
        snapshot.wait_for(|state| state.tally.loaded == file).await.unwrap();
    }
    shutdown.cancel();
    let report = run.join_all().await.remove(0).unwrap();
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.tally.loaded, 3);
    assert_eq!(snapshot.borrow().phase, Phase::Stopped);
    assert_eq!(world.rows().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_by_the_deadline_is_given_back() {
    let mut world = World::new();
    world.settings.drain_deadline = Duration::from_millis(300);
    world.land("in_1.txt", "STUCK");
    let daemon = world.daemon("first");
    let shutdown = CancellationToken::new();
    let run = JoinSet::from_iter([daemon.run(Mode::Forever, shutdown.clone())]);
    while !world.tiny.is_stuck.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    let report = run.join_all().await.remove(0).unwrap();
    assert_eq!(report.unfinished.len(), 1, "{report:#?}");
    assert_eq!(report.unfinished[0].count, 1);
    let entry = world.entries().await.remove(0);
    assert_eq!((entry.state_name(), entry.lease()), (StateName::Claimed, None), "it is free at once");
    assert_eq!(entry.attempts, 0);
    let depth = world.queue("queue").depth().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (1, 0), "so is its message");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_does_not_end_by_the_deadline_is_dropped() {
    let mut world = World::new();
    world.settings.drain_deadline = Duration::from_millis(300);
    world.land("in_1.txt", "1");
    let mut ports = world.ports("first");
    let hanging = Arc::new(Hanging::on(world.warehouse()));
    ports.warehouse = Arc::<Hanging>::clone(&hanging);
    let daemon = lakehand_daemon::Daemon::new(ports, world.settings.clone(), None);
    let mut snapshot = daemon.snapshot();
    let shutdown = CancellationToken::new();
    let run = JoinSet::from_iter([daemon.run(Mode::Forever, shutdown.clone())]);
    snapshot.wait_for(|state| state.tally.written == 1).await.unwrap();
    while !hanging.is_copying.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    shutdown.cancel();
    let report = run.join_all().await.remove(0).unwrap();
    assert!(report.ended.since(report.started) < Duration::from_secs(10), "{report:#?}");
    assert!(hanging.has_rested.load(Ordering::SeqCst), "what was dropped is waited for, until it is stopped");
    assert!(world.drain("second").await.is_clean());
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
}

/// A warehouse in which a copy never ends.
#[derive(Debug)]
pub(crate) struct Hanging {
    inner: Arc<SqliteWarehouse>,
    is_copying: AtomicBool,
    has_rested: AtomicBool,
}

impl Hanging {
    pub(crate) fn on(inner: Arc<SqliteWarehouse>) -> Self {
        Self { inner, is_copying: AtomicBool::new(false), has_rested: AtomicBool::new(false) }
    }
}

#[async_trait]
impl Warehouse for Hanging {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        self.inner.ensure(family).await
    }
    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        self.inner.take_fence(family, owner, ledger).await
    }
    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        self.inner.markers(family, entries).await
    }
    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        self.inner.migrate(fence, shape).await
    }
    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        self.inner.plan(shape).await
    }
    async fn stage(&self, _: &FamilyShape, _: &Nonce, _: &[Arc<Manifest>]) -> Result<Staging, WarehouseError> {
        self.is_copying.store(true, Ordering::SeqCst);
        std::future::pending().await
    }
    async fn commit(&self, _: &FamilyShape, _: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        unreachable!("nothing was staged")
    }
    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        self.inner.drop_staging(name).await
    }
    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        self.inner.stagings(family).await
    }
    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        self.inner.standing(shape, load).await
    }
    async fn ping(&self) -> Result<(), WarehouseError> {
        self.inner.ping().await
    }
    fn ddl(&self, shape: &FamilyShape) -> Vec<String> {
        self.inner.ddl(shape)
    }
    async fn come_to_rest(&self) {
        self.has_rested.store(self.is_copying.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}
