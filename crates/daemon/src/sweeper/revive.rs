//! Entries that the ledger has lost, as one that was restored from a backup has: what was written since is known from its
//! manifest in the lake, and what was loaded from the warehouse's marker.

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::entry::{Entry, EntryState, LiveLoad, LoadSummary, Unloaded};
use lakehand_domain::id::FencingToken;
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::PutEntry;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::change::{Changed, change};
use lakehand_pipeline::loading::load_of_marker;
use lakehand_pipeline::ports::Ports;

use crate::sweeper::{SweepError, SweeperSettings};

/// Puts the entry of a load that no entry names, unless the warehouse has marked another one that is as new, whose own
/// manifest brings it back, or the ledger has forgotten it because it was loaded long ago.
pub(super) async fn revive(
    ports: &Ports,
    settings: &SweeperSettings,
    dataset: &Dataset,
    manifest: &Manifest,
    uri: ObjectUri,
) -> Result<(), SweepError> {
    let now = ports.clock.now();
    let ids = std::slice::from_ref(&manifest.entry);
    let markers = ports.warehouse.markers(&dataset.family(), ids).await?;
    let summary = LoadSummary::of(manifest, uri);
    let (state, live) = match markers.into_iter().next() {
        Some(marker) if marker.load_id == manifest.load_id => {
            if settings.forgets_loaded.is_some_and(|forgets| now >= marker.at.plus(forgets)) {
                return Ok(());
            }
            let live = LiveLoad {
                load_id: marker.load_id,
                generation: marker.generation,
                fingerprint: marker.fingerprint,
                batch: marker.batch,
                at: marker.at,
                summary,
            };
            (EntryState::Loaded { at: marker.at }, Some(live))
        }
        Some(marker) if marker.generation >= manifest.generation => return Ok(()),
        Some(marker) => (EntryState::Written { at: now, summary }, load_of_marker(ports, &marker).await?),
        None => (EntryState::Written { at: now, summary }, None),
    };
    let entry = revived(manifest, state, live, now);
    if ports.ledger.put(&entry).await? == PutEntry::Stored {
        tracing::warn!(
            dataset.id = %entry.dataset,
            entry.id = %entry.id,
            object.uri = %entry.object.uri,
            load.id = %entry.load_id,
            "the ledger had lost it, and knows it again from the lake: {}",
            entry.state_name()
        );
    }
    Ok(())
}

/// Lets an entry that was set aside because its version could not be seen any more wait to be loaded, by what was written
/// of it before. What the warehouse has marked is the loaders' to find.
pub(super) async fn rewrite(
    ports: &Ports,
    dataset: &Dataset,
    manifest: &Manifest,
    uri: ObjectUri,
) -> Result<(), SweepError> {
    let ids = std::slice::from_ref(&manifest.entry);
    if !ports.warehouse.markers(&dataset.family(), ids).await?.is_empty() {
        return Ok(());
    }
    let written = Unloaded {
        load_id: manifest.load_id.clone(),
        generation: manifest.generation,
        fingerprint: manifest.fingerprint.clone(),
        summary: LoadSummary::of(manifest, uri),
    };
    let make = |entry: &Entry| entry.found_written(written.clone(), ports.clock.now()).map(Some);
    if let Changed::Stored(entry) = change(ports.ledger.as_ref(), &manifest.entry, make).await? {
        tracing::warn!(
            dataset.id = %entry.dataset,
            entry.id = %entry.id,
            object.uri = %entry.object.uri,
            load.id = %entry.load_id,
            "set aside, and whole in the lake: it waits to be loaded"
        );
    }
    Ok(())
}

fn revived(manifest: &Manifest, state: EntryState, live: Option<LiveLoad>, now: Timestamp) -> Entry {
    Entry {
        id: manifest.entry.clone(),
        dataset: manifest.dataset.clone(),
        object: manifest.object.clone(),
        generation: manifest.generation,
        fingerprint: manifest.fingerprint.clone(),
        load_id: manifest.load_id.clone(),
        state,
        token: FencingToken(0),
        attempts: 0,
        lapses: 0,
        last_error: None,
        live,
        asked_by: None,
        unloaded: None,
        first_seen: now,
        updated: now,
        revision: 1,
    }
}
