use std::time::Duration;

use lakehand_domain::fault::{Effect, Fault};
use lakehand_domain::port::ledger::PageToken;
use lakehand_testkit::conformance::ledger::{LedgerUnderTest, claimed_entry, ledger_suite};
use lakehand_testkit::faulty::ledger::FaultyLedger;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use rusqlite::TransactionBehavior;
use tempfile::TempDir;

use super::*;

fn open(folder: &TempDir, name: &str) -> SqliteLedger {
    SqliteLedger::open(&folder.path().join("deep/ledger.sqlite"), &LedgerId::new(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let folders = Mutex::new(Vec::new());
    ledger_suite(|| async {
        let folder = TempDir::new().unwrap();
        let (first, second) = (Arc::new(open(&folder, "one")), Arc::new(open(&folder, "two")));
        folders.lock().unwrap().push(folder);
        LedgerUnderTest { first, second }
    })
    .await;
}

#[tokio::test]
async fn entries_and_the_name_outlive_the_process() {
    let folder = TempDir::new().unwrap();
    let entry = claimed_entry("d", "s3://b/k", 1);
    open(&folder, "first").put(&entry).await.unwrap();
    let again = open(&folder, "second");
    assert_eq!(again.identity().await.unwrap(), LedgerId::new("first"));
    assert_eq!(again.get(&entry.id).await.unwrap(), Some(entry));
}

#[tokio::test]
async fn a_document_of_another_version_is_named_and_nothing_else_suffers() {
    let folder = TempDir::new().unwrap();
    let ledger = open(&folder, "l");
    let entry = claimed_entry("d", "s3://b/k", 1);
    ledger.put(&entry).await.unwrap();
    let sound = claimed_entry("d", "s3://b/sound", 1);
    ledger.put(&sound).await.unwrap();
    let strange = "UPDATE entry SET document = replace(document, '{\"id\"', '{\"future\":1,\"id\"') WHERE id = ?1";
    ledger.writer.lock().unwrap().execute(strange, [entry.id.as_str()]).unwrap();
    for error in [
        ledger.get(&entry.id).await.unwrap_err(),
        ledger.list(&EntryQuery::default()).await.unwrap_err(),
        ledger.put(&entry).await.unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::Unintelligible { .. }), "{error:?}");
        assert!(error.to_string().contains(entry.id.as_str()) && error.to_string().contains("future"), "{error}");
    }
    assert_eq!(ledger.get(&sound.id).await.unwrap(), Some(sound));
    assert_eq!(ledger.counts().await.unwrap()[0].entries, 2);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let folder = TempDir::new().unwrap();
    let ledger = open(&folder, "l");
    let entry = Entry { revision: 0, ..claimed_entry("d", "s3://b/k", 1) };
    assert!(matches!(ledger.put(&entry).await, Err(LedgerError::Unintelligible { operation: "put", .. })));
    let query = EntryQuery { after: Some(PageToken("nowhere".to_owned())), ..EntryQuery::default() };
    assert!(matches!(ledger.list(&query).await, Err(LedgerError::Unintelligible { operation: "list", .. })));
}

#[tokio::test]
async fn a_locked_file_is_unavailable_for_writers_alone() {
    let folder = TempDir::new().unwrap();
    let ledger = open(&folder, "l");
    let entry = claimed_entry("d", "s3://b/k", 1);
    ledger.writer.lock().unwrap().busy_timeout(Duration::from_millis(20)).unwrap();
    let mut other = Connection::open(folder.path().join("deep/ledger.sqlite")).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let error = ledger.put(&entry).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable { effect: Effect::NotApplied, .. }), "{error:?}");
    assert_eq!(ledger.get(&entry.id).await.unwrap(), None);
    drop(lock);
    assert_eq!(ledger.put(&entry).await.unwrap(), PutEntry::Stored);
}

#[tokio::test]
async fn a_full_disk_is_unavailable_and_nothing_happened() {
    let folder = TempDir::new().unwrap();
    let ledger = open(&folder, "l");
    {
        let connection = ledger.writer.lock().unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    }
    let entry = Entry { last_error: Some("x".repeat(100_000)), ..claimed_entry("d", "s3://b/k", 1) };
    let error = ledger.put(&entry).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable { effect: Effect::NotApplied, .. }), "{error:?}");
    assert_eq!(ledger.get(&entry.id).await.unwrap(), None);
}

#[test]
fn files_of_something_else_and_of_newer_versions_are_refused() {
    let folder = TempDir::new().unwrap();
    let open = |name: &str| SqliteLedger::open(&folder.path().join(name), &LedgerId::new("l")).unwrap_err();
    let foreign = Connection::open(folder.path().join("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE entry (x)").unwrap();
    assert!(matches!(open("foreign"), LedgerError::Denied { operation: "open", .. }));
    SqliteLedger::open(&folder.path().join("newer"), &LedgerId::new("l")).unwrap();
    Connection::open(folder.path().join("newer")).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let newer = open("newer");
    assert!(matches!(newer, LedgerError::Unintelligible { .. }), "{newer:?}");
    assert!(newer.to_string().contains("version 7") && newer.to_string().contains("version 1"), "{newer}");
}

/// Every query that people or loops ask often must be answered from an index, in order, without sorting the ledger.
#[test]
fn no_query_sorts_the_ledger() {
    let folder = TempDir::new().unwrap();
    let ledger = open(&folder, "l");
    let dataset = Some(DatasetId::new("d"));
    let object = claimed_entry("d", "s3://b/k", 1).object.uri;
    let queries = [
        EntryQuery::default(),
        EntryQuery { newest_first: true, ..EntryQuery::default() },
        EntryQuery { dataset: dataset.clone(), ..EntryQuery::default() },
        EntryQuery { dataset: dataset.clone(), state: Some(StateName::Written), ..EntryQuery::default() },
        EntryQuery { state: Some(StateName::Claimed), since: Some(Timestamp::from_micros(1)), ..EntryQuery::default() },
        EntryQuery { object: Some(object), newest_first: true, ..EntryQuery::default() },
        EntryQuery { untold: true, ..EntryQuery::default() },
    ];
    let connection = ledger.reader.lock().unwrap();
    for query in queries {
        let statement = query::Statement::of(&query).unwrap();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text)).unwrap();
        let steps: Vec<String> = plan
            .query_map(rusqlite::params_from_iter(&statement.values), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let plan = steps.join("; ");
        assert!(plan.contains("USING INDEX") && !plan.contains("TEMP B-TREE"), "{query:?}: {plan}");
    }
}

#[test]
fn opening_a_new_file_in_many_threads_at_once_gives_one_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let names: std::collections::BTreeSet<LedgerId> = std::thread::scope(|scope| {
        let open = |number: u32| {
            let path = path.clone();
            move || SqliteLedger::open(&path, &LedgerId::new(number.to_string())).unwrap().identity
        };
        let threads: Vec<_> = (0..12).map(|number| scope.spawn(open(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(names.len(), 1);
}

#[tokio::test]
async fn planned_failures_happen_before_or_after() {
    let folder = TempDir::new().unwrap();
    let inner: Arc<dyn Ledger> = Arc::new(open(&folder, "l"));
    let plan = Arc::new(FaultPlan::new().with(1, Fate::FailsBefore).with(2, Fate::FailsAfter));
    let faulty = FaultyLedger::new(Arc::clone(&inner), Arc::clone(&plan));
    let entry = claimed_entry("d", "s3://b/k", 1);
    let before = faulty.put(&entry).await.unwrap_err();
    assert_eq!((before.effect(), inner.get(&entry.id).await.unwrap()), (Effect::NotApplied, None));
    let after = faulty.put(&entry).await.unwrap_err();
    assert_eq!((after.effect(), inner.get(&entry.id).await.unwrap()), (Effect::Unknown, Some(entry.clone())));
    assert_eq!(faulty.get(&entry.id).await.unwrap(), Some(entry));
    assert_eq!(plan.names(), ["ledger.put", "ledger.put", "ledger.get"]);
}
