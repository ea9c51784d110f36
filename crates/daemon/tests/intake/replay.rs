//! A letter is processed in place, and its worker dies at every call: there is always a letter, or an entry that tells
//! or has told what became of the file.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lakehand_daemon::letters::tell_all_once;
use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::{Entry, EntryState, SetAsideKind, SetAsideReason, StateName};
use lakehand_domain::message::Message;
use lakehand_domain::port::ledger::{Ledger, PutEntry};
use lakehand_domain::port::queue::Queue;
use lakehand_pipeline::ports::Ports;
use lakehand_testkit::faulty::plan::{Fate as CallFate, FaultPlan};

use crate::world::World;

/// A file that was set aside in its first generation and told of. Where it is `mended` it succeeds now.
async fn told(mended: bool, plan: FaultPlan) -> World {
    let world = World::with(plan);
    world.land("in_1.txt", if mended { "a\nb\nc" } else { "UNREADABLE" });
    world.send(&["in_1.txt"]).await;
    world.once().await;
    if mended {
        let entry = world.entry().await;
        let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: "it was".to_owned() };
        let state = EntryState::SetAside { at: entry.updated, reason, told: false, summary: None };
        let aside = Entry { state, revision: entry.revision + 1, ..entry };
        assert_eq!(world.ledger.put(&aside).await.unwrap(), PutEntry::Stored);
    }
    assert_eq!(tell_all_once(&world.ports).await.unwrap(), u64::from(mended));
    world
}

/// The ports of a replay: its queue is that of the dead letters.
fn in_place(world: &World, worker: &str) -> Ports {
    let ports = world.as_worker(worker);
    Ports { queue: Arc::clone(&ports.dead_letters), ..ports }
}

/// Receives a letter of the first generation.
async fn first_letter(world: &World) -> Option<Message> {
    loop {
        let message = world.letters.receive(1, world.settings.visibility, Duration::ZERO).await.unwrap().pop()?;
        let letter: DeadLetter = serde_json::from_str(&message.body).unwrap();
        if letter.generation.unwrap().0 == 1 {
            return Some(message);
        }
    }
}

/// What must hold whenever a worker is gone.
async fn nothing_is_lost(world: &World, when: &str) {
    let entry = world.entry().await;
    let letters = world.letters.depth().await.unwrap().total();
    let speaks = match &entry.state {
        EntryState::SetAside { told, .. } => !told,
        EntryState::Claimed { .. } => false,
        EntryState::Written { .. } | EntryState::Loaded { .. } => true,
    };
    assert!(letters > 0 || speaks, "{when}: no letter, and the entry is {:?}", entry.state);
}

/// Others go on until no letter of the first generation is left, and tell what is to be told.
async fn to_the_end(world: &World) {
    let ports = in_place(world, "last");
    for _ in 0..60 {
        while let Some(message) = first_letter(world).await {
            world.process(&ports, message).await;
        }
        tell_all_once(&world.ports).await.unwrap();
        world.clock.advance(Duration::from_secs(10));
    }
    // Letters of the second generation were looked at and left.
    world.clock.advance(world.settings.visibility * 2);
}

async fn ended_well(world: &World, mended: bool, when: &str) {
    let entry = world.entry().await;
    assert_eq!(entry.generation.0, 2, "{when}");
    let mut letters = Vec::new();
    while let Some(message) = world.letters.receive(1, Duration::from_hours(1), Duration::ZERO).await.unwrap().pop() {
        letters.push(serde_json::from_str::<DeadLetter>(&message.body).unwrap().generation.unwrap().0);
    }
    if mended {
        assert_eq!((entry.state_name(), letters.as_slice()), (StateName::Written, &[][..]), "{when}");
        let lake = world.lake().await;
        assert_eq!(lake.keys().filter(|name| name.contains("/t/in_1.txt#2-")).count(), 2, "{when}: {lake:?}");
    } else {
        assert!(matches!(entry.state, EntryState::SetAside { told: true, .. }), "{when}: {entry:?}");
        // The answer to a letter that was sent may be lost, and sending it again is harmless.
        assert!(
            (1..=2).contains(&letters.len()) && letters.iter().all(|generation| *generation == 2),
            "{when}: {letters:?}"
        );
    }
}

/// The calls of one replay by its number, undisturbed.
async fn calls(mended: bool) -> (u64, u64, Vec<&'static str>) {
    let world = told(mended, FaultPlan::new()).await;
    let before = world.plan.calls();
    let message = first_letter(&world).await.unwrap();
    world.process(&in_place(&world, "first"), message).await;
    (before, world.plan.calls(), world.plan.names())
}

#[tokio::test]
async fn a_replay_that_dies_at_any_call_loses_nothing() {
    for mended in [true, false] {
        let (before, after, names) = calls(mended).await;
        assert!(after > before + 5, "{names:?}");
        for number in before + 1..=after {
            let world = told(mended, FaultPlan::new()).await;
            let message = first_letter(&world).await.unwrap();
            let ports = in_place(&world, "dying");
            {
                let mut work = Box::pin(world.process(&ports, message));
                std::future::poll_fn(|context| {
                    if world.plan.calls() >= number {
                        return Poll::Ready(());
                    }
                    work.as_mut().poll(context).map(drop)
                })
                .await;
            }
            let when = format!("mended {mended}, call {number}, {}", names[usize::try_from(number - 1).unwrap()]);
            nothing_is_lost(&world, &when).await;
            to_the_end(&world).await;
            ended_well(&world, mended, &when).await;
        }
    }
}

#[tokio::test]
async fn a_replay_of_which_a_call_fails_or_loses_its_answer_loses_nothing() {
    for mended in [true, false] {
        let (before, after, names) = calls(mended).await;
        for number in before + 1..=after {
            for fate in [CallFate::FailsBefore, CallFate::FailsAfter] {
                let world = told(mended, FaultPlan::new().with(number, fate)).await;
                let message = first_letter(&world).await.unwrap();
                world.process(&in_place(&world, "first"), message).await;
                let name = names[usize::try_from(number - 1).unwrap()];
                let when = format!("mended {mended}, call {number}, {name}, {fate:?}");
                nothing_is_lost(&world, &when).await;
                to_the_end(&world).await;
                ended_well(&world, mended, &when).await;
            }
        }
    }
}
