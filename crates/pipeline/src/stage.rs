//! Stage: the parts of a batch copied into staging tables, outside any transaction.
//!
//! The name of a staging is a nonce: after an unknown outcome there is a new one, never a second copy into the first.

mod bisect;
mod known_good;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lakehand_domain::entry::{Entry, SetAsideKind, SetAsideReason};
use lakehand_domain::id::{EntryId, Fingerprint, LoadId, Nonce};

use crate::change::{Changed, change};
use crate::error::Stage;
use crate::gather::{Gathered, WrittenLoad};
use crate::loading::{LoadError, LoadOutcome, Loader, Memory, lost_its_parts};
use bisect::{Divided, Suspect, divide};

const STAGE: Stage = Stage::Stage;

/// A load that may be committed.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) load: WrittenLoad,
    /// Where its rows are; `None` where the warehouse has its marker, so that nothing was copied.
    pub(crate) staging: Option<Nonce>,
}

/// What stage came to.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) plan: Vec<Planned>,
    pub(crate) outcome: LoadOutcome,
}

/// Stages a batch. Loads that the warehouse has marked are not copied again; those whose parts are gone go back to
/// transform; those whose rows it refuses are set aside, where it takes others.
pub(crate) async fn stage(loader: &Loader<'_>, memory: &mut Memory, gathered: Gathered) -> Result<Staged, LoadError> {
    let Gathered { loads, mut outcome } = gathered;
    if loads.is_empty() {
        return Ok(Staged { plan: Vec::new(), outcome });
    }
    drop_stagings(loader, memory).await;
    let (marked, unmarked) = look(loader, memory, loads).await?;
    let mut plan: Vec<Planned> = marked.into_iter().map(|load| Planned { load, staging: None }).collect();

    // Loads of older definitions have columns of their own, and tables of staging of their own.
    let mut groups: BTreeMap<Fingerprint, Vec<WrittenLoad>> = BTreeMap::new();
    for load in unmarked {
        groups.entry(load.entry.fingerprint.clone()).or_default().push(load);
    }
    for loads in groups.into_values() {
        let older = loads.first().and_then(|load| load.as_written.clone());
        let shape = older.unwrap_or_else(|| Arc::new(loader.shape()));
        let Divided { staged, suspects, lost } = divide(loader, memory, &shape, loads).await?;
        plan.extend(staged);
        for (load, why) in lost {
            outcome.sent_back += u64::from(lost_its_parts(loader, memory, STAGE, &load.entry, &why).await?);
        }
        for suspect in suspects {
            outcome.refused += u64::from(set_aside(loader, suspect).await?);
        }
    }
    Ok(Staged { plan, outcome })
}

/// Drops staging tables of this process that nothing needs any more. What cannot be dropped now is left to the next
/// time, and at last to the sweeper.
pub(crate) async fn drop_stagings(loader: &Loader<'_>, memory: &mut Memory) {
    for name in memory.stagings.clone() {
        match loader.ports.warehouse.drop_staging(&name).await {
            Ok(()) => {
                memory.stagings.remove(&name);
            }
            Err(error) => {
                tracing::debug!(staging = %name, error = &error as &dyn std::error::Error, "staging is not dropped yet");
            }
        }
    }
}

/// Divides loads into those that the warehouse has marked and the others.
async fn look(
    loader: &Loader<'_>,
    memory: &mut Memory,
    loads: Vec<WrittenLoad>,
) -> Result<(Vec<WrittenLoad>, Vec<WrittenLoad>), LoadError> {
    let ids: Vec<EntryId> = loads.iter().map(|load| load.entry.id.clone()).collect();
    let markers = loader.ports.warehouse.markers(&loader.dataset.family(), &ids).await.map_err(|source| {
        memory.doubt();
        LoadError::Warehouse { stage: STAGE, source }
    })?;
    let marked: HashMap<EntryId, LoadId> = markers.into_iter().map(|marker| (marker.entry, marker.load_id)).collect();
    Ok(loads.into_iter().partition(|load| marked.get(&load.entry.id) == Some(&load.entry.load_id)))
}

async fn set_aside(loader: &Loader<'_>, suspect: Suspect) -> Result<bool, LoadError> {
    let Suspect { load, message } = suspect;
    let reason = SetAsideReason {
        kind: SetAsideKind::RefusedByWarehouse,
        message: format!("the warehouse refuses its rows: {message}; correct the definition or the file, then replay"),
    };
    let load_id = &load.entry.load_id;
    let ports = loader.ports;
    let make = |entry: &Entry| entry.refused(load_id, reason.clone(), ports.clock.now()).map(Some);
    let changed = change(ports.ledger.as_ref(), &load.entry.id, make).await.map_err(LoadError::ledger(STAGE))?;
    let Changed::Stored(stored) = changed else { return Ok(false) };
    tracing::warn!(
        dataset.id = %stored.dataset,
        entry.id = %stored.id,
        object.uri = %stored.object.uri,
        load.id = %stored.load_id,
        "set aside: {}", reason.message
    );
    loader.observer.refused(&stored, &reason.message);
    Ok(true)
}
