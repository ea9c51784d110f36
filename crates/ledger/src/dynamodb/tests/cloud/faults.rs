//! Answers that are lost, calls that are throttled: through a proxy in front of the emulator.

use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::entry::Entry;
use lakehand_domain::fault::{Effect, Fault, Retry};
use lakehand_domain::id::{LedgerId, WorkerId};
use lakehand_domain::port::ledger::{EntryQuery, Ledger, LedgerError, PutEntry};
use lakehand_testkit::conformance::ledger::claimed_entry;
use lakehand_testkit::microburst::Microburst;
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services;
use tokio::task::JoinSet;

use super::super::super::{DynamoLedger, DynamoOptions};
use super::super::histories::at;
use super::{Table, reach};

const LOST: &str = r#"[
    {"service": "dynamodb", "operation": "PutItem", "probability": 0.25, "response": {"abort_frac": 0.3}},
    {"service": "dynamodb", "operation": "UpdateItem", "probability": 0.25, "response": {"abort_frac": 0.3}},
    {"service": "dynamodb", "operation": "DeleteItem", "probability": 0.25, "response": {"abort_frac": 0.3}}
]"#;

/// A table behind a proxy; what goes wrong is up to the test.
async fn proxied(emulator: &str) -> (Microburst, Table) {
    let upstream = services::emulator(emulator);
    let proxy = Microburst::before(&upstream).await;
    let table = Table::at(&upstream).await;
    let config = reach(&proxy.url()).await;
    (proxy, Table { config, ..table })
}

/// A machine that does much else at the same time is no lost answer: only what the proxy does is to be seen. Of a quarter
/// of all answers, so many are not lost in a row.
fn unhurried(table: &Table) -> DynamoOptions {
    let long = Duration::from_mins(2);
    DynamoOptions { max_attempts: 20, attempt_timeout: long, call_timeout: long, ..DynamoOptions::new(&table.name) }
}

/// The table is deleted by the short way.
async fn drop_table(emulator: &str, table: Table) {
    Table { config: reach(&services::emulator(emulator)).await, ..table }.drop().await;
}

/// The SDK repeats a call whose answer was lost, and meets its own write. Nothing is taken for another's, and nothing
/// happens twice.
#[tokio::test]
async fn of_500_puts_with_lost_answers_each_is_stored_once() {
    for (emulator, puts) in [("ROTO", 500), ("MINISTACK", 100)] {
        let (proxy, table) = proxied(emulator).await;
        let ledger = table.ledger_with("l", unhurried(&table)).await;
        proxy.rules(LOST).await;
        let mut entry = claimed_entry("d", "s3://landing/a", 1);
        for revision in 1..=puts {
            assert_eq!(entry.revision, revision);
            assert_eq!(ledger.put(&entry).await.unwrap(), PutEntry::Stored, "{emulator}, revision {revision}");
            let lease = entry.lease().unwrap().clone();
            entry = entry.extended(&lease, Duration::from_mins(1), at(revision)).unwrap();
        }
        let stored = ledger.get(&entry.id).await.unwrap().unwrap();
        assert_eq!((stored.revision, stored.updated), (puts, at(puts - 1)));
        let lost = proxy.fired().await.matches("PutItem").count();
        assert!(lost as u64 > puts / 8, "{emulator}: only {lost} answers were lost");
        drop_table(emulator, table).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_twenty_claims_with_lost_answers_one_wins() {
    let (proxy, table) = proxied("ROTO").await;
    let ledger = || table.ledger_with("l", unhurried(&table));
    let ledgers = [Arc::new(ledger().await), Arc::new(ledger().await)];
    proxy.rules(LOST).await;
    for round in 0..10 {
        let mut claims = JoinSet::new();
        for claim in 0..20 {
            let ledger = Arc::clone(&ledgers[claim % 2]);
            let entry = claimed_entry("d", &format!("s3://landing/{round}"), 1);
            claims.spawn(async move { ledger.put(&entry).await.unwrap() });
        }
        let won = claims.join_all().await.into_iter().filter(|put| *put == PutEntry::Stored).count();
        assert_eq!(won, 1, "round {round}");
    }
    drop_table("ROTO", table).await;
}

#[tokio::test]
async fn leases_and_numbers_survive_lost_answers() {
    let (proxy, table) = proxied("ROTO").await;
    let ledger = table.ledger_with("l", unhurried(&table)).await;
    proxy.rules(LOST).await;
    let (a, b) = (WorkerId::new("a"), WorkerId::new("b"));
    for round in 0..40_u64 {
        let now = at(round * 100);
        assert!(ledger.hold("load/d", &a, now, at(round * 100 + 60)).await.unwrap(), "round {round}");
        assert!(!ledger.hold("load/d", &b, now, at(round * 100 + 60)).await.unwrap(), "round {round}");
        ledger.let_go("load/d", &a).await.unwrap();
        assert!(ledger.hold("load/d", &b, now, at(round * 100 + 60)).await.unwrap(), "round {round}");
        ledger.raise("batches/d", i64::try_from(round).unwrap()).await.unwrap();
        ledger.raise("batches/d", i64::try_from(round).unwrap() - 3).await.unwrap();
        assert_eq!(ledger.number("batches/d").await.unwrap(), i64::try_from(round).ok());
    }
    assert!(proxy.fired().await.matches("UpdateItem").count() > 5);
    drop_table("ROTO", table).await;
}

/// Setting a number back is tried once: its answer lost, nobody knows, and whoever asked looks again.
#[tokio::test]
async fn a_reset_is_never_repeated_behind_its_callers_back() {
    let (proxy, table) = proxied("ROTO").await;
    let ledger = table.ledger_with("l", unhurried(&table)).await;
    ledger.raise("batches/d", 9).await.unwrap();
    proxy
        .rules(r#"[{"service": "dynamodb", "operation": "PutItem", "times": 1, "response": {"abort_frac": 0.3}}]"#)
        .await;
    let error = ledger.reset("batches/d", 2).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable { operation: "reset", effect: Effect::Unknown, .. }), "{error:?}");
    assert_eq!(ledger.number("batches/d").await.unwrap(), Some(2), "it had happened");
    drop_table("ROTO", table).await;
}

#[tokio::test]
async fn throttled_calls_are_repeated_and_at_last_given_back() {
    let (proxy, table) = proxied("ROTO").await;
    let patient = table.ledger_with("l", unhurried(&table)).await;
    let options = DynamoOptions { max_attempts: 2, ..unhurried(&table) };
    let hasty = table.ledger_with("l", options).await;
    let throttled = |probability: f32| {
        format!(
            r#"[{{"service": "dynamodb", "probability": {probability}, "error": {{"code": "ProvisionedThroughputExceededException"}}}}]"#
        )
    };
    proxy.rules(&throttled(0.3)).await;
    let entry = |number: u32| claimed_entry("d", &format!("s3://landing/{number}"), 1);
    for number in 0..50 {
        assert_eq!(patient.put(&entry(number)).await.unwrap(), PutEntry::Stored);
    }
    proxy.rules(&throttled(1.0)).await;
    let error = hasty.put(&entry(99)).await.unwrap_err();
    assert_eq!((error.retry(), error.effect()), (Retry::Backoff, Effect::Unknown), "{error:?}");
    let error = hasty.list(&EntryQuery::default()).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable { operation: "list", .. }), "{error:?}");
    drop_table("ROTO", table).await;
}

/// A service that fails for a while, and one that cannot be reached at all.
#[tokio::test]
async fn what_cannot_be_reached_is_unavailable() {
    let table = Table::on("ROTO").await;
    let ledger = table.ledger("l").await;
    let nowhere = reach("http://127.0.0.1:9").await;
    let options = DynamoOptions { max_attempts: 2, ..DynamoOptions::new(&table.name) };
    let (id, worker) = (LedgerId::new("l"), WorkerId::new("w"));
    let error = DynamoLedger::open(&nowhere, options, &id, &worker, Arc::new(RealClock)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable { operation: "open", .. }), "{error:?}");
    let entry: Entry = claimed_entry("d", "s3://landing/a", 1);
    assert_eq!(ledger.put(&entry).await.unwrap(), PutEntry::Stored);
    table.drop().await;
    let error = ledger.put(&entry).await.unwrap_err();
    assert!(matches!(error, LedgerError::Denied { operation: "put", .. }), "the table is gone: {error:?}");
}
