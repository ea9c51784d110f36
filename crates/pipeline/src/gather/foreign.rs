//! What was written under another definition than ours, which is in force.
//!
//! Only the loader can decide about it: it knows which definitions are retired, so that no commit under them can come
//! any more, and which loads the warehouse has marked. What was committed before its definition was retired is loaded.

use std::collections::{BTreeMap, BTreeSet};

use lakehand_domain::entry::{Entry, EntryState, SetAsideKind, SetAsideReason};
use lakehand_domain::id::{EntryId, LoadId};
use lakehand_domain::object_event::{Cause, ObjectEvent};
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::timestamp::Timestamp;

use crate::change::{Changed, change};
use crate::gather::{Gathered, OBJECTS_A_MESSAGE, ReadManifest, STAGE, WrittenLoad, read_manifest};
use crate::loading::{LoadError, Loader, Memory, ask, refused};

/// A definition that nobody has put in force for so many times the pause between two questions is given up: it was
/// taken back before it came into force.
const GIVEN_UP: u32 = 10;

/// Finishes what is marked, asks for what can be read again, and sets aside what cannot.
pub(super) async fn redo(
    loader: &Loader<'_>,
    memory: &mut Memory,
    foreign: Vec<Entry>,
    gathered: &mut Gathered,
) -> Result<(), LoadError> {
    let now = loader.ports.clock.now();
    let mut due = foreign;
    let unknown = due.iter().map(|entry| &entry.fingerprint).filter(|one| !memory.is_retired(one)).cloned().collect();
    let refused = refused(loader.ports, &loader.dataset.id, unknown).await.map_err(LoadError::ledger(STAGE))?;
    due.retain(|entry| {
        let is_retired = memory.is_retired(&entry.fingerprint) || is_given_up(loader, entry, now);
        let is_over = is_retired || refused.contains(&entry.fingerprint);
        gathered.outcome.foreign += u64::from(!is_over);
        is_over && memory.is_to_be_asked(&entry.id, loader.settings.ask_again, now)
    });
    if due.is_empty() {
        return Ok(());
    }
    let ids: Vec<EntryId> = due.iter().map(|entry| entry.id.clone()).collect();
    let markers = loader.ports.warehouse.markers(&loader.dataset.family(), &ids).await.map_err(|source| {
        memory.doubt();
        LoadError::Warehouse { stage: STAGE, source }
    })?;
    let marked: BTreeMap<EntryId, LoadId> = markers.into_iter().map(|marker| (marker.entry, marker.load_id)).collect();
    let (mut again, mut waiting) = (Vec::new(), BTreeSet::new());
    for entry in due {
        if marked.get(&entry.id) == Some(&entry.load_id)
            && let ReadManifest::Whole(manifest) =
                read_manifest(loader.ports, &entry).await.map_err(LoadError::store(STAGE))?
        {
            gathered.loads.push(WrittenLoad { entry, manifest });
            continue;
        }
        match unseen(loader, &entry).await? {
            None => again.push(entry),
            // The warehouse may be made to take it yet: what cannot be read again is not given up at once.
            Some(_) if refused.contains(&entry.fingerprint) && !is_given_up(loader, &entry, now) => {
                waiting.insert(entry.id);
            }
            Some(reason) => gathered.outcome.refused += u64::from(set_aside(loader, &entry, reason).await?),
        }
    }
    // Remembered once it is done: what fails in between is asked for again with the next pass.
    for some in again.chunks(OBJECTS_A_MESSAGE) {
        let event = |entry: &Entry| ObjectEvent { uri: entry.object.uri.clone(), cause: Cause::DefinitionChanged };
        ask(loader.ports, STAGE, some.iter().map(event).collect()).await?;
        for entry in some {
            loader.observer.sent_back(entry, "it was written under a definition that is no longer in force");
        }
    }
    gathered.outcome.foreign += waiting.len() as u64;
    let ids = ids.into_iter().filter(|id| !waiting.contains(id)).collect();
    memory.asked(ids, loader.settings.ask_again, now);
    gathered.outcome.sent_back += again.len() as u64;
    Ok(())
}

fn is_given_up(loader: &Loader<'_>, entry: &Entry, now: Timestamp) -> bool {
    let EntryState::Written { at, .. } = &entry.state else { return false };
    now.since(*at) >= loader.settings.ask_again * GIVEN_UP
}

/// Why the version that was read cannot be read again, if it cannot.
async fn unseen(loader: &Loader<'_>, entry: &Entry) -> Result<Option<SetAsideReason>, LoadError> {
    let uri = &entry.object.uri;
    let (kind, what) = match loader.ports.landing.stat(uri).await {
        Ok(stat) if stat.version == entry.object.version => return Ok(None),
        Ok(stat) => (SetAsideKind::Replaced, format!("was replaced by version {}", stat.version)),
        Err(StoreError::NotFound { .. }) => (SetAsideKind::Gone, "was deleted".to_owned()),
        Err(error) => return Err(LoadError::store(STAGE)(error)),
    };
    let message = format!(
        "{uri} {what} before it was loaded: it was written under a definition that is no longer in force, and cannot be \
         read again"
    );
    Ok(Some(SetAsideReason { kind, message }))
}

async fn set_aside(loader: &Loader<'_>, entry: &Entry, reason: SetAsideReason) -> Result<bool, LoadError> {
    let ports = loader.ports;
    let make = |now: &Entry| now.refused(&entry.load_id, reason.clone(), ports.clock.now()).map(Some);
    let changed = change(ports.ledger.as_ref(), &entry.id, make).await.map_err(LoadError::ledger(STAGE))?;
    let Changed::Stored(stored) = changed else { return Ok(false) };
    tracing::warn!(
        dataset.id = %stored.dataset,
        entry.id = %stored.id,
        object.uri = %stored.object.uri,
        kind = reason.kind.as_str(),
        "set aside: {}", reason.message
    );
    loader.observer.refused(&stored, &reason.message);
    Ok(true)
}
