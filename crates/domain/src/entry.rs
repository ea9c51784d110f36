//! Ledger entries and their legal transitions, as pure functions.
//!
//! ```text
//! (nothing) ──claim──▶ Claimed ──written──▶ Written ──loaded──▶ Loaded
//!                      │  ▲                  │  ▲                 │
//!           set aside  │  │ give back        │  │ restored        │ replay
//!                      ▼  │ lapsed           ▼  └─────────────────┤
//!                   SetAside ◀──refused── (warehouse)             ▼
//!                      └──replay──────────────────────▶ Claimed, next generation
//! ```
//!
//! A backend of the ledger stores entries and compares their revision; it decides nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{DatasetId, EntryId, FencingToken, Fingerprint, Generation, LoadId, WorkerId};
use crate::manifest::Manifest;
use crate::object::{ObjectStat, ObjectUri};
use crate::reject::RejectCounts;
use crate::timestamp::Timestamp;

mod claim;
mod transition;

#[cfg(test)]
mod tests;

pub use claim::{ClaimDecision, ClaimRequest, claim};
pub use transition::Refusal;

/// What the ledger knows of one version of one object in one dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The object and the version, as stat said before the first claim.
    pub object: ObjectStat,
    /// How many times it was begun.
    pub generation: Generation,
    /// The definition of this generation.
    pub fingerprint: Fingerprint,
    /// The load of this generation.
    pub load_id: LoadId,
    /// What has become of this generation.
    pub state: EntryState,
    /// The token of the newest claim; 0 before the first.
    pub token: FencingToken,
    /// Failures of this generation that were the file's own, not the infrastructure's.
    pub attempts: u32,
    /// How often the worker of this generation was lost with the file in its hands; a file that kills its workers is
    /// known by it.
    #[serde(default)]
    pub lapses: u32,
    /// What went wrong last in this generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The load whose rows are in the warehouse, of this or an earlier generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveLoad>,
    /// The load that was written, and not loaded, when this generation was begun. It comes back where the source turns out
    /// to be gone before it is read again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unloaded: Option<Unloaded>,
    /// When it was first claimed.
    pub first_seen: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Counts changes; a write succeeds only over the revision it was made from.
    pub revision: u64,
}

/// What has become of an entry's generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum EntryState {
    /// Being read and transformed, or waiting to be again.
    Claimed {
        /// Who works on it; `None`: nobody, it was given back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lease: Option<Lease>,
        /// Not to be claimed before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// Its Parquet is in the lake; it waits to be loaded.
    Written {
        /// Since when.
        at: Timestamp,
        /// What was written.
        summary: LoadSummary,
    },
    /// Its rows are in the warehouse: `live` is this generation's load.
    Loaded {
        /// Since when.
        at: Timestamp,
    },
    /// It cannot succeed as it is; a person decides.
    SetAside {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: SetAsideReason,
        /// Whether a dead letter was sent.
        told: bool,
        /// What was read of it, where it was read to its end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<LoadSummary>,
    },
}

/// The name of a state, for queries and people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// See [`EntryState::Claimed`].
    Claimed,
    /// See [`EntryState::Written`].
    Written,
    /// See [`EntryState::Loaded`].
    Loaded,
    /// See [`EntryState::SetAside`].
    SetAside,
}

impl StateName {
    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Written => "written",
            Self::Loaded => "loaded",
            Self::SetAside => "set_aside",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A time-bounded exclusive right to work on an entry. Only a claim makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Who holds it.
    pub worker: WorkerId,
    /// Increases with every claim of the entry.
    pub token: FencingToken,
    /// Until when, by the clock of the ledger's users; a taker allows for skew on top.
    pub expires_at: Timestamp,
}

/// What a load holds, as people ask for it. The manifest has the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadSummary {
    /// Where the manifest lies; `None` where a file was set aside, so that nothing was kept of it but its rejects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ObjectUri>,
    /// Records read.
    pub records: u64,
    /// Rejected records by rule and column. At most a few hundred kinds, so that an entry stays small.
    pub rejects: RejectCounts,
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
    /// Bytes of all parts.
    pub bytes: u64,
    /// How many parts.
    pub parts: u64,
    /// Where the rejected records lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<ObjectUri>,
}

impl LoadSummary {
    /// The summary of a manifest that lies at `uri`.
    pub fn of(manifest: &Manifest, uri: ObjectUri) -> Self {
        Self {
            manifest: Some(uri),
            records: manifest.records,
            rejects: manifest.rejects.clone(),
            rows: manifest.tables.iter().map(|table| (table.table.clone(), table.rows)).collect(),
            bytes: manifest.bytes(),
            parts: manifest.parts().count() as u64,
            quarantine: manifest.quarantine.as_ref().map(|part| part.uri.clone()),
        }
    }
}

/// The load of an entry that the warehouse has marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveLoad {
    /// The load.
    pub load_id: LoadId,
    /// Its generation.
    pub generation: Generation,
    /// Its definition.
    pub fingerprint: Fingerprint,
    /// The batch that committed it.
    pub batch: String,
    /// When the ledger learned of it.
    pub at: Timestamp,
    /// What it holds.
    pub summary: LoadSummary,
}

/// A load of an earlier generation that is whole in the lake and was never loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unloaded {
    /// The load.
    pub load_id: LoadId,
    /// Its generation.
    pub generation: Generation,
    /// Its definition.
    pub fingerprint: Fingerprint,
    /// What was written.
    pub summary: LoadSummary,
}

/// Why something was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAsideReason {
    /// As a word to filter by.
    pub kind: SetAsideKind,
    /// In words: what, where, and what to do.
    pub message: String,
}

/// Why something was set aside, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAsideKind {
    /// The message is none of the shapes that are understood.
    Undecodable,
    /// No dataset claims the object.
    NoDataset,
    /// The object was deleted before it was read.
    Gone,
    /// The object was replaced by a newer version before this one was read.
    Replaced,
    /// The bytes are not what they should be.
    Unreadable,
    /// More rejects than the dataset allows.
    TooManyRejects,
    /// It failed too often in ways that were its own.
    AttemptsExhausted,
    /// The warehouse refuses its rows.
    RefusedByWarehouse,
}

impl SetAsideKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Undecodable,
        Self::NoDataset,
        Self::Gone,
        Self::Replaced,
        Self::Unreadable,
        Self::TooManyRejects,
        Self::AttemptsExhausted,
        Self::RefusedByWarehouse,
    ];

    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::NoDataset => "no_dataset",
            Self::Gone => "gone",
            Self::Replaced => "replaced",
            Self::Unreadable => "unreadable",
            Self::TooManyRejects => "too_many_rejects",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::RefusedByWarehouse => "refused_by_warehouse",
        }
    }
}

impl fmt::Display for SetAsideKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Entry {
    /// The name of its state.
    pub fn state_name(&self) -> StateName {
        match self.state {
            EntryState::Claimed { .. } => StateName::Claimed,
            EntryState::Written { .. } => StateName::Written,
            EntryState::Loaded { .. } => StateName::Loaded,
            EntryState::SetAside { .. } => StateName::SetAside,
        }
    }

    /// The lease under which it is worked on.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            EntryState::Claimed { lease, .. } => lease.as_ref(),
            _ => None,
        }
    }

    /// What this generation read and made, as far as it came.
    pub fn summary(&self) -> Option<&LoadSummary> {
        match &self.state {
            EntryState::Claimed { .. } => None,
            EntryState::Written { summary, .. } => Some(summary),
            EntryState::Loaded { .. } => self.live.as_ref().map(|live| &live.summary),
            EntryState::SetAside { summary, .. } => summary.as_ref(),
        }
    }

    /// Whether it was set aside because its version could not be seen any more: gone, or replaced. Seeing that version
    /// again disproves it.
    pub fn is_set_aside_unseen(&self) -> bool {
        let unseen = |kind| matches!(kind, SetAsideKind::Gone | SetAsideKind::Replaced);
        matches!(&self.state, EntryState::SetAside { reason, .. } if unseen(reason.kind))
    }

    /// Whether it is claimed and nobody can be working on it: given back and due, or its lease ran out more than
    /// `skew` ago.
    pub fn is_lapsed(&self, now: Timestamp, skew: Duration) -> bool {
        match &self.state {
            EntryState::Claimed { lease: Some(lease), .. } => now > lease.expires_at.plus(skew),
            EntryState::Claimed { lease: None, retry_at } => retry_at.is_none_or(|at| now >= at),
            _ => false,
        }
    }
}
