//! Gather: the written entries of a dataset, from all replicas, with their manifests.
//!
//! No cursor is kept. What an index shows may lag, so every entry is read again from its item.

mod foreign;
mod manifest;
mod room;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use lakehand_domain::entry::{Entry, EntryState, StateName};
use lakehand_domain::id::EntryId;
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::timestamp::Timestamp;

use crate::error::Stage;
use crate::loading::{LoadError, LoadOutcome, Loader, Memory, lost_its_parts};
pub use manifest::{ManifestOfLoad, load_of_marker, manifest_of_load};
pub(crate) use manifest::{ReadManifest, read_manifest};
use room::Room;

const STAGE: Stage = Stage::Gather;

/// Entries on a page of the ledger.
const PAGE: usize = 500;

/// So many entries of older definitions are asked for in one pass; the others in the next.
const MOST_FOREIGN: usize = 1_000;

/// Objects named in one message.
const OBJECTS_A_MESSAGE: usize = 100;

/// A written entry and the manifest of its load.
#[derive(Debug, Clone)]
pub(crate) struct WrittenLoad {
    pub(crate) entry: Entry,
    pub(crate) manifest: Arc<Manifest>,
    /// The shape it is staged by, where it is of another definition than ours and is loaded as it was written.
    pub(crate) as_written: Option<Arc<FamilyShape>>,
}

/// What gather came to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) loads: Vec<WrittenLoad>,
    pub(crate) outcome: LoadOutcome,
}

/// Gathers one batch. As long as the warehouse was not seen to be ours and our definition to be in force, it gathers
/// nothing: the pass goes to the fence alone, and the next one gathers.
pub(crate) async fn gather(loader: &Loader<'_>, memory: &mut Memory) -> Result<Gathered, LoadError> {
    let mut gathered = Gathered::default();
    if !memory.verified {
        gathered.outcome.left = 1;
        return Ok(gathered);
    }
    memory.look_at_stuck(loader.ports.clock.now());
    let listed = linger(loader, memory).await?;
    gathered.outcome.gathered = true;
    gathered.outcome.left = listed.left;

    let foreign = read_again(loader, listed.foreign).await?;
    let foreign: Vec<Entry> =
        foreign.into_iter().filter(|entry| entry.fingerprint != loader.dataset.fingerprint).collect();
    foreign::redo(loader, memory, foreign, &mut gathered).await?;

    let mut room = Room::whole(loader.settings);
    for load in gathered.loads.iter().filter(|load| load.as_written.is_some()) {
        room.takes(&load.entry);
    }
    let ours = read_again(loader, listed.ours).await?;
    let mut ours: Vec<Entry> =
        ours.into_iter().filter(|entry| entry.fingerprint == loader.dataset.fingerprint).collect();
    let all = ours.len();
    ours.retain(|entry| room.takes(entry));
    if ours.len() < all {
        gathered.outcome.left = 1;
    }
    let ours = ours.into_iter();
    let read = stream::iter(ours.map(|entry| async move {
        let read = read_manifest(loader.ports, &entry).await;
        (entry, read)
    }));
    let read: Vec<_> = read.buffered(loader.settings.concurrency.max(1)).collect().await;
    for (entry, read) in read {
        match read.map_err(LoadError::store(STAGE))? {
            ReadManifest::Whole(manifest) => {
                gathered.loads.push(WrittenLoad { entry, manifest, as_written: None });
            }
            ReadManifest::Lost(why) => {
                gathered.outcome.sent_back += u64::from(lost_its_parts(loader, memory, STAGE, &entry, &why).await?);
            }
        }
    }
    Ok(gathered)
}

/// What the ledger's index shows.
#[derive(Debug, Default)]
struct Listed {
    ours: Vec<EntryId>,
    foreign: Vec<EntryId>,
    left: u64,
    full: bool,
    oldest: Option<Timestamp>,
}

/// Lists, and where the batch is young and not full waits once until it has come of age.
async fn linger(loader: &Loader<'_>, memory: &Memory) -> Result<Listed, LoadError> {
    if loader.stop.is_cancelled() {
        return Ok(Listed::default());
    }
    let listed = list(loader, memory).await?;
    let age = listed.oldest.map(|oldest| loader.ports.clock.now().since(oldest));
    let Some(rest) = age.and_then(|age| loader.settings.linger.checked_sub(age)).filter(|rest| !rest.is_zero()) else {
        return Ok(listed);
    };
    if listed.full {
        return Ok(listed);
    }
    tokio::select! {
        biased;
        () = loader.ports.clock.sleep(rest) => list(loader, memory).await,
        () = loader.stop.cancelled() => Ok(Listed::default()),
    }
}

async fn list(loader: &Loader<'_>, memory: &Memory) -> Result<Listed, LoadError> {
    let settings = loader.settings;
    let mut listed = Listed::default();
    let mut seen = BTreeSet::new();
    let mut room = Room::whole(settings);
    let mut query = EntryQuery {
        dataset: Some(loader.dataset.id.clone()),
        state: Some(StateName::Written),
        limit: PAGE,
        ..EntryQuery::default()
    };
    loop {
        let page = loader.ports.ledger.list(&query).await.map_err(LoadError::ledger(STAGE))?;
        for entry in page.entries {
            let EntryState::Written { at, .. } = &entry.state else { continue };
            if !seen.insert(entry.id.clone()) || memory.is_passed_over(&entry.id, loader.ports.clock.now()) {
                continue;
            }
            if entry.fingerprint != loader.dataset.fingerprint {
                if listed.foreign.len() < MOST_FOREIGN {
                    listed.foreign.push(entry.id);
                }
                continue;
            }
            if !room.takes(&entry) {
                listed.full = true;
                listed.left = 1;
                return Ok(listed);
            }
            listed.oldest = Some(listed.oldest.map_or(*at, |oldest| oldest.min(*at)));
            listed.ours.push(entry.id);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(listed),
        }
    }
}

/// Reads entries from their items and keeps those that are still written.
async fn read_again(loader: &Loader<'_>, ids: Vec<EntryId>) -> Result<Vec<Entry>, LoadError> {
    let read = stream::iter(ids.into_iter().map(|id| async move { loader.ports.ledger.get(&id).await }));
    let read: Vec<_> = read.buffered(loader.settings.concurrency.max(1)).collect().await;
    let mut entries = Vec::with_capacity(read.len());
    for entry in read {
        entries.extend(entry.map_err(LoadError::ledger(STAGE))?);
    }
    entries.retain(|entry| entry.state_name() == StateName::Written);
    Ok(entries)
}
