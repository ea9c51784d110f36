//! The suite of the ledger port.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::entry::{
    ClaimDecision, ClaimRequest, Entry, Lease, LoadSummary, SetAsideKind, SetAsideReason, StateName, claim,
};
use lakehand_domain::id::{DatasetId, EntryId, Fingerprint, MessageId, WorkerId};
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{EntryQuery, Ledger, PutEntry, StateCount};
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::timestamp::Timestamp;
use tokio::task::JoinSet;

/// An empty ledger.
#[derive(Debug)]
pub struct LedgerUnderTest {
    /// The ledger.
    pub first: Arc<dyn Ledger>,
    /// The same ledger, as another process has it.
    pub second: Arc<dyn Ledger>,
}

/// Runs every check on a ledger of its own.
pub async fn ledger_suite<F>(make: impl Fn() -> F)
where
    F: Future<Output = LedgerUnderTest>,
{
    it_has_one_name(make().await).await;
    an_entry_reads_back_as_it_was_stored(make().await).await;
    only_the_next_revision_is_stored(make().await).await;
    of_twelve_writers_exactly_one_wins(make().await).await;
    racing_claims_give_one_lease_a_token(make().await).await;
    queries_find_what_matches(make().await).await;
    pages_cover_everything_once_in_order(make().await).await;
    pages_survive_changes_between_them(make().await).await;
    counts_follow_the_states(make().await).await;
    a_lease_is_held_by_one_owner_until_it_ends(make().await).await;
    of_twelve_takers_of_a_lease_one_has_it(make().await).await;
    numbers_rise_and_are_reset(make().await).await;
}

/// A first claim of `object` in `dataset`, made at `second`.
pub fn claimed_entry(dataset: &str, object: &str, second: i64) -> Entry {
    match claim(None, &request(dataset, object, "worker-a", second)) {
        ClaimDecision::Take(entry) => *entry,
        other => panic!("a first claim takes: {other:?}"),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn request(dataset: &str, object: &str, worker: &str, second: i64) -> ClaimRequest {
    let uri = ObjectUri::parse(object).unwrap();
    let version = ObjectVersion::of(Some("v1"), None, 3, at(0));
    ClaimRequest {
        dataset: DatasetId::new(dataset),
        object: ObjectStat {
            uri,
            version,
            version_id: None,
            etag: Some("é\"".to_owned()),
            size: 3,
            last_modified: at(0),
        },
        fingerprint: Fingerprint::new("f1"),
        worker: WorkerId::new(worker),
        lease_for: Duration::from_mins(1),
        skew: Duration::from_secs(5),
        cause: Cause::Arrived,
        asked_by: MessageRef::new(&MessageId::new("m"), at(second), &Attributes::default()),
        marked: None,
        now: at(second),
    }
}

fn lease(entry: &Entry) -> Lease {
    entry.lease().unwrap().clone()
}

fn written(entry: &Entry, second: i64) -> Entry {
    let summary = LoadSummary {
        manifest: Some(ObjectUri::parse("s3://lake/m ü.json").unwrap()),
        records: u64::from(u32::MAX) + 7,
        rejects: RejectCounts::default(),
        rows: BTreeMap::from([("t".to_owned(), 5)]),
        bytes: 1,
        parts: 1,
        quarantine: None,
    };
    entry.written(&lease(entry), summary, at(second)).unwrap()
}

fn set_aside(entry: &Entry, second: i64) -> Entry {
    let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: "torn \u{1F600} \0".to_owned() };
    entry.set_aside(&lease(entry), reason, None, at(second)).unwrap()
}

async fn stored(ledger: &Arc<dyn Ledger>, entry: &Entry) -> Entry {
    assert_eq!(ledger.put(entry).await.unwrap(), PutEntry::Stored);
    entry.clone()
}

async fn listed(ledger: &Arc<dyn Ledger>, query: EntryQuery) -> Vec<Entry> {
    let page = ledger.list(&query).await.unwrap();
    assert_eq!(page.next, None, "everything fits the page");
    page.entries
}

async fn it_has_one_name(test: LedgerUnderTest) {
    let name = test.first.identity().await.unwrap();
    assert!(!name.as_str().is_empty());
    assert_eq!(test.second.identity().await.unwrap(), name);
}

async fn an_entry_reads_back_as_it_was_stored(test: LedgerUnderTest) {
    assert_eq!(test.first.get(&EntryId::new("none")).await.unwrap(), None);
    let entry = stored(&test.first, &claimed_entry("d", "s3://landing/a b+ü#%20.json", 1)).await;
    assert_eq!(test.second.get(&entry.id).await.unwrap(), Some(entry.clone()));
    let entry = stored(&test.second, &written(&entry, 2)).await;
    assert_eq!(test.first.get(&entry.id).await.unwrap(), Some(entry.clone()));
    let entry = stored(&test.first, &entry.loaded(&entry.load_id, "batch", at(3)).unwrap().unwrap()).await;
    assert_eq!(test.second.get(&entry.id).await.unwrap(), Some(entry));
    let aside =
        stored(&test.first, &set_aside(&stored(&test.first, &claimed_entry("d", "s3://b/x", 1)).await, 2)).await;
    assert_eq!(test.second.get(&aside.id).await.unwrap(), Some(aside));
}

async fn only_the_next_revision_is_stored(test: LedgerUnderTest) {
    let first = claimed_entry("d", "s3://landing/a", 1);
    let second = written(&first, 2);
    assert_eq!(test.first.put(&second).await.unwrap(), PutEntry::Mismatch(None), "nothing is there yet");
    assert_eq!(test.first.get(&first.id).await.unwrap(), None);
    stored(&test.first, &first).await;
    let there = PutEntry::Mismatch(Some(Box::new(first.clone())));
    assert_eq!(test.second.put(&first).await.unwrap(), there, "the first revision is stored once");
    stored(&test.second, &second).await;
    let there = PutEntry::Mismatch(Some(Box::new(second.clone())));
    let stale = set_aside(&first, 9);
    assert_eq!(test.first.put(&stale).await.unwrap(), there, "a change of an older revision is refused");
    assert_eq!(test.first.put(&second).await.unwrap(), there, "storing again is refused, and shows what is there");
    let ahead = Entry { revision: second.revision + 2, ..second.clone() };
    assert_eq!(test.first.put(&ahead).await.unwrap(), there);
    assert_eq!(test.first.get(&first.id).await.unwrap(), Some(second));
}

async fn of_twelve_writers_exactly_one_wins(test: LedgerUnderTest) {
    let mut current: Option<Entry> = None;
    for round in 0..5 {
        let mut writers = JoinSet::new();
        for writer in 0..12 {
            let ledger = Arc::clone(if writer % 2 == 0 { &test.first } else { &test.second });
            let mut entry = claimed_entry("d", "s3://landing/a", 1);
            entry.last_error = Some(format!("round {round}, writer {writer}"));
            entry.revision = current.as_ref().map_or(1, |current| current.revision + 1);
            writers.spawn(async move { (ledger.put(&entry).await.unwrap(), entry) });
        }
        let outcomes = writers.join_all().await;
        let winners: Vec<&Entry> =
            outcomes.iter().filter(|(put, _)| *put == PutEntry::Stored).map(|(_, entry)| entry).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let winner = winners[0].clone();
        for (put, _) in &outcomes {
            let seen_by_losers = PutEntry::Mismatch(Some(Box::new(winner.clone())));
            assert!(*put == PutEntry::Stored || *put == seen_by_losers, "{put:?}");
        }
        assert_eq!(test.first.get(&winner.id).await.unwrap(), Some(winner.clone()));
        current = Some(winner);
    }
}

/// Twelve workers claim and give back one entry as fast as they can: every claim has a token of its own.
async fn racing_claims_give_one_lease_a_token(test: LedgerUnderTest) {
    let mut workers = JoinSet::new();
    for worker in 0..12 {
        let ledger = Arc::clone(if worker % 2 == 0 { &test.first } else { &test.second });
        workers.spawn(async move {
            let request = request("d", "s3://landing/a", &format!("worker-{worker}"), 1);
            let id = EntryId::of(&request.dataset, &request.object.uri, &request.object.version);
            let mut tokens = Vec::new();
            while tokens.len() < 3 {
                let now = ledger.get(&id).await.unwrap();
                let ClaimDecision::Take(taken) = claim(now.as_ref(), &request) else {
                    tokio::task::yield_now().await;
                    continue;
                };
                if ledger.put(&taken).await.unwrap() != PutEntry::Stored {
                    continue;
                }
                tokens.push(taken.token);
                let back = taken.given_back(&lease(&taken), None, false, None, at(1)).unwrap();
                let outcome = ledger.put(&back).await.unwrap();
                assert_eq!(outcome, PutEntry::Stored, "nobody changes an entry under another's lease");
            }
            tokens
        });
    }
    let tokens: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = tokens.iter().copied().collect();
    assert_eq!((tokens.len(), distinct.len()), (36, 36));
    assert_eq!(distinct.last().map(|token| token.0), Some(36));
}

async fn queries_find_what_matches(test: LedgerUnderTest) {
    let ledger = &test.first;
    let a = stored(ledger, &claimed_entry("d1", "s3://landing/a", 10)).await;
    let b = stored(ledger, &claimed_entry("d1", "s3://landing/b", 20)).await;
    let b = stored(ledger, &written(&b, 25)).await;
    let c = stored(ledger, &claimed_entry("d2", "s3://landing/c", 30)).await;
    let c = stored(ledger, &set_aside(&c, 35)).await;
    let other = stored(ledger, &claimed_entry("d2", "s3://landing/a", 40)).await;
    let cases = [
        (EntryQuery::default(), vec![&a, &b, &c, &other]),
        (EntryQuery { newest_first: true, ..EntryQuery::default() }, vec![&other, &c, &b, &a]),
        (EntryQuery { dataset: Some(DatasetId::new("d1")), ..EntryQuery::default() }, vec![&a, &b]),
        (EntryQuery { dataset: Some(DatasetId::new("d")), ..EntryQuery::default() }, vec![]),
        (EntryQuery { object: Some(a.object.uri.clone()), ..EntryQuery::default() }, vec![&a, &other]),
        (EntryQuery { state: Some(StateName::Claimed), ..EntryQuery::default() }, vec![&a, &other]),
        (EntryQuery { state: Some(StateName::Written), ..EntryQuery::default() }, vec![&b]),
        (EntryQuery { state: Some(StateName::Loaded), ..EntryQuery::default() }, vec![]),
        (EntryQuery { untold: true, ..EntryQuery::default() }, vec![&c]),
        (EntryQuery { since: Some(at(25)), ..EntryQuery::default() }, vec![&b, &c, &other]),
        (EntryQuery { since: Some(at(25)), until: Some(at(40)), ..EntryQuery::default() }, vec![&b, &c]),
        (
            EntryQuery {
                dataset: Some(DatasetId::new("d2")),
                state: Some(StateName::SetAside),
                untold: true,
                newest_first: true,
                ..EntryQuery::default()
            },
            vec![&c],
        ),
    ];
    for (query, expected) in cases {
        let found = listed(&test.second, query.clone()).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query:?}");
    }
    let told = stored(ledger, &c.told(at(50)).unwrap()).await;
    assert_eq!(listed(ledger, EntryQuery { untold: true, ..EntryQuery::default() }).await, vec![]);
    let aside = EntryQuery { state: Some(StateName::SetAside), ..EntryQuery::default() };
    assert_eq!(listed(ledger, aside).await, vec![told]);
}

async fn pages_cover_everything_once_in_order(test: LedgerUnderTest) {
    let mut all = Vec::new();
    for number in 0..25 {
        // Many entries change at the same instant: pages may end between them.
        all.push(stored(&test.first, &claimed_entry("d", &format!("s3://landing/{number}"), number / 6)).await);
    }
    all.sort_by(|a, b| (a.updated, &a.id).cmp(&(b.updated, &b.id)));
    for (limit, newest_first) in [(1, false), (4, false), (4, true), (5, true), (25, false), (26, true)] {
        let mut query = EntryQuery { limit, newest_first, ..EntryQuery::default() };
        let mut paged = Vec::new();
        loop {
            let page = test.second.list(&query).await.unwrap();
            assert!(page.entries.len() <= limit);
            paged.extend(page.entries);
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        if newest_first {
            paged.reverse();
        }
        assert_eq!(paged, all, "limit {limit}, newest first: {newest_first}");
    }
    assert_eq!(listed(&test.first, EntryQuery::default()).await.len(), 25, "no limit is 100");
}

/// What does not change while a list is paged through is found exactly once; what changes may move.
async fn pages_survive_changes_between_them(test: LedgerUnderTest) {
    let mut entries = Vec::new();
    for number in 0..12 {
        entries.push(stored(&test.first, &claimed_entry("d", &format!("s3://landing/{number}"), number)).await);
    }
    let mut query = EntryQuery { limit: 3, ..EntryQuery::default() };
    let mut seen = Vec::new();
    let mut changes = entries.iter().step_by(2);
    loop {
        let page = test.first.list(&query).await.unwrap();
        seen.extend(page.entries.into_iter().map(|entry| entry.id));
        let Some(next) = page.next else { break };
        query.after = Some(next);
        if let Some(entry) = changes.next() {
            stored(&test.second, &written(entry, 100)).await;
        }
    }
    for entry in entries.iter().skip(1).step_by(2) {
        assert_eq!(seen.iter().filter(|id| **id == entry.id).count(), 1, "{}", entry.object.uri);
    }
    for entry in entries.iter().step_by(2) {
        assert!(seen.contains(&entry.id), "the oldest first: what changes moves to the end, and is seen there");
    }
}

async fn counts_follow_the_states(test: LedgerUnderTest) {
    assert_eq!(test.first.counts().await.unwrap(), vec![]);
    let a = stored(&test.first, &claimed_entry("d1", "s3://landing/a", 10)).await;
    stored(&test.first, &claimed_entry("d1", "s3://landing/b", 5)).await;
    stored(&test.first, &claimed_entry("d2", "s3://landing/b", 7)).await;
    let count = |dataset: &str, state, entries, second| StateCount {
        dataset: DatasetId::new(dataset),
        state,
        entries,
        oldest: at(second),
    };
    let counts = |ledger: Arc<dyn Ledger>| async move {
        let mut counts = ledger.counts().await.unwrap();
        counts.sort_by(|a, b| (&a.dataset, a.state).cmp(&(&b.dataset, b.state)));
        counts
    };
    let before = vec![count("d1", StateName::Claimed, 2, 5), count("d2", StateName::Claimed, 1, 7)];
    assert_eq!(counts(Arc::clone(&test.second)).await, before);
    stored(&test.first, &written(&a, 30)).await;
    let after = vec![
        count("d1", StateName::Claimed, 1, 5),
        count("d1", StateName::Written, 1, 30),
        count("d2", StateName::Claimed, 1, 7),
    ];
    assert_eq!(counts(Arc::clone(&test.second)).await, after);
}

async fn a_lease_is_held_by_one_owner_until_it_ends(test: LedgerUnderTest) {
    let (a, b) = (WorkerId::new("a"), WorkerId::new("b"));
    let hold = async |owner: &WorkerId, now, until| test.first.hold("load/d", owner, at(now), at(until)).await.unwrap();
    assert!(hold(&a, 0, 60).await);
    assert!(!hold(&b, 59, 120).await, "another holds it");
    assert!(test.second.hold("load/other", &b, at(0), at(60)).await.unwrap(), "each name is a lease of its own");
    assert!(hold(&a, 30, 90).await, "its owner prolongs it");
    assert!(!hold(&b, 60, 120).await);
    test.second.let_go("load/d", &b).await.unwrap();
    assert!(!hold(&b, 60, 120).await, "only its owner lets go");
    assert!(hold(&b, 90, 120).await, "it has ended");
    assert!(!hold(&a, 100, 160).await);
    test.second.let_go("load/d", &b).await.unwrap();
    test.second.let_go("load/d", &b).await.unwrap();
    assert!(hold(&a, 100, 160).await, "it was let go");
}

async fn of_twelve_takers_of_a_lease_one_has_it(test: LedgerUnderTest) {
    let mut takers = JoinSet::new();
    for taker in 0..12 {
        let ledger = Arc::clone(if taker % 2 == 0 { &test.first } else { &test.second });
        takers.spawn(
            async move { ledger.hold("sweep", &WorkerId::new(format!("w{taker}")), at(0), at(60)).await.unwrap() },
        );
    }
    let held = takers.join_all().await.into_iter().filter(|held| *held).count();
    assert_eq!(held, 1);
}

async fn numbers_rise_and_are_reset(test: LedgerUnderTest) {
    assert_eq!(test.first.number("batches/d").await.unwrap(), None);
    test.first.raise("batches/d", -3).await.unwrap();
    assert_eq!(test.second.number("batches/d").await.unwrap(), Some(-3));
    for value in [5, 5, 2] {
        test.second.raise("batches/d", value).await.unwrap();
    }
    assert_eq!(test.first.number("batches/d").await.unwrap(), Some(5));
    test.first.reset("batches/d", i64::MIN).await.unwrap();
    assert_eq!(test.second.number("batches/d").await.unwrap(), Some(i64::MIN));
    test.first.reset("batches/other", i64::MAX).await.unwrap();
    assert_eq!(test.second.number("batches/other").await.unwrap(), Some(i64::MAX));
    let mut raisers = JoinSet::new();
    for value in 0..12 {
        let ledger = Arc::clone(if value % 2 == 0 { &test.first } else { &test.second });
        raisers.spawn(async move { ledger.raise("batches/d", value).await.unwrap() });
    }
    raisers.join_all().await;
    assert_eq!(test.first.number("batches/d").await.unwrap(), Some(11));
}
