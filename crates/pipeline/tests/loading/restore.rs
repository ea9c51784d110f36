//! A warehouse that was restored from an older state or emptied, and a ledger that was.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{
    ClaimDecision, ClaimRequest, Entry, EntryState, SetAsideKind, SetAsideReason, StateName, claim,
};
use lakehand_domain::id::{MessageId, WorkerId};
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{Ledger, PutEntry};
use lakehand_domain::port::warehouse::QueryWarehouse;
use lakehand_domain::timestamp::Timestamp;
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
    let stuck = world.load_all(&world.ports, &mut Memory::default()).await.unwrap().stuck.unwrap();
    assert!(stuck.contains("in_1.txt") && stuck.contains("bring the lake back"), "{stuck}");
    std::fs::rename(&away, &manifest).unwrap();
    assert_eq!(world.load_all(&world.ports, &mut Memory::default()).await.unwrap().loaded, 1);
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
}

/// A replay is under way when the warehouse is restored, and fails: what it was to replace is all there is.
#[tokio::test]
async fn what_a_replay_that_fails_was_to_replace_is_loaded_again_after_a_restore() {
    let world = World::new();
    let mut memory = Memory::default();
    let (path, kept) = one_is_kept(&world, &mut memory).await;
    let first = world.write("in_2.txt", &[2]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let loaded = world.entries().await.into_iter().find(|entry| entry.id == first.id).unwrap();
    let request = ClaimRequest {
        dataset: loaded.dataset.clone(),
        object: loaded.object.clone(),
        fingerprint: loaded.fingerprint.clone(),
        worker: WorkerId::new("other"),
        lease_for: Duration::from_mins(1),
        skew: Duration::ZERO,
        cause: Cause::Replay,
        asked_by: MessageRef::new(&MessageId::new("m"), world.clock.now(), &Attributes::default()),
        marked: None,
        now: world.clock.now(),
    };
    let ClaimDecision::Take(replaying) = claim(Some(&loaded), &request) else { panic!("{loaded:?}") };
    assert_eq!(world.ledger.put(&replaying).await.unwrap(), PutEntry::Stored);
    restore(&path, &kept);
    let outcome = world.load_all(&world.ports, &mut Memory::default()).await.unwrap();
    assert_eq!((outcome.restored, world.rows().await.len()), (0, 1), "the replay may bring its own rows");
    let reason = SetAsideReason { kind: SetAsideKind::TooManyRejects, message: "9 of 10".to_owned() };
    let lease = replaying.lease().unwrap().clone();
    let failed = replaying.set_aside(&lease, reason, None, world.clock.now()).unwrap();
    assert_eq!(world.ledger.put(&failed).await.unwrap(), PutEntry::Stored);
    memory.look_anew(Timestamp::from_micros(0));
    let outcome = world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.restored, outcome.loaded), (1, 1));
    assert_eq!(world.states().await["in_2.txt"], (StateName::Loaded, 1));
    assert_eq!(world.rows().await.len(), 2);
}

/// Since the backup one file was loaded by a replay, and another for the first time, which is claimed in the backup and was
/// then taken for gone.
#[tokio::test]
async fn a_ledger_from_a_backup_learns_of_replays_and_of_what_it_takes_for_gone() {
    let world = World::new();
    let mut memory = Memory::default();
    world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let (path, backup) = (world.folder.path().join("ledger.db"), world.folder.path().join("backup.db"));
    copy(&path, &backup);
    world.write_under("in_1.txt", &[1, 7], &world.dataset, Cause::Replay).await;
    let second = world.write("in_2.txt", &[2]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let expected = world.entries().await;
    restore(&path, &backup);
    let claimed = EntryState::Claimed { lease: None, retry_at: None };
    let claimed = Entry { state: claimed, revision: 1, ..second };
    let reason = SetAsideReason { kind: SetAsideKind::Gone, message: "deleted".to_owned() };
    let gone = claimed.abandoned(reason, Duration::ZERO, world.clock.now()).unwrap();
    assert_eq!(world.ledger.put(&Entry { revision: 1, ..gone }).await.unwrap(), PutEntry::Stored);
    let outcome = world.load_all(&world.as_worker("next"), &mut Memory::default()).await.unwrap();
    assert_eq!((outcome.restored, outcome.sent_back), (0, 0), "nothing is taken for lost");
    let told = |entries: &[Entry]| {
        let one =
            |entry: &Entry| (entry.state_name(), entry.generation, entry.load_id.clone(), entry.summary().cloned());
        let mut told: Vec<_> = entries.iter().map(one).collect();
        told.sort_by_key(|(_, _, load, _)| load.clone());
        told
    };
    assert_eq!(told(&world.entries().await), told(&expected));
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

/// Puts everything of a database back to what a copy of it holds, as a restore in place does: whoever has it open goes on.
fn restore(path: &Path, copy: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database.execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()]).unwrap();
    let names = |schema: &str| {
        let sql = format!("SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'");
        let mut statement = database.prepare(&sql).unwrap();
        let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        names.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let kept = names("copy");
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    for name in names("main") {
        database.execute_batch(&format!("DELETE FROM main.\"{name}\"")).unwrap();
        if kept.contains(&name) {
            database.execute_batch(&format!("INSERT INTO main.\"{name}\" SELECT * FROM copy.\"{name}\"")).unwrap();
        }
    }
    database.execute_batch("COMMIT").unwrap();
}

fn copy(path: &Path, copy: &Path) {
    let source = rusqlite::Connection::open(path).unwrap();
    source.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
}

#[tokio::test]
async fn a_ledger_from_a_backup_learns_what_is_loaded() {
    let world = World::new();
    let mut memory = Memory::default();
    world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    world.write("in_2.txt", &[2, 3]).await;
    let (path, backup) = (world.folder.path().join("ledger.db"), world.folder.path().join("backup.db"));
    copy(&path, &backup);
    world.load_all(&world.ports, &mut memory).await.unwrap();
    world.write("in_3.txt", &[4]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let (rows, loaded) = (world.rows().await, world.entries().await);
    assert_eq!((rows.len(), world.batches().await), (4, Some(3)));

    restore(&path, &backup);
    assert_eq!((world.state("in_2.txt").await, world.batches().await), (StateName::Written, Some(1)));
    // A worker that has run all along, and one that starts with the old ledger.
    for mut memory in [memory, Memory::default()] {
        let outcome = world.load_all(&world.as_worker("next"), &mut memory).await.unwrap();
        assert_eq!((outcome.restored, outcome.sent_back), (0, 0), "nothing is taken for lost");
    }
    let live = |entries: &[Entry]| {
        entries.iter().map(|entry| (entry.id.clone(), entry.live.clone().map(|live| live.load_id))).collect::<Vec<_>>()
    };
    let learned = world.entries().await;
    let of_backup: Vec<Entry> =
        loaded.into_iter().filter(|entry| !entry.object.uri.as_str().ends_with("in_3.txt")).collect();
    assert_eq!(live(&learned), live(&of_backup), "the load that is live is the one that the warehouse has");
    assert!(world.states().await.values().all(|state| *state == (StateName::Loaded, 1)));
    assert_eq!(world.rows().await, rows, "no row is touched, in_3's neither");
    assert_eq!(world.batches().await, Some(3), "and it knows again how many batches there were");
}

/// Loads in_1, and keeps the warehouse as it is then: where it is, and where it is kept.
async fn one_is_kept(world: &World, memory: &mut Memory) -> (PathBuf, PathBuf) {
    world.write("in_1.txt", &[1]).await;
    world.load_all(&world.ports, memory).await.unwrap();
    let (path, kept) = (world.folder.path().join("warehouse.db"), world.folder.path().join("kept.db"));
    copy(&path, &kept);
    (path, kept)
}

#[tokio::test]
async fn a_warehouse_that_is_restored_while_loaders_run_is_filled_again() {
    let world = World::new();
    let mut memory = Memory::default();
    let (path, kept) = one_is_kept(&world, &mut memory).await;
    world.write("in_2.txt", &[2]).await;
    world.write("in_3.txt", &[3]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    let mut other = Memory::default();
    let ports = world.as_worker("other");
    world.load_all(&ports, &mut other).await.unwrap();
    // Between the stage and the commit of one the warehouse goes back; then both go on.
    world.write("in_4.txt", &[4]).await;
    world.meddled.before_commit(async move { restore(&path, &kept) });
    for _ in 0..10 {
        drop(world.load(&world.ports, &mut memory).await);
        drop(world.load(&ports, &mut other).await);
    }
    world.to_the_end().await;
    assert!(world.states().await.values().all(|state| *state == (StateName::Loaded, 1)), "{:?}", world.states().await);
    let rows = ["/in_1.txt 1 1 visible", "/in_2.txt 1 2 visible", "/in_3.txt 1 3 visible", "/in_4.txt 1 4 visible"];
    assert_eq!(world.rows().await, rows);
}

/// Who committed the last batch had not yet said so when the warehouse went back, and the next batch brings the number of
/// batches to where it was.
#[tokio::test]
async fn a_restore_that_the_number_of_batches_hides_is_seen_at_the_next_look() {
    let world = World::new();
    let mut memory = Memory::default();
    let (path, kept) = one_is_kept(&world, &mut memory).await;
    world.write("in_2.txt", &[2]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!(world.batches().await, Some(2));
    world.ports.ledger.reset(&format!("batches/{}", world.dataset.family()), 1).await.unwrap();
    restore(&path, &kept);
    world.write("in_3.txt", &[3]).await;
    world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!((world.rows().await.len(), world.batches().await), (2, Some(2)), "in_2 is hidden");

    memory.look_anew(Timestamp::from_micros(0));
    let outcome = world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.restored, outcome.loaded), (1, 1));
    assert_eq!(world.rows().await.len(), 3);
    assert!(world.states().await.values().all(|state| *state == (StateName::Loaded, 1)));
    memory.look_anew(Timestamp::from_micros(0));
    let outcome = world.load_all(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.restored, outcome.loaded), (0, 0), "nothing is taken for lost");
}
