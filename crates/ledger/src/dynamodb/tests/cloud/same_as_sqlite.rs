//! The same puts into the embedded ledger and into this one; the same questions; the same answers, page by page.

use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::id::{DatasetId, LedgerId};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::{EntryQuery, Ledger, PutEntry};
use lakehand_testkit::services::EMULATORS;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::super::super::DynamoLedger;
use super::super::histories::{Dice, at, puts};
use super::Table;
use crate::sqlite::SqliteLedger;

/// The two ledgers.
struct Both {
    sqlite: SqliteLedger,
    dynamo: DynamoLedger,
    /// This one answers as soon as it can: an eighth of the puts is repeated, and a tenth is of a wrong revision.
    dice: Dice,
}

impl Both {
    async fn put(&mut self, entry: &Entry) {
        self.put_into_both(entry).await;
        if self.dice.below(8) == 0 {
            self.put_into_both(entry).await;
        }
        if self.dice.below(10) == 0 {
            let wrong = Entry { revision: entry.revision + 2, ..entry.clone() };
            self.put_into_both(&wrong).await;
        }
    }

    async fn put_into_both(&self, entry: &Entry) {
        let (one, other) = (self.sqlite.put(entry).await.unwrap(), self.dynamo.put(entry).await.unwrap());
        assert_eq!(one, other);
    }

    async fn pages(&self, query: &EntryQuery) {
        let (mut one, mut other) = (query.clone(), query.clone());
        for page in 0.. {
            let (expected, found) = (self.sqlite.list(&one).await.unwrap(), self.dynamo.list(&other).await.unwrap());
            let names =
                |entries: &[Entry]| entries.iter().map(|entry| (entry.updated, entry.id.clone())).collect::<Vec<_>>();
            assert_eq!(names(&found.entries), names(&expected.entries), "page {page} of {query:?}");
            assert_eq!(found.entries, expected.entries, "page {page} of {query:?}");
            assert_eq!(found.next.is_some(), expected.next.is_some(), "after page {page} of {query:?}");
            let (Some(next), Some(after)) = (expected.next, found.next) else { return };
            (one.after, other.after) = (Some(next), Some(after));
        }
    }

    async fn counts(&self) {
        let mut expected = self.sqlite.counts().await.unwrap();
        let mut found = self.dynamo.counts().await.unwrap();
        for counts in [&mut expected, &mut found] {
            counts.sort_by(|a, b| (&a.dataset, a.state).cmp(&(&b.dataset, b.state)));
        }
        assert_eq!(found, expected);
    }
}

/// Every combination of what can be asked, over entries whose changes lie between second 0 and `end`.
fn questions(end: u64) -> Vec<EntryQuery> {
    let datasets = [None, Some("berlin_flats"), Some("shops"), Some("berlin")];
    let states =
        [None, Some(StateName::Claimed), Some(StateName::Written), Some(StateName::Loaded), Some(StateName::SetAside)];
    let objects = [None, Some("s3://landing/in/0.json"), Some("s3://landing/in/none.json")];
    let times = [
        (None, None),
        (Some(end / 3), None),
        (None, Some(end / 2)),
        (Some(end / 3), Some(end / 3 + 5)),
        (Some(9), Some(3)),
    ];
    let mut all = Vec::new();
    for dataset in datasets {
        for state in states {
            for object in objects {
                for (since, until) in times {
                    for (untold, newest_first) in [(false, false), (false, true), (true, false), (true, true)] {
                        all.push(EntryQuery {
                            dataset: dataset.map(DatasetId::new),
                            object: object.map(|object| ObjectUri::parse(object).unwrap()),
                            state,
                            untold,
                            since: since.map(at),
                            until: until.map(at),
                            newest_first,
                            after: None,
                            limit: 0,
                        });
                    }
                }
            }
        }
    }
    all
}

async fn both(table: &Table, folder: &TempDir, seed: u64) -> Both {
    Both {
        sqlite: SqliteLedger::open(&folder.path().join("l.sqlite"), &LedgerId::new("l")).unwrap(),
        dynamo: table.ledger("l").await,
        dice: Dice::new(seed),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_entries_are_listed_alike() {
    for emulator in EMULATORS {
        let (table, folder) = (Table::on(emulator).await, TempDir::new().unwrap());
        let mut both = both(&table, &folder, 5).await;
        for entry in puts(&mut Dice::new(11), 1_000, 1_200) {
            both.put(&entry).await;
        }
        both.counts().await;
        // A seventh of all combinations, on each emulator others; the random histories ask them all.
        let first = usize::from(emulator == "ROTO");
        for (number, query) in questions(500).into_iter().enumerate().skip(first).step_by(7) {
            // Pages of many sizes; the widest questions in the largest ones, the narrowest in the smallest.
            let narrow = query.since.is_some() || query.object.is_some() || query.untold;
            let limit = if narrow { 1 + number % 13 } else { 61 + 89 * (number % 11) };
            both.pages(&EntryQuery { limit, ..query }).await;
        }
        table.drop().await;
    }
}

/// Small histories with much at the same instant, every question in pages of a few.
#[test]
fn random_histories_are_listed_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |emulator: &'static str, cases: u32| {
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let histories = (any::<u64>(), 1_u64..25, 0_u64..60, 1_usize..7);
        let ran = runner.run(&histories, |(seed, entries, changes, limit)| {
            runtime.block_on(async {
                let (table, folder) = (Table::on(emulator).await, TempDir::new().unwrap());
                let mut both = both(&table, &folder, seed).await;
                for entry in puts(&mut Dice::new(seed), entries, changes) {
                    both.put(&entry).await;
                }
                both.counts().await;
                // Which questions is a matter of the seed: over the cases all are asked.
                let questions = questions(entries / 2 + 2).into_iter().enumerate();
                for (_, query) in questions.filter(|(at, _)| (*at as u64).wrapping_add(seed) % 9 == 0) {
                    both.pages(&EntryQuery { limit, ..query }).await;
                }
                table.drop().await;
            });
            Ok(())
        });
        ran.unwrap();
    };
    run("ROTO", 12);
    run("MINISTACK", 4);
}

#[tokio::test]
async fn putting_again_is_refused_alike() {
    let (table, folder) = (Table::on("ROTO").await, TempDir::new().unwrap());
    let both = both(&table, &folder, 1).await;
    let entry = puts(&mut Dice::new(3), 1, 0).remove(0);
    both.put_into_both(&entry).await;
    assert_eq!(both.dynamo.put(&entry).await.unwrap(), PutEntry::Mismatch(Some(Box::new(entry.clone()))));
    both.put_into_both(&entry).await;
    table.drop().await;
}
