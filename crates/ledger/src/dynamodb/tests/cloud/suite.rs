//! The port's conformance suite, and what is this backend's alone.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::id::{LedgerId, WorkerId};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{EntryQuery, Ledger, LedgerError, PageToken, PutEntry};
use lakehand_testkit::conformance::ledger::{LedgerUnderTest, claimed_entry, ledger_suite};
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services::EMULATORS;
use tokio::task::JoinSet;

use super::super::super::item::{key, place, position, shard, text};
use super::super::super::table::{AT, COUNTED, ENTRY, PLACE, TTL};
use super::super::super::{DynamoLedger, DynamoOptions};
use super::super::histories::{at, reason, request, summary, taken};
use super::{Table, reach};

async fn conforms(emulator: &str) {
    let tables = Mutex::new(Vec::new());
    ledger_suite(|| async {
        let table = Table::on(emulator).await;
        let (first, second) = (Arc::new(table.ledger("one").await), Arc::new(table.ledger("two").await));
        tables.lock().unwrap().push(table);
        LedgerUnderTest { first, second }
    })
    .await;
    for table in tables.into_inner().unwrap() {
        table.drop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_on_roto() {
    conforms("ROTO").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_on_ministack() {
    conforms("MINISTACK").await;
}

/// Claims that are alike to the last byte: the answer to one of them is no answer to the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_claims_that_are_alike_one_wins() {
    for emulator in EMULATORS {
        let table = Table::on(emulator).await;
        let ledgers = [Arc::new(table.ledger("l").await), Arc::new(table.ledger("l").await)];
        for round in 0..5 {
            let mut claims = JoinSet::new();
            for claim in 0..40 {
                let ledger = Arc::clone(&ledgers[claim % 2]);
                let entry = claimed_entry("d", &format!("s3://landing/{round}"), 1);
                claims.spawn(async move { ledger.put(&entry).await.unwrap() });
            }
            let won = claims.join_all().await.into_iter().filter(|put| *put == PutEntry::Stored).count();
            assert_eq!(won, 1, "{emulator}, round {round}");
        }
        table.drop().await;
    }
}

#[tokio::test]
async fn opening_a_new_ledger_at_once_gives_one_name() {
    for emulator in EMULATORS {
        let table = Table::on(emulator).await;
        let opened = futures::future::join_all((0..12).map(|n| {
            let (table, name) = (&table, n.to_string());
            async move { table.ledger(&name).await.identity().await.unwrap() }
        }));
        let mut names = opened.await;
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 1, "{emulator}");
        // Who comes later with other shards takes those that are there.
        let options = DynamoOptions { shards: 9, ..DynamoOptions::new(&table.name) };
        assert_eq!(table.ledger_with("x", options).await.layout.shards, 4);
        table.drop().await;
    }
}

#[tokio::test]
async fn options_and_tables_that_make_no_sense_are_refused() {
    let config = reach(&lakehand_testkit::services::emulator("ROTO")).await;
    let open = async |options: DynamoOptions| {
        let (id, worker) = (LedgerId::new("l"), WorkerId::new("w"));
        DynamoLedger::open(&config, options, &id, &worker, Arc::new(RealClock)).await.unwrap_err()
    };
    let missing = open(DynamoOptions::new("no-such-table")).await;
    let LedgerError::Denied { source, .. } = &missing else { panic!("{missing:?}") };
    assert_eq!(source.to_string(), "the table no-such-table is not there; `lakehand provision` makes it");
    let hasty = open(DynamoOptions { keep_loaded_days: Some(29), ..DynamoOptions::new("t") }).await;
    let LedgerError::Denied { source, .. } = &hasty else { panic!("{hasty:?}") };
    assert_eq!(source.to_string(), "loaded entries would be kept for 29 days; 30 are the least");
    let table = Table::on("ROTO").await;
    let ledger = table.ledger("l").await;
    let query = EntryQuery { after: Some(PageToken("nowhere".to_owned())), ..EntryQuery::default() };
    assert!(matches!(ledger.list(&query).await, Err(LedgerError::Unintelligible { operation: "list", .. })));
    let entry = Entry { revision: 0, ..claimed_entry("d", "s3://b/k", 1) };
    assert!(matches!(ledger.put(&entry).await, Err(LedgerError::Unintelligible { operation: "put", .. })));
    table.drop().await;
}

#[tokio::test]
async fn a_document_of_another_version_is_named_and_nothing_else_suffers() {
    for emulator in EMULATORS {
        let table = Table::on(emulator).await;
        let ledger = table.ledger("l").await;
        let (entry, sound) = (claimed_entry("d", "s3://b/k", 1), claimed_entry("d", "s3://b/sound", 1));
        ledger.put(&entry).await.unwrap();
        ledger.put(&sound).await.unwrap();
        let strange = ledger.layout.item(&entry, vec![7, 0, 0], "somebody");
        ledger.client.put_item().table_name(&table.name).set_item(Some(strange)).send().await.unwrap();
        for error in [
            ledger.get(&entry.id).await.unwrap_err(),
            ledger.list(&EntryQuery::default()).await.unwrap_err(),
            ledger.put(&entry).await.unwrap_err(),
        ] {
            assert!(matches!(error, LedgerError::Unintelligible { .. }), "{error:?}");
            assert!(
                error.to_string().contains(entry.id.as_str()) && error.to_string().contains("format is 7"),
                "{error}"
            );
        }
        assert_eq!(ledger.get(&sound.id).await.unwrap(), Some(sound));
        assert_eq!(ledger.counts().await.unwrap()[0].entries, 2);
        table.drop().await;
    }
}

/// An entry that waits for somebody never goes by itself; one that is loaded may, and one that is replayed no longer.
#[tokio::test]
async fn time_to_live_is_for_loaded_entries_alone() {
    for emulator in EMULATORS {
        let table = Table::on(emulator).await;
        let options = DynamoOptions { keep_loaded_days: Some(90), ..DynamoOptions::new(&table.name) };
        let ledger = table.ledger_with("l", options).await;
        let ends = async |entry: &Entry| {
            assert_eq!(ledger.put(entry).await.unwrap(), PutEntry::Stored);
            let item = ledger.item("get", key(ENTRY, entry.id.as_str())).await.unwrap().unwrap();
            item.get(TTL).cloned()
        };
        let claimed = taken(None, &request("d", "s3://b/k", 1, Cause::Arrived, at(1_000)));
        let lease = claimed.lease().unwrap().clone();
        assert_eq!(ends(&claimed).await, None);
        let written = claimed.written(&lease, summary(&claimed, &["t"]), at(1_001)).unwrap();
        assert_eq!(ends(&written).await, None);
        let loaded = written.loaded(&written.load_id, "b", at(1_002)).unwrap().unwrap();
        let expected = 1_002 + 90 * 86_400;
        assert_eq!(ends(&loaded).await, Some(AttributeValue::N(expected.to_string())));
        let again = taken(Some(&loaded), &request("d", "s3://b/k", 1, Cause::Replay, at(1_003)));
        assert_eq!(ends(&again).await, None);
        let lease = again.lease().unwrap().clone();
        let aside = again.set_aside(&lease, reason("torn"), None, at(1_004)).unwrap();
        assert_eq!(ends(&aside).await, None);
        assert_eq!(ends(&aside.told(at(1_005)).unwrap()).await, None);
        table.drop().await;
    }
}

/// Entries that the service deleted are as if they had never been: the next put of a revision finds nothing, and a
/// file that comes again begins anew. What is loaded is the warehouse's to say.
#[tokio::test]
async fn an_entry_that_went_by_time_to_live_begins_anew() {
    let table = Table::on("ROTO").await;
    let ledger = table.ledger("l").await;
    let entry = claimed_entry("d", "s3://b/k", 1);
    ledger.put(&entry).await.unwrap();
    let item = key(ENTRY, entry.id.as_str());
    ledger.client.delete_item().table_name(&table.name).set_key(Some(item)).send().await.unwrap();
    let lease = entry.lease().unwrap().clone();
    let written = entry.written(&lease, summary(&entry, &["t"]), at(2)).unwrap();
    assert_eq!(ledger.put(&written).await.unwrap(), PutEntry::Mismatch(None));
    assert_eq!(ledger.list(&EntryQuery::default()).await.unwrap().entries, vec![]);
    assert_eq!(ledger.put(&entry).await.unwrap(), PutEntry::Stored);
    table.drop().await;
}

/// An index that still shows entries where they were is not believed, and does not make pages short.
#[tokio::test]
async fn what_has_moved_on_is_passed_over_and_the_page_goes_on() {
    for emulator in EMULATORS {
        let table = Table::on(emulator).await;
        let ledger = table.ledger("l").await;
        let mut sound = Vec::new();
        for number in 0..60 {
            let claimed = taken(None, &request("d", &format!("s3://b/{number}"), 1, Cause::Arrived, at(number)));
            if number >= 40 {
                ledger.put(&claimed).await.unwrap();
                sound.push(claimed);
                continue;
            }
            ledger.know(&claimed.dataset).await.unwrap();
            let lease = claimed.lease().unwrap().clone();
            let written = claimed.written(&lease, summary(&claimed, &["t"]), at(number + 100)).unwrap();
            let mut item = ledger.layout.item(&written, ledger.documents.write(&written).unwrap(), "w");
            let shard = shard(&claimed.id, ledger.layout.shards);
            item.insert(PLACE.to_owned(), text(place(&claimed.dataset, StateName::Claimed, shard)));
            item.insert(AT.to_owned(), text(position(claimed.updated, &claimed.id)));
            ledger.client.put_item().table_name(&table.name).set_item(Some(item)).send().await.unwrap();
        }
        let mut query = EntryQuery { state: Some(StateName::Claimed), limit: 7, ..EntryQuery::default() };
        let mut listed = Vec::new();
        loop {
            let page = ledger.list(&query).await.unwrap();
            assert!(page.next.is_none() || page.entries.len() == 7);
            listed.extend(page.entries);
            let Some(next) = page.next else { break };
            query.after = Some(next);
        }
        assert_eq!(listed, sound, "{emulator}");
        table.drop().await;
    }
}

/// An entry that moves while the lanes of an index are read shows where it was and where it is. Here another item stands
/// for the place where it was.
#[tokio::test]
async fn an_entry_that_shows_twice_is_listed_once() {
    for emulator in EMULATORS {
        let table = Table::on(emulator).await;
        let ledger = table.ledger("l").await;
        let claimed = taken(None, &request("d", "s3://b/1", 1, Cause::Arrived, at(1)));
        ledger.put(&claimed).await.unwrap();
        let shard = shard(&claimed.id, ledger.layout.shards);
        let mut before = key(ENTRY, "another");
        before.insert(PLACE.to_owned(), text(place(&claimed.dataset, StateName::Written, shard)));
        before.insert(AT.to_owned(), text(position(at(0), &claimed.id)));
        ledger.client.put_item().table_name(&table.name).set_item(Some(before)).send().await.unwrap();
        for newest_first in [false, true] {
            let query = EntryQuery { newest_first, ..EntryQuery::default() };
            let page = ledger.list(&query).await.unwrap();
            assert_eq!((page.entries, page.next), (vec![claimed.clone()], None), "{emulator}");
        }
        table.drop().await;
    }
}

/// What is counted of many loaded entries is kept, and used, and counted anew when it no longer stands.
#[tokio::test]
async fn loaded_entries_are_counted_from_where_the_count_before_ended() {
    for emulator in EMULATORS {
        let table = Table::on(emulator).await;
        let options = DynamoOptions { shards: 1, ..DynamoOptions::new(&table.name) };
        let ledger = table.ledger_with("l", options).await;
        let put_loaded = async |number: u64| {
            let claimed = taken(None, &request("d", &format!("s3://b/{number}"), 1, Cause::Arrived, at(number)));
            let lease = claimed.lease().unwrap().clone();
            let written = claimed.written(&lease, summary(&claimed, &["t"]), at(number)).unwrap();
            let loaded = written.loaded(&written.load_id, "b", at(number)).unwrap().unwrap();
            for entry in [&claimed, &written, &loaded] {
                assert_eq!(ledger.put(entry).await.unwrap(), PutEntry::Stored);
            }
            loaded
        };
        let mut loaded = Vec::new();
        for number in 0..20 {
            loaded.push(put_loaded(number * 600).await);
        }
        let count = async || ledger.counts().await.unwrap().into_iter().map(|count| count.entries).sum::<u64>();
        assert_eq!(count().await, 20);
        // As a count keeps it that took several pages; one more than there are, so that its use shows.
        let keep = async |entries: u64, through: &Entry| {
            let kept = AttributeValue::M(
                [
                    ("entries".to_owned(), AttributeValue::N(entries.to_string())),
                    ("through".to_owned(), text(position(through.updated, &through.id))),
                    ("oldest".to_owned(), AttributeValue::N("0".to_owned())),
                    ("newest".to_owned(), AttributeValue::N(loaded[19].updated.micros().to_string())),
                ]
                .into(),
            );
            let mut item = key(COUNTED, "d");
            item.insert("loaded_0".to_owned(), kept);
            ledger.client.put_item().table_name(&table.name).set_item(Some(item)).send().await.unwrap();
        };
        keep(17, &loaded[15]).await;
        assert_eq!(count().await, 21, "16 were counted as 17, and 4 came since");
        keep(9, &loaded[7]).await;
        assert_eq!(count().await, 20, "more than a quarter came since: all is counted");
        keep(17, &loaded[15]).await;
        put_loaded(20 * 600 + 90_000).await;
        assert_eq!(count().await, 21, "a day has passed: all is counted");
        table.drop().await;
    }
}

#[tokio::test]
async fn every_index_key_of_an_entry_is_short_enough() {
    let table = Table::on("ROTO").await;
    let ledger = table.ledger("l").await;
    let long = ObjectUri::parse(&format!("file:///{}", "ü".repeat(2_000))).unwrap();
    let entry = taken(None, &request(&"d".repeat(60), long.as_str(), 1, Cause::Arrived, at(1)));
    assert_eq!(ledger.put(&entry).await.unwrap(), PutEntry::Stored);
    let query = EntryQuery { object: Some(long), ..EntryQuery::default() };
    assert_eq!(ledger.list(&query).await.unwrap().entries, vec![entry]);
    table.drop().await;
}
