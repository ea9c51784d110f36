//! Definitions that change, and batches that wait.

use std::time::Duration;

use lakehand_domain::entry::StateName;
use lakehand_domain::object_event::Cause;
use lakehand_pipeline::loading::{Memory, Standing};

use crate::world::World;

#[tokio::test]
async fn a_retired_definition_stands_aside_and_asks_for_nothing() {
    let world = World::new();
    let mut memory = Memory::default();
    world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let newer = world.redefined(2);
    assert_ne!(newer.fingerprint, world.dataset.fingerprint);
    let ports = world.as_worker("newer");
    let mut newer_memory = Memory::default();
    world.load_under(&ports, &newer, &mut newer_memory).await.unwrap();

    // The older worker still writes, and finds at its next commit that it is not to load any more.
    world.write("in_2.txt", &[2]).await;
    std::fs::write(world.landed("in_3.txt"), "3").unwrap();
    world.write_under("in_3.txt", &[3], &newer, Cause::Arrived).await;
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    let Standing::Retired { message } = &outcome.standing else { panic!("{outcome:?}") };
    assert!(message.contains("revision"), "{message}");
    assert_eq!(outcome.loaded, 0);
    assert_eq!(world.state("in_2.txt").await, StateName::Written);
    let asked: Vec<_> = world.asked().await.into_iter().filter(|(name, _)| name == "in_2.txt").collect();
    assert!(asked.is_empty(), "{asked:?}");
    for _ in 0..3 {
        let again = world.load(&world.ports, &mut memory).await.unwrap();
        assert!(matches!(again.standing, Standing::Retired { .. }));
    }
    assert!(world.asked().await.is_empty(), "an older definition asks for nothing");

    // The newer one loads what is its own and asks for the rest.
    let outcome = world.load_under(&ports, &newer, &mut newer_memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.sent_back), (1, 1));
    assert_eq!(world.asked().await, [("in_2.txt".to_owned(), Cause::DefinitionChanged)]);
    world.load_under(&ports, &newer, &mut newer_memory).await.unwrap();
    assert!(world.asked().await.is_empty(), "not again so soon");
    world.clock.advance(world.settings.ask_again);
    world.load_under(&ports, &newer, &mut newer_memory).await.unwrap();
    assert_eq!(world.asked().await.len(), 1, "but again after a while: the message may be lost");
    let again = world.write_under("in_2.txt", &[2], &newer, Cause::DefinitionChanged).await;
    assert_eq!(again.generation.0, 2);
    world.load_under(&ports, &newer, &mut newer_memory).await.unwrap();
    assert!(world.states().await.values().all(|(state, _)| *state == StateName::Loaded));
    assert_eq!(world.rows().await.len(), 3);
}

#[tokio::test]
async fn a_batch_that_is_not_full_waits_for_others_to_join() {
    let mut world = World::new();
    let mut memory = Memory::default();
    world.load(&world.ports, &mut memory).await.unwrap();
    world.settings.linger = Duration::from_secs(30);
    world.settings.max_batch_entries = 2;
    let written = world.write("in_1.txt", &[1]).await.updated;
    world.load(&world.ports, &mut memory).await.unwrap();
    let loaded = world.entries().await[0].updated;
    assert!(loaded >= written.plus(Duration::from_secs(30)), "{loaded}");
    for number in 2..=4 {
        world.write(&format!("in_{number}.txt"), &[number]).await;
    }
    let before = world.ports.clock.now();
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.left), (2, 1), "a full batch");
    assert_eq!(world.ports.clock.now(), before, "does not wait");
}

#[tokio::test]
async fn batches_end_by_bytes_and_rows_too() {
    for (bytes, rows) in [(25, u64::MAX), (u64::MAX, 4)] {
        let mut world = World::new();
        let mut memory = Memory::default();
        world.load(&world.ports, &mut memory).await.unwrap();
        (world.settings.max_batch_bytes, world.settings.max_batch_rows) = (bytes, rows);
        world.write("in_1.txt", &[1, 2, 3, 4, 5, 6]).await;
        for number in 2..=4 {
            world.write(&format!("in_{number}.txt"), &[number, number]).await;
        }
        let mut loaded = Vec::new();
        loop {
            let outcome = world.load(&world.ports, &mut memory).await.unwrap();
            loaded.push(outcome.loaded);
            if !outcome.more() {
                break;
            }
        }
        assert_eq!(loaded, [1, 2, 1], "one alone may be larger");
        assert_eq!(world.rows().await.len(), 12);
    }
}
