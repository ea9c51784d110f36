//! A warehouse that is away holds up nothing but loading.

use std::sync::Arc;
use std::time::Duration;

use lakehand_daemon::{Daemon, FamilyState, Mode};
use lakehand_domain::entry::StateName;
use lakehand_domain::id::{LedgerId, Nonce};
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::warehouse::Warehouse;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use lakehand_testkit::faulty::warehouse::FaultyWarehouse;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_though_the_warehouse_is_away() {
    let world = World::new();
    world.land("in_1.txt", "1");
    world.land("in_2.txt", "2");
    let mut ports = world.ports("first");
    let plan = (1..=1_000).fold(FaultPlan::new(), |plan, number| plan.with(number, Fate::FailsBefore));
    ports.warehouse = Arc::new(FaultyWarehouse::new(world.warehouse(), Arc::new(plan)));
    let daemon = Daemon::new(ports, world.settings.clone(), None);
    let snapshot = daemon.snapshot();
    let report = daemon.run(Mode::Drain, CancellationToken::new()).await.unwrap();
    assert_eq!((report.tally.written, report.tally.loaded), (2, 0));
    assert!(!report.is_clean());
    assert_eq!(report.unfinished.len(), 1, "{report:#?}");
    assert_eq!(report.unfinished[0].count, 2);
    assert!(report.unfinished[0].message.contains("planned fault"), "{report:#?}");
    let family = snapshot.borrow().families.values().next().unwrap().clone();
    assert!(family.unhealthy_since.is_some() && family.failures >= 5, "{family:?}");
    assert!(!snapshot.borrow().is_healthy());
    assert_eq!(world.queue("queue").depth().await.unwrap().total(), 0, "messages do not wait for the warehouse");
    assert!(world.states().await.values().all(|state| *state == StateName::Written));

    let report = world.drain("second").await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(report.tally.loaded, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_what_only_a_person_can_mend() {
    let world = World::new();
    world.land("in_1.txt", "1");
    let (warehouse, ports) = (world.warehouse(), world.ports("first"));
    let family = ports.catalog.iter().next().unwrap().family();
    warehouse.ensure(&family).await.unwrap();
    warehouse.take_fence(&family, &Nonce::new("theirs"), &LedgerId::new("other")).await.unwrap();
    let report = world.drain("first").await;
    assert!(report.ended.since(report.started) < Duration::from_secs(5), "{report:#?}");
    assert!(report.unfinished[0].message.contains("ledger other"), "{report:#?}");
    assert_eq!(world.states().await["in_1.txt"], StateName::Written);
}

/// Neither the lake nor the landing has what was written: nobody can load it, and health says so until either is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_nobody_can_load_is_told_of() {
    let world = World::new();
    world.land("in_1.txt", "1");
    let mut ports = world.ports("first");
    let plan = (1..=1_000).fold(FaultPlan::new(), |plan, number| plan.with(number, Fate::FailsBefore));
    ports.warehouse = Arc::new(FaultyWarehouse::new(world.warehouse(), Arc::new(plan)));
    Daemon::new(ports, world.settings.clone(), None).run(Mode::Drain, CancellationToken::new()).await.unwrap();
    let (lake, away) = (world.folder.path().join("lake/d"), world.folder.path().join("away"));
    std::fs::rename(&lake, &away).unwrap();
    std::fs::remove_file(world.folder.path().join("landing/in_1.txt")).unwrap();
    let daemon = world.daemon("second");
    let snapshot = daemon.snapshot();
    let report = daemon.run(Mode::Drain, CancellationToken::new()).await.unwrap();
    assert!(report.unfinished[0].message.contains("bring the lake back"), "{report:#?}");
    assert!(!snapshot.borrow().is_healthy());
    assert_eq!(world.states().await["in_1.txt"], StateName::Written);

    std::fs::rename(&away, &lake).unwrap();
    let daemon = world.daemon("third");
    let snapshot = daemon.snapshot();
    assert!(daemon.run(Mode::Drain, CancellationToken::new()).await.unwrap().is_clean());
    assert!(snapshot.borrow().is_healthy());
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_an_answer_is_given_up() {
    let mut world = World::new();
    world.land("in_1.txt", "1");
    world.settings.deadlines.warehouse = Duration::from_millis(200);
    world.settings.deadlines.rows = Duration::from_millis(200);
    world.settings.loading.attempts = 1;
    let mut ports = world.ports("first");
    ports.warehouse = Arc::new(crate::shutdown::Hanging::on(world.warehouse()));
    let daemon = Daemon::new(ports, world.settings.clone(), None);
    let snapshot = daemon.snapshot();
    let report = daemon.run(Mode::Drain, CancellationToken::new()).await.unwrap();
    assert!(report.unfinished[0].message.contains("no answer within"), "{report:#?}");
    assert_eq!(snapshot.borrow().families.values().next().unwrap().state, FamilyState::Stopped);
    assert!(world.drain("second").await.is_clean());
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
}
