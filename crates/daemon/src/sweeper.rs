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
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::chores::Chore;

pub(crate) use claims::{Asked, ask_for_lapsed};
use lake::{LakeSweep, LakeSwept};
use stagings::SeenStagings;

/// The lease under which one replica sweeps claims and staging tables.
const SWEEPING: &str = "sweeping";

/// The lease under which one replica sweeps the lake, which takes long.
const SWEEPING_LAKE: &str = "sweeping lake";

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
    /// At most this many pages a second, of the lake as of the ledger.
    pub pages_per_second: u32,
    /// At most this many pages of a dataset are listed in one sweep; the next one goes on there.
    pub max_pages: usize,
    /// At most this many objects of a dataset are deleted in one sweep.
    pub max_deletions: usize,
    /// A load that was found live is not looked up again for this long, so that it is not looked up at each listing.
    pub remember: Duration,
    /// At most this many loads are remembered.
    pub remembered: usize,
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
            pages_per_second: 2,
            max_pages: 200,
            max_deletions: 5_000,
            remember: Duration::from_hours(24),
            remembered: 100_000,
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

/// What sweeping has come to since the daemon began, as this process did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepHealth {
    /// When something was last swept.
    pub at: Option<Timestamp>,
    /// Claims of lost workers that were asked for.
    pub claims: u64,
    /// Staging tables of lost loaders that were dropped.
    pub stagings: u64,
    /// Dead objects of the lake that were deleted, and unfinished uploads.
    pub deleted: u64,
    /// Pages of the lake that were listed.
    pub pages: u64,
    /// When the lake was last seen as a whole.
    pub lake_ended: Option<Timestamp>,
}

/// The right of one replica to sweep, prolonged with every page.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    ports: &'a Ports,
    lease: &'static str,
    length: Duration,
    /// Between two pages.
    pause: Duration,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(ports: &'a Ports, settings: &SweeperSettings, lease: &'static str) -> Self {
        let pause = Duration::from_secs(1) / settings.pages_per_second.max(1);
        Self { ports, lease, length: settings.every * 2, pause }
    }

    /// Whether it is ours, from now on for twice the pause between two sweeps.
    pub(crate) async fn hold(&self) -> Result<bool, LedgerError> {
        self.hold_for(self.length).await
    }

    async fn hold_for(&self, length: Duration) -> Result<bool, LedgerError> {
        let now = self.ports.clock.now();
        self.ports.ledger.hold(self.lease, self.ports.identity.worker(), now, now.plus(length)).await
    }

    /// Waits as long as there must be between two pages. Whether it is still ours then.
    pub(crate) async fn next_page(&self) -> Result<bool, LedgerError> {
        self.ports.clock.sleep(self.pause).await;
        self.hold().await
    }

    async fn let_go(&self) {
        if let Err(error) = self.ports.ledger.let_go(self.lease, self.ports.identity.worker()).await {
            tracing::debug!(lease = self.lease, error = chain(&error), "the lease is left to run out");
        }
    }
}

/// Sweeps at intervals until it is stopped. Being dropped in the middle is harmless.
pub(crate) async fn run(ports: &Ports, settings: &SweeperSettings, board: &Board, stop: &CancellationToken) {
    let (claims, lake) = (Turn::new(ports, settings, SWEEPING), Turn::new(ports, settings, SWEEPING_LAKE));
    let both = async { tokio::join!(sweep_claims(settings, board, &claims), sweep_lake(settings, board, &lake)) };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        _ = both => {}
    }
    claims.let_go().await;
    lake.let_go().await;
}

async fn sweep_claims(settings: &SweeperSettings, board: &Board, turn: &Turn<'_>) {
    let ports = turn.ports;
    let mut asked = Asked::default();
    let mut stagings = SeenStagings::default();
    loop {
        match turn.hold().await {
            Ok(true) => {
                let swept = ask_for_lapsed(ports, settings, settings.claim_grace, Some(turn), &mut asked).await;
                let swept = said(board, Chore::SweepClaims, swept);
                board.swept(|sweeps| sweeps.claims += swept);
                let swept = said(board, Chore::SweepStagings, stagings.sweep(ports, settings).await);
                board.swept(|sweeps| sweeps.stagings += swept);
            }
            Ok(false) => {
                // Whoever sweeps says how it goes.
                board.chore(Chore::SweepClaims, Ok(()));
                board.chore(Chore::SweepStagings, Ok(()));
            }
            Err(error) => drop(said(board, Chore::SweepClaims, Err(error.into()))),
        }
        ports.clock.sleep(settings.every).await;
    }
}

async fn sweep_lake(settings: &SweeperSettings, board: &Board, turn: &Turn<'_>) {
    let ports = turn.ports;
    let mut lake = LakeSweep::default();
    loop {
        let is_due = lake.is_due(ports.clock.now(), settings);
        match if is_due { turn.hold().await } else { Ok(false) } {
            Ok(true) => {
                let mut done = LakeSwept::default();
                let swept = lake.sweep(ports, settings, turn, &mut done).await;
                let ended = done.ended.then(|| ports.clock.now());
                let swept = said(board, Chore::SweepLake, swept.map(|()| done.deleted));
                board.swept(|sweeps| {
                    sweeps.deleted += swept;
                    sweeps.pages += done.pages;
                    sweeps.lake_ended = ended.or(sweeps.lake_ended);
                });
                // Until the next one is due, so that the others do not sweep in turn.
                let until_due = settings.lake_every.saturating_add(settings.every);
                if ended.is_some()
                    && let Err(error) = turn.hold_for(until_due).await
                {
                    tracing::debug!(error = chain(&error), "another replica may sweep the lake again at once");
                }
            }
            Ok(false) if is_due => board.chore(Chore::SweepLake, Ok(())),
            Ok(false) => {}
            Err(error) => drop(said(board, Chore::SweepLake, Err(error.into()))),
        }
        ports.clock.sleep(settings.every).await;
    }
}

/// Says what a sweep came to, and gives how much was swept.
fn said(board: &Board, what: Chore, swept: Result<u64, SweepError>) -> u64 {
    match swept {
        Ok(count) => {
            if count > 0 {
                tracing::info!(what = what.as_str(), count, "swept");
            }
            board.chore(what, Ok(()));
            count
        }
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(what = what.as_str(), error, "the sweep stopped, to be tried again");
            board.chore(what, Err(&error));
            0
        }
    }
}

#[cfg(test)]
mod tests;
