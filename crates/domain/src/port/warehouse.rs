//! The warehouse: it says what is done. Each call can fail, or its answer be lost, by itself.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fault::{Cause, Effect, Fault, Retry};
use crate::id::{EntryId, FamilyId, LedgerId, LoadId, Nonce};
use crate::manifest::Manifest;
use crate::port::row_reader::PartError;
use crate::shape::{ColumnType, FamilyShape};
use crate::warehousing::{CommitRequest, Fence, Marker, Staging, TableStanding};

/// Loads rows exactly once, by fence and markers. See `ARCHITECTURE.md`, "Exactly once".
#[async_trait]
pub trait Warehouse: Debug + Send + Sync {
    /// Makes the fence and marker tables of the family where they are not there. Harmless to repeat and to race.
    async fn ensure(&self, family: &FamilyId) -> Result<(), WarehouseError>;

    /// Takes the fence in a transaction of its own: raises the token and makes `owner` its owner; whoever held it
    /// before cannot commit any more, and a transaction in doubt is either waited for or defeated. A fence that names
    /// no ledger gets `ledger`; one that names another is [`TakeOutcome::OtherLedger`] and is left as it is.
    async fn take_fence(
        &self,
        family: &FamilyId,
        owner: &Nonce,
        ledger: &LedgerId,
    ) -> Result<TakeOutcome, WarehouseError>;

    /// The markers of these entries, of those that have one.
    async fn markers(&self, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, WarehouseError>;

    /// Makes tables, columns and views as the shape says, recomputes the standing of rows where the contest changed,
    /// puts its definitions in force and retires those before: one transaction under the fence. A change that would
    /// bend data that is there is [`MigrateOutcome::Refused`].
    async fn migrate(&self, fence: &Fence, shape: &FamilyShape) -> Result<MigrateOutcome, WarehouseError>;

    /// What [`Warehouse::migrate`] to this shape would do now, without doing any of it: nothing is made, changed, taken or
    /// locked, and it works whoever holds the fence, also where the family was never ensured. A refusal is told in the
    /// words of [`MigrateOutcome::Refused`]; a migration that is planned here and begun later may still find other rows.
    async fn plan(&self, shape: &FamilyShape) -> Result<MigrationPlan, WarehouseError>;

    /// Makes staging tables named by `name` and copies the parts of the manifests into them, outside the commit's
    /// transaction. After an unknown outcome the caller stages under a new name. [`WarehouseError::Data`] says that
    /// the rows of some manifest were refused; the caller bisects.
    async fn stage(
        &self,
        shape: &FamilyShape,
        name: &Nonce,
        manifests: &[Arc<Manifest>],
    ) -> Result<Staging, WarehouseError>;

    /// Commits a batch in one transaction: writes the fence row first; guards that fence, definition, erasure epoch,
    /// markers and staged rows are as the request says; removes older generations; adds rows; recomputes standing;
    /// writes markers. All of it or nothing.
    async fn commit(&self, shape: &FamilyShape, request: &CommitRequest) -> Result<CommitOutcome, WarehouseError>;

    /// Drops staging tables. Harmless to repeat.
    async fn drop_staging(&self, name: &Nonce) -> Result<(), WarehouseError>;

    /// The names of all staging tables of the family that are there.
    async fn stagings(&self, family: &FamilyId) -> Result<Vec<Nonce>, WarehouseError>;

    /// How the rows of a load stand, table by table.
    async fn standing(&self, shape: &FamilyShape, load: &LoadId) -> Result<Vec<TableStanding>, WarehouseError>;

    /// Whether it answers.
    async fn ping(&self) -> Result<(), WarehouseError>;

    /// The statements that make the shape's tables and views, for people to read.
    fn ddl(&self, shape: &FamilyShape) -> Vec<String>;

    /// After how long its calls end by themselves, stopping what still goes on for them. Whoever waits for less gives up
    /// calls that may yet succeed. `None`: it promises nothing.
    fn call_limits(&self) -> Option<CallLimits> {
        None
    }

    /// Waits until nothing goes on any more, not even for calls that were given up. For the end of a process, which makes
    /// no more calls; nobody needs to wait for it longer than he likes.
    async fn come_to_rest(&self) {}
}

/// After how long the calls of a warehouse end by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls that move no rows.
    pub short: Duration,
    /// Calls that move rows, or wait for those that do: taking the fence, stage, commit, migrate.
    pub rows: Duration,
}

/// A warehouse that answers questions of people.
#[async_trait]
pub trait QueryWarehouse: Debug + Send + Sync {
    /// Runs one statement that only reads, and gives at most `limit` rows as text.
    async fn query(&self, sql: &str, limit: usize) -> Result<QueryAnswer, WarehouseError>;
}

/// Rows as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryAnswer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; `None` is null.
    pub rows: Vec<Vec<Option<String>>>,
}

/// How taking a fence ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeOutcome {
    /// It is ours.
    Taken(Fence),
    /// It belongs to another ledger.
    OtherLedger {
        /// Which.
        ledger: LedgerId,
    },
}

/// How a commit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Rows and markers are there.
    Committed {
        /// How many batches the warehouse has committed for the family now.
        batches: u64,
    },
    /// Somebody else took the fence. Nothing happened.
    FenceLost,
    /// The guard refused: something changed since the plan was made, or the staged rows are not those of the manifests.
    /// Nothing happened; the caller takes the fence anew and looks.
    Refused {
        /// What the guard saw, as far as it can tell.
        message: String,
    },
}

/// How a migration ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrateOutcome {
    /// The shape's definitions are in force.
    InForce,
    /// Somebody else took the fence. Nothing happened.
    FenceLost,
    /// The change would bend data that is there. Nothing happened; an operator has to act.
    Refused {
        /// Which change, and what to do.
        message: String,
    },
}

/// What a migration would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationPlan {
    /// These changes, in the order of the tables; none: only the definitions in force would be others, or not even they.
    Changes(Vec<PlannedChange>),
    /// The change would bend data that is there, or cannot be made.
    Refused {
        /// Which change, and what to do.
        message: String,
    },
}

/// One thing a migration would do to a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedChange {
    /// `dataset.table`.
    pub table: String,
    /// What.
    pub step: PlannedStep,
}

/// A step of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum PlannedStep {
    /// The table is made.
    Create,
    /// A column is added; it is null in the rows that are there.
    Add {
        /// Its name.
        column: String,
        /// Its type.
        becomes: ColumnType,
    },
    /// A column gets another type: a wider one, or any while the table is empty.
    Retype {
        /// Its name.
        column: String,
        /// Its type as the warehouse has it.
        is: String,
        /// Its next type.
        becomes: ColumnType,
    },
    /// A column leaves the view; its values stay in the table of rows.
    Hide {
        /// Its name.
        column: String,
    },
    /// Which rows are visible is decided anew, for all of them.
    Recompute,
}

/// Why a call to a warehouse failed.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// It refuses the rows of some manifest of the call: the files may be at fault.
    #[error("the warehouse refuses rows: {message}")]
    Data {
        /// The warehouse's own words.
        message: String,
    },
    /// A part cannot be read.
    #[error("read a part for the warehouse")]
    Part(#[from] PartError),
    /// Another transaction was in the way; the same call may succeed now.
    #[error("{operation}: another transaction was in the way")]
    Conflict {
        /// `commit`, …
        operation: &'static str,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// It refuses: no permission, a missing schema, a table that is not ours. An operator has to act.
    #[error("{operation}: the warehouse refuses")]
    Denied {
        /// `ensure`, …
        operation: &'static str,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// It cannot be reached, is throttled, is paused, is full, or failed.
    #[error("{operation}: the warehouse is unavailable")]
    Unavailable {
        /// `stage`, `commit`, …
        operation: &'static str,
        /// Whether the call may have happened.
        effect: Effect,
        /// What it said.
        #[source]
        source: Cause,
    },
}

impl Fault for WarehouseError {
    fn retry(&self) -> Retry {
        match self {
            Self::Data { .. } => Retry::Never,
            Self::Part(part) => part.retry(),
            Self::Conflict { .. } | Self::Denied { .. } | Self::Unavailable { .. } => Retry::Backoff,
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Unavailable { effect, .. } => *effect,
            _ => Effect::NotApplied,
        }
    }
}
