//! A warehouse whose calls are concurrent transactions, each a script of statements that take locks and a snapshot as
//! the isolation says.
//!
//! A transaction goes on, to its end, when nobody waits for its answer any more.

mod commit;
mod contest;
mod migrate;
mod reference;
mod scope;
mod select;
mod stage;
mod state;
mod transaction;

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::row_reader::PartReader;
use lakehand_domain::port::warehouse::{
    CallLimits, CommitOutcome, MigrateOutcome, MigrationPlan, QueryAnswer, QueryWarehouse, TakeOutcome, Warehouse,
    WarehouseError,
};
use lakehand_domain::shape::{FamilyShape, TableShape};
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

pub use state::{Cell, Family, Kept, Standing, State, rows_name, view_name};

/// How transactions see and hinder each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// As Redshift: a write locks its table until the transaction ends. The snapshot is taken by the first statement,
    /// after it has waited for its lock; what another changed since is a conflict.
    TableLocks,
    /// As PostgreSQL at repeatable read: a write locks its row. The snapshot is taken by the first statement, before it
    /// waits; what another changed since is a conflict.
    RowLocks,
    /// As PostgreSQL at read committed: a write locks its row, and each statement sees what is committed by then.
    ReadCommitted,
    /// As SQLite: one transaction that writes at a time.
    OneWriter,
}

/// What goes by between two steps of a transaction.
#[async_trait]
pub trait Pace: Debug + Send + Sync {
    /// Returns when the next step is to be done. An error ends the transaction there, as a restart of the warehouse
    /// does.
    async fn step(&self) -> Result<(), WarehouseError>;
}

/// No time goes by, and others get their turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unhurried;

#[async_trait]
impl Pace for Unhurried {
    async fn step(&self) -> Result<(), WarehouseError> {
        tokio::task::yield_now().await;
        Ok(())
    }
}

/// A transaction that another was in the way of did not happen, and is begun anew this often before the caller is told.
const ATTEMPTS: u32 = 16;

/// A warehouse in memory.
#[derive(Debug)]
pub struct MemoryWarehouse {
    engine: Arc<Engine>,
    running: Mutex<JoinSet<()>>,
}

/// What transactions share.
#[derive(Debug)]
struct Engine {
    isolation: Isolation,
    pace: Box<dyn Pace>,
    parts: Arc<dyn PartReader>,
    state: Mutex<State>,
}

impl Engine {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryWarehouse {
    /// An empty warehouse that reads its parts from `parts`.
    pub fn new(isolation: Isolation, pace: Box<dyn Pace>, parts: Arc<dyn PartReader>) -> Self {
        let engine = Engine { isolation, pace, parts, state: Mutex::default() };
        Self { engine: Arc::new(engine), running: Mutex::default() }
    }

    /// All that is committed.
    pub fn snapshot(&self) -> State {
        self.engine.state().committed()
    }

    /// Goes back to what was committed then. Transactions under way come to nothing.
    pub fn restore(&self, state: &State) {
        self.engine.state().restore(state);
    }

    /// Changes whenever something is committed.
    pub fn changes(&self) -> u64 {
        self.engine.state().changes()
    }

    /// The stagings of a family that are there, for a test to look at.
    pub fn stagings_now(&self, family: &FamilyId) -> Vec<Nonce> {
        self.engine.state().stagings(family)
    }

    /// A family as it is committed, for a test to look at.
    pub fn family(&self, family: &FamilyId) -> Option<Family> {
        self.engine.state().family(family).cloned()
    }

    /// Runs a transaction that nobody's impatience ends.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, WarehouseError>> + Send + 'static,
    ) -> Result<T, WarehouseError> {
        let (tell, told) = oneshot::channel();
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            while running.try_join_next().is_some() {}
            running.spawn(async move { drop(tell.send(work.await)) });
        }
        told.await.unwrap_or_else(|_| Err(unavailable("the transaction was never ended", Effect::Unknown)))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Warehouse for MemoryWarehouse {
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError> {
        self.engine.state().ensure(family);
        Ok(())
    }

    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError> {
        let (engine, family) = (Arc::clone(&self.engine), family.clone());
        let (owner, ledger) = (owner.clone(), ledger.clone());
        self.run(async move {
            let mut attempts = 0;
            loop {
                attempts += 1;
                match commit::take(&engine, &family, &owner, &ledger).await {
                    Err(WarehouseError::Conflict { .. }) if attempts < ATTEMPTS => {}
                    answer => return answer,
                }
            }
        })
        .await
    }

    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError> {
        let state = self.engine.state();
        let family = state.family(family).ok_or_else(|| never_ensured("markers", family))?;
        Ok(family.markers().filter(|marker| entries.contains(&marker.entry)).cloned().collect())
    }

    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError> {
        let (engine, fence, shape) = (Arc::clone(&self.engine), fence.clone(), shape.clone());
        self.run(async move {
            let mut attempts = 0;
            loop {
                attempts += 1;
                match migrate::migrate(&engine, &fence, &shape).await {
                    Err(WarehouseError::Conflict { .. }) if attempts < ATTEMPTS => {}
                    answer => return answer,
                }
            }
        })
        .await
    }

    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError> {
        Ok(migrate::plan(&self.engine.state(), shape))
    }

    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError> {
        let (engine, shape, name) = (Arc::clone(&self.engine), shape.clone(), name.clone());
        let manifests = manifests.to_vec();
        self.run(async move { stage::stage(&engine, &shape, &name, &manifests).await }).await
    }

    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError> {
        let (engine, shape, request) = (Arc::clone(&self.engine), shape.clone(), request.clone());
        self.run(async move {
            let mut attempts = 0;
            loop {
                attempts += 1;
                match commit::commit(&engine, &shape, &request).await {
                    Err(WarehouseError::Conflict { .. }) if attempts < ATTEMPTS => {}
                    answer => return answer,
                }
            }
        })
        .await
    }

    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError> {
        self.engine.state().drop_staging(name);
        Ok(())
    }

    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError> {
        Ok(self.engine.state().stagings(family))
    }

    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError> {
        let state = self.engine.state();
        let family = state.family(&shape.family).ok_or_else(|| never_ensured("standing", &shape.family))?;
        Ok(shape.tables.iter().filter_map(|table| family.standing(table, load)).collect())
    }

    async fn ping(&self) -> Result<(), WarehouseError> {
        Ok(())
    }

    fn ddl(&self, shape: &FamilyShape) -> Vec<String> {
        let create = |table: &TableShape| {
            let columns: Vec<String> =
                table.part_columns().iter().map(|column| format!("{} {}", column.name, column.column_type)).collect();
            format!("CREATE TABLE {} ({})", rows_name(table), columns.join(", "))
        };
        shape.tables.iter().map(create).collect()
    }

    fn call_limits(&self) -> Option<CallLimits> {
        None
    }

    async fn come_to_rest(&self) {}
}

#[async_trait]
impl QueryWarehouse for MemoryWarehouse {
    async fn query(&self, sql: &str, limit: usize) -> Result<QueryAnswer, WarehouseError> {
        let state = self.engine.state();
        select::select(&state, sql, limit).map_err(|message| denied("query", message))
    }
}

fn denied(operation: &'static str, message: impl Into<String>) -> WarehouseError {
    WarehouseError::Denied { operation, source: message.into().into() }
}

fn never_ensured(operation: &'static str, family: &FamilyId) -> WarehouseError {
    denied(operation, format!("family {family} was never ensured"))
}

fn conflict(message: &str) -> WarehouseError {
    WarehouseError::Conflict { operation: "transaction", source: message.into() }
}

fn unavailable(message: &str, effect: Effect) -> WarehouseError {
    WarehouseError::Unavailable { operation: "transaction", effect, source: message.into() }
}

#[cfg(test)]
mod tests {
    use lakehand_domain::shape::{Contest, OnRewrite};
    use lakehand_domain::timestamp::Timestamp;
    use lakehand_domain::warehousing::StagedLoad;

    use super::*;
    use crate::conformance::warehouse::{MemoryParts, SampleLoad, SampleRow, Site, Tested, warehouse_suite};

    const ISOLATIONS: [Isolation; 4] =
        [Isolation::TableLocks, Isolation::RowLocks, Isolation::ReadCommitted, Isolation::OneWriter];

    fn tested(warehouse: &Arc<MemoryWarehouse>) -> Tested {
        Tested {
            warehouse: Arc::<MemoryWarehouse>::clone(warehouse),
            query: Arc::<MemoryWarehouse>::clone(warehouse),
            view: view_name,
            rows: rows_name,
            keep: Box::new(()),
        }
    }

    /// In how many steps, and where.
    type Due = (u32, Arc<MemoryWarehouse>);

    /// Drops all staging tables before one of the steps to come.
    #[derive(Debug, Clone, Default)]
    struct DropsStagings(Arc<Mutex<Option<Due>>>);

    #[async_trait]
    impl Pace for DropsStagings {
        async fn step(&self) -> Result<(), WarehouseError> {
            if let Some((steps, warehouse)) = self.0.lock().unwrap().as_mut() {
                *steps = steps.saturating_sub(1);
                if *steps == 0 {
                    warehouse.engine.state().staged.clear();
                }
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_staging_that_is_dropped_under_a_commit_takes_the_whole_batch_with_it() {
        for isolation in ISOLATIONS {
            let mut ended = Vec::new();
            for step in 1..=8 {
                let (parts, pace) = (Arc::new(MemoryParts::default()), DropsStagings::default());
                let reader: Arc<dyn PartReader> = Arc::<MemoryParts>::clone(&parts);
                let warehouse = Arc::new(MemoryWarehouse::new(isolation, Box::new(pace.clone()), reader));
                let site = Site::open(
                    Arc::new(tested(&warehouse)),
                    parts,
                    "d",
                    &Contest::Append { on_rewrite: OnRewrite::Replace },
                )
                .await;
                site.put_in_force().await;
                let rows = vec![SampleRow { key: 1, version: None, passes: true }];
                let manifest = site.manifest(&SampleLoad { object: 1, version: 1, generation: 1, rows });
                let staging = Nonce::new("staging");
                warehouse.stage(&site.shape, &staging, &[Arc::clone(&manifest)]).await.unwrap();
                let request = CommitRequest {
                    fence: site.take().await,
                    batch: "batch".to_owned(),
                    definition: site.shape.definitions[0].clone(),
                    loads: vec![StagedLoad { manifest, staging, as_written: false }],
                    now: Timestamp::from_micros(0),
                };
                *pace.0.lock().unwrap() = Some((step, Arc::clone(&warehouse)));
                let outcome = warehouse.commit(&site.shape, &request).await.unwrap();
                *pace.0.lock().unwrap() = None;
                let is_committed = matches!(outcome, CommitOutcome::Committed { .. });
                let family = warehouse.family(&site.shape.family).unwrap();
                let (rows, markers) = (family.rows().count(), family.markers().count());
                assert_eq!((rows, markers), if is_committed { (1, 1) } else { (0, 0) }, "{isolation:?} step {step}");
                ended.push(is_committed);
            }
            assert_eq!(ended, [false, false, false, false, true, true, true, true], "{isolation:?}");
        }
    }

    #[tokio::test]
    async fn it_passes_the_suite_in_every_isolation() {
        for isolation in ISOLATIONS {
            warehouse_suite("memory", |parts| async move {
                tested(&Arc::new(MemoryWarehouse::new(isolation, Box::new(Unhurried), parts)))
            })
            .await;
        }
    }
}
