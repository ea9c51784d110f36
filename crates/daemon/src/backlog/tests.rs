use std::sync::Arc;

use lakehand_domain::entry::{SetAsideKind, SetAsideReason};
use lakehand_domain::id::LedgerId;
use lakehand_testkit::conformance::ledger::claimed_entry;
use lakehand_testkit::manual_clock::ManualClock;
use lakehand_testkit::memory::ledger::MemoryLedger;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

async fn put(ledger: &MemoryLedger, entry: Entry) -> Entry {
    ledger.put(&entry).await.unwrap();
    entry
}

#[tokio::test]
async fn the_oldest_file_that_waits_is_found_however_often_it_was_tried() {
    let ledger = MemoryLedger::new(LedgerId::new("l"), Arc::new(ManualClock::new(at(0))));
    let dataset = DatasetId::new("d");
    assert_eq!(oldest(&ledger, &dataset).await.unwrap(), None);

    let first = put(&ledger, claimed_entry("d", "s3://landing/a", 100)).await;
    put(&ledger, claimed_entry("d", "s3://landing/b", 200)).await;
    put(&ledger, claimed_entry("other", "s3://landing/c", 1)).await;
    assert_eq!(oldest(&ledger, &dataset).await.unwrap(), Some(at(100)));

    // A retry changes the entry, and it still waits since it was first seen.
    let lease = first.lease().unwrap().clone();
    let tried = put(&ledger, first.extended(&lease, Duration::from_mins(9), at(300)).unwrap()).await;
    assert_eq!(oldest(&ledger, &dataset).await.unwrap(), Some(at(100)));

    // What is set aside waits for nothing.
    let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: "torn".to_owned() };
    let lease = tried.lease().unwrap().clone();
    put(&ledger, tried.set_aside(&lease, reason, None, at(301)).unwrap()).await;
    assert_eq!(oldest(&ledger, &dataset).await.unwrap(), Some(at(200)));
}

#[test]
fn a_replay_waits_since_it_was_begun() {
    let mut entry = claimed_entry("d", "s3://landing/a", 100);
    assert_eq!(waits_since(&entry), at(100));
    (entry.generation, entry.updated) = (Generation(2), at(900));
    assert_eq!(waits_since(&entry), at(900));
}
