//! Listings of a landing that has events: only what is new is looked up, in bounded rounds, beside whatever goes on.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use lakehand_daemon::SystemClock;
use lakehand_daemon::landing::{LandingSettings, ListingObserver, Reach, SweepReport, run, sweep_once, sweep_settled};
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::StateName;
use lakehand_domain::port::ledger::Ledger;
use lakehand_domain::port::queue::Queue;
use lakehand_testkit::faulty::plan::{Fate as CallFate, FaultPlan};
use tokio_util::sync::CancellationToken;

use crate::gate::eventually;
use crate::world::World;

const HOUR: Duration = Duration::from_hours(1);

fn settings() -> LandingSettings {
    LandingSettings {
        reach: Reach::New { overlap: HOUR * 2, history: false },
        settle: Duration::from_mins(15),
        pages_per_second: 1000,
        page: 2,
        ..LandingSettings::with_events()
    }
}

fn world(plan: FaultPlan) -> World {
    World::on(plan, Some(Arc::new(SystemClock)))
}

/// A file that landed so long ago.
fn land(world: &World, name: &str, ago: Duration) {
    world.land(name, name);
    let at = Duration::from_micros(SystemClock.now().minus(ago).micros().unsigned_abs());
    fs::File::options().write(true).open(world.landed(name)).unwrap().set_modified(UNIX_EPOCH + at).unwrap();
}

/// The numbers that the ledger keeps of listings.
fn watermarks(world: &World) -> Vec<(String, i64)> {
    let ledger = rusqlite::Connection::open(world.folder.path().join("ledger.db")).unwrap();
    let mut statement = ledger.prepare("SELECT name, value FROM number ORDER BY name").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_no_event_announced_is_found_and_what_is_old_is_not_looked_up() {
    let world = world(FaultPlan::new());
    land(&world, "in_old.txt", HOUR * 3);
    land(&world, "in_lost.txt", HOUR);
    land(&world, "in_fresh.txt", Duration::from_mins(1));
    land(&world, "other.txt", HOUR);
    let report = sweep_once(&world.ports, &settings()).await.unwrap();
    assert_eq!(report, SweepReport { objects: 4, unclaimed: 1, fresh: 1, old: 1, sent: 1, pages: 2, complete: true });
    world.to_the_end().await;
    assert_eq!(world.entry().await.object.uri.file_name(), "in_lost.txt");
    let calls = world.plan.calls();
    let again = sweep_once(&world.ports, &settings()).await.unwrap();
    assert_eq!((again.sent, again.old), (0, 1));
    let looked_up = world.plan.names().split_off(usize::try_from(calls).unwrap());
    let gets = looked_up.iter().filter(|name| **name == "ledger.get").count();
    assert_eq!(gets, 1, "only what is neither old nor fresh: {looked_up:?}");
    // Whoever wants history from the beginning says so before the first listing.
    let [(name, value)] = &watermarks(&world)[..] else { panic!("{:?}", watermarks(&world)) };
    assert!(name.starts_with("listed/d/"), "{name}");
    world.ledger.reset(name, value - 1_000_000 * 3600 * 24).await.unwrap();
    assert_eq!(sweep_once(&world.ports, &settings()).await.unwrap().sent, 1, "after going back it is found");
}

#[tokio::test]
async fn history_is_found_where_it_is_asked_for() {
    let world = world(FaultPlan::new());
    land(&world, "in_old.txt", HOUR * 24 * 400);
    let history = LandingSettings { reach: Reach::New { overlap: HOUR, history: true }, ..settings() };
    assert!(watermarks(&world).is_empty());
    assert_eq!(sweep_once(&world.ports, &history).await.unwrap().sent, 1);
    assert_eq!(watermarks(&world).len(), 1);
    assert_eq!(sweep_once(&world.ports, &history).await.unwrap().old, 1);
}

#[tokio::test]
async fn a_listing_that_fails_anywhere_finds_everything_the_next_time() {
    let calls = {
        let world = world(FaultPlan::new());
        land(&world, "in_1.txt", HOUR);
        sweep_once(&world.ports, &settings()).await.unwrap();
        world.plan.calls()
    };
    assert!(calls >= 6);
    for number in 1..=calls {
        for fate in [CallFate::FailsBefore, CallFate::FailsAfter] {
            let world = world(FaultPlan::new().with(number, fate));
            land(&world, "in_1.txt", HOUR);
            assert!(sweep_once(&world.ports, &settings()).await.is_err(), "call {number}");
            sweep_once(&world.ports, &settings()).await.unwrap();
            let mut entries = Vec::new();
            while let Some(message) = world.receive().await {
                world.process(&world.ports, message).await;
                entries = world.entries().await;
            }
            let states: Vec<_> = entries.iter().map(|entry| (entry.state_name(), entry.generation.0)).collect();
            assert_eq!(states, [(StateName::Written, 1)], "call {number}, {fate:?}");
        }
    }
}

#[derive(Debug, Default)]
struct Reports(Mutex<Vec<SweepReport>>);

impl ListingObserver for Reports {
    fn listed(&self, told: Result<&SweepReport, &str>) {
        self.0.lock().unwrap().push(*told.unwrap());
    }
}

async fn running(world: &World, settings: &LandingSettings, reports: &Reports, acting: impl Future<Output = ()>) {
    let stop = CancellationToken::new();
    tokio::join!(run(&world.ports, settings, None, reports, &stop), async {
        acting.await;
        stop.cancel();
    });
}

#[tokio::test]
async fn a_listing_goes_on_where_the_last_round_ended() {
    let world = world(FaultPlan::new());
    for n in 0..7 {
        land(&world, &format!("in_{n}.txt"), HOUR);
    }
    let bounded = LandingSettings { max_pages: 1, interval: Duration::from_millis(20), ..settings() };
    let reports = Reports::default();
    let done = || reports.0.lock().unwrap().iter().any(|report| report.complete);
    running(&world, &bounded, &reports, eventually("the listing comes to its end", async || done())).await;
    let reports = reports.0.into_inner().unwrap();
    let first = &reports[..4];
    assert!(first.iter().all(|report| report.pages == 1), "{first:?}");
    assert_eq!(first.iter().map(|report| report.sent).collect::<Vec<_>>(), [2, 2, 2, 1]);
    assert_eq!(first.iter().map(|report| report.complete).collect::<Vec<_>>(), [false, false, false, true]);
}

#[tokio::test]
async fn a_listing_waits_while_the_queue_is_long() {
    let world = world(FaultPlan::new());
    land(&world, "in_1.txt", HOUR);
    let patient = LandingSettings { busy: 2, interval: Duration::from_millis(20), ..settings() };
    for _ in 0..3 {
        world.send(&["in_1.txt"]).await;
    }
    let reports = Reports::default();
    let some_time = world.ports.clock.sleep(Duration::from_millis(200));
    running(&world, &patient, &reports, some_time).await;
    assert!(reports.0.lock().unwrap().is_empty());
    world.once().await;
    let listed = eventually("it lists", async || !reports.0.lock().unwrap().is_empty());
    running(&world, &patient, &reports, listed).await;
    assert_eq!(reports.0.lock().unwrap()[0].sent, 0, "the ledger knows it");
}

#[tokio::test]
async fn a_landing_that_is_not_to_be_listed_is_not() {
    let world = world(FaultPlan::new());
    land(&world, "in_1.txt", HOUR);
    let off = LandingSettings { listed: false, ..settings() };
    assert_eq!(sweep_settled(&world.ports, &off).await.unwrap(), SweepReport::default());
    let calls = world.plan.calls();
    let reports = Reports::default();
    running(&world, &off, &reports, world.ports.clock.sleep(Duration::from_millis(50))).await;
    let names = world.plan.names().split_off(usize::try_from(calls).unwrap());
    assert!(!names.contains(&"store.list"), "{names:?}");
}

/// A drain does not wait for what is recent: its event is on its way.
#[tokio::test]
async fn a_drain_lists_once_where_events_announce_what_is_recent() {
    let world = world(FaultPlan::new());
    land(&world, "in_fresh.txt", Duration::ZERO);
    land(&world, "in_lost.txt", HOUR);
    let report = sweep_settled(&world.ports, &settings()).await.unwrap();
    assert_eq!((report.sent, report.fresh), (1, 0));
    assert_eq!(world.queue.depth().await.unwrap().total(), 1);
}
