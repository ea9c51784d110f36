//! A ledger whose items are consistent and whose index may lag, as DynamoDB's do.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{Entry, EntryState, StateName};
use lakehand_domain::id::{DatasetId, EntryId, LedgerId, WorkerId};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PageToken, PutEntry, StateCount};
use lakehand_domain::timestamp::Timestamp;

/// How far the index is behind after a write, drawn anew for each.
pub type Lag = Box<dyn Fn() -> Duration + Send + Sync>;

/// A ledger in memory.
pub struct MemoryLedger {
    identity: LedgerId,
    clock: Arc<dyn Clock>,
    lag: Lag,
    /// The most that the index is behind.
    most: Duration,
    /// What has moved on since the index was written is left out of lists, and not shown as it was.
    omits: bool,
    held: Mutex<Held>,
}

/// All that a ledger holds, to be kept and restored.
#[derive(Debug, Clone, Default)]
pub struct Held {
    entries: BTreeMap<EntryId, Entry>,
    /// What the index shows.
    shown: BTreeMap<EntryId, Entry>,
    /// What it will show, and when.
    coming: VecDeque<(Timestamp, Entry)>,
    leases: BTreeMap<String, (WorkerId, Timestamp)>,
    numbers: BTreeMap<String, i64>,
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl MemoryLedger {
    /// An empty ledger whose index is up to date at once.
    pub fn new(identity: LedgerId, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity,
            clock,
            lag: Box::new(|| Duration::ZERO),
            most: Duration::ZERO,
            omits: false,
            held: Mutex::default(),
        }
    }

    /// The same ledger with an index that lags, by `most` at most.
    #[must_use]
    pub fn lagging(self, lag: Lag, most: Duration) -> Self {
        Self { lag, most, ..self }
    }

    /// The same ledger, whose index has positions alone: what it shows is read from the items, and an entry that is not
    /// where the index has it any more is left out until the index has caught up.
    #[must_use]
    pub fn omitting(self) -> Self {
        Self { omits: true, ..self }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All it holds now.
    pub fn snapshot(&self) -> Held {
        self.held().clone()
    }

    /// Goes back to what it held. A backup is of the items; the index is built from them.
    pub fn restore(&self, held: Held) {
        let shown = held.entries.clone();
        *self.held() = Held { shown, coming: VecDeque::new(), ..held };
    }

    /// Every entry as it is.
    pub fn entries(&self) -> Vec<Entry> {
        self.held().entries.values().cloned().collect()
    }

    /// The ledger's name.
    pub fn identity_now(&self) -> LedgerId {
        self.identity.clone()
    }

    /// The entry as it is.
    pub fn get_now(&self, id: &EntryId) -> Option<Entry> {
        self.held().entries.get(id).cloned()
    }

    /// Stores an entry over the revision before its own.
    pub fn put_now(&self, entry: &Entry) -> PutEntry {
        let mut held = self.held();
        let there = held.entries.get(&entry.id);
        if there.map_or(0, |there| there.revision) + 1 != entry.revision {
            return PutEntry::Mismatch(there.cloned().map(Box::new));
        }
        held.entries.insert(entry.id.clone(), entry.clone());
        let lag = (self.lag)();
        if lag.is_zero() {
            held.show(entry.clone());
        } else {
            held.coming.push_back((self.clock.now().plus(lag), entry.clone()));
        }
        PutEntry::Stored
    }

    /// What the index shows.
    pub fn list_now(&self, query: &EntryQuery) -> EntryPage {
        let mut held = self.held();
        held.catch_up(self.clock.now());
        let read = |shown| if self.omits { held.read(shown, query.object.is_some()) } else { Some(shown) };
        let shown = held.shown.values().filter_map(read);
        let mut found: Vec<&Entry> = shown.filter(|entry| matches(entry, query)).collect();
        found.sort_by(|a, b| (a.updated, &a.id).cmp(&(b.updated, &b.id)));
        if query.newest_first {
            found.reverse();
        }
        if let Some(after) = &query.after {
            let beyond = |entry: &&Entry| {
                let token = token(entry).0;
                if query.newest_first { token < after.0 } else { token > after.0 }
            };
            found.retain(beyond);
        }
        let limit = if query.limit == 0 { 100 } else { query.limit };
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|entry| token(entry));
        EntryPage { entries: found.into_iter().cloned().collect(), next }
    }

    /// How many entries the index shows in each state.
    pub fn counts_now(&self) -> Vec<StateCount> {
        let mut held = self.held();
        held.catch_up(self.clock.now());
        let mut counts: BTreeMap<(DatasetId, StateName), (u64, Timestamp)> = BTreeMap::new();
        for entry in held.shown.values() {
            let count = counts.entry((entry.dataset.clone(), entry.state_name())).or_insert((0, entry.updated));
            *count = (count.0 + 1, count.1.min(entry.updated));
        }
        let count = |((dataset, state), (entries, oldest))| StateCount { dataset, state, entries, oldest };
        counts.into_iter().map(count).collect()
    }

    /// Takes or prolongs a lease.
    pub fn hold_now(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> bool {
        let mut held = self.held();
        if held.leases.get(name).is_some_and(|(holder, ends)| holder != owner && now < *ends) {
            return false;
        }
        held.leases.insert(name.to_owned(), (owner.clone(), until));
        true
    }

    /// Lets go of a lease that `owner` holds.
    pub fn let_go_now(&self, name: &str, owner: &WorkerId) {
        let mut held = self.held();
        if held.leases.get(name).is_some_and(|(holder, _)| holder == owner) {
            held.leases.remove(name);
        }
    }

    /// A number kept under a name.
    pub fn number_now(&self, name: &str) -> Option<i64> {
        self.held().numbers.get(name).copied()
    }

    /// Keeps a number unless a greater one is kept.
    pub fn raise_now(&self, name: &str, value: i64) {
        let mut held = self.held();
        let kept = held.numbers.entry(name.to_owned()).or_insert(value);
        *kept = (*kept).max(value);
    }

    /// Sets a number.
    pub fn reset_now(&self, name: &str, value: i64) {
        self.held().numbers.insert(name.to_owned(), value);
    }
}

impl Held {
    /// The item of what the index shows, where it is still at its place in the order; of one object, wherever it is.
    fn read(&self, shown: &Entry, is_of_object: bool) -> Option<&Entry> {
        let entry = self.entries.get(&shown.id)?;
        (is_of_object || entry.updated == shown.updated).then_some(entry)
    }

    fn show(&mut self, entry: Entry) {
        let newer = self.shown.get(&entry.id).is_none_or(|shown| shown.revision < entry.revision);
        if newer {
            self.shown.insert(entry.id.clone(), entry);
        }
    }

    fn catch_up(&mut self, now: Timestamp) {
        let (due, coming): (VecDeque<_>, VecDeque<_>) = self.coming.drain(..).partition(|(at, _)| *at <= now);
        self.coming = coming;
        for (_, entry) in due {
            self.show(entry);
        }
    }
}

fn token(entry: &Entry) -> PageToken {
    PageToken(format!("{:020}/{}", entry.updated.micros(), entry.id))
}

fn matches(entry: &Entry, query: &EntryQuery) -> bool {
    let untold = matches!(entry.state, EntryState::SetAside { told: false, .. });
    query.dataset.as_ref().is_none_or(|dataset| *dataset == entry.dataset)
        && query.object.as_ref().is_none_or(|object| *object == entry.object.uri)
        && query.state.is_none_or(|state| state == entry.state_name())
        && (!query.untold || untold)
        && query.since.is_none_or(|since| entry.updated >= since)
        && query.until.is_none_or(|until| entry.updated < until)
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Ledger for MemoryLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        Ok(self.identity_now())
    }

    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        Ok(self.get_now(id))
    }

    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        Ok(self.put_now(entry))
    }

    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        Ok(self.list_now(query))
    }

    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        Ok(self.counts_now())
    }

    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        Ok(self.hold_now(name, owner, now, until))
    }

    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        self.let_go_now(name, owner);
        Ok(())
    }

    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        Ok(self.number_now(name))
    }

    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.raise_now(name, value);
        Ok(())
    }

    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.reset_now(name, value);
        Ok(())
    }

    fn lag(&self) -> Duration {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::ledger::{LedgerUnderTest, claimed_entry, ledger_suite};
    use crate::manual_clock::ManualClock;

    #[tokio::test]
    async fn it_passes_the_suite() {
        ledger_suite(|| async {
            let clock = Arc::new(ManualClock::new(Timestamp::default()));
            let ledger = Arc::new(MemoryLedger::new(LedgerId::new("memory"), clock));
            LedgerUnderTest { first: Arc::<MemoryLedger>::clone(&ledger), second: ledger }
        })
        .await;
    }

    #[tokio::test]
    async fn an_index_lags_and_an_item_does_not() {
        let clock = Arc::new(ManualClock::new(Timestamp::default()));
        let ledger = MemoryLedger::new(LedgerId::new("memory"), Arc::<ManualClock>::clone(&clock));
        let ledger = ledger.lagging(Box::new(|| Duration::from_secs(2)), Duration::from_secs(2));
        let entry = claimed_entry("d", "s3://landing/a", 1);
        assert_eq!(ledger.put_now(&entry), PutEntry::Stored);
        assert_eq!(ledger.get_now(&entry.id), Some(entry.clone()));
        assert!(ledger.list_now(&EntryQuery::default()).entries.is_empty());
        clock.advance(Duration::from_secs(2));
        assert_eq!(ledger.list_now(&EntryQuery::default()).entries, vec![entry]);
    }

    #[tokio::test]
    async fn an_index_shows_what_moves_as_it_was_or_leaves_it_out() {
        for omits in [false, true] {
            let clock = Arc::new(ManualClock::new(Timestamp::default()));
            let ledger = MemoryLedger::new(LedgerId::new("memory"), Arc::<ManualClock>::clone(&clock));
            let ledger = ledger.lagging(Box::new(|| Duration::from_secs(2)), Duration::from_secs(2));
            let ledger = if omits { ledger.omitting() } else { ledger };
            let entry = claimed_entry("d", "s3://landing/a", 1);
            ledger.put_now(&entry);
            clock.advance(Duration::from_secs(2));
            let lease = entry.lease().unwrap().clone();
            let back = entry.given_back(&lease, None, false, None, clock.now().plus(Duration::from_secs(1))).unwrap();
            assert_eq!(ledger.put_now(&back), PutEntry::Stored);
            let all = EntryQuery::default();
            let of_object = EntryQuery { object: Some(entry.object.uri.clone()), ..EntryQuery::default() };
            let (stale, moved) = (vec![entry], vec![back]);
            assert_eq!(ledger.list_now(&all).entries, if omits { Vec::new() } else { stale.clone() });
            assert_eq!(ledger.list_now(&of_object).entries, if omits { moved.clone() } else { stale });
            clock.advance(Duration::from_secs(2));
            assert_eq!(ledger.list_now(&all).entries, moved);
        }
    }
}
