//! What a batch came to.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use lakehand_domain::entry::Entry;
use lakehand_domain::id::{DatasetId, EntryId, LoadId};
use lakehand_domain::object::ObjectUri;

use crate::error::Stage;

/// What one call of [`load`](crate::loading::load) came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadOutcome {
    /// How the family's warehouse stands to us.
    pub standing: Standing,
    /// Whether the pass looked for written entries. The first one, and the one after a failure, only makes sure of the
    /// warehouse, and says nothing about whether loading goes well.
    pub gathered: bool,
    /// Entries that are loaded now.
    pub loaded: u64,
    /// Entries set aside because the warehouse refuses their rows.
    pub refused: u64,
    /// Entries sent back to transform: their parts are gone, an older life of theirs is marked, or their definition is
    /// no longer in force.
    pub sent_back: u64,
    /// Entries found written under a definition that is neither ours nor known to be over: they wait for workers that have
    /// it, or until it is given up.
    pub foreign: u64,
    /// Entries that the warehouse has lost and that wait to be loaded again.
    pub restored: u64,
    /// Why some entry waits until somebody acts, if one does: neither the lake nor its source has it.
    pub stuck: Option<String>,
    /// Entries left for the next batch: this one was full, or another loader was in the way.
    pub left: u64,
}

impl LoadOutcome {
    /// Whether there is more to do at once.
    pub fn more(&self) -> bool {
        self.left > 0 || self.restored > 0
    }
}

/// How the warehouse stands to this process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// Our definition is in force, or was when last seen.
    #[default]
    InForce,
    /// Another definition is in force and ours was before it: others load, this process stands aside.
    Retired {
        /// What to do.
        message: String,
    },
}

/// One entry whose rows are in the warehouse and whose ledger entry says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedEntry {
    /// The entry.
    pub entry: EntryId,
    /// The object.
    pub object: ObjectUri,
    /// The load.
    pub load_id: LoadId,
    /// Rows by table, whatever their standing.
    pub rows: BTreeMap<String, u64>,
    /// Records rejected before.
    pub rejects: u64,
    /// The batch.
    pub batch: String,
}

/// Learns of what loading has done, each time after it is durable. Must not block.
pub trait LoadObserver: Debug + Send + Sync {
    /// An entry is loaded.
    fn loaded(&self, dataset: &DatasetId, entry: &LoadedEntry);
    /// An entry was set aside: the warehouse refuses its rows.
    fn refused(&self, entry: &Entry, message: &str);
    /// An entry was sent back to transform.
    fn sent_back(&self, entry: &Entry, why: &str);
    /// A pass that had something to load was in a stage for so long.
    fn stage_left(&self, stage: Stage, took: Duration);
    /// So many entries of a batch are loaded, so long after it was begun to be gathered.
    fn batch_loaded(&self, files: u64, took: Duration);
}

/// Nobody is told.
impl LoadObserver for () {
    fn loaded(&self, _: &DatasetId, _: &LoadedEntry) {}
    fn refused(&self, _: &Entry, _: &str) {}
    fn sent_back(&self, _: &Entry, _: &str) {}
    fn stage_left(&self, _: Stage, _: Duration) {}
    fn batch_loaded(&self, _: u64, _: Duration) {}
}
