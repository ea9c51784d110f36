//! The words of the warehouse's half of exactly once: fence, markers, staging and batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{DatasetId, EntryId, FamilyId, FencingToken, Fingerprint, Generation, LoadId, Nonce};
use crate::manifest::Manifest;
use crate::object::{ObjectUri, Order};
use crate::shape::DefinitionInForce;
use crate::timestamp::Timestamp;

/// The one row of a family's fence table, as it was when we took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The family.
    pub family: FamilyId,
    /// Increases with every take.
    pub token: FencingToken,
    /// Ours: nobody else has it.
    pub owner: Nonce,
    /// How many batches this warehouse has committed for the family, ever.
    pub batches: u64,
    /// Raised by every erasure; manifests made before it go back to transform.
    pub erasure_epoch: u64,
    /// The definitions in force.
    pub in_force: Vec<DefinitionInForce>,
    /// Fingerprints that were in force once and are not any more. Who holds one of these stands aside.
    pub retired: Vec<DefinitionInForce>,
}

impl Fence {
    /// Whether this definition is in force.
    pub fn has_in_force(&self, definition: &DefinitionInForce) -> bool {
        self.in_force.contains(definition)
    }

    /// Whether this definition was in force and is not any more.
    pub fn has_retired(&self, definition: &DefinitionInForce) -> bool {
        !self.has_in_force(definition) && self.retired.contains(definition)
    }
}

/// What the warehouse remembers of the newest load of an entry that it has committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// The entry.
    pub entry: EntryId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The object.
    pub object: ObjectUri,
    /// The order of the version that was read.
    pub order: Order,
    /// The generation.
    pub generation: Generation,
    /// The load.
    pub load_id: LoadId,
    /// The definition.
    pub fingerprint: Fingerprint,
    /// Rows by table, whatever their standing.
    pub rows: BTreeMap<String, u64>,
    /// Rejected records.
    pub rejects: u64,
    /// Of which scope and run it spoke; see [`Manifest::scopes`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<String, String>,
    /// The batch that committed it.
    pub batch: String,
    /// When.
    pub at: Timestamp,
}

/// Loads that were copied into staging tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// Names the staging tables; nobody else's have it, and no second copy ever goes into them.
    pub name: Nonce,
    /// What they hold.
    pub manifests: Vec<Arc<Manifest>>,
}

/// One batch: loads of one dataset, all staged.
#[derive(Debug, Clone)]
pub struct CommitRequest {
    /// The fence, as taken.
    pub fence: Fence,
    /// Names the batch in markers.
    pub batch: String,
    /// The dataset.
    pub definition: DefinitionInForce,
    /// The loads, each with the staging that holds it. A staging may hold more loads than are listed.
    pub loads: Vec<StagedLoad>,
    /// Now, for markers.
    pub now: Timestamp,
}

/// A load and the staging that holds its rows.
#[derive(Debug, Clone)]
pub struct StagedLoad {
    /// The load.
    pub manifest: Arc<Manifest>,
    /// Where its rows are.
    pub staging: Nonce,
    /// Whether it was made under another definition than the request's, which is not in force, and is loaded all the same,
    /// as it was written: its source cannot be read again. It is staged by [`crate::shape::FamilyShape::as_written`],
    /// under a name that only loads of its definition have.
    pub as_written: bool,
}

impl StagedLoad {
    /// Why this load is none of a batch of this definition, if it is not: it must be made under it, or on purpose be one
    /// of a definition that is not in force.
    pub fn foreign(&self, definition: &DefinitionInForce, in_force: &[DefinitionInForce]) -> Option<String> {
        let manifest = &self.manifest;
        let made_under =
            DefinitionInForce { dataset: manifest.dataset.clone(), fingerprint: manifest.fingerprint.clone() };
        let is_ours = made_under == *definition && !self.as_written;
        let is_left = self.as_written && made_under.dataset == definition.dataset && !in_force.contains(&made_under);
        (!is_ours && !is_left).then(|| format!("load {} was made under another definition", manifest.load_id))
    }
}

/// How the rows of one load stand in one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableStanding {
    /// The table.
    pub table: String,
    /// Rows that readers see.
    pub visible: u64,
    /// Rows that lost against a newer row of their key, of a newer version of their object, or of a newer run.
    pub lost: u64,
    /// Rows that do not pass the table's `where`.
    pub filtered: u64,
    /// Rows whose run is not complete yet, or whose parents are not visible.
    pub waiting: u64,
}
