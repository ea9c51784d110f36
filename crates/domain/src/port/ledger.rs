//! The ledger: durable memory of what has become of every version of every object.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::entry::{Entry, StateName};
use crate::fault::{Cause, Effect, Fault, Retry};
use crate::id::{DatasetId, EntryId, LedgerId, WorkerId};
use crate::object::ObjectUri;
use crate::timestamp::Timestamp;

/// Stores entries by compare-and-set, and finds them. It decides nothing: the transitions are functions of
/// [`crate::entry`].
#[async_trait]
pub trait Ledger: Debug + Send + Sync {
    /// The ledger's own name, made once when it was created.
    async fn identity(&self) -> Result<LedgerId, LedgerError>;

    /// The entry as it is now, never from an index that lags.
    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError>;

    /// Stores `entry` over the revision before its own (`entry.revision - 1`; for revision 1: only where there is
    /// none). After an error with an unknown effect the caller reads back and compares.
    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError>;

    /// Entries that match, a page at a time. Each was such a moment ago; which are found may lag by [`Ledger::lag`]: an
    /// entry that changed just now may be missing on every page. Read an entry again before changing it.
    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError>;

    /// How many entries each dataset has in each state; may lag. Of loaded entries, where they are very many, a backend
    /// may still count those that left the state within a day. It is dearer than a page of a list: not for every turn of
    /// a loop.
    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError>;

    /// Takes or prolongs the lease called `name` for `owner` until `until`, unless another holds it at `now`. Such a
    /// lease saves work; it is never what safety rests on.
    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError>;

    /// Lets go of a lease that `owner` holds; harmless otherwise.
    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError>;

    /// Reads a number kept under a name: batches seen of a family, watermarks. `None` where none was kept.
    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError>;

    /// Keeps a number unless a greater one is kept already. Raising twice is harmless.
    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError>;

    /// Sets a number whatever was kept: for going back after a restore.
    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError>;

    /// For how long lists and counts may, as a rule, not know of a change. Whoever concludes from them that there is
    /// nothing has to see nothing for so long.
    fn lag(&self) -> Duration {
        Duration::ZERO
    }
}

/// How storing an entry ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutEntry {
    /// It is stored.
    Stored,
    /// Somebody changed it before: this is what is there now.
    Mismatch(Option<Box<Entry>>),
}

/// Which entries to list. Empty: all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryQuery {
    /// Of this dataset.
    pub dataset: Option<DatasetId>,
    /// Of this object, all versions.
    pub object: Option<ObjectUri>,
    /// In this state.
    pub state: Option<StateName>,
    /// Only entries set aside that no dead letter was sent for.
    pub untold: bool,
    /// Changed at or after.
    pub since: Option<Timestamp>,
    /// Changed before.
    pub until: Option<Timestamp>,
    /// The newest change first; otherwise the oldest first.
    pub newest_first: bool,
    /// Go on after this page.
    pub after: Option<PageToken>,
    /// At most this many; 0 means 100.
    pub limit: usize,
}

/// Where a page ended; only the backend that made it understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub String);

/// Some entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryPage {
    /// In the order asked for.
    pub entries: Vec<Entry>,
    /// Where to go on; `None` at the end.
    pub next: Option<PageToken>,
}

/// How many entries of a dataset are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// The dataset.
    pub dataset: DatasetId,
    /// The state.
    pub state: StateName,
    /// How many.
    pub entries: u64,
    /// When the oldest of them last changed.
    pub oldest: Timestamp,
}

/// Why a call to a ledger failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It refuses: no permission, no such table. An operator has to act.
    #[error("{operation}: the ledger refuses")]
    Denied {
        /// `get`, `put`, …
        operation: &'static str,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// What is stored is not what this version of lakehand writes.
    #[error("{operation}: the ledger holds what this version cannot read: {message}")]
    Unintelligible {
        /// `get`, `list`, …
        operation: &'static str,
        /// What is wrong.
        message: String,
    },
    /// It cannot be reached, is throttled, is full, or failed.
    #[error("{operation}: the ledger is unavailable")]
    Unavailable {
        /// `get`, `put`, …
        operation: &'static str,
        /// Whether the call may have happened.
        effect: Effect,
        /// What it said.
        #[source]
        source: Cause,
    },
}

impl Fault for LedgerError {
    fn retry(&self) -> Retry {
        Retry::Backoff
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Unavailable { effect, .. } => *effect,
            _ => Effect::NotApplied,
        }
    }
}
