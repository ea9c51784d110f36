//! What must hold all along and at the end.

mod deletion;
mod ending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::{Entry, EntryState, SetAsideKind, StateName};
use lakehand_domain::id::{EntryId, LoadId};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::OwnMessage;
use lakehand_domain::shape::lineage;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::Marker;
use lakehand_testkit::memory::ledger::MemoryLedger;
use lakehand_testkit::memory::object_store::MemoryStore;
use lakehand_testkit::memory::warehouse::{Family, Kept, MemoryWarehouse, Standing};
use serde_json::Value;

use crate::definitions::{LAKE, catalog, family as family_of, uri};
use crate::model::{self, Live, Version};
use crate::plan::{Plan, Revision};
use crate::process::Process;
use crate::timeline::Timeline;

/// The most that clocks of two processes differ from the services'.
const SKEW: Duration = Duration::from_secs(1);

/// Looks on, and remembers the first thing that should not be.
#[derive(Debug)]
pub(crate) struct Judge {
    plan: Plan,
    timeline: Arc<Timeline>,
    ledger: Arc<MemoryLedger>,
    landing: MemoryStore,
    lake: MemoryStore,
    warehouse: Mutex<Option<Arc<MemoryWarehouse>>>,
    /// Which definition each fingerprint is of.
    fingerprints: BTreeMap<String, (usize, Revision)>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    failure: Option<String>,
    letters: Vec<DeadLetter>,
    versions: BTreeMap<EntryId, Version>,
    /// Loads that were marked at the last look.
    marked: BTreeSet<LoadId>,
    /// Entries that were marked once.
    ever_marked: BTreeSet<EntryId>,
    /// Entries that were written once.
    ever_written: BTreeSet<EntryId>,
    /// Since when loading of a dataset, or of all, is paused without a break, and until when.
    pauses: BTreeMap<Option<usize>, (Timestamp, Timestamp)>,
    /// Entries that were written or set aside once; a later claim of one is another message's.
    answered: BTreeSet<EntryId>,
    /// Messages that are no messages.
    junk: Vec<String>,
    /// Objects that were announced and are no dataset's.
    strays: BTreeSet<ObjectUri>,
    /// When the warehouse was restored while loaders ran, and the loads that were marked until then.
    warehouse_restored: Option<(Timestamp, BTreeSet<LoadId>)>,
}

/// An entry in a few words.
pub(crate) fn told(entry: &Entry) -> String {
    let Entry { id, generation, revision, token, .. } = entry;
    let state = match &entry.state {
        EntryState::Claimed { lease: Some(lease), .. } => format!("claimed by {}", lease.worker),
        EntryState::Claimed { lease: None, retry_at } => {
            format!("given back until {}", retry_at.map_or_else(|| "now".to_owned(), |at| at.to_string()))
        }
        EntryState::SetAside { reason, told, .. } => format!("set aside as {} told {told}", reason.kind),
        other => format!("{}", Entry { state: other.clone(), ..entry.clone() }.state_name()),
    };
    let live = entry.live.as_ref().map_or_else(String::new, |live| format!(" live {}", live.load_id));
    let (uri, load, token) = (entry.object.uri.key(), &entry.load_id, token.0);
    let version = &entry.object.version;
    format!("{uri}@{version} {id} generation {generation} load {load} revision {revision} token {token}: {state}{live}")
}

impl Judge {
    pub(crate) fn new(
        plan: &Plan,
        timeline: Arc<Timeline>,
        ledger: Arc<MemoryLedger>,
        landing: MemoryStore,
        lake: MemoryStore,
    ) -> Self {
        let mut fingerprints = BTreeMap::new();
        for (number, dataset) in plan.datasets.iter().enumerate() {
            for at in 0..dataset.revisions.len() {
                let mut revisions = vec![0; plan.datasets.len()];
                revisions[number] = at;
                for known in catalog(plan, &revisions).iter().filter(|known| known.id.as_str() == format!("d{number}"))
                {
                    fingerprints.insert(known.fingerprint.to_string(), (number, dataset.revisions[at]));
                }
            }
        }
        let (warehouse, seen) = (Mutex::default(), Mutex::default());
        Self { plan: plan.clone(), timeline, ledger, landing, lake, warehouse, fingerprints, seen }
    }

    /// The warehouse to look at.
    pub(crate) fn watch(&self, warehouse: Arc<MemoryWarehouse>) {
        *self.warehouse.lock().unwrap_or_else(PoisonError::into_inner) = Some(warehouse);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn family(&self, dataset: usize) -> Option<Family> {
        let warehouse = self.warehouse.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        warehouse.family(&family_of(&self.plan, dataset))
    }

    /// The markers of one dataset.
    fn markers(&self, dataset: usize) -> Vec<Marker> {
        let family = self.family(dataset);
        let is_ours = |marker: &&Marker| marker.dataset.as_str() == format!("d{dataset}");
        family.iter().flat_map(|family| family.markers().filter(is_ours).cloned().collect::<Vec<_>>()).collect()
    }

    pub(crate) fn fail(&self, message: impl Into<String>) {
        let message = message.into();
        self.timeline.trace(|| format!("FAILURE {message}"));
        self.seen().failure.get_or_insert(message);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.seen().failure.clone()
    }

    pub(crate) fn landed(&self, version: Version) {
        self.seen().versions.insert(version.entry.clone(), version);
    }

    pub(crate) fn junk(&self, body: &str) {
        self.seen().junk.push(body.to_owned());
    }

    pub(crate) fn stray(&self, object: ObjectUri) {
        self.seen().strays.insert(object);
    }

    pub(crate) fn warehouse_restored(&self) {
        let families: Vec<Family> = (0..self.plan.datasets.len()).filter_map(|number| self.family(number)).collect();
        let marked = families.iter().flat_map(Family::markers).map(|marker| marker.load_id.clone()).collect();
        self.seen().warehouse_restored = Some((self.timeline.now(), marked));
    }

    pub(crate) fn ledger_restored(&self) {
        // Until when loading is paused is the ledger's to remember.
        self.seen().pauses.clear();
    }

    pub(crate) fn letter(&self, body: &str) {
        match serde_json::from_str(body) {
            Ok(letter) => self.seen().letters.push(letter),
            Err(error) => self.fail(format!("a dead letter cannot be read: {error}: {body}")),
        }
    }

    /// A message was deleted: nothing it asks for is left undone.
    pub(crate) fn deleted(&self, before: &[String], after: &[String]) {
        let mut left = after.to_vec();
        for body in before {
            if let Some(at) = left.iter().position(|kept| kept == body) {
                left.swap_remove(at);
                continue;
            }
            for object in objects_of(body) {
                self.answered_for(&object, body);
            }
        }
    }

    fn answered_for(&self, object: &ObjectUri, body: &str) {
        let entries = self.ledger.entries();
        let mut of_object = entries.iter().filter(|entry| entry.object.uri == *object).peekable();
        let lettered = || self.seen().letters.iter().any(|letter| letter.object.as_ref() == Some(object));
        let answered = self.seen().answered.clone();
        let is_done = |entry: &Entry| answered.contains(&entry.id);
        // Of an object that is gone the ledger may know nothing, or a claim that another message answers for.
        if of_object.peek().is_none() && !lettered() {
            self.fail(format!("a message was deleted, and nothing is known of {object}: {body}"));
        } else if of_object.peek().is_some() && !of_object.any(is_done) && !lettered() {
            self.fail(format!("a message was deleted before {object} was written: {body}"));
        }
    }

    /// What readers of the warehouse see: object, record and key of each row.
    pub(crate) fn visible(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for number in 0..self.plan.datasets.len() {
            let family = self.family(number);
            let is_ours = |kept: &&Kept| kept.table().starts_with(&format!("d{number}_"));
            let ours = family.iter().flat_map(Family::rows).filter(is_ours);
            let visible = ours.filter(|kept| kept.standing() == Standing::Visible);
            let columns = [lineage::OBJECT, lineage::RECORD, "k", "v"];
            let shown = |kept: &Kept| columns.map(|column| kept.text(column).unwrap_or_default()).join(" ");
            rows.extend(visible.map(|kept| format!("{} {}", kept.table(), shown(kept))));
        }
        rows.sort();
        rows
    }

    /// An entry was stored by a process.
    pub(crate) fn stored(&self, before: Option<&Entry>, entry: &Entry, process: &Process) {
        if let Some(before) = before {
            self.held(before, entry, process);
            if entry.token < before.token {
                self.fail(format!("the token went back: {} after {}", told(entry), told(before)));
            }
            // Set aside in the end, it would take what was written with it.
            let is_begun_anew = entry.lease().is_some() && entry.generation > before.generation;
            let is_same = entry.fingerprint == before.fingerprint;
            if before.state_name() == StateName::Written && is_begun_anew && is_same {
                self.fail(format!("begun anew before what was written is loaded: {}", told(entry)));
            }
        }
        if entry.load_id != LoadId::of(&entry.id, entry.generation, &entry.fingerprint) {
            self.fail(format!("the load's name is no function of entry, generation and definition: {}", told(entry)));
        }
        if entry.state_name() != StateName::Claimed {
            self.seen().answered.insert(entry.id.clone());
        }
        match &entry.state {
            EntryState::SetAside { summary: Some(summary), .. } => {
                let kept = summary.quarantine.as_ref().filter(|kept| self.lake.stat_now(kept).is_err());
                if let Some(kept) = kept {
                    self.fail(format!("set aside, and its rejects are not in {kept}: {}", told(entry)));
                }
            }
            EntryState::Written { summary, .. } => {
                self.seen().ever_written.insert(entry.id.clone());
                let Some(at) = &summary.manifest else {
                    self.fail(format!("written without a manifest: {}", told(entry)));
                    return;
                };
                if let Err(why) = self.whole(at) {
                    self.fail(format!("{} stored as written, and {why}: {}", process.name, told(entry)));
                }
            }
            EntryState::Loaded { .. } => {
                let dataset = dataset_of(&entry.object.uri);
                let markers = dataset.map(|dataset| self.markers(dataset)).unwrap_or_default();
                let is_marked = markers.iter().any(|marker| marker.load_id == entry.load_id);
                // Of what was committed before a restore, a loader that runs on may say so just after it.
                let is_late = self.seen().warehouse_restored.as_ref().is_some_and(|(at, marked)| {
                    marked.contains(&entry.load_id) && self.timeline.now().since(*at) < Duration::from_mins(1)
                });
                if !is_marked && !is_late {
                    self.fail(format!("called loaded, and the warehouse has no marker: {}", told(entry)));
                }
            }
            _ => {}
        }
    }

    /// Nobody changes what another holds.
    fn held(&self, before: &Entry, entry: &Entry, process: &Process) {
        let Some(lease) = before.lease() else { return };
        if lease.worker.as_str() == process.name || entry.state == before.state {
            return;
        }
        let is_over = self.timeline.now().plus(SKEW) > lease.expires_at;
        let is_taken = entry.token.0 == before.token.0 + 1;
        let unseen = |kind| matches!(kind, SetAsideKind::Gone | SetAsideKind::Replaced);
        // What was written before it was begun anew is all there is of it then.
        let is_back = entry.state_name() == StateName::Written
            && before.unloaded.as_ref().is_some_and(|unloaded| unloaded.load_id == entry.load_id);
        // Or it was whole, and whoever wrote it did not come to say so.
        let is_found = entry.state_name() == StateName::Written && entry.load_id == before.load_id;
        let is_abandoned = matches!(&entry.state, EntryState::SetAside { reason, .. } if unseen(reason.kind));
        let is_abandoned = is_abandoned || is_back || is_found;
        if !is_over || !(is_taken || is_abandoned) {
            self.fail(format!(
                "{} wrote under a lease it has lost: {} after {}",
                process.name,
                told(entry),
                told(before)
            ));
        }
    }

    /// Why the parts of a manifest are not all there, if they are not.
    fn whole(&self, at: &ObjectUri) -> Result<Manifest, String> {
        let read = |uri: &ObjectUri| self.lake.stat_now(uri).and_then(|stat| self.lake.read_now(&stat));
        let bytes = read(at).map_err(|error| format!("its manifest is not there: {error}"))?;
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| format!("its manifest: {error}"))?;
        for part in manifest.parts().map(|(_, part)| part).chain(&manifest.quarantine) {
            let bytes = read(&part.uri).map_err(|error| format!("a part of it is not there: {error}"))?;
            if lakehand_domain::id::digest(&[&bytes]) != part.checksum {
                return Err(format!("its part {} has other bytes", part.uri));
            }
        }
        Ok(manifest)
    }

    /// Something was committed: rows are, at every instant, what the marked loads say.
    pub(crate) fn committed(&self) {
        let mut keys: BTreeMap<usize, BTreeSet<i64>> = BTreeMap::new();
        for (number, dataset) in self.plan.datasets.iter().enumerate() {
            let Some(family) = self.family(number) else { continue };
            let markers = self.markers(number);
            let mut seen = self.seen();
            let marked: BTreeSet<LoadId> = markers.iter().map(|marker| marker.load_id.clone()).collect();
            let mut live = Vec::new();
            let mut entries = BTreeSet::new();
            let mut amiss = None;
            let in_force = |marker: &Marker| family.in_force().iter().any(|one| one.fingerprint == marker.fingerprint);
            // What cannot be read again under the definition in force is loaded as it was written.
            let is_there = |marker: &Marker| {
                let version = seen.versions.get(&marker.entry);
                version.is_some_and(|version| self.is_there(&version.stat))
            };
            let is_new =
                |marker: &&Marker| !seen.marked.contains(&marker.load_id) && !in_force(marker) && is_there(marker);
            if let Some(marker) = markers.iter().find(is_new) {
                amiss = Some(format!("committed under a definition that is not in force: {marker:?}"));
            }
            seen.marked.extend(marked);
            seen.ever_marked.extend(markers.iter().map(|marker| marker.entry.clone()));
            for marker in &markers {
                let version = seen.versions.get(&marker.entry);
                let revision = self.fingerprints.get(marker.fingerprint.as_str());
                if !entries.insert(&marker.entry) {
                    amiss = Some(format!("two markers of entry {}", marker.entry));
                }
                match (version, revision) {
                    (Some(version), Some((_, revision))) => {
                        live.push(Live { version, load: marker.load_id.to_string(), revision: *revision });
                    }
                    _ => amiss = Some(format!("a marker of what never landed: {marker:?}")),
                }
            }
            let mut in_force = family.in_force().iter().filter(|one| one.dataset.as_str() == format!("d{number}"));
            let in_force = in_force.next().and_then(|one| self.fingerprints.get(one.fingerprint.as_str()));
            let none = BTreeSet::new();
            let parents = dataset.parent.map(|parent| keys.get(&parent).unwrap_or(&none));
            let expected =
                in_force.map_or_else(Vec::new, |(_, revision)| model::rows(dataset, *revision, &live, parents));
            keys.insert(number, model::visible_keys(&expected));
            let is_ours = |kept: &&Kept| kept.table().starts_with(&format!("d{number}_"));
            let mut found: Vec<String> = family.rows().filter(is_ours).map(line).collect();
            found.sort();
            drop(seen);
            if let Some(message) = amiss {
                self.fail(message);
            } else if found != expected {
                self.fail(format!(
                    "the rows of d{number} are not what its loads say:{}",
                    difference(&found, &expected)
                ));
            }
        }
    }
}

/// A row as the model writes it.
fn line(kept: &Kept) -> String {
    let text = |column: &str| kept.text(column).unwrap_or_else(|| "-".to_owned());
    let table = if kept.table().ends_with("_u") { "u" } else { "t" };
    let lineage = [lineage::OBJECT, lineage::ORDER].map(text).join(" ");
    let values = [lineage::RECORD, "k", "v", "x1", "x2"].map(text).join(" ");
    format!("{table} {lineage} {} {values} {}", kept.load(), kept.standing().as_str())
}

fn difference(found: &[String], expected: &[String]) -> String {
    let only = |here: &[String], there: &[String], what: &str| -> Vec<String> {
        here.iter().filter(|row| !there.contains(row)).map(|row| format!("\n  {what} {row}")).collect()
    };
    let lines = [only(found, expected, "is there:    "), only(expected, found, "is not there:")].concat();
    if lines.is_empty() { "\n  some rows are there twice".to_owned() } else { lines.concat() }
}

/// The number of the dataset whose object this is.
fn dataset_of(object: &ObjectUri) -> Option<usize> {
    object.key().split('/').next()?.strip_prefix('d')?.parse().ok()
}

/// The objects a message names, as far as it is understood.
fn objects_of(body: &str) -> Vec<ObjectUri> {
    if let Ok(own) = serde_json::from_str::<OwnMessage>(body) {
        return own.objects.into_iter().map(|event| event.uri).collect();
    }
    if let Ok(letter) = serde_json::from_str::<DeadLetter>(body) {
        let original = letter.original.map(|original| objects_of(&original.body)).unwrap_or_default();
        return letter.object.map_or(original, |object| vec![object]);
    }
    let Ok(document) = serde_json::from_str::<Value>(body) else { return Vec::new() };
    let records = document.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
    let key = |record: &Value| record.pointer("/s3/object/key").and_then(Value::as_str).map(str::to_owned);
    records.iter().filter_map(key).map(|key| uri(&format!("s3://landing/{key}"))).collect()
}
