//! Parts, quarantine and manifests of loads that are dead: replaced by a newer generation, or never finished.
//!
//! A load is dead only if nobody can ever name it again: no entry of the ledger has it as its own or its live load, and
//! no marker of the warehouse names it. What cannot be decided stays.

use std::collections::{BTreeMap, BTreeSet};

use lakehand_dataset::dataset::{AfterLoad, Dataset};
use lakehand_domain::entry::Entry;
use lakehand_domain::fault::chain;
use lakehand_domain::id::{DatasetId, LoadId};
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::port::object_store::{DeleteOutcome, StoreError};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::loading::{ManifestOfLoad, manifest_of_load};
use lakehand_pipeline::ports::Ports;

use crate::sweeper::revive::{revive, rewrite};
use crate::sweeper::{SweepError, SweeperSettings, Turn};

/// Entries on a page of the ledger.
const PAGE: usize = 500;

/// So many objects of loads without a manifest are gathered before the ledger is read through for them.
const MOST_NAMELESS: usize = 5_000;

/// Where the listing of each dataset goes on, when the last whole one ended, and what need not be looked up.
#[derive(Debug, Default)]
pub(crate) struct LakeSweep {
    after: BTreeMap<DatasetId, String>,
    ended: Option<Timestamp>,
    spared: Spared,
}

/// What a sweep of the lake came to, as far as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LakeSwept {
    pub(crate) deleted: u64,
    pub(crate) pages: u64,
    /// Whether the whole lake was seen, in this sweep and those before it.
    pub(crate) ended: bool,
}

/// Loads that are not dead, and until when they are not looked up again.
#[derive(Debug, Default)]
struct Spared(BTreeMap<LoadId, Timestamp>);

impl Spared {
    fn until(&mut self, load_id: LoadId, until: Timestamp, settings: &SweeperSettings) {
        // Beyond it, looking up again is the lesser evil.
        if self.0.len() < settings.remembered || self.0.contains_key(&load_id) {
            self.0.insert(load_id, until);
        }
    }

    fn holds(&self, load_id: &LoadId, now: Timestamp) -> bool {
        self.0.get(load_id).is_some_and(|until| now < *until)
    }

    fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, until| now < *until);
    }
}

impl LakeSweep {
    pub(crate) fn is_due(&self, now: Timestamp, settings: &SweeperSettings) -> bool {
        !self.after.is_empty() || self.ended.is_none_or(|ended| now >= ended.plus(settings.lake_every))
    }

    /// Lists some of the lake and deletes what is dead, page by page, as long as the turn is ours.
    pub(crate) async fn sweep(
        &mut self,
        ports: &Ports,
        settings: &SweeperSettings,
        turn: &Turn<'_>,
        done: &mut LakeSwept,
    ) -> Result<(), SweepError> {
        self.spared.forget(ports.clock.now());
        // A listing that stopped in the middle is gone on with before any other is begun.
        let going_on: Vec<DatasetId> = self.after.keys().cloned().collect();
        let datasets = ports.catalog.iter().filter(|dataset| going_on.is_empty() || going_on.contains(&dataset.id));
        if going_on.is_empty() && ports.catalog.iter().any(|dataset| removes(&dataset.source.after_load)) {
            for prefix in ports.catalog.prefixes() {
                let before = ports.clock.now().minus(settings.part_grace);
                done.deleted += ports.landing.sweep_unfinished(&prefix, before).await?;
            }
        }
        for dataset in datasets {
            let after = self.after.remove(&dataset.id);
            if after.is_none() {
                let before = ports.clock.now().minus(settings.part_grace);
                done.deleted += ports.lake.sweep_unfinished(&ports.lake_root.dataset(&dataset.id), before).await?;
            }
            let spared = &mut self.spared;
            let mut of_dataset = OfDataset { ports, settings, turn, dataset, spared, dead: BTreeSet::new() };
            match of_dataset.sweep(after, done).await? {
                Ended::Whole => {}
                Ended::At(next) => drop(self.after.insert(dataset.id.clone(), next)),
                // Whoever has the turn begins anew.
                Ended::TurnLost => return Ok(()),
            }
        }
        if self.after.is_empty() {
            self.ended = Some(ports.clock.now());
            done.ended = true;
        }
        Ok(())
    }
}

/// Whether loaded objects leave the landing, where that may have stopped half-way.
fn removes(after_load: &AfterLoad) -> bool {
    matches!(after_load, AfterLoad::Archive(_) | AfterLoad::Delete)
}

/// How far the listing of a dataset came.
enum Ended {
    Whole,
    /// As far as one sweep goes; the next one goes on after this.
    At(String),
    TurnLost,
}

struct OfDataset<'a> {
    ports: &'a Ports,
    settings: &'a SweeperSettings,
    turn: &'a Turn<'a>,
    dataset: &'a Dataset,
    spared: &'a mut Spared,
    /// Loads that were found dead in this sweep.
    dead: BTreeSet<LoadId>,
}

impl OfDataset<'_> {
    async fn sweep(&mut self, mut after: Option<String>, done: &mut LakeSwept) -> Result<Ended, SweepError> {
        let folder = self.ports.lake_root.dataset(&self.dataset.id);
        let most = done.deleted + self.settings.max_deletions as u64;
        let mut nameless: BTreeMap<LoadId, Vec<ObjectStat>> = BTreeMap::new();
        let mut pages = 0;
        loop {
            let page = self.ports.lake.list(&folder, after.as_deref(), self.settings.page).await?;
            pages += 1;
            done.pages += 1;
            for (load_id, objects) in self.old(page.objects) {
                match self.verdict(&load_id).await? {
                    Verdict::Dead => self.delete_all(&load_id, objects, done).await?,
                    Verdict::Spared => {}
                    Verdict::Nameless => nameless.entry(load_id).or_default().extend(objects),
                }
            }
            after = page.next;
            let is_over = after.is_none() || pages >= self.settings.max_pages || done.deleted >= most;
            if is_over || nameless.values().map(Vec::len).sum::<usize>() >= MOST_NAMELESS {
                let Some(strays) = self.strays(std::mem::take(&mut nameless)).await? else {
                    return Ok(Ended::TurnLost);
                };
                for (load_id, objects) in strays {
                    self.delete_all(&load_id, objects, done).await?;
                    self.dead.insert(load_id);
                }
            }
            match after.take() {
                None => return Ok(Ended::Whole),
                Some(next) if is_over => return Ok(Ended::At(next)),
                next => after = next,
            }
            if !self.turn.next_page().await? {
                return Ok(Ended::TurnLost);
            }
        }
    }

    /// What is old enough and of our own, by load.
    fn old(&self, objects: Vec<ObjectStat>) -> BTreeMap<LoadId, Vec<ObjectStat>> {
        let now = self.ports.clock.now();
        let mut old: BTreeMap<LoadId, Vec<ObjectStat>> = BTreeMap::new();
        for object in objects {
            if now < object.last_modified.plus(self.settings.part_grace) {
                continue;
            }
            if let Some(load_id) = load_of(object.uri.file_name()) {
                old.entry(load_id).or_default().push(object);
            }
        }
        old
    }

    /// The manifest goes last, since it is what tells the entry of the load.
    async fn delete_all(
        &self,
        load_id: &LoadId,
        objects: Vec<ObjectStat>,
        done: &mut LakeSwept,
    ) -> Result<(), SweepError> {
        let manifest = format!("{load_id}.json");
        let (manifests, others): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.uri.file_name() == manifest);
        for object in others.into_iter().chain(manifests) {
            done.deleted += u64::from(delete(self.ports, self.settings, &object).await?);
        }
        Ok(())
    }
}

/// What is known of a load.
enum Verdict {
    Dead,
    Spared,
    /// It has no manifest: it was never written to its end, or is one that was set aside and has a quarantine alone. Only
    /// the whole ledger can tell.
    Nameless,
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

impl OfDataset<'_> {
    /// Finds out whether a load is dead.
    async fn verdict(&mut self, load_id: &LoadId) -> Result<Verdict, SweepError> {
        let (ports, settings) = (self.ports, self.settings);
        if self.dead.contains(load_id) {
            return Ok(Verdict::Dead);
        }
        let now = ports.clock.now();
        if self.spared.holds(load_id, now) {
            return Ok(Verdict::Spared);
        }
        let (manifest, uri) = match manifest_of_load(ports, &self.dataset.id, load_id).await? {
            ManifestOfLoad::Whole(manifest, uri) => (manifest, uri),
            ManifestOfLoad::NoManifest => return Ok(Verdict::Nameless),
            ManifestOfLoad::Unreadable => {
                self.spared.until(load_id.clone(), now.plus(settings.lake_every), settings);
                return Ok(Verdict::Spared);
            }
        };
        let id = manifest.entry.clone();
        let until = match ports.ledger.get(&id).await? {
            None => {
                revive(ports, settings, self.dataset, &manifest, uri).await?;
                now.plus(settings.lake_every)
            }
            Some(entry) if names(&entry, load_id) => now.plus(settings.remember),
            // Readers who began before it was replaced are given the whole grace from then on.
            Some(entry) if now < entry.updated.plus(settings.part_grace) => entry.updated.plus(settings.part_grace),
            // It was read once, which the ledger has lost.
            Some(entry) if entry.is_set_aside_unseen() && entry.live.is_none() => {
                rewrite(ports, self.dataset, &manifest, uri).await?;
                now.plus(settings.lake_every)
            }
            Some(_) => {
                // The warehouse says what is live, whatever the ledger says.
                let markers = ports.warehouse.markers(&self.dataset.family(), std::slice::from_ref(&id)).await?;
                if markers.iter().all(|marker| marker.load_id != *load_id) {
                    self.dead.insert(load_id.clone());
                    return Ok(Verdict::Dead);
                }
                now.plus(settings.lake_every)
            }
        };
        self.spared.until(load_id.clone(), until, settings);
        Ok(Verdict::Spared)
    }

    /// Those of these loads without a manifest that the ledger does not know; `None`: the turn was lost before all of it
    /// was read. It is read twice, since an entry that moves while it is read may be met nowhere.
    async fn strays(
        &mut self,
        mut nameless: BTreeMap<LoadId, Vec<ObjectStat>>,
    ) -> Result<Option<BTreeMap<LoadId, Vec<ObjectStat>>>, SweepError> {
        for _ in 0..2 {
            if nameless.is_empty() {
                break;
            }
            if !self.without_known(&mut nameless).await? {
                return Ok(None);
            }
            self.ports.clock.sleep(self.ports.ledger.lag()).await;
        }
        Ok(Some(nameless))
    }

    /// Reads through the ledger and leaves those that it does not know. Whether it came to the end.
    async fn without_known(&mut self, nameless: &mut BTreeMap<LoadId, Vec<ObjectStat>>) -> Result<bool, SweepError> {
        let until = self.ports.clock.now().plus(self.settings.remember);
        let mut query = EntryQuery { dataset: Some(self.dataset.id.clone()), limit: PAGE, ..EntryQuery::default() };
        loop {
            let page = self.ports.ledger.list(&query).await?;
            for entry in page.entries {
                let live = entry.live.map(|live| live.load_id);
                let unloaded = entry.unloaded.map(|unloaded| unloaded.load_id);
                for known in [Some(entry.load_id), live, unloaded].into_iter().flatten() {
                    if nameless.remove(&known).is_some() {
                        self.spared.until(known, until, self.settings);
                    }
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(true),
            }
            if !self.turn.next_page().await? {
                return Ok(false);
            }
        }
    }
}

/// Whether an entry has this load as its own, as its live one, or as one that was to be.
fn names(entry: &Entry, load_id: &LoadId) -> bool {
    let live = entry.live.as_ref().map(|live| &live.load_id);
    let unloaded = entry.unloaded.as_ref().map(|unloaded| &unloaded.load_id);
    entry.load_id == *load_id || live == Some(load_id) || unloaded == Some(load_id)
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
