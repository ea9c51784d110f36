//! A warehouse that knows fewer batches than the ledger remembers was restored from an older state, or is a new one:
//! what the ledger calls loaded and the warehouse does not know waits to be loaded again.
//!
//! A batch that was committed just before a restore can be hidden by one that brings the number back just after it, while
//! loaders run. So what was loaded of late is compared now and then whatever the numbers say.
//!
//! A ledger that remembers fewer batches than the warehouse may have been restored from a backup: who begins to work with it
//! compares everything once, too.
//!
//! The other way round, a load can be marked of which the ledger was never told: its loader was late, or was not heard and
//! died, while its entry was begun anew under another definition. That generation brings its own rows, unless it is set
//! aside; so what was set aside is compared, too.

use std::collections::{BTreeSet, HashMap};

use lakehand_domain::entry::{Entry, Refusal, StateName};
use lakehand_domain::id::{DatasetId, EntryId, FamilyId};
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{Fence, Marker};

use crate::change::{Changed, change};
use crate::commit::{Marked, STAGE};
use crate::finish::{finish_one, found_live};
use crate::gather::{ReadManifest, WrittenLoad, load_of_marker, read_manifest};
use crate::loading::{LoadError, Loader, Memory};

/// Entries on a page, and in one question for markers.
const PAGE: usize = 500;

/// Compares every entry that the ledger has a live load of, or has set aside, with the markers, and gives how many wait
/// again. Dying in the middle is harmless: the number of batches is set back only after it.
///
/// One number stands for all datasets of the family: who finds it too low looks after all of them, those included that
/// only the fence knows.
pub(super) async fn reconcile(loader: &Loader<'_>, memory: &mut Memory, fence: &Fence) -> Result<u64, LoadError> {
    tracing::warn!(dataset.id = %loader.dataset.id, "warehouse and ledger remember another number of batches; looking for what either has lost");
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
    // What is changed here stays where it is in the order, or moves to its end, where it is as the marker says.
    loop {
        let page = loader.ports.ledger.list(&query).await.map_err(LoadError::ledger(STAGE))?;
        let compared = |entry: &Entry| entry.live.is_some() || entry.state_name() == StateName::SetAside;
        let compared: Vec<Entry> = page.entries.into_iter().filter(compared).collect();
        let ids: Vec<EntryId> = compared.iter().map(|entry| entry.id.clone()).collect();
        let markers = if ids.is_empty() { Ok(Vec::new()) } else { loader.ports.warehouse.markers(family, &ids).await };
        let markers = markers.map_err(|source| {
            memory.doubt();
            LoadError::Warehouse { stage: STAGE, source }
        })?;
        let marked: HashMap<EntryId, Marker> =
            markers.into_iter().map(|marker| (marker.entry.clone(), marker)).collect();
        for entry in compared {
            match difference(&entry, marked.get(&entry.id)) {
                Difference::None => {}
                Difference::Lost(known) => restored += u64::from(restore(loader, &entry, known).await?),
                Difference::Untold(marker) => learn(loader, &entry, marker).await?,
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(restored),
        }
    }
}

/// How what the ledger calls live differs from the marker.
#[derive(Debug, PartialEq, Eq)]
enum Difference<'a> {
    /// Not at all, or in a way that ends with the load under way.
    None,
    /// What is live for the ledger is not in the warehouse any more; what is there instead.
    Lost(Option<&'a Marker>),
    /// A load is in the warehouse that is newer than what the ledger knows to be live, and that nobody will finish.
    Untold(&'a Marker),
}

fn difference<'a>(entry: &Entry, marker: Option<&'a Marker>) -> Difference<'a> {
    let live = entry.live.as_ref();
    if live.map(|live| &live.load_id) == marker.map(|marker| &marker.load_id) {
        return Difference::None;
    }
    let is_newer = |marker: &&Marker| live.is_none_or(|live| live.generation < marker.generation);
    let is_untold = |marker: &&Marker| {
        // What is claimed or written comes to its end by itself, and meets the marker there.
        let is_over = matches!(entry.state_name(), StateName::SetAside | StateName::Loaded);
        let is_lost = marker.load_id == entry.load_id || marker.generation > entry.generation;
        (is_over && is_lost) || marker.generation < entry.generation
    };
    match marker.filter(is_newer).filter(is_untold) {
        Some(marker) => Difference::Untold(marker),
        None if live.is_some() => Difference::Lost(marker),
        None => Difference::None,
    }
}

/// The ledger is told of a load that is marked: the one the entry was set aside with is finished as any other; an earlier
/// one, or one that was lost with the ledger, is live.
async fn learn(loader: &Loader<'_>, entry: &Entry, marker: &Marker) -> Result<(), LoadError> {
    let was_written = entry.summary().is_some_and(|summary| summary.manifest.is_some());
    if marker.load_id == entry.load_id && was_written {
        let read = read_manifest(loader.ports, entry).await.map_err(LoadError::store(STAGE))?;
        if let ReadManifest::Whole(manifest) = read {
            let load = WrittenLoad { entry: entry.clone(), manifest, as_written: None };
            finish_one(loader, Marked { load, batch: marker.batch.clone() }).await?;
        }
        return Ok(());
    }
    match load_of_marker(loader.ports, marker).await.map_err(LoadError::store(STAGE))? {
        Some(live) => found_live(loader, entry, live).await,
        None => Ok(()),
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
        entry.restored(left.clone(), ports.clock.now())
    };
    let changed = change(ports.ledger.as_ref(), &entry.id, make).await.map_err(LoadError::ledger(STAGE))?;
    Ok(matches!(changed, Changed::Stored(entry) if entry.state_name() == StateName::Written))
}
