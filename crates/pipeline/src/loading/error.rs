//! Why a batch could not be loaded. Nothing is lost by any of these: the entries stay written.

use lakehand_dataset::transformer::TransformError;
use lakehand_domain::fault::{Effect, Fault, Retry};
use lakehand_domain::id::{FamilyId, LedgerId};
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::port::queue::QueueError;
use lakehand_domain::port::warehouse::WarehouseError;

use crate::error::Stage;

/// Why a batch could not be loaded. All of these wait with the family, unhealthy, until a retry or an operator helps.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The ledger failed.
    #[error("{stage}: the ledger failed")]
    Ledger {
        /// Where.
        stage: Stage,
        /// How.
        #[source]
        source: LedgerError,
    },
    /// The warehouse failed.
    #[error("{stage}: the warehouse failed")]
    Warehouse {
        /// Where.
        stage: Stage,
        /// How.
        #[source]
        source: WarehouseError,
    },
    /// Lake or landing failed.
    #[error("{stage}: the store failed")]
    Store {
        /// Where.
        stage: Stage,
        /// How.
        #[source]
        source: StoreError,
    },
    /// The engine could not make what the warehouse is tried with.
    #[error("{stage}: the engine failed")]
    Engine {
        /// Where.
        stage: Stage,
        /// How.
        #[source]
        source: TransformError,
    },
    /// The queue failed, so that an entry could not be asked for again at once; the sweeper asks later.
    #[error("{stage}: the queue failed")]
    Queue {
        /// Where.
        stage: Stage,
        /// How.
        #[source]
        source: QueueError,
    },
    /// The family's fence belongs to another ledger. Nothing is loaded: two ledgers would not know of each other.
    #[error(
        "the warehouse of family {family} belongs to ledger {theirs}, not to ours, {ours}: name the warehouse and the ledger that belong together in the settings"
    )]
    OtherLedger {
        /// The family.
        family: FamilyId,
        /// The ledger that the fence names.
        theirs: LedgerId,
        /// Our ledger.
        ours: LedgerId,
    },
    /// The definition would bend data that is in the warehouse.
    #[error("the warehouse refuses to change the tables of family {family}: {message}")]
    MigrationRefused {
        /// The family.
        family: FamilyId,
        /// Which change, and what to do.
        message: String,
    },
    /// The warehouse refuses every file of the batch and a load that it took before as well, so that no file is at
    /// fault.
    #[error(
        "the warehouse refuses all {loads} loads of the batch and {good} as well, so that no file is at fault: {message}"
    )]
    RefusesEverything {
        /// How many loads.
        loads: usize,
        /// What was tried beside them.
        good: String,
        /// The warehouse's words.
        message: String,
    },
    /// Others were in the way, or the guard refused, each time.
    #[error("the batch could not be committed in {attempts} attempts: {message}")]
    NotCommitted {
        /// How many.
        attempts: u32,
        /// What was in the way last.
        message: String,
    },
}

impl LoadError {
    /// Whether the same failure comes again until somebody acts, however long one waits.
    pub fn needs_operator(&self) -> bool {
        matches!(self, Self::OtherLedger { .. } | Self::MigrationRefused { .. } | Self::RefusesEverything { .. })
    }

    pub(crate) fn ledger(stage: Stage) -> impl Fn(LedgerError) -> Self + Copy {
        move |source| Self::Ledger { stage, source }
    }

    pub(crate) fn warehouse(stage: Stage) -> impl Fn(WarehouseError) -> Self + Copy {
        move |source| Self::Warehouse { stage, source }
    }

    pub(crate) fn store(stage: Stage) -> impl Fn(StoreError) -> Self + Copy {
        move |source| Self::Store { stage, source }
    }
}

impl Fault for LoadError {
    fn retry(&self) -> Retry {
        // The family waits and tries again whatever it was: an operator may have acted meanwhile.
        Retry::Backoff
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Ledger { source, .. } => source.effect(),
            Self::Warehouse { source, .. } => source.effect(),
            Self::Store { source, .. } => source.effect(),
            Self::Queue { source, .. } => source.effect(),
            _ => Effect::NotApplied,
        }
    }
}
