//! Commit: under the fence, one transaction that adds rows and markers.
//!
//! An unknown outcome is never repeated blindly: the fence is taken again, which waits for the transaction in doubt or
//! defeats it, and the markers say what is missing.

mod fence;
mod reconcile;

use std::collections::HashMap;
use std::sync::Arc;

use lakehand_domain::fault::{Effect, Fault, chain};
use lakehand_domain::id::EntryId;
use lakehand_domain::port::warehouse::{CommitOutcome, WarehouseError};
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker, StagedLoad};

use crate::error::Stage;
use crate::gather::{WrittenLoad, load_of_marker};
use crate::loading::{LoadError, LoadOutcome, Loader, Memory, Standing, lost_its_parts, send_back};
use crate::stage::{Planned, Staged};
pub(crate) use fence::batches_number;
use fence::{Take, take};

const STAGE: Stage = Stage::Commit;

/// A load that the warehouse has marked.
#[derive(Debug)]
pub(crate) struct Marked {
    pub(crate) load: WrittenLoad,
    pub(crate) batch: String,
}

/// What commit came to.
#[derive(Debug, Default)]
pub(crate) struct Committed {
    pub(crate) marked: Vec<Marked>,
    /// At least so many batches the warehouse has committed, those of `marked` included.
    pub(crate) batches: Option<u64>,
    pub(crate) outcome: LoadOutcome,
}

/// Commits what is planned and not marked yet.
pub(crate) async fn commit(loader: &Loader<'_>, memory: &mut Memory, staged: Staged) -> Result<Committed, LoadError> {
    let Staged { mut plan, outcome } = staged;
    let mut committed = Committed { outcome, ..Committed::default() };
    if plan.is_empty() && memory.verified {
        return Ok(committed);
    }
    let shape = loader.shape();
    let mut obstacle = Obstacle::Loader;
    for attempt in 1..=loader.settings.attempts.max(1) {
        if attempt > 1 {
            // Who took the fence from us is given the time to use it.
            loader.pause(attempt - 1).await;
        }
        let fence = match take(loader, memory, &shape, &mut committed.outcome).await? {
            Take::Ours(fence) => fence,
            Take::Again(why) => {
                obstacle = why;
                continue;
            }
            Take::StandAside(message) => {
                committed.outcome.standing = Standing::Retired { message };
                return Ok(committed);
            }
        };
        committed.batches = Some(fence.batches);
        plan = look(loader, memory, &fence, plan, &mut committed).await?;
        let (batch, loads) = (loader.ports.identity.nonce().to_string(), staged_loads(&plan));
        if loads.is_empty() {
            // Whatever is left had a marker before the fence was taken and has none now: the next pass stages it.
            committed.outcome.left += plan.len() as u64;
            return Ok(committed);
        }
        let request = CommitRequest {
            fence,
            batch: batch.clone(),
            definition: loader.definition(),
            loads,
            now: loader.ports.clock.now(),
        };
        match loader.ports.warehouse.commit(&shape, &request).await {
            Ok(CommitOutcome::Committed { batches }) => {
                committed.batches = Some(batches);
                let (done, left): (Vec<Planned>, _) = plan.into_iter().partition(|planned| planned.staging.is_some());
                committed.outcome.left += left.len() as u64;
                committed
                    .marked
                    .extend(done.into_iter().map(|planned| Marked { load: planned.load, batch: batch.clone() }));
                return Ok(committed);
            }
            Ok(CommitOutcome::FenceLost) => obstacle = Obstacle::Loader,
            Ok(CommitOutcome::Refused { message }) => obstacle = Obstacle::Other(message),
            Err(error) => obstacle = Obstacle::of(error, memory)?,
        }
        tracing::debug!(dataset.id = %loader.dataset.id, attempt, "not committed: {obstacle}");
    }
    match obstacle {
        // Another loader is at work on the same entries, and does as well as we.
        Obstacle::Loader => {
            committed.outcome.left += plan.len() as u64;
            Ok(committed)
        }
        Obstacle::Other(message) => {
            memory.doubt();
            Err(LoadError::NotCommitted { attempts: loader.settings.attempts, message })
        }
    }
}

/// Why an attempt came to nothing, where another may.
#[derive(Debug)]
enum Obstacle {
    /// Another loader took the fence.
    Loader,
    /// Anything else.
    Other(String),
}

impl Obstacle {
    /// A conflict, or an outcome that nobody knows; any other error ends the batch.
    fn of(error: WarehouseError, memory: &mut Memory) -> Result<Self, LoadError> {
        if matches!(error, WarehouseError::Conflict { .. }) || error.effect() == Effect::Unknown {
            return Ok(Self::Other(chain(&error)));
        }
        memory.doubt();
        Err(LoadError::Warehouse { stage: STAGE, source: error })
    }
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loader => f.write_str("another loader took the fence"),
            Self::Other(message) => f.write_str(message),
        }
    }
}

fn staged_loads(plan: &[Planned]) -> Vec<StagedLoad> {
    let staged = plan.iter().filter_map(|planned| {
        let staging = planned.staging.clone()?;
        let as_written = planned.load.as_written.is_some();
        Some(StagedLoad { manifest: Arc::clone(&planned.load.manifest), staging, as_written })
    });
    staged.collect()
}

/// Under the fence nobody else can mark anything: what is marked now is done, and what is not is ours to commit, or
/// can never be.
async fn look(
    loader: &Loader<'_>,
    memory: &mut Memory,
    fence: &Fence,
    plan: Vec<Planned>,
    committed: &mut Committed,
) -> Result<Vec<Planned>, LoadError> {
    if plan.is_empty() {
        return Ok(plan);
    }
    let ids: Vec<EntryId> = plan.iter().map(|planned| planned.load.entry.id.clone()).collect();
    let markers = loader.ports.warehouse.markers(&fence.family, &ids).await.map_err(|source| {
        memory.doubt();
        LoadError::Warehouse { stage: STAGE, source }
    })?;
    let mut markers: HashMap<EntryId, Marker> =
        markers.into_iter().map(|marker| (marker.entry.clone(), marker)).collect();
    let mut rest = Vec::with_capacity(plan.len());
    for planned in plan {
        let entry = &planned.load.entry;
        let load_id = &entry.load_id;
        match markers.remove(&entry.id) {
            Some(marker) if marker.load_id == *load_id => {
                committed.marked.push(Marked { load: planned.load, batch: marker.batch });
            }
            Some(marker) if marker.generation >= entry.generation => {
                let why = format!(
                    "the warehouse has generation {} of it, by load {}, which the ledger has lost",
                    marker.generation, marker.load_id
                );
                let live = load_of_marker(loader.ports, &marker).await.map_err(LoadError::store(STAGE))?;
                send_back(loader, STAGE, entry, &why, |entry, now| {
                    entry.overtaken(load_id, marker.generation, live.clone(), now)
                })
                .await?;
                committed.outcome.sent_back += 1;
            }
            _ if planned.load.manifest.erasure_epoch < fence.erasure_epoch => {
                let why = "someone was erased since it was written".to_owned();
                committed.outcome.sent_back += u64::from(lost_its_parts(loader, memory, STAGE, entry, &why).await?);
            }
            _ => rest.push(planned),
        }
    }
    Ok(rest)
}
