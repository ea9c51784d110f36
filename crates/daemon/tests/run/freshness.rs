//! A dataset of which nothing comes is told of, and fresh again when something does.

use std::time::Duration;

use lakehand_daemon::Mode;
use lakehand_domain::id::DatasetId;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_is_told_and_harms_nothing() {
    let mut world = World::new();
    world.freshness = Some(Duration::from_secs(2));
    world.land("in_1.txt", "1");
    let daemon = world.daemon("first");
    let mut snapshot = daemon.snapshot();
    let shutdown = CancellationToken::new();
    let run = JoinSet::from_iter([daemon.run(Mode::Forever, shutdown.clone())]);
    let id = DatasetId::new("d");
    let freshness = |state: &lakehand_daemon::Snapshot| state.families.get(&id).and_then(|family| family.freshness);
    let fresh = |state: &lakehand_daemon::Snapshot| freshness(state).is_some_and(|now| now.is_loaded && !now.is_stale);
    snapshot.wait_for(fresh).await.unwrap();
    let stale = |state: &lakehand_daemon::Snapshot| freshness(state).is_some_and(|now| now.is_stale);
    let state = snapshot.wait_for(stale).await.unwrap().clone();
    assert!(state.is_healthy());
    assert!(!freshness(&state).unwrap().waits);
    world.land("in_2.txt", "2");
    let state = snapshot.wait_for(fresh).await.unwrap().clone();
    assert_eq!((state.tally.loaded, state.tally.set_aside_total()), (2, 0));
    shutdown.cancel();
    run.join_all().await.remove(0).unwrap();
}
