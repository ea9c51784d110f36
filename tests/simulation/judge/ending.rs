//! What must hold at the end, once nothing goes wrong any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use lakehand_domain::entry::{Entry, EntryState, SetAsideKind};
use lakehand_domain::id::EntryId;
use lakehand_domain::object::ObjectStat;
use lakehand_domain::warehousing::Marker;
use lakehand_testkit::memory::queue::MemoryQueue;

use super::{Judge, LAKE, Version, family_of, told, uri};

impl Judge {
    /// What still waits; nothing: it has come to its end.
    pub(crate) fn waits_for(&self, queue: &MemoryQueue) -> Option<String> {
        let depth = queue.depth_now();
        if depth.total() > 0 {
            return Some(format!("messages are in the queue: {depth:?} {:?}", queue.bodies()));
        }
        let entries = self.ledger.entries();
        let unfinished = |entry: &&Entry| match &entry.state {
            EntryState::Claimed { .. } | EntryState::Written { .. } => true,
            EntryState::SetAside { told, .. } => !told,
            EntryState::Loaded { .. } => false,
        };
        if let Some(entry) = entries.iter().find(unfinished) {
            return Some(format!("not at its end: {}", told(entry)));
        }
        // A listing does not tell two versions of the same bytes and the same second apart, and nothing is lost by it.
        let is_known = |version: &Version| {
            let same = |seen: &ObjectStat| {
                let mine = &version.stat;
                (&seen.uri, seen.last_modified, &seen.etag) == (&mine.uri, mine.last_modified, &mine.etag)
            };
            entries.iter().any(|entry| entry.id == version.entry || same(&entry.object))
        };
        let unknown = self.current().into_iter().find(|version| !is_known(version));
        if let Some(version) = unknown {
            return Some(format!("nobody knows of {} {}", version.stat.uri, version.stat.version));
        }
        self.amiss().into_iter().next()
    }

    /// The versions that lie in the landing now.
    fn current(&self) -> Vec<Version> {
        let seen = self.seen();
        let is_there = |version: &&Version| self.is_there(&version.stat);
        seen.versions.values().filter(is_there).cloned().collect()
    }

    /// What is not explained, not accounted for, not told. After a fault it may take until the next pass, sweep or
    /// lease to be right; it must not stay.
    fn amiss(&self) -> Vec<String> {
        let mut amiss = Vec::new();
        let found = &mut amiss;
        let entries = self.ledger.entries();
        let mut markers: BTreeMap<EntryId, Marker> = BTreeMap::new();
        for number in 0..self.plan.datasets.len() {
            markers.extend(self.markers(number).into_iter().map(|marker| (marker.entry.clone(), marker)));
        }
        let current: BTreeSet<EntryId> = self.current().into_iter().map(|version| version.entry).collect();
        for entry in &entries {
            let version = self.seen().versions.get(&entry.id).cloned();
            let Some(version) = version else {
                found.push(format!("an entry of what never landed: {}", told(entry)));
                continue;
            };
            explained(entry, &version, current.contains(&entry.id), found);
            Self::loaded(entry, &version, markers.get(&entry.id), found);
            if self.plan.is_long && entry.lapses > 0 {
                found.push(format!("nothing went wrong, and its worker has lost its lease: {}", told(entry)));
            }
        }
        let (ever_marked, ever_written) = {
            let seen = self.seen();
            (seen.ever_marked.clone(), seen.ever_written.clone())
        };
        let told_of = |id: &EntryId| entries.iter().find(|entry| entry.id == *id).map(told);
        for id in ever_marked.iter().filter(|id| !markers.contains_key(id)) {
            found.push(format!("it was in the warehouse once, and is not any more: {id} {:?}", told_of(id)));
        }
        // Files that pass are loaded in the end, and those that do not are set aside for what they are.
        for id in ever_written {
            let entry = entries.iter().find(|entry| entry.id == id);
            let passes = self.seen().versions.get(&id).is_some_and(|version| version.refusal().is_none());
            if passes && entry.is_none_or(|entry| entry.is_set_aside_unseen() && entry.live.is_none()) {
                found.push(format!("it was written once, and is not loaded: {id} {:?}", told_of(&id)));
            }
        }
        for marker in markers.values() {
            if !entries.iter().any(|entry| entry.id == marker.entry) {
                found.push(format!("a marker without an entry: {marker:?}"));
            }
            let manifest = uri(LAKE).join(&format!("{}/_manifests/{}.json", marker.dataset, marker.load_id));
            if let Err(why) = self.whole(&manifest) {
                found.push(format!("the live load {} is not whole: {why}", marker.load_id));
            }
        }
        self.letters(&entries, found);
        amiss
    }

    /// Whether ledger and warehouse say the same, and read is loaded and rejected.
    fn loaded(entry: &Entry, version: &Version, marker: Option<&Marker>, found: &mut Vec<String>) {
        match (&entry.live, marker) {
            (None, None) => {}
            (Some(live), Some(marker)) if live.load_id == marker.load_id => {
                let (records, rejects) = (version.body.lines.len() as u64, version.rejects() as u64);
                if (live.summary.records, live.summary.rejects.total()) != (records, rejects) {
                    found.push(format!(
                        "{} has read {records} and rejected {rejects}: {:?}",
                        told(entry),
                        live.summary
                    ));
                }
                let rows = live.summary.rows.get("t").copied().unwrap_or(0);
                if rows + rejects != records || live.summary.rows != marker.rows || marker.rejects != rejects {
                    found.push(format!("records are lost: {} {:?} {marker:?}", told(entry), live.summary));
                }
            }
            (live, marker) => found.push(format!(
                "ledger and warehouse differ: {} {live:?} {:?}",
                told(entry),
                marker.map(|marker| (&marker.load_id, marker.generation))
            )),
        }
    }

    fn letters(&self, entries: &[Entry], found: &mut Vec<String>) {
        let seen = self.seen();
        for entry in entries.iter().filter(|entry| matches!(entry.state, EntryState::SetAside { .. })) {
            let about = |letter: &&lakehand_domain::dead_letter::DeadLetter| {
                letter.entry.as_ref() == Some(&entry.id) && letter.generation == Some(entry.generation)
            };
            if !seen.letters.iter().any(|letter| about(&letter)) {
                found.push(format!("nobody was told of {}", told(entry)));
            }
        }
        for body in &seen.junk {
            let about = |original: &lakehand_domain::dead_letter::OriginalMessage| original.body == *body;
            if !seen.letters.iter().any(|letter| letter.original.as_ref().is_some_and(about)) {
                found.push(format!("nobody was told of the message {body}"));
            }
        }
        for object in &seen.strays {
            if !seen.letters.iter().any(|letter| letter.object.as_ref() == Some(object)) {
                found.push(format!("nobody was told of {object}, which no dataset claims"));
            }
        }
    }

    /// Once the lake was swept, nothing lies in it that is not of a load somebody names.
    pub(crate) fn swept(&self) {
        if !self.plan.is_swept {
            return;
        }
        let warehouse = self.warehouse.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for family in (0..self.plan.datasets.len()).map(|dataset| family_of(&self.plan, dataset)) {
            let stagings = warehouse.iter().flat_map(|warehouse| warehouse.stagings_now(&family)).count();
            if stagings > 0 {
                self.fail(format!("{stagings} stagings of {family} are left"));
            }
        }
        let mut named: BTreeSet<String> = BTreeSet::new();
        for entry in self.ledger.entries() {
            named.insert(entry.load_id.to_string());
            named.extend(entry.live.map(|live| live.load_id.to_string()));
            named.extend(entry.unloaded.map(|unloaded| unloaded.load_id.to_string()));
        }
        for number in 0..self.plan.datasets.len() {
            named.extend(self.markers(number).iter().map(|marker| marker.load_id.to_string()));
        }
        let listed = self.lake.list_now(&uri(LAKE), None, usize::MAX).map(|page| page.objects).unwrap_or_default();
        for object in listed {
            let name = object.uri.file_name();
            // What a warehouse is tried with is of no load, and stays.
            let is_empty = object.uri.key().contains("/_empty/");
            if !is_empty && !named.iter().any(|load| name.starts_with(load.as_str())) {
                self.fail(format!("{} lies in the lake, and is of no load", object.uri));
            }
        }
    }
}

/// Whether its state is right for what the file is.
fn explained(entry: &Entry, version: &Version, is_current: bool, found: &mut Vec<String>) {
    match (&entry.state, version.refusal()) {
        (EntryState::Loaded { .. }, None) => {}
        (EntryState::Loaded { .. }, Some(why)) => found.push(format!("loaded, and it is {why}: {}", told(entry))),
        (EntryState::SetAside { reason, .. }, refusal) => {
            let is_unseen = matches!(reason.kind, SetAsideKind::Gone | SetAsideKind::Replaced);
            if is_unseen && is_current {
                found.push(format!("set aside as {}, and it is there: {}", reason.kind, told(entry)));
            } else if !is_unseen && Some(reason.kind) != refusal {
                found.push(format!("set aside as {}, and it is {refusal:?}: {}", reason.kind, told(entry)));
            }
        }
        _ => found.push(format!("not at its end: {}", told(entry))),
    }
}
