//! Each entry that is set aside becomes a dead letter, at least once and as a rule once.

use lakehand_daemon::letters::tell_all_once;
use lakehand_domain::entry::{EntryState, SetAsideKind};
use lakehand_domain::id::Generation;
use lakehand_testkit::faulty::plan::{Fate as CallFate, FaultPlan};

use crate::world::World;

async fn set_aside(plan: FaultPlan) -> World {
    let world = World::with(plan);
    world.land("in_1.txt", "UNREADABLE");
    world.land("in_2.txt", "fine");
    world.send(&["in_1.txt"]).await;
    world.send(&["in_2.txt"]).await;
    world.once().await;
    world.once().await;
    world
}

async fn is_told(world: &World) -> bool {
    world.entries().await.iter().any(|entry| matches!(entry.state, EntryState::SetAside { told: true, .. }))
}

#[tokio::test]
async fn what_is_set_aside_is_told_at_once_and_once() {
    let world = set_aside(FaultPlan::new()).await;
    assert!(is_told(&world).await);
    assert_eq!(tell_all_once(&world.ports).await.unwrap(), 0);
    let letters = world.letters().await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.kind, letter.generation), (SetAsideKind::Unreadable, Some(Generation::FIRST)));
    assert_eq!(letter.object.as_ref(), Some(&world.object("in_1.txt")));
    // Moved back to the queue as it is, it begins the next generation, and only once.
    for _ in 0..2 {
        world.send_body(&letter.body()).await;
    }
    world.to_the_end().await;
    let generations: Vec<_> = world.entries().await.iter().map(|entry| entry.generation.0).collect();
    assert!(generations.contains(&2) && !generations.contains(&3), "{generations:?}");
    let letters = world.letters().await;
    assert_eq!((letters.len(), letters[0].generation), (1, Some(Generation(2))), "the new generation is told of, too");
    assert_eq!(tell_all_once(&world.ports).await.unwrap(), 0);
}

/// The next look makes good what this one could not, if it could not.
async fn looked_twice(world: &World, when: &str) {
    drop(tell_all_once(&world.ports).await);
    tell_all_once(&world.ports).await.unwrap();
    assert!(is_told(world).await, "{when}");
    let letters = world.letters().await.len();
    assert!((1..=2).contains(&letters), "{when}: {letters} letters");
    assert_eq!(tell_all_once(&world.ports).await.unwrap(), 0);
}

#[tokio::test]
async fn a_letter_is_never_lost_whatever_call_fails() {
    let names = set_aside(FaultPlan::new()).await.plan.names();
    let sent = names.iter().position(|name| *name == "queue.send").unwrap() as u64 + 1;
    for number in 1..=names.len() as u64 {
        for fate in [CallFate::FailsBefore, CallFate::FailsAfter] {
            let world = set_aside(FaultPlan::new().with(number, fate)).await;
            world.to_the_end().await;
            looked_twice(&world, &format!("call {number} {fate:?}")).await;
        }
    }
    // Intake cannot send it, and neither, at first, can the sender of letters.
    let owed = || FaultPlan::new().with(sent, CallFate::FailsBefore);
    let before = {
        let world = set_aside(owed()).await;
        assert!(!is_told(&world).await);
        world.plan.calls()
    };
    for number in before + 1..=before + 4 {
        for fate in [CallFate::FailsBefore, CallFate::FailsAfter] {
            let world = set_aside(owed().with(number, fate)).await;
            looked_twice(&world, &format!("call {number} {fate:?} of the sender")).await;
        }
    }
}
