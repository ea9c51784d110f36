//! What appears in the landing is sent to the queue, by the watch or by a listing.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_daemon::SystemClock;
use lakehand_daemon::landing::{LandingSettings, SweepReport, run, sweep_once, sweep_settled};
use lakehand_domain::clock::Clock;
use lakehand_domain::id::WorkerId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::OwnMessage;
use lakehand_domain::port::landing_watch::{LandingWatch, WatchError};
use lakehand_domain::port::ledger::Ledger;
use lakehand_domain::port::queue::Queue;
use lakehand_testkit::faulty::plan::{Fate as CallFate, FaultPlan};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::gate::eventually;
use crate::world::World;

fn settings() -> LandingSettings {
    LandingSettings {
        page: 2,
        pages_per_second: 1000,
        settle: Duration::from_millis(200),
        ..LandingSettings::default()
    }
}

/// The names of the objects of all messages that can be received, which are gone then.
async fn named(world: &World) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(message) = world.receive().await {
        world.queue.delete(std::slice::from_ref(&message.receipt)).await.unwrap();
        let message: OwnMessage = serde_json::from_str(&message.body).unwrap();
        names.extend(message.objects.iter().map(|event| event.uri.file_name().to_owned()));
    }
    names.sort();
    names
}

#[tokio::test]
async fn a_listing_sends_what_the_ledger_does_not_know() {
    let world = World::new();
    for name in ["in_1.txt", "in_2.txt", "other.txt"] {
        world.land(name, "a");
    }
    let one_page = LandingSettings { page: 100, ..settings() };
    let report = sweep_once(&world.ports, &one_page).await.unwrap();
    assert_eq!(
        report,
        SweepReport { objects: 3, unclaimed: 1, sent: 2, pages: 1, complete: true, ..SweepReport::default() }
    );
    world.to_the_end().await;
    assert_eq!(world.entries().await.len(), 2);
    assert_eq!(sweep_once(&world.ports, &one_page).await.unwrap().sent, 0);
    // A new version under an old name is found, too.
    world.land("in_1.txt", "newer");
    assert_eq!(sweep_once(&world.ports, &one_page).await.unwrap().sent, 1);
    assert_eq!(named(&world).await, ["in_1.txt"]);
}

#[tokio::test]
async fn what_is_still_being_written_is_left_until_it_has_settled() {
    let world = World::on(FaultPlan::new(), Some(Arc::new(SystemClock)));
    for n in 0..5 {
        world.land(&format!("in_{n}.txt"), "a");
    }
    let patient = LandingSettings { settle: Duration::from_mins(1), ..settings() };
    assert_eq!(
        sweep_once(&world.ports, &patient).await.unwrap(),
        SweepReport { objects: 5, fresh: 5, pages: 3, complete: true, ..SweepReport::default() }
    );
    let report = sweep_settled(&world.ports, &settings()).await.unwrap();
    assert_eq!((report.sent, report.fresh), (5, 0));
    assert_eq!(named(&world).await.len(), 5, "over several pages, each once");
}

#[derive(Debug)]
struct Told(mpsc::UnboundedReceiver<Result<Vec<ObjectUri>, WatchError>>);

#[async_trait]
impl LandingWatch for Told {
    async fn next(&mut self) -> Result<Vec<ObjectUri>, WatchError> {
        match self.0.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn the_watch_is_passed_on_and_its_failure_brings_a_listing() {
    let world = World::new();
    world.land("in_0.txt", "a");
    let (tell, told) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let one_page = LandingSettings { page: 100, ..settings() };
    let running = run(&world.ports, &one_page, Some(Box::new(Told(told))), &(), &stop);
    let acting = async {
        let sent = async |names: &[&str]| {
            eventually("a message is sent", async || world.queue_total().await == 1).await;
            assert_eq!(named(&world).await, names);
        };
        sent(&["in_0.txt"]).await;
        world.land("in_1.txt", "a");
        world.land("other.txt", "a");
        tell.send(Ok(vec![world.object("in_1.txt"), world.object("other.txt")])).unwrap();
        sent(&["in_1.txt"]).await;
        world.land("in_2.txt", "a");
        tell.send(Err(WatchError { message: "too many".to_owned() })).unwrap();
        // What the watch named is not known to the ledger yet, and is sent once more.
        sent(&["in_1.txt", "in_2.txt"]).await;
        world.land("in_3.txt", "a");
        tell.send(Err(WatchError { message: "again".to_owned() })).unwrap();
        // What a listing sent is not sent by the next.
        sent(&["in_3.txt"]).await;
        stop.cancel();
    };
    tokio::join!(running, acting);
    assert!(named(&world).await.is_empty());
}

#[tokio::test]
async fn one_replica_lists_at_a_time() {
    let world = World::new();
    world.land("in_1.txt", "a");
    let now = world.clock.now();
    let other = WorkerId::new("other");
    assert!(world.ledger.hold("listing", &other, now, now.plus(Duration::from_mins(1))).await.unwrap());
    let stop = CancellationToken::new();
    let one_page = settings();
    let running = run(&world.ports, &one_page, None, &(), &stop);
    let acting = async {
        eventually("it asks for the lease", async || world.plan.names().contains(&"ledger.hold")).await;
        assert_eq!(world.queue_total().await, 0);
        eventually("it lists when the other is gone", async || {
            world.clock.advance(Duration::from_secs(10));
            world.queue_total().await == 1
        })
        .await;
        stop.cancel();
    };
    tokio::join!(running, acting);
    let now = world.clock.now();
    assert!(world.ledger.hold("listing", &other, now, now.plus(Duration::from_mins(1))).await.unwrap(), "let go");
}

#[tokio::test]
async fn a_listing_that_fails_anywhere_loses_nothing() {
    let calls = {
        let world = World::new();
        world.land("in_1.txt", "a");
        sweep_once(&world.ports, &settings()).await.unwrap();
        world.plan.calls()
    };
    for number in 1..=calls {
        for fate in [CallFate::FailsBefore, CallFate::FailsAfter] {
            let world = World::with(FaultPlan::new().with(number, fate));
            world.land("in_1.txt", "a");
            assert!(sweep_once(&world.ports, &settings()).await.is_err(), "call {number}");
            sweep_once(&world.ports, &settings()).await.unwrap();
            world.to_the_end().await;
            assert_eq!(world.entry().await.attempts, 0);
        }
    }
}
