//! Whatever is away is waited out: nothing is lost, no file loses an attempt, and health says what is wrong.

use std::sync::Arc;
use std::time::Duration;

use lakehand_daemon::{Chore, Daemon, Mode, Snapshot};
use lakehand_domain::entry::StateName;
use lakehand_pipeline::ports::Ports;
use lakehand_testkit::faulty::ledger::FaultyLedger;
use lakehand_testkit::faulty::object_store::FaultyStore;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use lakehand_testkit::faulty::queue::FaultyQueue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// The first so many calls fail: as long as that takes, a service is away.
fn away(calls: u64) -> Arc<FaultPlan> {
    Arc::new((1..=calls).fold(FaultPlan::new(), |plan, number| plan.with(number, Fate::FailsBefore)))
}

/// Runs a daemon over what is away and comes back; health must say what is wrong, and then that all is well.
async fn waited_out(change: impl FnOnce(&mut Ports), says: impl Fn(&Snapshot) -> Option<String>) -> World {
    let world = World::new();
    for file in 1..=3 {
        world.land(&format!("in_{file}.txt"), &file.to_string());
    }
    let mut ports = world.ports("first");
    change(&mut ports);
    let daemon = Daemon::new(ports, world.settings.clone(), None);
    let mut snapshot = daemon.snapshot();
    let shutdown = CancellationToken::new();
    let run = JoinSet::from_iter([daemon.run(Mode::Forever, shutdown.clone())]);
    let waiting = async {
        let sick = snapshot.wait_for(|state| !state.is_healthy() && says(state).is_some()).await.unwrap().clone();
        assert!(says(&sick).is_some_and(|said| said.contains("as planned")), "{sick:#?}");
        snapshot.wait_for(|state| state.is_healthy() && state.tally.loaded == 3).await.unwrap();
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("it comes back by itself");
    shutdown.cancel();
    run.join_all().await.remove(0).unwrap();
    let entries = world.entries().await;
    assert!(entries.iter().all(|entry| (entry.state_name(), entry.attempts) == (StateName::Loaded, 0)), "{entries:#?}");
    assert_eq!(world.rows().await.len(), 3);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_queue_is_waited_out() {
    waited_out(
        |ports| ports.queue = Arc::new(FaultyQueue::new(Arc::clone(&ports.queue), away(20))),
        |state| state.queue_error.clone(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_ledger_is_waited_out() {
    waited_out(
        |ports| ports.ledger = Arc::new(FaultyLedger::new(Arc::clone(&ports.ledger), away(60))),
        |state| state.families.values().find_map(|family| family.last_error.clone()),
    )
    .await;
}

/// A full disk, or a lake that is away: to intake it is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_out() {
    waited_out(
        |ports| ports.lake = Arc::new(FaultyStore::new(Arc::clone(&ports.lake), away(40))),
        |state| state.chores.of(Chore::Intake).and_then(|streak| streak.failing_since.and(streak.last_error.clone())),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_landing_is_waited_out() {
    waited_out(
        |ports| ports.landing = Arc::new(FaultyStore::new(Arc::clone(&ports.landing), away(1))),
        |state| state.listing.as_ref().and_then(|listing| listing.error.clone()),
    )
    .await;
}
