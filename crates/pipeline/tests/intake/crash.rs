//! Every call of every port fails, or loses its answer, or is the last thing a worker does; and nothing comes out
//! otherwise than undisturbed.

use std::collections::BTreeMap;
use std::task::Poll;

use lakehand_domain::entry::{EntryState, StateName};
use lakehand_domain::id::Generation;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

use crate::world::World;

/// One good file, one with too many rejects, one unreadable, in one message.
async fn landed(plan: FaultPlan) -> World {
    let world = World::with(plan);
    world.land("in_1.txt", "a\nb\nbad\nc");
    world.land("in_2.txt", "bad\nbad\nc");
    world.land("in_3.txt", "d\nUNREADABLE");
    world.send(&["in_1.txt", "in_2.txt", "in_3.txt"]).await;
    world
}

type End = (BTreeMap<String, String>, BTreeMap<String, (StateName, Generation, u32, String)>);

async fn end(world: &World) -> End {
    let mut entries = BTreeMap::new();
    for entry in world.entries().await {
        let summary = entry.summary().map_or(String::new(), |summary| {
            format!("{} records, {} rejects, {} parts", summary.records, summary.rejects.total(), summary.parts)
        });
        let found = (entry.state_name(), entry.generation, entry.attempts, summary);
        assert!(entries.insert(entry.object.uri.file_name().to_owned(), found).is_none(), "an entry for each file");
    }
    told_or_owed(world).await;
    assert_eq!(world.queue_total().await, 0);
    (world.lake().await, entries)
}

/// Of what is set aside there is a letter, two at most, or the ledger owes it.
async fn told_or_owed(world: &World) {
    let letters: Vec<_> = world.letters().await.into_iter().map(|letter| letter.entry.unwrap()).collect();
    for entry in world.entries().await {
        let sent = letters.iter().filter(|id| **id == entry.id).count();
        let EntryState::SetAside { told, .. } = entry.state else {
            assert_eq!(sent, 0, "{entry:?}");
            continue;
        };
        assert!(sent <= 2 && (!told || sent > 0), "{sent} letters of {entry:?}");
    }
}

async fn undisturbed() -> (End, u64, Vec<&'static str>) {
    let world = landed(FaultPlan::new()).await;
    world.once().await;
    let (calls, names) = (world.plan.calls(), world.plan.names());
    (end(&world).await, calls, names)
}

#[tokio::test]
async fn a_call_that_fails_or_loses_its_answer_changes_nothing() {
    let (expected, calls, names) = undisturbed().await;
    assert!(calls > 25, "{names:?}");
    assert_eq!(expected.1.len(), 3);
    for number in 1..=calls {
        for fate in [Fate::FailsBefore, Fate::FailsAfter] {
            let world = landed(FaultPlan::new().with(number, fate)).await;
            world.once().await;
            world.to_the_end().await;
            let name = names[usize::try_from(number - 1).unwrap()];
            assert_eq!(end(&world).await, expected, "call {number}, {name}, {fate:?}");
        }
    }
}

/// What becomes of a worker once it has begun a call, whether or not the call comes to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    /// It is gone.
    Dies,
    /// It stands still until another has done everything, and then goes on where it was.
    Freezes,
}

async fn stops_at_every_call(then: Then) {
    let (expected, calls, names) = undisturbed().await;
    for number in 1..=calls {
        let world = landed(FaultPlan::new()).await;
        let message = world.receive().await.unwrap();
        let mut work = Box::pin(world.process(&world.ports, message));
        let over = std::future::poll_fn(|context| {
            if world.plan.calls() >= number {
                return Poll::Ready(false);
            }
            work.as_mut().poll(context).map(|_| true)
        });
        let over = over.await;
        if then == Then::Dies || over {
            drop(work);
            world.to_the_end().await;
        } else {
            world.to_the_end().await;
            work.await;
            world.to_the_end().await;
        }
        let name = names[usize::try_from(number - 1).unwrap()];
        assert_eq!(end(&world).await, expected, "call {number}, {name}");
    }
}

#[tokio::test]
async fn a_worker_that_dies_at_any_call_changes_nothing() {
    stops_at_every_call(Then::Dies).await;
}

#[tokio::test]
async fn a_worker_that_freezes_at_any_call_and_wakes_changes_nothing() {
    stops_at_every_call(Then::Freezes).await;
}
