//! Objects that are replaced or deleted while they are worked on, or before.

use std::fs;
use std::time::Duration;

use lakehand_domain::entry::{Entry, EntryState, SetAsideKind, StateName};
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::queue::Queue;
use lakehand_pipeline::dead_letters::tell;
use lakehand_pipeline::settle::{Fate, Settlement};

use crate::world::World;

fn kind(entry: &Entry) -> Option<SetAsideKind> {
    match &entry.state {
        EntryState::SetAside { reason, .. } => Some(reason.kind),
        _ => None,
    }
}

#[tokio::test]
async fn an_object_replaced_while_it_is_read_gives_only_its_new_version() {
    let world = World::new();
    world.land("in_1.txt", "old\nold\nold");
    world.send(&["in_1.txt"]).await;
    let (hidden, landed) = (world.folder.path().join("arriving"), world.landed("in_1.txt"));
    let mut replaced = false;
    world.tiny.during(move || {
        if !std::mem::replace(&mut replaced, true) {
            fs::write(&hidden, "new").unwrap();
            fs::rename(&hidden, &landed).unwrap();
        }
    });
    let settled = world.once().await;
    assert!(matches!(settled.settlement, Settlement::Waits { .. }), "{settled:?}");
    assert!(world.lake().await.is_empty(), "nothing of the old version can be seen");
    let entry = world.entry().await;
    assert_eq!((entry.attempts, entry.lease()), (0, None), "it is not the file's failure");
    world.to_the_end().await;
    let entries = world.entries().await;
    assert_eq!(entries.len(), 2);
    let old = entries.iter().find(|entry| entry.object.size == 11).unwrap();
    let new = entries.iter().find(|entry| entry.object.size == 3).unwrap();
    assert_eq!(kind(old), Some(SetAsideKind::Replaced));
    assert_eq!(new.state_name(), StateName::Written);
    let lake = world.lake().await;
    assert_eq!(lake.values().filter(|text| text.as_str() == "new").count(), 1, "{lake:?}");
    assert!(!lake.values().any(|text| text.contains("old")), "{lake:?}");
}

#[tokio::test]
async fn an_unreadable_file_that_was_being_written_is_no_unreadable_file() {
    let world = World::new();
    world.land("in_1.txt", "UNREADABLE as yet");
    world.send(&["in_1.txt"]).await;
    let landed = world.landed("in_1.txt");
    world.tiny.during(move || fs::write(&landed, "whole").unwrap());
    world.once().await;
    world.tiny.during(|| {});
    world.to_the_end().await;
    assert!(world.entries().await.iter().all(|entry| kind(entry) != Some(SetAsideKind::Unreadable)));
    assert!(world.lake().await.values().any(|text| text == "whole"));
}

#[tokio::test]
async fn an_object_that_was_never_seen_and_is_gone_is_a_dead_letter() {
    let world = World::new();
    world.send(&["in_1.txt"]).await;
    assert!(matches!(world.fate().await, Fate::Letter { .. }));
    let letters = world.letters().await;
    assert_eq!((letters.len(), letters[0].kind), (1, SetAsideKind::Gone));
    assert_eq!(letters[0].object.as_ref(), Some(&world.object("in_1.txt")));
    assert_eq!(world.queue_total().await, 0);
}

#[tokio::test]
async fn an_object_that_is_gone_and_was_written_is_done() {
    let world = World::new();
    world.land("in_1.txt", "a");
    world.send(&["in_1.txt"]).await;
    world.once().await;
    fs::remove_file(world.landed("in_1.txt")).unwrap();
    world.send(&["in_1.txt"]).await;
    assert_eq!(world.fate().await, Fate::Done { state: StateName::Written });
    assert!(world.letters().await.is_empty());
    // Somebody who asks for it again is told that it cannot be had.
    world.ask(&["in_1.txt"], Cause::Replay).await;
    world.once().await;
    assert_eq!(world.letters().await.len(), 1);
}

#[tokio::test]
async fn an_object_that_went_while_its_worker_died_is_set_aside() {
    let world = World::new();
    world.land("in_1.txt", "a");
    world.send(&["in_1.txt"]).await;
    world.die_in_transform().await;
    fs::remove_file(world.landed("in_1.txt")).unwrap();
    assert_eq!(world.entry().await.state_name(), StateName::Claimed);
    // While the lease may still be somebody's, nobody decides.
    world.send(&["in_1.txt"]).await;
    assert!(matches!(world.once().await.settlement, Settlement::Waits { .. }));
    world.to_the_end().await;
    assert_eq!(kind(&world.entry().await), Some(SetAsideKind::Gone));
    let letters = world.letters().await;
    assert_eq!((letters.len(), letters[0].kind), (1, SetAsideKind::Gone));
}

fn asking(world: &World, name: &str) -> String {
    OwnMessage::new(vec![ObjectEvent { uri: world.object(name), cause: Cause::Arrived }]).body()
}

#[tokio::test]
async fn a_version_whose_worker_died_is_set_aside_when_a_newer_one_is_there() {
    let world = World::new();
    world.land("in_1.txt", "old");
    let first = world.queue.send(&asking(&world, "in_1.txt"), Duration::ZERO).await.unwrap();
    world.die_in_transform().await;
    world.land("in_1.txt", "newer");
    world.send(&["in_1.txt"]).await;
    assert!(matches!(world.fate().await, Fate::Written { .. }));
    world.clock.advance(Duration::from_mins(2));
    world.to_the_end().await;
    let kinds: Vec<_> = world.entries().await.iter().map(kind).collect();
    assert!(kinds.contains(&Some(SetAsideKind::Replaced)) && kinds.contains(&None), "{kinds:?}");
    // Its letter is owed, and names the message that it came by, not the one that found it replaced.
    assert!(world.letters().await.is_empty());
    let entries = world.entries().await;
    let old = entries.iter().find(|entry| kind(entry).is_some()).unwrap();
    assert!(tell(&world.ports, &old.id).await.unwrap());
    assert!(!tell(&world.ports, &old.id).await.unwrap(), "nothing is owed any more");
    assert_eq!(world.letters().await[0].original.as_ref().unwrap().id, first);
}
