use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_domain::entry::{Entry, LoadSummary};
use lakehand_domain::id::LedgerId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::PutEntry;
use lakehand_domain::reject::RejectCounts;
use lakehand_testkit::conformance::ledger::claimed_entry;
use lakehand_testkit::manual_clock::ManualClock;
use lakehand_testkit::memory::ledger::MemoryLedger;
use tokio::sync::watch;

use super::*;
use crate::snapshot::Snapshot;

const HOUR: i64 = 3_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn memory() -> MemoryLedger {
    MemoryLedger::new(LedgerId::new("l"), Arc::new(ManualClock::new(at(0))))
}

/// A file of `d` that is written, and then perhaps loaded, at these seconds.
async fn file(ledger: &MemoryLedger, name: &str, written: i64, loaded: Option<i64>) -> Entry {
    let entry = claimed_entry("d", &format!("s3://landing/{name}"), written);
    let store = async |entry: &Entry| assert_eq!(ledger.put(entry).await.unwrap(), PutEntry::Stored);
    store(&entry).await;
    let summary = LoadSummary {
        manifest: Some(ObjectUri::parse("s3://lake/m.json").unwrap()),
        records: 1,
        rejects: RejectCounts::default(),
        rows: BTreeMap::new(),
        bytes: 1,
        parts: 1,
        quarantine: None,
    };
    let mut entry = entry.written(&entry.lease().unwrap().clone(), summary, at(written)).unwrap();
    store(&entry).await;
    if let Some(loaded) = loaded {
        entry = entry.loaded(&entry.load_id, "b", at(loaded)).unwrap().unwrap();
        store(&entry).await;
    }
    entry
}

async fn looked(ledger: &MemoryLedger, now: i64) -> Freshness {
    look(ledger, &DatasetId::new("d"), Duration::from_hours(3), at(now)).await.unwrap()
}

#[tokio::test]
async fn a_dataset_is_stale_when_nothing_was_loaded_for_longer_than_expected() {
    let ledger = memory();
    file(&ledger, "a", HOUR, Some(HOUR)).await;
    file(&ledger, "b", HOUR, Some(2 * HOUR)).await;
    let fresh = looked(&ledger, 5 * HOUR).await;
    assert_eq!((fresh.is_stale, fresh.is_loaded, fresh.since), (false, true, at(2 * HOUR)), "to the second");
    let stale = looked(&ledger, 5 * HOUR + 1).await;
    assert_eq!((stale.is_stale, stale.waits), (true, false));
    assert!(stale.words().contains("nothing was loaded since 1970-01-01T02:00:00"), "{}", stale.words());
    // Files that are written and not loaded do not make it fresh; that they are there is told.
    file(&ledger, "c", 6 * HOUR, None).await;
    let stale = looked(&ledger, 6 * HOUR).await;
    assert_eq!((stale.is_stale, stale.waits), (true, true));
    assert!(stale.words().ends_with("files wait to be loaded"), "{}", stale.words());
    file(&ledger, "e", 6 * HOUR, Some(7 * HOUR)).await;
    assert!(!looked(&ledger, 8 * HOUR).await.is_stale);
}

#[tokio::test]
async fn a_dataset_of_which_nothing_ever_came_is_stale_from_when_it_was_first_looked_after() {
    let ledger = memory();
    assert_eq!(looked(&ledger, 100).await.since, at(100));
    // Whoever looks later, after a restart or on another machine, counts from the same moment.
    let later = looked(&ledger, 2 * HOUR).await;
    assert_eq!((later.since, later.is_stale, later.is_loaded), (at(100), false, false));
    assert!(looked(&ledger, 3 * HOUR + 101).await.is_stale);
}

#[tokio::test]
async fn what_was_loaded_is_remembered_when_its_entry_is_gone() {
    let ledger = memory();
    let empty = ledger.snapshot();
    file(&ledger, "a", HOUR, Some(HOUR)).await;
    assert_eq!(looked(&ledger, 2 * HOUR).await.since, at(HOUR));
    let kept = ledger.number_now("freshness/loaded/d").unwrap();
    ledger.restore(empty);
    ledger.raise_now("freshness/loaded/d", kept);
    let known = looked(&ledger, 2 * HOUR).await;
    assert_eq!((known.since, known.is_loaded), (at(HOUR), true));
}

#[test]
fn the_board_keeps_what_was_seen_and_stays_healthy() {
    let clock = Arc::new(ManualClock::new(at(0)));
    let dataset = DatasetId::new("d");
    let board = Board::new(clock, watch::Sender::new(Snapshot::default()), [&dataset].into_iter());
    let seen = |is_stale| Freshness {
        expected: Duration::from_hours(1),
        since: at(0),
        is_loaded: true,
        is_stale,
        waits: false,
    };
    for is_stale in [false, true, true, false] {
        told(&board, &dataset, seen(is_stale));
        let state = board.state();
        assert_eq!(state.families[&dataset].freshness, Some(seen(is_stale)));
        assert!(state.is_healthy(), "what does not come is the producer's fault");
    }
}
