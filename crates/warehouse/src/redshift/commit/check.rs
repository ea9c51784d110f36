//! What is wrong with a batch, as far as it can be seen before it is begun. The guard inside the transaction sees the
//! same, and cannot say it as well.

use std::collections::BTreeSet;

use lakehand_domain::shape::{FamilyShape, TableShape};
use lakehand_domain::warehousing::{CommitRequest, Marker};

use super::{Replaced, ReplacedLoad};
use crate::fit::{self, told};
use crate::redshift::state::State;

/// What is wrong with the request by itself.
pub(super) fn request_amiss(shape: &FamilyShape, request: &CommitRequest) -> Option<String> {
    let definition = &request.definition;
    if request.fence.family != shape.family {
        return Some(format!("the fence is of family {}, the shape of {}", request.fence.family, shape.family));
    }
    if !shape.definitions.contains(definition) {
        return Some(format!("definition {} of {} is not in force", definition.fingerprint, definition.dataset));
    }
    let tables: Vec<&TableShape> = shape.tables.iter().filter(|table| table.dataset == definition.dataset).collect();
    let mut entries = BTreeSet::new();
    for load in &request.loads {
        let manifest = &load.manifest;
        if let Some(message) = load.foreign(definition, &request.fence.in_force) {
            return Some(message);
        }
        if manifest.erasure_epoch != request.fence.erasure_epoch {
            return Some(format!(
                "load {} is of erasure epoch {}, the fence of {}",
                manifest.load_id, manifest.erasure_epoch, request.fence.erasure_epoch
            ));
        }
        if let Some(message) = fit::unsaid(shape, manifest) {
            return Some(message);
        }
        if !entries.insert(&manifest.entry) {
            return Some(format!("entry {} is listed twice", manifest.entry));
        }
        let unknown =
            manifest.tables.iter().find(|part| part.rows > 0 && !tables.iter().any(|table| table.name == part.table));
        if let Some(part) = unknown {
            return Some(format!("a manifest has rows for {}, which the definition does not have", part.table));
        }
    }
    None
}

/// How the request stands to what is there.
pub(super) enum Checked {
    Refused(String),
    /// The loads of older generations that the batch replaces.
    Replaces(Replaced),
}

pub(super) fn state_amiss(shape: &FamilyShape, request: &CommitRequest, state: &State, markers: &[Marker]) -> Checked {
    let definition = &request.definition;
    if !state.fence.in_force.contains(definition) {
        let message = format!("definition {} of {} is not in force", definition.fingerprint, definition.dataset);
        return Checked::Refused(message);
    }
    if let Some(message) = request.loads.iter().find_map(|load| load.foreign(definition, &state.fence.in_force)) {
        return Checked::Refused(message);
    }
    if state.fence.erasure_epoch != request.fence.erasure_epoch {
        let (now, taken) = (state.fence.erasure_epoch, request.fence.erasure_epoch);
        return Checked::Refused(format!(
            "the fence is of erasure epoch {now} now, and was of {taken} when it was taken"
        ));
    }
    for table in shape.tables.iter().filter(|table| table.dataset == definition.dataset) {
        let known = state.tables.iter().find(|known| told(&known.shape) == told(table));
        if known.is_none_or(|known| known.shape.without_layout() != table.without_layout()) {
            let message = format!("table {} is not what the definition in force says", told(table));
            return Checked::Refused(message);
        }
    }
    let mut replaced = Replaced::new();
    for marker in markers {
        let load = request.loads.iter().find(|load| load.manifest.entry == marker.entry);
        if load.is_some_and(|load| marker.generation >= load.manifest.generation) {
            return Checked::Refused(format!(
                "entry {} has generation {} here already, as load {}",
                marker.entry, marker.generation, marker.load_id
            ));
        }
        let load = ReplacedLoad { load_id: marker.load_id.clone(), rows: marker.rows.clone() };
        replaced.insert(marker.entry.clone(), load);
    }
    Checked::Replaces(replaced)
}
