//! What one write produced: parts, counts and checksums. Also what a load reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{DatasetId, EntryId, Fingerprint, Generation, LoadId};
use crate::object::{ObjectStat, ObjectUri, Order};
use crate::reject::RejectCounts;
use crate::shape::ColumnShape;

/// One file of the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Where it lies.
    pub uri: ObjectUri,
    /// Rows in it.
    pub rows: u64,
    /// Its size. COPY by manifest demands the exact number (Redshift, `meta.content_length`).
    pub bytes: u64,
    /// BLAKE3 of its bytes, 32 hexadecimal digits.
    pub checksum: String,
    /// The partition it belongs to, as `p_<name>=<value>` in order; empty when the table has none.
    #[serde(default)]
    pub partition: Vec<String>,
}

/// What was written of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableManifest {
    /// The table's name within the dataset.
    pub table: String,
    /// The columns of every part, in order, lineage included.
    pub columns: Vec<ColumnShape>,
    /// All rows of all parts.
    pub rows: u64,
    /// The parts, in the order of their names.
    pub parts: Vec<Part>,
}

/// The manifest of one load; it lies beside the tables as `_manifests/<load id>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The format of this document: 1.
    pub format: u32,
    /// The load.
    pub load_id: LoadId,
    /// The entry.
    pub entry: EntryId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The object and the version that was read.
    pub object: ObjectStat,
    /// The order of that version.
    pub order: Order,
    /// The generation.
    pub generation: Generation,
    /// The fingerprint under which it was made.
    pub fingerprint: Fingerprint,
    /// The erasure epoch up to which erased subjects were struck from it.
    pub erasure_epoch: u64,
    /// Records read, accepted or not.
    pub records: u64,
    /// Rejected records by rule and column.
    pub rejects: RejectCounts,
    /// The tables, in the order of the definition; every table of the definition, with no parts where it has no rows.
    pub tables: Vec<TableManifest>,
    /// The rejected records, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Part>,
    /// What the object's name says of scope and run, for tables that are replaced by scope: captures by name, and, behind
    /// a `#`, those that are a number of objects. See [`crate::shape::Contest::said`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<String, String>,
}

impl Manifest {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes of all parts of all tables.
    pub fn bytes(&self) -> u64 {
        self.tables.iter().flat_map(|table| &table.parts).map(|part| part.bytes).sum()
    }

    /// Every part with its table's name, quarantine left out.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &Part)> {
        self.tables.iter().flat_map(|table| table.parts.iter().map(|part| (table.table.as_str(), part)))
    }
}
