//! A definition that the warehouse refuses, and one that is taken back, hold up nothing but their own files.

use std::sync::Arc;
use std::time::Duration;

use lakehand_daemon::{Daemon, Mode, RunReport};
use lakehand_domain::entry::StateName;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::queue::Queue;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use lakehand_testkit::faulty::warehouse::FaultyWarehouse;
use tokio_util::sync::CancellationToken;

use crate::world::World;

fn took(report: &RunReport) -> Duration {
    report.ended.since(report.started)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_under_a_definition_that_the_warehouse_refused_is_loaded_once_it_is_taken_back() {
    let mut world = World::new();
    world.land("in_1.txt", "1");
    assert!(world.drain("first").await.is_clean());
    world.column = "integer";
    world.land("in_2.txt", "2");
    let report = world.drain("narrow").await;
    assert!(report.unfinished[0].message.contains("refuses to change the tables"), "{report:#?}");
    world.column = "bigint";
    world.land("in_3.txt", "3");
    // Somebody asks for it besides, as one does with what stays written.
    let uri =
        world.entries().await.into_iter().find(|entry| entry.state_name() == StateName::Written).unwrap().object.uri;
    let replay = OwnMessage::new(vec![ObjectEvent { uri, cause: Cause::Replay }]);
    world.queue("queue").send(&replay.body(), Duration::ZERO).await.unwrap();
    let report = world.drain("back").await;
    assert!(report.is_clean() && took(&report) < Duration::from_secs(10), "{report:#?}");
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible", "/in_2.txt 1 2 visible", "/in_3.txt 1 3 visible"]);
    assert!(world.states().await.values().all(|state| *state == StateName::Loaded));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_does_not_wait_for_workers_of_another_definition_and_says_so() {
    let mut world = World::new();
    world.land("in_1.txt", "1");
    assert!(world.drain("first").await.is_clean());
    // Its loader never reached the warehouse: it was neither in force nor refused.
    world.column = "decimal(12,2)";
    world.land("in_2.txt", "2");
    let mut ports = world.ports("never");
    let plan = (1..=1_000).fold(FaultPlan::new(), |plan, number| plan.with(number, Fate::FailsBefore));
    ports.warehouse = Arc::new(FaultyWarehouse::new(world.warehouse(), Arc::new(plan)));
    let daemon = Daemon::new(ports, world.settings.clone(), None);
    assert!(!daemon.run(Mode::Drain, CancellationToken::new()).await.unwrap().is_clean());
    world.column = "bigint";
    world.land("in_3.txt", "3");
    let report = world.drain("back").await;
    assert!(took(&report) < world.settings.drain_patience, "{report:#?}");
    let [left] = report.unfinished.as_slice() else { panic!("{report:#?}") };
    assert_eq!(left.count, 1);
    assert!(left.message.contains("under another definition"), "{left:?}");
    assert_eq!(world.states().await["in_2.txt"], StateName::Written);
    assert_eq!(world.states().await["in_3.txt"], StateName::Loaded);
}
