//! A warehouse that was restored from an older state or emptied, and a ledger that was.

use lakehand_domain::entry::StateName;
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::warehouse::QueryWarehouse;
use lakehand_pipeline::loading::Memory;

use crate::world::World;

#[tokio::test]
async fn what_an_older_warehouse_has_lost_is_loaded_again() {
    let mut world = World::new();
    let mut memory = Memory::default();
    world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let snapshot = world.folder.path().join("snapshot.db");
    let source = rusqlite::Connection::open(world.folder.path().join("warehouse.db")).unwrap();
    source.execute("VACUUM INTO ?1", [snapshot.to_str().unwrap()]).unwrap();
    world.write("in_2.txt", &[2]).await;
    world.write("in_3.txt", &[3]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let expected = world.rows().await;
    assert_eq!((expected.len(), world.batches().await), (3, Some(2)));

    world.swap_warehouse(&snapshot);
    assert_eq!(world.rows().await.len(), 1);
    let outcome = world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    assert_eq!((outcome.restored, outcome.loaded), (2, 2));
    assert_eq!(world.rows().await, expected);
    assert_eq!(world.batches().await, Some(2));
    assert!(world.states().await.values().all(|state| *state == (StateName::Loaded, 1)));
}

#[tokio::test]
async fn an_emptied_warehouse_is_noticed_by_a_process_that_has_run_all_along() {
    let mut world = World::new();
    let mut memory = Memory::default();
    for number in 1..=4 {
        world.write(&format!("in_{number}.txt"), &[number]).await;
    }
    world.settings.max_batch_entries = 2;
    assert_eq!(world.load_all(&world.ports, &mut memory).await.unwrap().loaded, 4);
    assert_eq!(world.batches().await, Some(2));
    let expected = world.rows().await;
    world.swap_warehouse(&world.folder.path().join("empty.db"));
    assert!(world.warehouse.query("SELECT * FROM d_t", 1).await.is_err(), "there is nothing in it");
    // The next batch meets a warehouse without its fence; the pass after it begins from nothing.
    world.write("in_5.txt", &[5]).await;
    let mut passes = 0;
    while world.rows_or_none().await.len() < 5 {
        passes += 1;
        assert!(passes < 10, "{:?}", world.states().await);
        drop(world.load(&world.ports, &mut memory).await);
    }
    assert_eq!(world.rows().await[..4], expected);
    world.load_all(&world.ports, &mut memory).await.unwrap();
    assert!(world.states().await.values().all(|state| *state == (StateName::Loaded, 1)));
}

#[tokio::test]
async fn a_restored_load_whose_manifest_is_gone_goes_back_to_transform() {
    let mut world = World::new();
    let entry = world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    let manifest = world.ports.lake_root.manifest(&world.dataset.id, &entry.load_id);
    std::fs::remove_file(format!("/{}", manifest.key())).unwrap();
    world.swap_warehouse(&world.folder.path().join("empty.db"));
    let outcome = world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    assert_eq!((outcome.restored, outcome.sent_back, outcome.loaded), (1, 1, 0));
    assert_eq!(world.state("in_1.txt").await, StateName::Claimed);
    assert_eq!(world.asked().await, [("in_1.txt".to_owned(), Cause::Arrived)]);
}

#[tokio::test]
async fn a_load_whose_lake_and_source_are_away_waits_for_either() {
    let mut world = World::new();
    let entry = world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    let manifest = world.ports.lake_root.manifest(&world.dataset.id, &entry.load_id);
    let manifest = format!("/{}", manifest.key());
    let away = world.folder.path().join("away.json");
    std::fs::rename(&manifest, &away).unwrap();
    std::fs::remove_file(world.landed("in_1.txt")).unwrap();
    world.swap_warehouse(&world.folder.path().join("empty.db"));
    let outcome = world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    assert_eq!((outcome.restored, outcome.sent_back, outcome.loaded), (1, 0, 0));
    assert_eq!(world.state("in_1.txt").await, StateName::Written, "sent back it could never come again");
    std::fs::rename(&away, &manifest).unwrap();
    assert_eq!(world.load_all(&world.ports, &mut Memory::default()).await.unwrap().loaded, 1);
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
}

#[tokio::test]
async fn an_entry_that_the_ledger_has_lost_begins_above_its_marker() {
    let world = World::new();
    let mut memory = Memory::default();
    let first = world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    world.write_under("in_1.txt", &[1, 7], &world.dataset, Cause::Replay).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible", "/in_1.txt 2 7 visible"], "a replay replaces");

    // The ledger forgets the entry; intake finds the file and writes it as if it were new.
    let ledger = rusqlite::Connection::open(world.folder.path().join("ledger.db")).unwrap();
    ledger.execute("DELETE FROM entry", []).unwrap();
    let again = world.write_under("in_1.txt", &[1], &world.dataset, Cause::Arrived).await;
    assert_eq!(again.load_id, first.load_id, "as if it were new");
    let outcome = world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.sent_back), (0, 1));
    assert_eq!(world.states().await["in_1.txt"], (StateName::Claimed, 3));
    assert_eq!(world.asked().await, [("in_1.txt".to_owned(), Cause::Arrived)]);
    assert_eq!(world.rows().await.len(), 2, "nothing is removed before the new load is there");
    world.write_under("in_1.txt", &[1, 8], &world.dataset, Cause::Arrived).await;
    assert_eq!(world.load_all(&world.ports, &mut memory).await.unwrap().loaded, 1);
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible", "/in_1.txt 2 8 visible"]);
}
