//! Finds what was abandoned, and alone deletes what is dead: each after a grace longer than any lease and any call, so
//! that readers, loaders and manifests never race a deletion.

mod claims;
mod lake;
mod revive;
mod stagings;

use std::time::Duration;

use lakehand_domain::fault::chain;
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::port::queue::QueueError;
use lakehand_domain::port::warehouse::WarehouseError;
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

pub(crate) use claims::{Asked, ask_for_lapsed};
use lake::LakeSweep;
use stagings::SeenStagings;

/// The lease under which one replica sweeps.
const SWEEPING: &str = "sweeping";

/// How sweeping goes about its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweeperSettings {
    /// How long after a sweep the next one begins.
    pub every: Duration,
    /// An entry that is claimed and that nobody works on is asked for this long after its lease ended, or after it was
    /// due; normally its own message comes first.
    pub claim_grace: Duration,
    /// The most that two workers' clocks differ.
    pub skew: Duration,
    /// An entry that was asked for is asked for again after this long.
    pub ask_again: Duration,
    /// How long after a listing of the lake the next one begins.
    pub lake_every: Duration,
    /// A part of a dead load is deleted this long after it was last modified.
    pub part_grace: Duration,
    /// The ledger forgets what was loaded this long ago; `None`: never.
    pub forgets_loaded: Option<Duration>,
    /// Objects in a page of a listing of the lake.
    pub page: usize,
    /// At most this many pages of a dataset are listed in one sweep; the next one goes on there.
    pub max_pages: usize,
    /// At most this many objects of a dataset are deleted in one sweep.
    pub max_deletions: usize,
    /// Staging tables are dropped this long after they were made, or, where their names do not say when, after this process
    /// saw them first; later, where the warehouse's calls may take long.
    pub staging_grace: Duration,
}

impl Default for SweeperSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_mins(5),
            claim_grace: Duration::from_mins(2),
            skew: Duration::from_secs(5),
            ask_again: Duration::from_mins(30),
            lake_every: Duration::from_hours(1),
            part_grace: Duration::from_hours(24),
            forgets_loaded: None,
            page: 1_000,
            max_pages: 200,
            max_deletions: 5_000,
            staging_grace: Duration::from_hours(6),
        }
    }
}

/// Why a sweep did not come to its end; the next one begins anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SweepError {
    #[error("sweep: the ledger failed")]
    Ledger(#[from] LedgerError),
    #[error("sweep: the queue failed")]
    Queue(#[from] QueueError),
    #[error("sweep: the lake failed")]
    Store(#[from] StoreError),
    #[error("sweep: the warehouse failed")]
    Warehouse(#[from] WarehouseError),
}

/// Sweeps at intervals until it is stopped. Being dropped in the middle is harmless.
pub(crate) async fn run(ports: &Ports, settings: &SweeperSettings, stop: &CancellationToken) {
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = sweep_for_ever(ports, settings) => {}
    }
    if let Err(error) = ports.ledger.let_go(SWEEPING, ports.identity.worker()).await {
        tracing::debug!(error = chain(&error), "the sweeping lease is left to run out");
    }
}

async fn sweep_for_ever(ports: &Ports, settings: &SweeperSettings) {
    let mut asked = Asked::default();
    let mut lake = LakeSweep::default();
    let mut stagings = SeenStagings::default();
    loop {
        let now = ports.clock.now();
        let until = now.plus(settings.every * 2);
        match ports.ledger.hold(SWEEPING, ports.identity.worker(), now, until).await {
            Ok(true) => {
                said("claims", ask_for_lapsed(ports, settings, settings.claim_grace, &mut asked).await);
                said("staging tables", stagings.sweep(ports, settings).await);
                if lake.is_due(now, settings) {
                    said("lake", lake.sweep(ports, settings).await);
                }
            }
            Ok(false) => {}
            Err(error) => tracing::debug!(error = chain(&error), "the sweeping lease is not known"),
        }
        ports.clock.sleep(settings.every).await;
    }
}

fn said(what: &'static str, swept: Result<u64, SweepError>) {
    match swept {
        Ok(0) => {}
        Ok(count) => tracing::info!(what, count, "swept"),
        Err(error) => tracing::warn!(what, error = chain(&error), "the sweep stopped, to be tried again"),
    }
}

#[cfg(test)]
mod tests;
