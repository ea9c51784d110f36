//! One change of a ledger entry by compare-and-set, with lost races and lost answers looked at, never guessed.

use lakehand_domain::entry::{Entry, Refusal};
use lakehand_domain::fault::{Effect, Fault};
use lakehand_domain::id::EntryId;
use lakehand_domain::port::ledger::{Ledger, LedgerError, PutEntry};

/// Others may change an entry under us this often before we give up.
const ROUNDS: usize = 16;

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// This is what is stored now, by us.
    Stored(Box<Entry>),
    /// The entry is as it should be already.
    AlreadySo(Box<Entry>),
    /// The change is not legal any more, given this entry.
    Refused(Refusal, Box<Entry>),
    /// There is no such entry.
    Missing,
}

/// Reads the entry, makes the change, and stores it over what was read; where somebody was faster it looks again.
/// `make` gives the entry to store, or `None` where nothing is to be changed.
///
/// An answer that was lost is settled by reading back: if what is there is what was put, it happened.
pub async fn change(
    ledger: &dyn Ledger,
    id: &EntryId,
    make: impl Fn(&Entry) -> Result<Option<Entry>, Refusal> + Send + Sync,
) -> Result<Changed, LedgerError> {
    let existing = ledger.get(id).await?;
    change_existing(ledger, existing, make).await
}

/// The same, where the entry was read before: as long as nobody changed it since, it is not read again. A change that
/// is not legal, or not needed, by what was read then is judged by what is there now.
pub async fn change_read(
    ledger: &dyn Ledger,
    read: &Entry,
    make: impl Fn(&Entry) -> Result<Option<Entry>, Refusal> + Send + Sync,
) -> Result<Changed, LedgerError> {
    let Ok(Some(_)) = make(read) else { return change(ledger, &read.id, make).await };
    change_existing(ledger, Some(read.clone()), make).await
}

async fn change_existing(
    ledger: &dyn Ledger,
    mut existing: Option<Entry>,
    make: impl Fn(&Entry) -> Result<Option<Entry>, Refusal> + Send + Sync,
) -> Result<Changed, LedgerError> {
    for _ in 0..ROUNDS {
        let Some(entry) = existing else { return Ok(Changed::Missing) };
        let wanted = match make(&entry) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Ok(Changed::AlreadySo(Box::new(entry))),
            Err(refusal) => return Ok(Changed::Refused(refusal, Box::new(entry))),
        };
        existing = match put(ledger, &wanted).await? {
            PutEntry::Stored => return Ok(Changed::Stored(Box::new(wanted))),
            PutEntry::Mismatch(now) => now.map(|entry| *entry),
        };
    }
    Err(contended("put"))
}

/// Stores an entry; an unknown outcome is settled by reading back and comparing the whole entry.
pub async fn put(ledger: &dyn Ledger, wanted: &Entry) -> Result<PutEntry, LedgerError> {
    match ledger.put(wanted).await {
        Err(error) if error.effect() == Effect::Unknown => {
            let there = ledger.get(&wanted.id).await?;
            if there.as_ref() == Some(wanted) {
                return Ok(PutEntry::Stored);
            }
            Ok(PutEntry::Mismatch(there.map(Box::new)))
        }
        answer => answer,
    }
}

pub(crate) fn contended(operation: &'static str) -> LedgerError {
    let source = format!("the entry changed {ROUNDS} times while it was being changed").into();
    LedgerError::Unavailable { operation, effect: Effect::NotApplied, source }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use lakehand_domain::id::LedgerId;
    use lakehand_domain::timestamp::Timestamp;
    use lakehand_ledger::sqlite::SqliteLedger;
    use lakehand_testkit::conformance::ledger::claimed_entry;
    use lakehand_testkit::faulty::ledger::FaultyLedger;
    use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    /// Prolongs the first claim.
    fn extended(entry: &Entry) -> Result<Option<Entry>, Refusal> {
        let first = claimed_entry("d", "s3://b/k", 1);
        entry.extended(first.lease().unwrap(), Duration::from_mins(1), at(9)).map(Some)
    }

    fn back(entry: &Entry) -> Entry {
        entry.given_back(entry.lease().unwrap(), None, false, None, at(2)).unwrap()
    }

    #[tokio::test]
    async fn what_was_read_before_is_read_again_only_where_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = Arc::new(SqliteLedger::open(&folder.path().join("l"), &LedgerId::new("l")).unwrap());
        let first = claimed_entry("d", "s3://b/k", 1);
        inner.put(&first).await.unwrap();
        let changed = async |read: &Entry, plan: FaultPlan| {
            let plan = Arc::new(plan);
            let ledger = FaultyLedger::new(Arc::<SqliteLedger>::clone(&inner), Arc::clone(&plan));
            (change_read(&ledger, read, extended).await.unwrap(), plan.names())
        };
        let second = extended(&first).unwrap().unwrap();
        let done = Changed::Stored(Box::new(second.clone()));
        assert_eq!(changed(&first, FaultPlan::new()).await, (done, vec!["ledger.put"]));
        let third = extended(&second).unwrap().unwrap();
        let done = Changed::Stored(Box::new(third.clone()));
        assert_eq!(changed(&first, FaultPlan::new()).await, (done, vec!["ledger.put", "ledger.put"]), "it had changed");
        let fourth = extended(&third).unwrap().unwrap();
        let done = Changed::Stored(Box::new(fourth.clone()));
        let lost = FaultPlan::new().with(1, Fate::FailsAfter);
        assert_eq!(changed(&third, lost).await, (done, vec!["ledger.put", "ledger.get"]), "its answer was lost");
        let (given_back, others) = (back(&fourth), back(&first));
        inner.put(&given_back).await.unwrap();
        let refused = Changed::Refused(Refusal::LeaseLost, Box::new(given_back.clone()));
        assert_eq!(
            changed(&others, FaultPlan::new()).await,
            (refused, vec!["ledger.get"]),
            "it is judged by what is there"
        );
    }
}
