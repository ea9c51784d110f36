//! The loop: what it takes, how much at once, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lakehand_daemon::SystemClock;
use lakehand_daemon::in_flight::InFlight;
use lakehand_daemon::intake::{IntakeReport, Signals, Until, run};
use lakehand_domain::backoff::Backoff;
use lakehand_domain::entry::StateName;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::observe::{FileInWork, Observer};
use lakehand_testkit::faulty::plan::{Fate as CallFate, FaultPlan};
use tokio::task::JoinSet;

use crate::gate::{Gate, eventually};
use crate::world::World;

fn world(plan: FaultPlan) -> World {
    let mut world = World::on(plan, Some(Arc::new(SystemClock)));
    world.settings.drain_poll = Duration::from_millis(50);
    world.settings.poll = Duration::from_millis(200);
    world.settings.retry = Backoff { first: Duration::from_millis(10), most: Duration::from_millis(50) };
    world
}

async fn drain(world: &World, observer: Arc<dyn Observer>) -> IntakeReport {
    run(world.ports.clone(), world.settings.clone(), observer, Signals::default(), Until::Drained).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_everything_and_never_more_at_once_than_permitted() {
    let mut world = world(FaultPlan::new());
    (world.settings.max_files, world.settings.max_transforms) = (3, 2);
    let names: Vec<String> = (0..20).map(|n| format!("in_{n}.txt")).collect();
    for name in &names {
        world.land(name, "a");
        world.send(&[name]).await;
    }
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, seen) = (Arc::clone(&now), Arc::clone(&most));
    world.tiny.during(move || {
        seen.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
    });
    let in_flight = Arc::new(InFlight::new(Arc::clone(&world.ports.clock), Arc::new(())));
    let report = drain(&world, Arc::<InFlight>::clone(&in_flight)).await;
    assert_eq!(report, IntakeReport { messages: 20, panicked: 0, drained: true });
    let entries = world.entries().await;
    assert_eq!(entries.iter().filter(|entry| entry.state_name() == StateName::Written).count(), 20);
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    assert_eq!((in_flight.messages(), in_flight.files().len()), (0, 0));
}

#[derive(Debug, Default)]
struct PanicsOnce(AtomicBool);

impl Observer for PanicsOnce {
    fn file_enters(&self, file: FileInWork<'_>, stage: Stage) {
        let first = stage == Stage::Claim && file.object.file_name() == "in_1.txt";
        assert!(!first || self.0.swap(true, Ordering::SeqCst), "as planned");
    }
}

#[tokio::test]
async fn a_panic_is_a_failed_job_and_no_dead_worker() {
    let mut world = world(FaultPlan::new());
    world.settings.visibility = Duration::from_millis(300);
    for name in ["in_0.txt", "in_1.txt", "in_2.txt"] {
        world.land(name, "a");
        world.send(&[name]).await;
    }
    let report = drain(&world, Arc::new(PanicsOnce::default())).await;
    assert_eq!((report.panicked, report.messages), (1, 4), "its message came again");
    assert_eq!(world.entries().await.len(), 3);
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_asked_again() {
    let plan = (1..=3).fold(FaultPlan::new(), |plan, n| plan.with(n, CallFate::FailsBefore));
    let world = world(plan);
    world.land("in_0.txt", "a");
    world.send(&["in_0.txt"]).await;
    let report = drain(&world, Arc::new(())).await;
    assert_eq!((report.messages, report.drained), (1, true));
}

struct Running {
    world: World,
    gate: Gate,
    signals: Signals,
    tasks: JoinSet<IntakeReport>,
}

/// One file is held in its transform, one message waits behind it.
async fn running() -> Running {
    let mut world = world(FaultPlan::new());
    world.settings.max_files = 1;
    for name in ["in_0.txt", "in_1.txt"] {
        world.land(name, "a\nb\nc");
        world.send(&[name]).await;
    }
    let mut gate = Gate::shut(&world.tiny);
    let signals = Signals::default();
    let mut tasks = JoinSet::new();
    tasks.spawn(run(world.ports.clone(), world.settings.clone(), Arc::new(()), signals.clone(), Until::Stopped));
    gate.reached().await;
    Running { world, gate, signals, tasks }
}

#[tokio::test]
async fn stopping_finishes_what_is_in_work_and_takes_nothing_new() {
    let Running { world, mut gate, signals, mut tasks } = running().await;
    signals.stop.cancel();
    eventually("it waits for the work", async || tasks.try_join_next().is_none()).await;
    gate.open();
    let report = tasks.join_next().await.unwrap().unwrap();
    assert_eq!((report.messages, report.drained), (1, false));
    assert_eq!(world.entry().await.state_name(), StateName::Written);
    assert_eq!(world.queue_total().await, 1);
}

#[tokio::test]
async fn aborting_gives_back_what_is_in_work() {
    let Running { world, mut gate, signals, mut tasks } = running().await;
    signals.stop.cancel();
    signals.abort.cancel();
    tasks.join_next().await.unwrap().unwrap();
    assert_eq!(world.entry().await.lease(), None);
    assert!(world.lake().await.is_empty());
    assert!(world.receive().await.is_some() && world.receive().await.is_some(), "both can be received at once");
    gate.open();
}
