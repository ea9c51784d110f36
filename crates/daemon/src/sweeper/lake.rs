//! Parts, quarantine and manifests of loads that are dead: replaced by a newer generation, or never finished.
//!
//! A load is dead only if nobody can ever name it again: no entry of the ledger has it as its own or its live load, and
//! no marker of the warehouse names it. What cannot be decided stays.

use std::collections::{BTreeMap, BTreeSet};

use lakehand_dataset::dataset::{AfterLoad, Dataset};
use lakehand_domain::fault::chain;
use lakehand_domain::id::{DatasetId, LoadId};
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::port::object_store::{DeleteOutcome, StoreError};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::loading::{ManifestOfLoad, manifest_of_load};
use lakehand_pipeline::ports::Ports;

use crate::sweeper::revive::{revive, rewrite};
use crate::sweeper::{SweepError, SweeperSettings};

/// Entries on a page of the ledger.
const PAGE: usize = 500;

/// Where the listing of each dataset goes on, and when the last whole one ended.
#[derive(Debug, Default)]
pub(crate) struct LakeSweep {
    after: BTreeMap<DatasetId, String>,
    ended: Option<Timestamp>,
}

impl LakeSweep {
    pub(crate) fn is_due(&self, now: Timestamp, settings: &SweeperSettings) -> bool {
        !self.after.is_empty() || self.ended.is_none_or(|ended| now >= ended.plus(settings.lake_every))
    }

    /// Lists some of the lake and deletes what is dead. Gives how many objects.
    pub(crate) async fn sweep(&mut self, ports: &Ports, settings: &SweeperSettings) -> Result<u64, SweepError> {
        // A listing that stopped in the middle is gone on with before any other is begun.
        let going_on: Vec<DatasetId> = self.after.keys().cloned().collect();
        let datasets = ports.catalog.iter().filter(|dataset| going_on.is_empty() || going_on.contains(&dataset.id));
        let mut deleted = 0;
        if going_on.is_empty() && ports.catalog.iter().any(|dataset| removes(&dataset.source.after_load)) {
            for prefix in ports.catalog.prefixes() {
                let before = ports.clock.now().minus(settings.part_grace);
                deleted += ports.landing.sweep_unfinished(&prefix, before).await?;
            }
        }
        for dataset in datasets {
            let after = self.after.remove(&dataset.id);
            if after.is_none() {
                let before = ports.clock.now().minus(settings.part_grace);
                deleted += ports.lake.sweep_unfinished(&ports.lake_root.dataset(&dataset.id), before).await?;
            }
            let (some, next) = sweep_dataset(ports, settings, dataset, after).await?;
            deleted += some;
            if let Some(next) = next {
                self.after.insert(dataset.id.clone(), next);
            }
        }
        if self.after.is_empty() {
            self.ended = Some(ports.clock.now());
        }
        Ok(deleted)
    }
}

/// Whether loaded objects leave the landing, where that may have stopped half-way.
fn removes(after_load: &AfterLoad) -> bool {
    matches!(after_load, AfterLoad::Archive(_) | AfterLoad::Delete)
}

async fn sweep_dataset(
    ports: &Ports,
    settings: &SweeperSettings,
    dataset: &Dataset,
    mut after: Option<String>,
) -> Result<(u64, Option<String>), SweepError> {
    let folder = ports.lake_root.dataset(&dataset.id);
    let mut deleted = 0;
    let mut judged: BTreeMap<LoadId, bool> = BTreeMap::new();
    for _ in 0..settings.max_pages {
        let page = ports.lake.list(&folder, after.as_deref(), settings.page).await?;
        let now = ports.clock.now();
        let mut old: BTreeMap<LoadId, Vec<ObjectStat>> = BTreeMap::new();
        for object in page.objects {
            if now < object.last_modified.plus(settings.part_grace) {
                continue;
            }
            if let Some(load_id) = load_of(object.uri.file_name()) {
                old.entry(load_id).or_default().push(object);
            }
        }
        judge(ports, settings, dataset, old.keys(), &mut judged).await?;
        for (load_id, objects) in old.into_iter().filter(|(load_id, _)| judged.get(load_id) == Some(&true)) {
            // The manifest goes last, since it is what tells the entry of the load.
            let manifest = format!("{load_id}.json");
            let (manifests, others): (Vec<_>, Vec<_>) =
                objects.into_iter().partition(|object| object.uri.file_name() == manifest);
            for object in others.into_iter().chain(manifests) {
                deleted += u64::from(delete(ports, settings, &object).await?);
            }
        }
        after = page.next;
        if after.is_none() || deleted >= settings.max_deletions as u64 {
            break;
        }
    }
    Ok((deleted, after))
}

/// The load in the name of a part (`<load>-<n>.parquet`), a manifest (`<load>.json`) or a quarantine part
/// (`<load>.jsonl.zst`). Anything else was not written by us and is left alone.
fn load_of(name: &str) -> Option<LoadId> {
    let (load, rest) = name.split_at_checked(32)?;
    if !load.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return None;
    }
    let is_part = || {
        let number = rest.strip_prefix('-').and_then(|rest| rest.strip_suffix(".parquet"));
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    (rest == ".json" || rest == ".jsonl.zst" || is_part()).then(|| LoadId::new(load))
}

/// Finds out which of these loads are dead.
async fn judge(
    ports: &Ports,
    settings: &SweeperSettings,
    dataset: &Dataset,
    loads: impl Iterator<Item = &LoadId>,
    judged: &mut BTreeMap<LoadId, bool>,
) -> Result<(), SweepError> {
    let mut nameless = BTreeSet::new();
    for load_id in loads {
        if judged.contains_key(load_id) {
            continue;
        }
        match manifest_of_load(ports, &dataset.id, load_id).await? {
            ManifestOfLoad::Whole(manifest, uri) => {
                let id = manifest.entry.clone();
                let dead = match ports.ledger.get(&id).await? {
                    None => {
                        revive(ports, settings, dataset, &manifest, uri).await?;
                        false
                    }
                    // Readers who began before it was replaced are given the whole grace from then on.
                    Some(entry) if ports.clock.now() < entry.updated.plus(settings.part_grace) => false,
                    // It was read once, which the ledger has lost.
                    Some(entry) if entry.is_set_aside_unseen() && entry.live.is_none() => {
                        rewrite(ports, dataset, &manifest, uri).await?;
                        false
                    }
                    Some(entry) => {
                        let (live, unloaded) = (entry.live.as_ref(), entry.unloaded.as_ref());
                        entry.load_id != *load_id
                            && live.is_none_or(|live| live.load_id != *load_id)
                            && unloaded.is_none_or(|unloaded| unloaded.load_id != *load_id)
                    }
                };
                // The warehouse says what is live, whatever the ledger says.
                let dead = dead && {
                    let markers = ports.warehouse.markers(&dataset.family(), std::slice::from_ref(&id)).await?;
                    markers.iter().all(|marker| marker.load_id != *load_id)
                };
                judged.insert(load_id.clone(), dead);
            }
            ManifestOfLoad::NoManifest => {
                nameless.insert(load_id.clone());
            }
            ManifestOfLoad::Unreadable => {
                judged.insert(load_id.clone(), false);
            }
        }
    }
    if nameless.is_empty() {
        return Ok(());
    }
    // Without a manifest the load was never written to its end, or it is one that was set aside and has a quarantine
    // alone. Only the whole ledger can tell.
    judged.extend(nameless.iter().map(|load_id| (load_id.clone(), true)));
    let mut query = EntryQuery { dataset: Some(dataset.id.clone()), limit: PAGE, ..EntryQuery::default() };
    loop {
        let page = ports.ledger.list(&query).await?;
        for entry in page.entries {
            let live = entry.live.map(|live| live.load_id);
            let unloaded = entry.unloaded.map(|unloaded| unloaded.load_id);
            for known in
                [Some(entry.load_id), live, unloaded].into_iter().flatten().filter(|one| nameless.contains(one))
            {
                judged.insert(known, false);
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Deletes an object as it is now, if it is still as old as the listing said.
async fn delete(ports: &Ports, settings: &SweeperSettings, listed: &ObjectStat) -> Result<bool, SweepError> {
    let stat = match ports.lake.stat(&listed.uri).await {
        Ok(stat) => stat,
        Err(StoreError::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if ports.clock.now() < stat.last_modified.plus(settings.part_grace) {
        return Ok(false);
    }
    match ports.lake.delete(&stat).await {
        Ok(DeleteOutcome::Deleted) => {
            tracing::debug!(object.uri = %stat.uri, "deleted: its load is dead");
            Ok(true)
        }
        Ok(DeleteOutcome::Changed) => Ok(false),
        Err(error) => {
            tracing::debug!(object.uri = %stat.uri, error = chain(&error), "not deleted");
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_understood() {
        let load = "0123456789abcdef0123456789abcdef";
        for ours in ["-0.parquet", "-17.parquet", ".json", ".jsonl.zst"] {
            assert_eq!(load_of(&format!("{load}{ours}")), Some(LoadId::new(load)), "{ours}");
        }
        for other in ["", ".parquet", "-.parquet", "-x.parquet", ".csv", ".json.bak", "-1.parquet#2"] {
            assert_eq!(load_of(&format!("{load}{other}")), None, "{other}");
        }
        assert_eq!(load_of("readme.json"), None);
        assert_eq!(load_of("0123456789ABCDEF0123456789abcdef.json"), None);
        assert_eq!(load_of("ééééééééééééééééé.json"), None);
    }
}
