//! Disks, permissions, leases and engines that fail: what is the file's fault, and what is not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{ClaimDecision, ClaimRequest, EntryState, SetAsideKind, StateName, claim};
use lakehand_domain::id::{MessageId, WorkerId};
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{Ledger, PutEntry};
use lakehand_pipeline::settle::{Fate, Settlement};

use crate::moody::{Mood, Moody};
use crate::world::World;

fn moody(world: &mut World) -> Arc<Mutex<Mood>> {
    let mood = Arc::new(Mutex::new(Mood::default()));
    world.ports.landing = Arc::new(Moody { inner: Arc::clone(&world.ports.landing), mood: Arc::clone(&mood) });
    world.ports.lake = Arc::new(Moody { inner: Arc::clone(&world.ports.lake), mood: Arc::clone(&mood) });
    mood
}

#[tokio::test]
async fn a_full_disk_or_a_missing_permission_uses_up_no_attempt() {
    for set in [
        (|mood: &mut Mood| mood.full = Some("begin_upload")) as fn(&mut Mood),
        |mood| mood.full = Some("write"),
        |mood| mood.full = Some("complete"),
        |mood| mood.full = Some("put"),
        |mood| mood.denied = Some("stat"),
        |mood| mood.denied = Some("open"),
    ] {
        let mut world = World::new();
        let mood = moody(&mut world);
        world.land("in_1.txt", "a\nb\nc");
        world.send(&["in_1.txt"]).await;
        set(&mut mood.lock().unwrap());
        for _ in 0..8 {
            let settled = world.once().await;
            let Fate::Later { error: Some(error), .. } = &settled.records[0].fate else { panic!("{settled:?}") };
            assert!(error.contains("no space is left") || error.contains("is refused"), "{error}");
            world.clock.advance(Duration::from_mins(10));
        }
        assert!(world.entries().await.iter().all(|entry| entry.attempts == 0));
        assert!(world.lake().await.keys().all(|name| !name.contains("_manifests")));
        *mood.lock().unwrap() = Mood::default();
        assert!(matches!(world.fate().await, Fate::Written { .. }));
        assert_eq!(world.lake().await.len(), 3);
        assert!(world.letters().await.is_empty());
    }
}

/// Nobody can read it, and others can be read: it is no failure of the store.
#[tokio::test]
async fn an_archived_object_is_set_aside_at_once_and_replayed_once_it_is_restored() {
    let mut world = World::new();
    let mood = moody(&mut world);
    mood.lock().unwrap().archived = true;
    world.land("in_1.txt", "a\nb\nc");
    world.send(&["in_1.txt"]).await;
    let settled = world.once().await;
    assert_eq!(settled.settlement, Settlement::Deleted);
    let Fate::SetAside { reason, .. } = &settled.records[0].fate else { panic!("{settled:?}") };
    assert_eq!(reason.kind, SetAsideKind::Archived);
    let uri = world.object("in_1.txt");
    let said = format!(
        "{uri} is archived (storage class GLACIER), and cannot be read before it is restored; restore it, then \
         `lakehand replay {uri}`"
    );
    assert_eq!(reason.message, said);
    assert_eq!(world.entry().await.attempts, 0);
    assert_eq!(world.letters().await[0].kind, SetAsideKind::Archived);
    mood.lock().unwrap().archived = false;
    world.clock.advance(Duration::from_hours(12));
    world.ask(&["in_1.txt"], Cause::Replay).await;
    assert!(matches!(world.fate().await, Fate::Written { .. }));
}

#[tokio::test]
async fn an_engine_that_fails_on_a_file_sets_it_aside_in_the_end() {
    for (text, said) in [("ENGINE", "gave up"), ("PANIC", "the engine is broken")] {
        let world = World::new();
        world.land("in_1.txt", text);
        world.send(&["in_1.txt"]).await;
        for attempt in 1..world.settings.max_attempts {
            let settled = world.once().await;
            let Settlement::Waits { until } = settled.settlement else { panic!("{settled:?}") };
            let entry = world.entry().await;
            assert_eq!(entry.attempts, attempt);
            let EntryState::Claimed { lease: None, retry_at: Some(at) } = entry.state else { panic!("{entry:?}") };
            assert!(until >= at, "the message does not come back before the entry may be claimed");
            world.clock.advance(Duration::from_mins(10));
        }
        let settled = world.once().await;
        assert_eq!(settled.settlement, Settlement::Deleted);
        let entry = world.entry().await;
        let EntryState::SetAside { reason, .. } = &entry.state else { panic!("{entry:?}") };
        assert_eq!(reason.kind, SetAsideKind::AttemptsExhausted);
        assert!(reason.message.contains(said), "{}", reason.message);
        assert!(world.lake().await.is_empty());
    }
}

/// Nobody can tell a file that kills its workers from workers that are killed: in the end a person is asked, in words that
/// say which of both it may be.
#[tokio::test]
async fn a_file_whose_worker_was_lost_again_and_again_is_set_aside_in_words_of_its_own() {
    let world = World::new();
    world.land("in_1.txt", "a\nb");
    let object = world.ports.landing.stat(&world.object("in_1.txt")).await.unwrap();
    let mut before = None;
    for _ in 0..=world.settings.max_lapses {
        let request = ClaimRequest {
            dataset: world.ports.catalog.iter().next().unwrap().id.clone(),
            object: object.clone(),
            fingerprint: world.ports.catalog.iter().next().unwrap().fingerprint.clone(),
            worker: WorkerId::new("killed"),
            lease_for: world.settings.lease,
            skew: world.settings.skew,
            cause: Cause::Arrived,
            asked_by: MessageRef::new(&MessageId::new("m"), world.clock.now(), &Attributes::default()),
            marked: None,
            now: world.clock.now(),
        };
        let ClaimDecision::Take(taken) = claim(before.as_ref(), &request) else { panic!("{before:?}") };
        assert_eq!(world.ledger.put(&taken).await.unwrap(), PutEntry::Stored);
        before = Some(*taken);
        world.clock.advance(world.settings.lease + world.settings.skew * 2);
    }
    world.send(&["in_1.txt"]).await;
    let Fate::SetAside { reason, .. } = world.fate().await else { panic!("it is worked on") };
    assert_eq!(reason.kind, SetAsideKind::AttemptsExhausted);
    for word in ["was lost 21 times with this file in hand", "ran out of memory", "the ledger", "replay file://"] {
        assert!(reason.message.contains(word), "{}", reason.message);
    }
    assert!(!reason.message.contains("failed 0 times"), "{}", reason.message);
    // Who asks again has it begun anew.
    world.clock.advance(Duration::from_secs(1));
    world.ask(&["in_1.txt"], Cause::Replay).await;
    assert!(matches!(world.fate().await, Fate::Written { .. }));
}

#[tokio::test]
async fn a_lease_taken_by_another_stops_the_first_before_it_tells_anything() {
    let world = World::new();
    world.land("in_1.txt", "a");
    world.send(&["in_1.txt"]).await;
    let (ledger, clock) = (Arc::clone(&world.ledger), Arc::clone(&world.clock));
    let runtime = tokio::runtime::Handle::current();
    let mut stolen = false;
    world.tiny.during(move || {
        if std::mem::replace(&mut stolen, true) {
            return;
        }
        clock.advance(Duration::from_mins(5));
        runtime.block_on(async {
            let page = ledger.list(&lakehand_domain::port::ledger::EntryQuery::default()).await.unwrap();
            let entry = &page.entries[0];
            let request = ClaimRequest {
                dataset: entry.dataset.clone(),
                object: entry.object.clone(),
                fingerprint: entry.fingerprint.clone(),
                worker: WorkerId::new("thief"),
                lease_for: Duration::from_secs(30),
                skew: Duration::from_secs(5),
                cause: Cause::Arrived,
                asked_by: MessageRef::new(&MessageId::new("m"), Clock::now(clock.as_ref()), &Attributes::default()),
                marked: None,
                now: Clock::now(clock.as_ref()),
            };
            let ClaimDecision::Take(taken) = claim(Some(entry), &request) else { panic!("not lapsed") };
            assert_eq!(ledger.put(&taken).await.unwrap(), PutEntry::Stored);
        });
    });
    let fate = world.fate().await;
    assert!(matches!(&fate, Fate::Later { error: Some(error), .. } if error.contains("another worker's")), "{fate:?}");
    let entry = world.entry().await;
    assert_eq!(entry.lease().map(|lease| lease.worker.as_str()), Some("thief"), "the thief's claim stands");
    // The thief dies. Whoever comes next makes the same bytes under the same names.
    world.to_the_end().await;
    let entry = world.entry().await;
    assert_eq!((entry.state_name(), entry.token.0), (StateName::Written, 3));
    assert_eq!(world.lake().await.len(), 2);
}

#[tokio::test]
async fn a_file_with_too_many_rejects_leaves_only_its_rejects() {
    let world = World::new();
    world.land("in_1.txt", "bad 1\nbad 2\na");
    world.send(&["in_1.txt"]).await;
    assert!(matches!(world.fate().await, Fate::SetAside { reason, .. } if reason.kind == SetAsideKind::TooManyRejects));
    let entry = world.entry().await;
    let summary = entry.summary().unwrap();
    assert_eq!((summary.records, summary.rejects.total(), summary.parts), (3, 2, 0));
    assert!(summary.quarantine.as_ref().unwrap().as_str().contains("/d/_quarantine/"));
    let lake = world.lake().await;
    assert_eq!(
        lake.into_iter().collect::<Vec<_>>(),
        [("d/_quarantine/in_1.txt#1.jsonl".into(), "bad 1\nbad 2".into())]
    );
    let left = std::fs::read_dir(world.folder.path().join("lake/d/t")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "parts that were given up leave nothing behind");
}

#[tokio::test]
async fn an_object_that_arrives_as_a_stream_is_kept_in_memory_or_read_as_it_comes() {
    for in_memory in [true, false] {
        let mut world = World::new();
        let mood = moody(&mut world);
        mood.lock().unwrap().streams = true;
        world.settings.spool_memory = if in_memory { 1 << 20 } else { 3 };
        let text = format!("{}\n", "r".repeat(9_999)).repeat(250);
        world.land("in_1.txt", &text);
        world.send(&["in_1.txt"]).await;
        let fate = world.fate().await;
        assert!(matches!(&fate, Fate::Written { summary, .. } if summary.records == 250), "{fate:?}");
        assert_eq!(std::fs::read_dir(&world.settings.spool).unwrap().count(), 0, "the spool file has no name");
    }
}

#[tokio::test]
async fn more_or_fewer_bytes_than_stat_said_are_never_judged() {
    for (in_memory, more) in [(true, 1), (true, -1), (false, 1), (false, -1)] {
        let mut world = World::new();
        let mood = moody(&mut world);
        mood.lock().unwrap().streams = true;
        mood.lock().unwrap().off_by = more;
        world.settings.spool_memory = if in_memory { 1 << 20 } else { 0 };
        world.land("in_1.txt", "abc");
        world.send(&["in_1.txt"]).await;
        let fate = world.fate().await;
        assert!(matches!(fate, Fate::Later { error: Some(_), .. }), "{fate:?}");
        assert!(world.lake().await.is_empty());
        assert_eq!(world.entry().await.attempts, 0);
    }
}
