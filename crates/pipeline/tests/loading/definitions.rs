//! What becomes of files that were written under a definition that is no longer in force, and which of two definitions
//! stays. All of these were found by the simulation.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{
    ClaimDecision, ClaimRequest, Entry, EntryState, SetAsideKind, SetAsideReason, StateName, claim,
};
use lakehand_domain::id::{Generation, MessageId, WorkerId};
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{Ledger, PutEntry};
use lakehand_domain::shape::DefinitionInForce;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::loading::{LoadError, Memory, Standing, remember_definition};
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

use crate::world::World;

/// A worker with a third definition was faster than one with the second, which the warehouse has never seen.
#[tokio::test]
async fn a_definition_that_was_overtaken_before_it_was_in_force_does_not_come_back() {
    let world = World::new();
    let mut memory = Memory::default();
    world.load(&world.ports, &mut memory).await.unwrap();
    let mut memories = [Memory::default(), Memory::default()];
    let definitions = [world.redefined(2), world.redefined(3)];
    for (number, (dataset, memory)) in (1..).zip(definitions.iter().zip(&mut memories)) {
        let definition = DefinitionInForce { dataset: dataset.id.clone(), fingerprint: dataset.fingerprint.clone() };
        let started = Timestamp::from_micros(number);
        remember_definition(&world.ports, &definition, started, memory).await.unwrap();
        // Another worker that starts later changes nothing of it.
        let later = Timestamp::from_micros(100);
        remember_definition(&world.ports, &definition, later, &mut Memory::default()).await.unwrap();
    }
    let [second, third] = &definitions;
    let [second_memory, third_memory] = &mut memories;
    world.load_under(&world.as_worker("third"), third, third_memory).await.unwrap();
    let outcome = world.load_under(&world.as_worker("second"), second, second_memory).await.unwrap();
    let Standing::Retired { message } = &outcome.standing else { panic!("{outcome:?}") };
    assert!(message.contains("revision"), "{message}");
    fs::write(world.landed("in_1.txt"), "1").unwrap();
    world.write_under("in_1.txt", &[1], third, Cause::Arrived).await;
    let mut newest = Memory::default();
    for _ in 0..2 {
        world.load_under(&world.as_worker("third again"), third, &mut newest).await.unwrap();
    }
    assert_eq!(world.state("in_1.txt").await, StateName::Loaded);
}

/// Its loader died between the commit and the ledger, a newer definition came into force, and the source is gone.
#[tokio::test]
async fn what_was_committed_under_a_retired_definition_is_loaded_and_not_set_aside() {
    let world = World::new();
    world.write("in_1.txt", &[1, 2]).await;
    world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    let loaded = world.entries().await.remove(0);
    let summary = loaded.summary().unwrap().clone();
    let state = EntryState::Written { at: loaded.updated, summary };
    let unfinished = Entry { state, live: None, revision: loaded.revision + 1, ..loaded };
    assert_eq!(world.ledger.put(&unfinished).await.unwrap(), PutEntry::Stored);
    fs::remove_file(world.landed("in_1.txt")).unwrap();
    let (newer, mut memory) = (world.redefined(2), Memory::default());
    for _ in 0..2 {
        world.load_under(&world.as_worker("newer"), &newer, &mut memory).await.unwrap();
    }
    assert_eq!(world.state("in_1.txt").await, StateName::Loaded);
    assert!(world.asked().await.is_empty());
    assert_eq!(world.rows().await.len(), 2);
}

/// Its source was deleted, or overwritten, while it waited, and the definition changed.
#[tokio::test]
async fn what_was_written_under_a_retired_definition_and_cannot_be_read_again_is_loaded_as_it_was_written() {
    for is_rewritten in [false, true] {
        let world = World::new();
        world.load(&world.ports, &mut Memory::default()).await.unwrap();
        let written = world.write("in_1.txt", &[1]).await;
        fs::remove_file(world.landed("in_1.txt")).unwrap();
        if is_rewritten {
            fs::write(world.landed("in_1.txt"), "another text").unwrap();
        }
        let (newer, mut memory) = (world.redefined(2), Memory::default());
        for _ in 0..2 {
            world.load_under(&world.as_worker("newer"), &newer, &mut memory).await.unwrap();
        }
        let entry = world.entries().await.into_iter().find(|entry| entry.id == written.id).unwrap();
        assert_eq!((entry.state_name(), &entry.load_id), (StateName::Loaded, &written.load_id));
        assert_eq!(entry.live.unwrap().fingerprint, world.dataset.fingerprint, "as it was written");
        assert!(world.asked().await.is_empty());
        assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
    }
}

/// Loaded under one definition, its source archived, deleted or overwritten; then came another one, and then the warehouse
/// was emptied, which remembers no definition.
#[tokio::test]
async fn what_an_emptied_warehouse_has_lost_is_loaded_again_though_its_source_is_gone_and_its_definition_too() {
    let mut world = World::new();
    for number in 1..=7 {
        world.write(&format!("in_{number}.txt"), &[number]).await;
    }
    let (older, newer) = (Arc::clone(&world.dataset), world.redefined(2));
    for (dataset, started) in [(&older, 1), (&newer, 2)] {
        let definition = DefinitionInForce { dataset: dataset.id.clone(), fingerprint: dataset.fingerprint.clone() };
        let started = Timestamp::from_micros(started);
        remember_definition(&world.ports, &definition, started, &mut Memory::default()).await.unwrap();
    }
    world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    let rows = world.rows().await;
    fs::remove_file(world.landed("in_1.txt")).unwrap();
    fs::write(world.landed("in_2.txt"), "another text").unwrap();
    for number in 4..=7 {
        fs::remove_file(world.landed(&format!("in_{number}.txt"))).unwrap();
    }
    world.swap_warehouse(&world.folder.path().join("empty.db"));
    world.settings.max_batch_entries = 4;
    let mut memory = Memory::default();
    for _ in 0..6 {
        world.load_under(&world.as_worker("newer"), &newer, &mut memory).await.unwrap();
    }
    let states = world.states().await;
    let loaded = states.iter().filter(|(_, state)| **state == (StateName::Loaded, 1)).count();
    assert_eq!(loaded, 6, "{states:?}");
    // What can be read again is read again, under the definition in force.
    assert_eq!(world.asked().await, [("in_3.txt".to_owned(), Cause::DefinitionChanged)]);
    world.write_under("in_3.txt", &[3], &newer, Cause::DefinitionChanged).await;
    world.load_under(&world.as_worker("newer"), &newer, &mut memory).await.unwrap();
    assert_eq!(world.rows().await, rows);
}

/// What it has cannot stand in the table as it is now: it waits, and says why.
#[tokio::test]
async fn a_load_of_an_older_definition_that_fits_no_more_waits_for_somebody() {
    let world = World::new();
    world.load(&world.ports, &mut Memory::default()).await.unwrap();
    world.write("in_1.txt", &[1]).await;
    fs::remove_file(world.landed("in_1.txt")).unwrap();
    let (newer, mut memory) = (world.retyped("date"), Memory::default());
    for _ in 0..3 {
        let outcome = world.load_under(&world.as_worker("newer"), &newer, &mut memory).await.unwrap();
        let stuck = outcome.stuck.filter(|_| outcome.gathered);
        assert!(!outcome.gathered || stuck.unwrap().contains("column a of t is date now, and was integer"));
    }
    assert_eq!(world.state("in_1.txt").await, StateName::Written);
}

/// Begun anew under the newer definition, and deleted before it was read again.
#[tokio::test]
async fn what_was_written_and_is_gone_when_it_is_read_again_is_loaded_as_it_was_written() {
    let world = World::new();
    world.load(&world.ports, &mut Memory::default()).await.unwrap();
    let written = world.write("in_1.txt", &[1]).await;
    fs::remove_file(world.landed("in_1.txt")).unwrap();
    let claimed = begun_anew(&world, &written);
    let reason = SetAsideReason { kind: SetAsideKind::Gone, message: "deleted".to_owned() };
    let later = world.clock.now().plus(Duration::from_mins(1));
    let back = claimed.abandoned(reason, Duration::ZERO, later).unwrap();
    let back = Entry { revision: written.revision + 1, ..back };
    assert_eq!(world.ledger.put(&back).await.unwrap(), PutEntry::Stored);
    let (newer, mut memory) = (world.redefined(2), Memory::default());
    for _ in 0..2 {
        world.load_under(&world.as_worker("newer"), &newer, &mut memory).await.unwrap();
    }
    assert_eq!(world.states().await["in_1.txt"], (StateName::Loaded, 1));
    assert_eq!(world.rows().await.len(), 1);
}

/// A definition that no loader ever puts in force was taken back: what was written under it is asked for in the end.
#[tokio::test]
async fn what_was_written_under_a_definition_that_never_came_into_force_is_asked_for_late() {
    let world = World::new();
    let mut memory = Memory::default();
    fs::write(world.landed("in_1.txt"), "1").unwrap();
    world.write_under("in_1.txt", &[1], &world.redefined(2), Cause::Arrived).await;
    for _ in 0..3 {
        world.load(&world.ports, &mut memory).await.unwrap();
        assert!(world.asked().await.is_empty(), "its own loader may be about to come");
    }
    // Nobody could load meanwhile: neither could its own loader.
    memory.doubt();
    world.clock.advance(world.settings.ask_again * 10);
    for _ in 0..2 {
        world.load(&world.ports, &mut memory).await.unwrap();
        assert!(world.asked().await.is_empty(), "it is met anew");
    }
    world.clock.advance(world.settings.ask_again * 10);
    world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!(world.asked().await, [("in_1.txt".to_owned(), Cause::DefinitionChanged)]);
}

/// Nobody is left that has a definition which the warehouse refused: what was written under it is asked for at once.
#[tokio::test]
async fn what_was_written_under_a_refused_definition_is_asked_for_at_once() {
    let world = World::new();
    let mut memory = Memory::default();
    world.write("in_0.txt", &[1]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let narrow = world.narrowed();
    fs::write(world.landed("in_1.txt"), "1").unwrap();
    world.write_under("in_1.txt", &[1], &narrow, Cause::Arrived).await;
    // Its workers were started after ours.
    let definition = DefinitionInForce { dataset: narrow.id.clone(), fingerprint: narrow.fingerprint.clone() };
    let later = world.clock.now().plus(Duration::from_secs(1));
    remember_definition(&world.ports, &definition, later, &mut Memory::default()).await.unwrap();
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.foreign, outcome.sent_back), (1, 0), "it may be about to come into force");
    assert!(world.asked().await.is_empty());

    let refused = world.load_under(&world.as_worker("narrow"), &narrow, &mut Memory::default()).await;
    assert!(matches!(refused, Err(LoadError::MigrationRefused { .. })), "{refused:?}");
    for _ in 0..2 {
        assert_eq!(world.load(&world.ports, &mut memory).await.unwrap().foreign, 0);
    }
    assert_eq!(world.asked().await, [("in_1.txt".to_owned(), Cause::DefinitionChanged)], "once");
}

#[tokio::test]
async fn a_definition_that_was_refused_and_comes_into_force_after_all_is_refused_no_more() {
    let mut world = World::new();
    world.write("in_0.txt", &[1]).await;
    world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    let narrow = world.narrowed();
    let definition = DefinitionInForce { dataset: narrow.id.clone(), fingerprint: narrow.fingerprint.clone() };
    assert!(world.load_under(&world.as_worker("narrow"), &narrow, &mut Memory::default()).await.is_err());
    assert!(world.ledger.number(&definition.refused_number()).await.unwrap().unwrap() > 0);
    // Somebody makes room for it.
    world.swap_warehouse(&world.folder.path().join("another.db"));
    world.load_under(&world.as_worker("narrow"), &narrow, &mut Memory::default()).await.unwrap();
    assert_eq!(world.ledger.number(&definition.refused_number()).await.unwrap(), Some(0));
}

/// The question whose sending fails is asked with the next pass, and not only when it would be asked again anyway.
#[tokio::test]
async fn a_question_that_could_not_be_sent_is_asked_with_the_next_pass() {
    for fate in [Fate::FailsBefore, Fate::FailsAfter] {
        // Where the send comes is counted once, undisturbed.
        let mut sends_at = None;
        for is_disturbed in [false, true] {
            let plan = FaultPlan::new();
            let plan = if is_disturbed { plan.with(sends_at.expect("a send"), fate) } else { plan };
            let world = World::with(plan, "keep");
            fs::write(world.landed("in_1.txt"), "1").unwrap();
            world.write_under("in_1.txt", &[1], &world.redefined(2), Cause::Arrived).await;
            let mut memory = Memory::default();
            for _ in 0..2 {
                world.load(&world.ports, &mut memory).await.unwrap();
            }
            world.clock.advance(world.settings.ask_again * 10);
            let asking = world.load(&world.ports, &mut memory).await;
            assert_eq!(asking.is_ok(), !is_disturbed, "{asking:?}");
            if is_disturbed {
                world.load_all(&world.ports, &mut memory).await.unwrap();
            }
            assert!(world.asked().await.contains(&("in_1.txt".to_owned(), Cause::DefinitionChanged)), "{fate:?}");
            sends_at = world.plan.names().iter().rposition(|name| *name == "queue.send").map(|at| at as u64 + 1);
        }
    }
}

/// The entry, begun anew under another definition.
fn begun_anew(world: &World, written: &Entry) -> Entry {
    let request = ClaimRequest {
        dataset: written.dataset.clone(),
        object: written.object.clone(),
        fingerprint: world.redefined(2).fingerprint.clone(),
        worker: WorkerId::new("other"),
        lease_for: Duration::from_secs(8),
        skew: Duration::ZERO,
        cause: Cause::DefinitionChanged,
        asked_by: MessageRef::new(&MessageId::new("m"), world.clock.now(), &Attributes::default()),
        marked: None,
        now: world.clock.now(),
    };
    let ClaimDecision::Take(claimed) = claim(Some(written), &request) else { panic!("{written:?}") };
    *claimed
}

/// The entry, begun anew under another definition, which refuses it.
async fn begun_anew_and_refused(world: &World, written: Entry) -> Entry {
    let claimed = begun_anew(world, &written);
    let reason = SetAsideReason { kind: SetAsideKind::TooManyRejects, message: "9 of 10".to_owned() };
    let lease = claimed.lease().unwrap().clone();
    let refused = claimed.set_aside(&lease, reason, None, world.clock.now()).unwrap();
    let refused = Entry { revision: written.revision + 1, ..refused };
    assert_eq!(world.ledger.put(&refused).await.unwrap(), PutEntry::Stored);
    refused
}

/// Its definition was given up, and another read the file anew and refused it. Only then did its own loader commit.
#[tokio::test]
async fn a_load_that_is_committed_when_its_entry_was_begun_anew_and_set_aside_is_live() {
    let world = Arc::new(World::new());
    let mut memory = Memory::default();
    world.load(&world.ports, &mut memory).await.unwrap();
    let written = world.write("in_1.txt", &[1, 2]).await;
    let (meanwhile, before) = (Arc::clone(&world), written.clone());
    world.meddled.before_commit(async move { drop(begun_anew_and_refused(&meanwhile, before).await) });
    assert_eq!(world.load(&world.ports, &mut memory).await.unwrap().loaded, 0);
    assert_eq!(world.rows().await.len(), 2);
    let entry = world.entries().await.remove(0);
    assert_eq!((entry.state_name(), entry.generation), (StateName::SetAside, Generation(2)));
    let live = entry.live.clone().unwrap();
    assert_eq!((live.load_id, live.generation), (written.load_id.clone(), Generation(1)));
    assert_eq!(Some(&live.summary), written.summary());
    // The next look finds nothing amiss.
    memory.look_anew(Timestamp::from_micros(0));
    world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!(world.entries().await, [entry]);
}

/// The same, and the loader that committed it died before it could say so.
#[tokio::test]
async fn a_load_that_was_committed_and_never_told_of_is_found_at_the_next_look() {
    let world = World::new();
    let mut memory = Memory::default();
    world.write("in_1.txt", &[1, 2]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let loaded = world.entries().await.remove(0);
    let state = EntryState::Written { at: loaded.updated, summary: loaded.summary().unwrap().clone() };
    let untold = Entry { state, live: None, ..loaded.clone() };
    let gone = begun_anew_and_refused(&world, untold).await;
    memory.look_anew(Timestamp::from_micros(0));
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let entry = world.entries().await.remove(0);
    assert_eq!(entry.live.as_ref().map(|live| &live.load_id), Some(&loaded.load_id));
    assert_eq!((&entry.state, entry.updated), (&gone.state, gone.updated), "it is no newer for it");
    assert_eq!(entry.live.unwrap().summary, loaded.live.unwrap().summary);
}

/// It was set aside as it was written, by a loader that took its definition for given up, and is in the warehouse.
#[tokio::test]
async fn what_was_set_aside_as_written_and_is_marked_is_loaded_at_the_next_look() {
    let world = World::new();
    let mut memory = Memory::default();
    world.write("in_1.txt", &[1, 2]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let aside = world.set_aside_though_marked().await;
    memory.look_anew(Timestamp::from_micros(0));
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let entry = world.entries().await.remove(0);
    assert_eq!(entry.state_name(), StateName::Loaded);
    assert_eq!(entry.live.unwrap().load_id, aside.load_id);
}

/// Datasets of a family share the number of batches: who finds it too low looks after all of them, and what is done with a
/// source stays its own dataset's to say.
#[tokio::test]
async fn what_another_dataset_of_the_family_finishes_is_kept_as_its_own_says() {
    let mut world = World::new();
    let child = world.tie();
    let mut memory = Memory::default();
    world.write("in_1.txt", &[1, 2]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let aside = world.set_aside_though_marked().await;
    let number = format!("batches/{}", world.dataset.family());
    world.ledger.raise(&number, 99).await.unwrap();
    world.load_under(&world.ports, &child, &mut Memory::default()).await.unwrap();
    let entry = world.entries().await.remove(0);
    assert_eq!((entry.state_name(), entry.live.unwrap().load_id), (StateName::Loaded, aside.load_id));
    assert!(world.landed("in_1.txt").try_exists().unwrap(), "the child deletes its own files alone");
}
