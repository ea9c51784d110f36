//! Finish: what the warehouse has marked is archived, tagged or deleted where the definition says so; then, last, the ledger
//! calls it loaded. All of it may be done again.

use futures::stream::{self, StreamExt};
use lakehand_dataset::dataset::AfterLoad;
use lakehand_domain::entry::{Entry, LiveLoad};
use lakehand_domain::fault::chain;
use lakehand_domain::id::digest;
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::object_store::{DeleteOutcome, StoreError};

use crate::change::{Changed, change, change_read};
use crate::commit::{Committed, Marked, batches_number};
use crate::error::Stage;
use crate::loading::{LoadError, LoadOutcome, LoadedEntry, Loader, Memory};
use crate::stage::drop_stagings;

const STAGE: Stage = Stage::Finish;

/// Finishes what is marked. One entry that cannot be finished now does not keep the others; it is gathered again, and
/// its marker found.
pub(crate) async fn finish(
    loader: &Loader<'_>,
    memory: &mut Memory,
    committed: Committed,
) -> Result<LoadOutcome, LoadError> {
    let Committed { marked, batches, mut outcome } = committed;
    let family = loader.dataset.family();
    // Before any entry is called loaded: a warehouse restored from before this batch must be noticed.
    if let Some(batches) = batches.filter(|_| !marked.is_empty()) {
        let batches = i64::try_from(batches).unwrap_or(i64::MAX);
        loader.ports.ledger.raise(&batches_number(&family), batches).await.map_err(LoadError::ledger(STAGE))?;
    }
    let finishing = stream::iter(marked.into_iter().map(|marked| async move {
        let id = marked.load.entry.id.clone();
        finish_one(loader, marked).await.map_err(|error| (id, error))
    }));
    let finished: Vec<_> = finishing.buffered(loader.settings.concurrency.max(1)).collect().await;
    drop_stagings(loader, memory).await;
    let mut failed = None;
    for one in finished {
        match one {
            Ok(stored) => outcome.loaded += u64::from(stored),
            Err((id, error)) => {
                memory.pass_over(id, loader.ports.clock.now().plus(loader.settings.poll));
                failed = failed.or(Some(error));
            }
        }
    }
    failed.map_or(Ok(outcome), Err)
}

/// Finishes one load; gives whether its entry is loaded now and was not before.
pub(crate) async fn finish_one(loader: &Loader<'_>, marked: Marked) -> Result<bool, LoadError> {
    let Marked { load, batch } = marked;
    let (entry, manifest) = (&load.entry, &load.manifest);
    after_load(loader, entry).await.map_err(LoadError::store(STAGE))?;
    let load_id = &entry.load_id;
    let ports = loader.ports;
    let make = |entry: &Entry| entry.loaded(load_id, &batch, ports.clock.now());
    match change_read(ports.ledger.as_ref(), entry, make).await.map_err(LoadError::ledger(STAGE))? {
        Changed::Stored(_) => {
            let rows = manifest.tables.iter().map(|table| (table.table.clone(), table.rows)).collect();
            let loaded = LoadedEntry {
                entry: entry.id.clone(),
                object: entry.object.uri.clone(),
                load_id: load_id.clone(),
                rows,
                rejects: manifest.rejects.total(),
                batch,
            };
            tracing::info!(
                dataset.id = %entry.dataset,
                entry.id = %entry.id,
                object.uri = %entry.object.uri,
                load.id = %load_id,
                rows = manifest.rows(),
                rejects = loaded.rejects,
                "loaded"
            );
            loader.observer.loaded(&entry.dataset, &loaded);
            Ok(true)
        }
        Changed::AlreadySo(_) => Ok(false),
        Changed::Refused(_, now) if now.generation > entry.generation => {
            let summary = entry.summary().cloned();
            let live = summary.map(|summary| LiveLoad {
                load_id: load_id.clone(),
                generation: entry.generation,
                fingerprint: entry.fingerprint.clone(),
                batch,
                at: ports.clock.now(),
                summary,
            });
            if let Some(live) = live {
                found_live(loader, entry, live).await?;
            }
            Ok(false)
        }
        Changed::Refused(..) | Changed::Missing => {
            tracing::debug!(entry.id = %entry.id, load.id = %load_id, "marked, and its entry has moved on");
            Ok(false)
        }
    }
}

/// The entry of a load that is marked was begun anew meanwhile: the ledger learns what is live until the newer generation
/// is loaded, if ever it is.
pub(crate) async fn found_live(loader: &Loader<'_>, entry: &Entry, live: LiveLoad) -> Result<(), LoadError> {
    let (load_id, generation) = (live.load_id.clone(), live.generation);
    let make = |entry: &Entry| entry.found_live(live.clone());
    let changed = change(loader.ports.ledger.as_ref(), &entry.id, make).await.map_err(LoadError::ledger(STAGE))?;
    if let Changed::Stored(stored) = changed {
        tracing::warn!(
            dataset.id = %stored.dataset,
            entry.id = %stored.id,
            object.uri = %stored.object.uri,
            load.id = %load_id,
            "generation {generation} of it is in the warehouse, and was committed when generation {} had begun",
            stored.generation
        );
    }
    Ok(())
}

/// The key in the archive: that of the object, with its version before the file's name, so that tomorrow's file of the
/// same name does not take the place of today's.
fn archived_key(object: &ObjectStat) -> String {
    let key = object.uri.key();
    let (folder, name) = key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
    let version = &digest(&[object.version.as_str().as_bytes()])[..12];
    if folder.is_empty() { format!("{version}-{name}") } else { format!("{folder}/{version}-{name}") }
}

/// Does with the source what the definition of its own dataset says, which in a family need not be the loader's; where
/// nobody here knows it, nothing. Only the version that was read is touched; where it is gone or replaced there is nothing
/// left to do.
async fn after_load(loader: &Loader<'_>, entry: &Entry) -> Result<(), StoreError> {
    let object = &entry.object;
    let ours = (entry.dataset == loader.dataset.id).then_some(loader.dataset);
    let Some(dataset) = ours.or_else(|| loader.ports.catalog.get(&entry.dataset)) else { return Ok(()) };
    match &dataset.source.after_load {
        AfterLoad::Keep => return Ok(()),
        AfterLoad::Tag { key, value } => {
            return match loader.ports.landing.tag(object, key, value).await {
                Ok(()) | Err(StoreError::NotFound { .. } | StoreError::Changed { .. }) => Ok(()),
                Err(error) => Err(error),
            };
        }
        AfterLoad::Delete => {}
        AfterLoad::Archive(prefix) => {
            let to = prefix.join(&archived_key(object));
            match loader.ports.landing.copy(object, &to).await {
                Ok(()) => {}
                Err(StoreError::NotFound { .. } | StoreError::Changed { .. }) => return Ok(()),
                // Its load is in the warehouse, and must not wait for somebody to restore it.
                Err(error @ StoreError::Archived { .. }) => {
                    tracing::warn!(object.uri = %object.uri, error = chain(&error), "it is loaded, and left where it is");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }
    match loader.ports.landing.delete(object).await {
        Ok(DeleteOutcome::Deleted) | Err(StoreError::NotFound { .. }) => Ok(()),
        Ok(DeleteOutcome::Changed) => {
            tracing::debug!(object.uri = %object.uri, "it was replaced by another version, which stays");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
