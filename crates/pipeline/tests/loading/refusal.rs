//! Rows that the warehouse refuses, and parts that are not there.

use std::sync::atomic::{AtomicU32, Ordering};

use lakehand_domain::entry::{EntryState, SetAsideKind, StateName};
use lakehand_domain::object_event::Cause;
use lakehand_pipeline::loading::{LoadError, Memory};

use crate::world::World;

async fn nine() -> (World, Memory) {
    let world = World::new();
    let mut memory = Memory::default();
    world.load(&world.ports, &mut memory).await.unwrap();
    for number in 1..=9 {
        world.write(&format!("in_{number}.txt"), &[number]).await;
    }
    (world, memory)
}

#[tokio::test]
async fn the_file_that_is_refused_stands_alone_in_the_end() {
    let (world, mut memory) = nine().await;
    world.meddled.refuse(|manifest| manifest.object.uri.file_name() == "in_6.txt");
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.refused), (8, 1));
    let entry = world.entries().await.into_iter().find(|entry| entry.state_name() == StateName::SetAside).unwrap();
    assert_eq!(entry.object.uri.file_name(), "in_6.txt");
    let EntryState::SetAside { reason, told, summary, .. } = &entry.state else { unreachable!() };
    assert_eq!((reason.kind, *told), (SetAsideKind::RefusedByWarehouse, false));
    assert!(reason.message.contains("a value does not fit"), "{}", reason.message);
    assert_eq!(summary.as_ref().unwrap().records, 1, "what was read of it is still known");
    assert_eq!(world.rows().await.len(), 8);
    let staged = world.meddled.staged();
    assert!(staged.len() <= 12, "halves, and what is known to be good twice: {staged:?}");
}

#[tokio::test]
async fn a_warehouse_that_refuses_everything_finds_no_file_at_fault() {
    let (world, mut memory) = nine().await;
    world.meddled.refuse(|_| true);
    for _ in 0..2 {
        let error = world.load_all(&world.ports, &mut memory).await.unwrap_err();
        assert!(matches!(error, LoadError::RefusesEverything { loads: 9, .. }), "{error}");
        assert!(error.to_string().contains("an empty load"), "{error}");
    }
    assert!(world.states().await.values().all(|(state, _)| *state == StateName::Written));
    assert!(world.meddled.staged().len() <= 4, "it is not asked for each file: {:?}", world.meddled.staged());
    world.meddled.relent();
    assert_eq!(world.load_all(&world.ports, &mut memory).await.unwrap().loaded, 9);
}

#[tokio::test]
async fn what_was_taken_before_tells_a_bad_file_from_a_bad_warehouse() {
    let (world, mut memory) = nine().await;
    world.load(&world.ports, &mut memory).await.unwrap();
    world.write("in_good.txt", &[1]).await;
    // Now it refuses everything but an empty load, also what it took before.
    world.meddled.refuse(|manifest| manifest.rows() > 0);
    let error = world.load(&world.ports, &mut memory).await.unwrap_err();
    assert!(matches!(&error, LoadError::RefusesEverything { good, .. } if good.contains("took before")), "{error}");
    assert_eq!(world.state("in_good.txt").await, StateName::Written);
    // Every part of the batch fails, and what it took before does not: the file is at fault.
    world.meddled.refuse(|manifest| manifest.object.uri.file_name() == "in_good.txt");
    assert_eq!(world.load_all(&world.ports, &mut memory).await.unwrap().refused, 1);
    assert_eq!(world.state("in_good.txt").await, StateName::SetAside);
}

/// Under a new definition nothing was taken before. A warehouse that reads no part of it finds no file at fault.
#[tokio::test]
async fn a_warehouse_that_reads_no_part_finds_no_file_at_fault_before_the_first_is_in() {
    let (world, mut memory) = nine().await;
    world.meddled.refuse(|manifest| manifest.parts().next().is_some());
    let error = world.load_all(&world.ports, &mut memory).await.unwrap_err();
    assert!(matches!(&error, LoadError::RefusesEverything { good, .. } if good.contains("empty load")), "{error}");
    assert!(world.states().await.values().all(|(state, _)| *state == StateName::Written));
}

#[tokio::test]
async fn a_load_whose_parts_and_source_are_gone_waits_for_either() {
    let (world, mut memory) = nine().await;
    let entry = world.entries().await.into_iter().find(|entry| entry.object.uri.file_name() == "in_3.txt").unwrap();
    let folder = world.ports.lake_root.dataset(&world.dataset.id);
    world.parts.remove(&folder.join(&format!("t/{}-00000.parquet", entry.load_id)));
    std::fs::remove_file(world.landed("in_3.txt")).unwrap();
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.sent_back, outcome.refused), (8, 0, 0));
    assert_eq!(world.state("in_3.txt").await, StateName::Written, "sent back it could never come again");
    assert!(outcome.stuck.unwrap().contains("its source is not there either"));
    assert!(world.asked().await.is_empty());
}

#[tokio::test]
async fn a_load_whose_parts_are_gone_goes_back_and_keeps_nobody() {
    let (world, mut memory) = nine().await;
    let entry = world.entries().await.into_iter().find(|entry| entry.object.uri.file_name() == "in_3.txt").unwrap();
    let folder = world.ports.lake_root.dataset(&world.dataset.id);
    world.parts.remove(&folder.join(&format!("t/{}-00000.parquet", entry.load_id)));
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.sent_back, outcome.refused), (8, 1, 0));
    let back = world.entries().await.into_iter().find(|one| one.id == entry.id).unwrap();
    assert_eq!((back.state_name(), back.generation), (StateName::Claimed, entry.generation));
    assert!(back.last_error.unwrap().contains("is gone"));
    assert_eq!(world.asked().await, [("in_3.txt".to_owned(), Cause::Arrived)]);
    assert_eq!(back.attempts, 0, "it is not the file's fault");
}

#[tokio::test]
async fn a_manifest_that_is_gone_or_anothers_sends_its_load_back() {
    let (world, mut memory) = nine().await;
    let entries = world.entries().await;
    let named = |name: &str| entries.iter().find(|entry| entry.object.uri.file_name() == name).unwrap();
    let manifest = |name: &str| world.ports.lake_root.manifest(&world.dataset.id, &named(name).load_id);
    let path = |name: &str| std::path::PathBuf::from(format!("/{}", manifest(name).key()));
    std::fs::remove_file(path("in_1.txt")).unwrap();
    std::fs::copy(path("in_4.txt"), path("in_2.txt")).unwrap();
    std::fs::write(path("in_3.txt"), "{\"format\": 1").unwrap();
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.sent_back), (6, 3));
    let mut asked: Vec<String> = world.asked().await.into_iter().map(|(name, _)| name).collect();
    asked.sort();
    assert_eq!(asked, ["in_1.txt", "in_2.txt", "in_3.txt"]);
    let errors: Vec<String> = world.entries().await.into_iter().filter_map(|entry| entry.last_error).collect();
    assert!(errors.iter().any(|error| error.contains("is gone")), "{errors:?}");
    assert!(errors.iter().any(|error| error.contains("instead of")), "{errors:?}");
    assert!(errors.iter().any(|error| error.contains("cannot be read")), "{errors:?}");
}

#[tokio::test]
async fn a_warehouse_that_begins_to_refuse_everything_meanwhile_finds_no_file_at_fault() {
    let (world, mut memory) = nine().await;
    let empty_ones = AtomicU32::new(0);
    // It takes the first load that is known to be good, and nothing after it.
    world.meddled.refuse(move |manifest| manifest.rows() > 0 || empty_ones.fetch_add(1, Ordering::SeqCst) > 0);
    let error = world.load(&world.ports, &mut memory).await.unwrap_err();
    assert!(matches!(error, LoadError::RefusesEverything { .. }), "{error}");
    assert!(world.states().await.values().all(|(state, _)| *state == StateName::Written));
}
