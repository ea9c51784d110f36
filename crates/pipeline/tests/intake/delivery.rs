//! One file, however often and by however many it is delivered.

use std::time::Duration;

use lakehand_domain::entry::StateName;
use lakehand_domain::id::Generation;
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::Ledger;
use lakehand_pipeline::settle::{Fate, Settlement};
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test]
async fn a_file_becomes_parts_and_a_manifest_and_its_message_goes() {
    let world = World::new();
    world.land("in_1.txt", "a\nb\nbad\nc");
    world.send(&["in_1.txt"]).await;
    let settled = world.once().await;
    assert_eq!(settled.settlement, Settlement::Deleted);
    let Fate::Written { summary, .. } = &settled.records[0].fate else { panic!("{settled:?}") };
    assert_eq!((summary.records, summary.rejects.total(), summary.parts), (4, 1, 2));
    let lake = world.lake().await;
    let lake: Vec<_> = lake.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        lake,
        [
            ("d/_manifests/in_1.txt#1.json", "4 records, 1 rejects, 3 rows"),
            ("d/_quarantine/in_1.txt#1.jsonl", "bad"),
            ("d/t/in_1.txt#1-0.parquet", "a\nb"),
            ("d/t/in_1.txt#1-1.parquet", "c"),
        ]
    );
    assert_eq!(world.entry().await.summary(), Some(summary.as_ref()));
    assert!(world.receive().await.is_none());
    assert!(world.letters().await.is_empty());
}

#[tokio::test]
async fn a_second_delivery_finds_it_done_and_reads_nothing() {
    let world = World::new();
    world.land("in_1.txt", "a");
    world.send(&["in_1.txt"]).await;
    world.send(&["in_1.txt"]).await;
    world.once().await;
    let (before, entry) = (world.plan.calls(), world.entry().await);
    assert_eq!(world.fate().await, Fate::Done { state: StateName::Written });
    let calls = world.plan.names().split_off(usize::try_from(before).unwrap());
    assert!(!calls.iter().any(|call| call.contains("open") || call.contains("put")), "{calls:?}");
    assert_eq!(world.entry().await, entry);
    assert_eq!(world.queue_total().await, 0);
}

#[tokio::test]
async fn two_workers_at_once_make_one_entry() {
    let world = World::new();
    world.land("in_1.txt", "a\nb\nc");
    world.send(&["in_1.txt"]).await;
    world.send(&["in_1.txt"]).await;
    let (one, two) = (world.receive().await.unwrap(), world.receive().await.unwrap());
    let other = world.as_worker("second");
    let (one, two) = tokio::join!(world.process(&world.ports, one), world.process(&other, two));
    let fates = [&one.records[0].fate, &two.records[0].fate];
    let written = fates.iter().filter(|fate| matches!(fate, Fate::Written { .. })).count();
    assert_eq!(written, 1, "{fates:?}");
    assert!(fates.iter().all(|fate| !matches!(fate, Fate::Later { error: Some(_), .. })), "{fates:?}");
    world.to_the_end().await;
    let entry = world.entry().await;
    assert_eq!((entry.state_name(), entry.generation, entry.attempts), (StateName::Written, Generation::FIRST, 0));
    assert_eq!(world.lake().await.len(), 3);
}

#[tokio::test]
async fn each_record_of_a_message_settles_by_itself() {
    let world = World::new();
    let names: Vec<String> = (0..9).map(|n| format!("in_{n}.txt")).collect();
    for name in &names {
        world.land(name, "a");
    }
    let mut objects: Vec<_> =
        names.iter().map(|name| serde_json::json!({"uri": world.object(name).as_str()})).collect();
    objects.insert(4, serde_json::json!({"uri": 7}));
    let body = serde_json::json!({"lakehand_event": 1, "objects": objects}).to_string();
    world.send_body(&body).await;
    let settled = world.once().await;
    assert_eq!(settled.settlement, Settlement::Deleted);
    assert_eq!(world.entries().await.len(), 9);
    let letters = world.letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].kind.as_str(), "undecodable");
    assert!(letters[0].reason.starts_with("objects[4]"), "{}", letters[0].reason);
    assert_eq!(letters[0].original.as_ref().unwrap().body, r#"{"lakehand_event":1,"objects":[{"uri":7}]}"#, "alone");
}

#[tokio::test]
async fn a_letter_waits_for_the_other_records_and_is_sent_once() {
    let world = World::new();
    world.land("in_1.txt", "ENGINE");
    let good = world.object("in_1.txt");
    let body = serde_json::json!({"lakehand_event": 1, "objects": [{"uri": 7}, {"uri": good.as_str()}]});
    world.send_body(&body.to_string()).await;
    assert!(matches!(world.once().await.settlement, Settlement::Waits { .. }));
    assert!(world.letters().await.is_empty());
    world.to_the_end().await;
    let mut kinds: Vec<_> = world.letters().await.iter().map(|letter| letter.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["attempts_exhausted", "undecodable"]);
    assert_eq!(world.entry().await.state_name(), StateName::SetAside);
}

#[tokio::test]
async fn a_replay_begins_a_generation_and_leaves_the_old_parts() {
    let world = World::new();
    world.land("in_1.txt", "UNREADABLE");
    world.send(&["in_1.txt"]).await;
    world.once().await;
    let first = world.entry().await;
    assert_eq!(first.state_name(), StateName::SetAside);
    // A letter of another generation is not about this one.
    world.ask(&["in_1.txt"], Cause::Letter(Generation(7))).await;
    assert_eq!(world.fate().await, Fate::Done { state: StateName::SetAside });
    world.ask(&["in_1.txt"], Cause::Letter(Generation::FIRST)).await;
    world.fate().await;
    let second = world.entry().await;
    assert_eq!((second.generation, second.state_name()), (Generation(2), StateName::SetAside));
    assert_ne!(first.load_id, second.load_id);
}

/// Whatever the worker's clock says of when the file was loaded, a replay that was asked for after its message was sent is
/// done, and once.
#[tokio::test]
async fn a_replay_that_was_asked_for_before_the_load_by_the_ledgers_clock_is_done_and_once() {
    let world = World::new();
    world.land("in_1.txt", "a");
    world.send(&["in_1.txt"]).await;
    world.clock.advance(Duration::from_millis(1));
    world.ask(&["in_1.txt"], Cause::Replay).await;
    world.clock.advance(Duration::from_mins(10));
    world.once().await;
    let entry = world.entry().await;
    let loaded = entry.loaded(&entry.load_id, "b", entry.updated).unwrap().unwrap();
    world.ledger.put(&loaded).await.unwrap();
    let replay = world.receive().await.unwrap();
    assert!(replay.sent_at < loaded.updated);
    // The answer to its deletion is lost: it comes again, and again.
    for _ in 0..3 {
        world.process(&world.ports, replay.clone()).await;
    }
    assert_eq!(world.entry().await.generation, Generation(2));
}

#[tokio::test]
async fn work_that_is_stopped_is_given_back_at_once() {
    let world = World::new();
    world.land("in_1.txt", "a\nb\nc");
    world.send(&["in_1.txt"]).await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    world.tiny.during(move || stop.cancel());
    let message = world.receive().await.unwrap();
    let settled = world.process_with(&world.ports, message, &lakehand_pipeline::keep::Unkept, &cancel).await;
    assert_eq!((settled.settlement, &settled.records[0].fate), (Settlement::Released, &Fate::Released));
    let entry = world.entry().await;
    assert_eq!((entry.lease(), entry.attempts, entry.last_error.as_ref()), (None, 0, None));
    assert!(world.lake().await.is_empty());
    // Another worker goes on without waiting for anything.
    world.tiny.during(|| {});
    assert!(matches!(world.fate().await, Fate::Written { .. }));
}

#[tokio::test]
async fn a_message_that_asks_for_nothing_goes() {
    let world = World::new();
    world.send_body(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#).await;
    assert!(matches!(world.fate().await, Fate::Ignored { .. }));
    world.send_body(r#"{"Records":[]}"#).await;
    assert!(matches!(world.fate().await, Fate::Ignored { .. }));
    assert_eq!(world.queue_total().await, 0);
    assert!(world.letters().await.is_empty());
}
