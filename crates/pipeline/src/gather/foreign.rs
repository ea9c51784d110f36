//! What was written under another definition than ours, which is in force.
//!
//! Only the loader can decide about it: it knows which definitions are retired, so that no commit under them can come
//! any more, and which loads the warehouse has marked. What was committed before its definition was retired is loaded.
//! What can be read again is read again; what cannot is whole in the lake, and is loaded as it was written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lakehand_domain::entry::Entry;
use lakehand_domain::id::{EntryId, Fingerprint, LoadId};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object_event::{Cause, ObjectEvent};
use lakehand_domain::shape::DefinitionInForce;
use lakehand_domain::timestamp::Timestamp;

use crate::gather::{Gathered, OBJECTS_A_MESSAGE, ReadManifest, Room, STAGE, WrittenLoad, read_manifest};
use crate::loading::{LoadError, Loader, Memory, ask, newer, refused, source_is_there};

/// A definition that nobody has put in force for so many times the pause between two questions is given up: it was
/// taken back before it came into force.
const GIVEN_UP: u32 = 10;

/// Finishes what is marked, asks for what can be read again, and gathers the rest as it was written.
pub(super) async fn redo(
    loader: &Loader<'_>,
    memory: &mut Memory,
    foreign: Vec<Entry>,
    gathered: &mut Gathered,
) -> Result<(), LoadError> {
    let now = loader.ports.clock.now();
    memory.meet_strangers(foreign.iter().map(|entry| entry.id.clone()), now);
    let over = over(loader, memory, &foreign).await?;
    let mut due = foreign;
    due.retain(|entry| {
        let is_over = over.contains(&entry.fingerprint) || is_given_up(loader, memory, entry, now);
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
    // The other half is left to those of our definition.
    let mut room = Room::half(loader.settings);
    let mut again = Vec::new();
    for entry in due {
        let is_marked = marked.get(&entry.id) == Some(&entry.load_id);
        if !is_marked && source_is_there(loader, STAGE, &entry).await? {
            again.push(entry);
            continue;
        }
        let read = read_manifest(loader.ports, &entry).await.map_err(LoadError::store(STAGE))?;
        let manifest = match read {
            ReadManifest::Whole(manifest) if is_marked => {
                gathered.loads.push(WrittenLoad { entry, manifest, as_written: None });
                continue;
            }
            ReadManifest::Whole(manifest) => manifest,
            ReadManifest::Lost(_) if is_marked && source_is_there(loader, STAGE, &entry).await? => {
                again.push(entry);
                continue;
            }
            ReadManifest::Lost(why) => {
                let why = format!("{why}, and its source is not there either: bring the lake back, or the file");
                memory.is_stuck(loader, &entry, &why);
                continue;
            }
        };
        if !room.takes(&entry) {
            gathered.outcome.left = 1;
            continue;
        }
        as_written(loader, memory, entry, manifest, gathered);
    }
    // Remembered once it is done: what fails in between is asked for again with the next pass.
    for some in again.chunks(OBJECTS_A_MESSAGE) {
        let event = |entry: &Entry| ObjectEvent { uri: entry.object.uri.clone(), cause: Cause::DefinitionChanged };
        ask(loader.ports, STAGE, some.iter().map(event).collect()).await?;
        for entry in some {
            loader.observer.sent_back(entry, "it was written under a definition that is no longer in force");
        }
    }
    gathered.outcome.sent_back += again.len() as u64;
    memory.asked(again.into_iter().map(|entry| entry.id).collect(), loader.settings.ask_again, now);
    Ok(())
}

/// Gathers a load as it was written, where its rows can stand in the tables as they are now.
fn as_written(
    loader: &Loader<'_>,
    memory: &mut Memory,
    entry: Entry,
    manifest: Arc<Manifest>,
    gathered: &mut Gathered,
) {
    match loader.shape().as_written(&manifest) {
        Ok(shape) => {
            tracing::info!(
                dataset.id = %entry.dataset,
                entry.id = %entry.id,
                object.uri = %entry.object.uri,
                load.id = %entry.load_id,
                "it was written under a definition that is no longer in force, and cannot be read again: it is loaded as it was written"
            );
            gathered.loads.push(WrittenLoad { entry, manifest, as_written: Some(Arc::new(shape)) });
        }
        Err(why) => {
            let why = format!(
                "it was written under a definition that is no longer in force, cannot be read again, and does not fit \
                 the tables as it was written: {why}; bring the file back, or a definition that its rows fit"
            );
            memory.is_stuck(loader, &entry, &why);
        }
    }
}

/// Those of the entries' definitions under which nothing can be committed any more: they are retired or refused, or workers
/// had them before ours, which is in force; an empty warehouse remembers none that were.
async fn over(loader: &Loader<'_>, memory: &mut Memory, foreign: &[Entry]) -> Result<BTreeSet<Fingerprint>, LoadError> {
    let theirs: BTreeSet<&Fingerprint> = foreign.iter().map(|entry| &entry.fingerprint).collect();
    let known: BTreeSet<Fingerprint> = theirs.iter().map(|one| (*one).clone()).collect();
    let refused = refused(loader.ports, &loader.dataset.id, known).await.map_err(LoadError::ledger(STAGE))?;
    let mut over = BTreeSet::new();
    for fingerprint in theirs {
        let definition = DefinitionInForce { dataset: loader.dataset.id.clone(), fingerprint: fingerprint.clone() };
        let ours = [loader.definition()];
        if memory.is_retired(fingerprint)
            || refused.contains(fingerprint)
            || newer(loader.ports, &definition, &ours).await.map_err(LoadError::ledger(STAGE))?.is_some()
        {
            over.insert(fingerprint.clone());
        }
    }
    Ok(over)
}

/// Whether nobody has put its definition in force for so long while this process could load.
fn is_given_up(loader: &Loader<'_>, memory: &Memory, entry: &Entry, now: Timestamp) -> bool {
    memory.met(&entry.id).is_some_and(|met| now.since(met) >= loader.settings.ask_again * GIVEN_UP)
}
