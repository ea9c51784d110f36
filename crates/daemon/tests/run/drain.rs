//! A drain ends when all is done, and says what is not.

use std::time::Duration;

use lakehand_daemon::{Mode, Phase};
use lakehand_domain::entry::{SetAsideKind, StateName};
use lakehand_domain::id::{DatasetId, MessageId};
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{Ledger, PutEntry};
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn all_that_lies_in_the_landing_is_loaded_or_told_of() {
    let world = World::new();
    world.land("in_1.txt", "1\n2\n3\n4\nx");
    world.land("in_2.txt", "5");
    world.land("in_3.txt", "6\nx\ny");
    world.land("in_4.txt", "UNREADABLE");
    world.land("other.txt", "nobody claims it");
    let report = world.drain("first").await;
    assert_eq!(
        world.rows().await,
        [
            "/in_1.txt 1 1 visible",
            "/in_1.txt 2 2 visible",
            "/in_1.txt 3 3 visible",
            "/in_1.txt 4 4 visible",
            "/in_2.txt 1 5 visible"
        ]
    );
    let tally = &report.tally;
    assert_eq!((tally.written, tally.loaded, tally.set_aside_total()), (2, 2, 2), "{report:#?}");
    assert_eq!(tally.set_aside[&SetAsideKind::TooManyRejects], 1);
    assert_eq!((tally.records, tally.rejects.total()), (9, 3));
    assert_eq!(tally.rows[&DatasetId::new("d")]["t"], 5);
    assert!(report.unfinished.is_empty(), "{:?}", report.unfinished);
    assert!(!report.is_clean(), "two files were set aside");
    assert!(report.started < report.ended);
    assert_eq!(world.letters().await, 2);

    let again = world.drain("second").await;
    assert!(again.is_clean(), "{again:#?}");
    assert_eq!((again.tally.loaded, again.tally.written, world.letters().await), (0, 0, 2));
    assert_eq!(world.rows().await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_that_share_everything_load_every_row_once() {
    let world = World::new();
    for file in 0..12 {
        world.land(&format!("in_{file:02}.txt"), &format!("{file}\n{}", file + 100));
    }
    let (first, second) = tokio::join!(world.drain("first"), world.drain("second"));
    assert!(first.is_clean() && second.is_clean(), "{first:#?} {second:#?}");
    assert_eq!(first.tally.loaded + second.tally.loaded, 12);
    let expected: Vec<String> = (0..12)
        .flat_map(|file| {
            [format!("/in_{file:02}.txt 1 {file} visible"), format!("/in_{file:02}.txt 2 {} visible", file + 100)]
        })
        .collect();
    assert_eq!(world.rows().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_at_any_moment_changes_nothing() {
    let world = World::new();
    let mut expected = Vec::new();
    for round in 0..12_u64 {
        let (name, text) = (format!("in_{round:02}.txt"), format!("{round}\n{}", round + 100));
        world.land(&name, &text);
        expected.extend([format!("/{name} 1 {round} visible"), format!("/{name} 2 {} visible", round + 100)]);
        let daemon = world.daemon(&format!("dying {round}"));
        let run = daemon.run(Mode::Drain, CancellationToken::new());
        // Dropped where it is, with all its tasks.
        drop(tokio::time::timeout(Duration::from_millis(round * 17), run).await);
    }
    let report = world.drain("last").await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(world.rows().await, expected);
    assert!(world.states().await.values().all(|state| *state == StateName::Loaded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_worker_and_message_are_lost_is_asked_for() {
    let world = World::new();
    world.land("in_1.txt", "1");
    world.drain("first").await;
    let ledger = world.ledger();
    let entry = world.entries().await.remove(0);
    let again = lakehand_domain::entry::ClaimRequest {
        dataset: entry.dataset.clone(),
        object: entry.object.clone(),
        fingerprint: entry.fingerprint.clone(),
        worker: lakehand_domain::id::WorkerId::new("lost"),
        lease_for: Duration::from_millis(500),
        skew: Duration::ZERO,
        cause: Cause::Replay,
        asked_by: MessageRef::new(&MessageId::new("m"), entry.updated, &Attributes::default()),
        marked: None,
        now: entry.updated,
    };
    let decision = lakehand_domain::entry::claim(Some(&entry), &again);
    let lakehand_domain::entry::ClaimDecision::Take(taken) = decision else { panic!("{decision:?}") };
    assert_eq!(ledger.put(&taken).await.unwrap(), PutEntry::Stored);
    let report = world.drain("second").await;
    assert!(report.is_clean(), "{report:#?}");
    let entry = world.entries().await.remove(0);
    assert_eq!((entry.state_name(), entry.generation.0), (StateName::Loaded, 2));
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"], "the replay replaced what was there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_takes_long_is_waited_for() {
    let mut world = World::new();
    world.settings.drain_patience = Duration::from_millis(300);
    world.land("in_1.txt", "1\nSLOW");
    let report = world.drain("first").await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.tally.loaded, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_snapshot_follows_a_run() {
    let world = World::new();
    world.land("in_1.txt", "1");
    let daemon = world.daemon("first");
    let mut snapshot = daemon.snapshot();
    assert_eq!(snapshot.borrow().phase, Phase::Starting);
    let run = tokio::task::JoinSet::from_iter([daemon.run(Mode::Drain, CancellationToken::new())]);
    let seen = snapshot.wait_for(|state| state.tally.loaded == 1).await.unwrap().clone();
    assert!(matches!(seen.phase, Phase::Running | Phase::Draining), "{seen:?}");
    assert!(seen.is_healthy(), "{seen:?}");
    assert!(snapshot.wait_for(|state| state.phase == Phase::Stopped).await.is_ok());
    for report in run.join_all().await {
        assert!(report.unwrap().is_clean());
    }
}
