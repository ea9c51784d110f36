//! A warehouse that knows fewer batches than the ledger remembers was restored from an older state, or is a new one:
//! what the ledger calls loaded and the warehouse does not know waits to be loaded again.
//!
//! A batch that was committed just before a restore can be hidden by one that brings the number back just after it, while
//! loaders run. So what was loaded of late is compared now and then whatever the numbers say.

use std::collections::{BTreeSet, HashMap};

use lakehand_domain::entry::{Entry, Refusal, StateName};
use lakehand_domain::id::{DatasetId, EntryId, FamilyId};
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{Fence, Marker};

use crate::change::{Changed, change};
use crate::commit::STAGE;
use crate::gather::load_of_marker;
use crate::loading::{LoadError, Loader, Memory};

/// Entries on a page, and in one question for markers.
const PAGE: usize = 500;

/// Compares every entry that the ledger has a live load of with the markers, and gives how many wait again. Dying in
/// the middle is harmless: the number of batches is set back only after it.
///
/// One number stands for all datasets of the family: who finds it too low looks after all of them, those included that
/// only the fence knows.
pub(super) async fn reconcile(loader: &Loader<'_>, memory: &mut Memory, fence: &Fence) -> Result<u64, LoadError> {
    tracing::warn!(dataset.id = %loader.dataset.id, "the warehouse is older than the ledger remembers; looking for what it has lost");
    let of_fence = fence.in_force.iter().chain(&fence.retired).map(|definition| definition.dataset.clone());
    let of_catalog = loader.ports.catalog.of_family(&fence.family).map(|dataset| dataset.id.clone());
    let datasets: BTreeSet<DatasetId> = of_fence.chain(of_catalog).chain([loader.dataset.id.clone()]).collect();
    let mut restored = 0;
    for dataset in datasets {
        restored += compare(loader, memory, &fence.family, dataset, None).await?;
    }
    tracing::warn!(dataset.id = %loader.dataset.id, entries = restored, "entries that the warehouse has lost wait to be loaded again");
    Ok(restored)
}

/// Compares the entries of the loader's dataset that changed since then. Each dataset of a family has a loader that does.
pub(super) async fn look_anew(
    loader: &Loader<'_>,
    memory: &mut Memory,
    family: &FamilyId,
    since: Timestamp,
) -> Result<u64, LoadError> {
    let restored = compare(loader, memory, family, loader.dataset.id.clone(), Some(since)).await?;
    if restored > 0 {
        tracing::warn!(dataset.id = %loader.dataset.id, entries = restored, "entries that the warehouse has lost wait to be loaded again");
    }
    Ok(restored)
}

async fn compare(
    loader: &Loader<'_>,
    memory: &mut Memory,
    family: &FamilyId,
    dataset: DatasetId,
    since: Option<Timestamp>,
) -> Result<u64, LoadError> {
    let mut restored = 0;
    let mut query = EntryQuery { dataset: Some(dataset), since, limit: PAGE, ..EntryQuery::default() };
    // What is changed here moves to the end of the order, where it is no longer loaded.
    loop {
        let page = loader.ports.ledger.list(&query).await.map_err(LoadError::ledger(STAGE))?;
        let live: Vec<Entry> = page.entries.into_iter().filter(|entry| entry.live.is_some()).collect();
        let ids: Vec<EntryId> = live.iter().map(|entry| entry.id.clone()).collect();
        let markers = if ids.is_empty() { Ok(Vec::new()) } else { loader.ports.warehouse.markers(family, &ids).await };
        let markers = markers.map_err(|source| {
            memory.doubt();
            LoadError::Warehouse { stage: STAGE, source }
        })?;
        let marked: HashMap<EntryId, Marker> =
            markers.into_iter().map(|marker| (marker.entry.clone(), marker)).collect();
        for entry in live {
            let known = marked.get(&entry.id);
            if entry.live.as_ref().is_some_and(|live| known.map(|marker| &marker.load_id) != Some(&live.load_id)) {
                restored += u64::from(restore(loader, &entry, known).await?);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(restored),
        }
    }
}

async fn restore(loader: &Loader<'_>, entry: &Entry, known: Option<&Marker>) -> Result<bool, LoadError> {
    let lost = entry.live.as_ref().map(|live| live.load_id.clone());
    let ports = loader.ports;
    let left = match known {
        Some(marker) => load_of_marker(ports, marker).await.map_err(LoadError::store(STAGE))?,
        None => None,
    };
    let make = |entry: &Entry| {
        if entry.live.as_ref().map(|live| &live.load_id) != lost.as_ref() {
            return Err(Refusal::MovedOn { state: entry.state_name() });
        }
        entry.restored(left.clone(), ports.clock.now()).map(Some)
    };
    let changed = change(ports.ledger.as_ref(), &entry.id, make).await.map_err(LoadError::ledger(STAGE))?;
    Ok(matches!(changed, Changed::Stored(entry) if entry.state_name() == StateName::Written))
}
