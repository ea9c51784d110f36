//! A ledger whose lists lag, as an index that is written after the items: what changed just now is in none of them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_daemon::{Daemon, Mode, SystemClock};
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::id::{EntryId, LedgerId, WorkerId};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PutEntry, StateCount};
use lakehand_domain::timestamp::Timestamp;
use lakehand_ledger::sqlite::SqliteLedger;
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[derive(Debug)]
struct LaggingLedger {
    inner: Arc<SqliteLedger>,
    lag: Duration,
}

#[async_trait]
impl Ledger for LaggingLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        self.inner.identity().await
    }

    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        self.inner.get(id).await
    }

    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        self.inner.put(entry).await
    }

    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        let mut page = self.inner.list(query).await?;
        let now = SystemClock.now();
        page.entries.retain(|entry| entry.updated.plus(self.lag) <= now);
        Ok(page)
    }

    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        self.inner.counts().await
    }

    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        self.inner.hold(name, owner, now, until).await
    }

    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        self.inner.let_go(name, owner).await
    }

    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        self.inner.number(name).await
    }

    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.inner.raise(name, value).await
    }

    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.inner.reset(name, value).await
    }

    fn lag(&self) -> Duration {
        self.lag
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_what_no_list_shows_yet() {
    let world = World::new();
    world.land("in_1.txt", "1\n2");
    world.land("in_2.txt", "3\nx\ny");
    let lagging = LaggingLedger { inner: world.ledger(), lag: Duration::from_millis(1_500) };
    let ports = Ports { ledger: Arc::new(lagging), ..world.ports("first") };
    let report = Daemon::new(ports, world.settings.clone(), None).run(Mode::Drain, CancellationToken::new()).await;
    let report = report.unwrap();
    assert!(report.unfinished.is_empty(), "{report:#?}");
    assert_eq!(report.tally.loaded, 1, "{report:#?}");
    let states = world.states().await;
    assert_eq!((states["in_1.txt"], states["in_2.txt"]), (StateName::Loaded, StateName::SetAside));
    assert_eq!((world.rows().await.len(), world.letters().await), (2, 1));
}
