//! Gather: the written entries of a dataset, from all replicas, with their manifests.
//!
//! No cursor is kept. What an index shows may lag, so every entry is read again from its item.

mod foreign;
mod manifest;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use lakehand_domain::entry::{Entry, EntryState, StateName};
use lakehand_domain::id::EntryId;
use lakehand_domain::manifest::Manifest;
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::timestamp::Timestamp;

use crate::error::Stage;
use crate::loading::{LoadError, LoadOutcome, Loader, Memory, send_back};
pub use manifest::{EntryOfLoad, entry_of_load};
pub(crate) use manifest::{ReadManifest, load_of_marker, read_manifest};

const STAGE: Stage = Stage::Gather;

/// Entries on a page of the ledger.
const PAGE: usize = 500;

/// So many entries of older definitions are asked for in one pass; the others in the next.
const MOST_FOREIGN: usize = 1_000;

/// Objects named in one message.
const OBJECTS_A_MESSAGE: usize = 100;

/// A written entry of our definition and the manifest of its load.
#[derive(Debug, Clone)]
pub(crate) struct WrittenLoad {
    pub(crate) entry: Entry,
    pub(crate) manifest: Arc<Manifest>,
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
    let listed = linger(loader, memory).await?;
    gathered.outcome.gathered = true;
    gathered.outcome.left = listed.left;

    let foreign = read_again(loader, listed.foreign).await?;
    let foreign: Vec<Entry> =
        foreign.into_iter().filter(|entry| entry.fingerprint != loader.dataset.fingerprint).collect();
    foreign::redo(loader, memory, foreign, &mut gathered).await?;

    let ours = read_again(loader, listed.ours).await?;
    let ours = ours.into_iter().filter(|entry| entry.fingerprint == loader.dataset.fingerprint);
    let read = stream::iter(ours.map(|entry| async move {
        let read = read_manifest(loader.ports, &entry).await;
        (entry, read)
    }));
    let read: Vec<_> = read.buffered(loader.settings.concurrency.max(1)).collect().await;
    for (entry, read) in read {
        match read.map_err(LoadError::store(STAGE))? {
            ReadManifest::Whole(manifest) => gathered.loads.push(WrittenLoad { entry, manifest }),
            ReadManifest::Lost(why) if !source_is_there(loader, &entry).await? => {
                // Sent back to transform it could never come again; the lake may only be away.
                tracing::error!(
                    dataset.id = %entry.dataset,
                    entry.id = %entry.id,
                    object.uri = %entry.object.uri,
                    "{why}, and its source is not there either: bring the lake back, or the file; it waits until then"
                );
                memory.pass_over(entry.id, loader.ports.clock.now().plus(loader.settings.poll));
            }
            ReadManifest::Lost(why) => {
                let load_id = entry.load_id.clone();
                send_back(loader, STAGE, &entry, &why, |entry, now| entry.parts_lost(&load_id, why.clone(), now))
                    .await?;
                gathered.outcome.sent_back += 1;
            }
        }
    }
    Ok(gathered)
}

/// Whether the version that was read can be read again.
async fn source_is_there(loader: &Loader<'_>, entry: &Entry) -> Result<bool, LoadError> {
    match loader.ports.landing.stat(&entry.object.uri).await {
        Ok(stat) => Ok(stat.version == entry.object.version),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(LoadError::store(STAGE)(error)),
    }
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
    let (mut bytes, mut rows) = (0_u64, 0_u64);
    let mut query = EntryQuery {
        dataset: Some(loader.dataset.id.clone()),
        state: Some(StateName::Written),
        limit: PAGE,
        ..EntryQuery::default()
    };
    loop {
        let page = loader.ports.ledger.list(&query).await.map_err(LoadError::ledger(STAGE))?;
        for entry in page.entries {
            let EntryState::Written { at, summary } = &entry.state else { continue };
            if !seen.insert(entry.id.clone()) || memory.is_passed_over(&entry.id, loader.ports.clock.now()) {
                continue;
            }
            if entry.fingerprint != loader.dataset.fingerprint {
                if listed.foreign.len() < MOST_FOREIGN {
                    listed.foreign.push(entry.id);
                }
                continue;
            }
            let entry_rows: u64 = summary.rows.values().sum();
            let full = listed.ours.len() >= settings.max_batch_entries
                || bytes.saturating_add(summary.bytes) > settings.max_batch_bytes
                || rows.saturating_add(entry_rows) > settings.max_batch_rows;
            if full && !listed.ours.is_empty() {
                listed.full = true;
                listed.left = 1;
                return Ok(listed);
            }
            bytes = bytes.saturating_add(summary.bytes);
            rows = rows.saturating_add(entry_rows);
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
