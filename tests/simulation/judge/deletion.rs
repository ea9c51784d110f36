//! What must hold when something is deleted, or committed.

use std::time::Duration;

use lakehand_domain::entry::StateName;
use lakehand_domain::id::{DatasetId, LoadId};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::timestamp::Timestamp;

use super::{Judge, dataset_of, told};

/// A pass that was under way when loading was paused is over after so long, where nothing goes wrong.
const LONGEST_PASS: Duration = Duration::from_secs(15);

impl Judge {
    /// Whether this version lies in the landing now.
    pub(super) fn is_there(&self, stat: &ObjectStat) -> bool {
        self.landing.stat_now(&stat.uri).is_ok_and(|there| there.version == stat.version)
    }

    /// A process deleted a source: its rows are in the warehouse, and it is in the archive, where there is one.
    pub(crate) fn source_deleted(&self, stat: &ObjectStat) {
        let Some(dataset) = dataset_of(&stat.uri) else { return };
        let seen = self.seen();
        let is_it = |known: &&ObjectStat| known.uri == stat.uri && known.version == stat.version;
        let entry = seen.versions.values().find(|version| is_it(&&version.stat)).map(|version| version.entry.clone());
        // Of what was committed before a restore, a loader that runs on may finish the source just after it.
        let is_late = seen
            .warehouse_restored
            .as_ref()
            .is_some_and(|(at, _)| self.timeline.now().since(*at) < Duration::from_mins(1));
        let was_marked = entry.as_ref().is_some_and(|entry| seen.ever_marked.contains(entry));
        drop(seen);
        let is_marked = self.markers(dataset).iter().any(|marker| Some(&marker.entry) == entry.as_ref());
        let is_told = is_marked || is_late && was_marked;
        if !is_told {
            self.fail(format!("{} {} was deleted, and is not in the warehouse", stat.uri, stat.version));
        }
        let Some(archive) = self.plan.datasets[dataset].after_load.strip_prefix("s3://archive/") else { return };
        let below = super::uri(&format!("s3://archive/{archive}"));
        let listed = self.landing.list_now(&below, None, usize::MAX).map(|page| page.objects).unwrap_or_default();
        let name = format!("-{}", stat.uri.file_name());
        if !listed.iter().any(|kept| kept.uri.file_name().ends_with(&name) && kept.size == stat.size) {
            self.fail(format!("{} {} was deleted, and is not in the archive", stat.uri, stat.version));
        }
    }

    /// A process deleted something of a load from the lake: nobody needs it any more.
    pub(crate) fn part_deleted(&self, part: &ObjectUri) {
        let Some(load) = part.file_name().get(..32).map(LoadId::new) else { return };
        let marked = (0..self.plan.datasets.len()).flat_map(|dataset| self.markers(dataset));
        if let Some(marker) = marked.into_iter().find(|marker| marker.load_id == load) {
            self.fail(format!("{part} was deleted, and its load is live: {marker:?}"));
        }
        let entries = self.ledger.entries();
        let named = entries.iter().find(|entry| {
            let (live, unloaded) = (entry.live.as_ref(), entry.unloaded.as_ref());
            // A claim needs what it writes itself, and not what is left of the same load from before the ledger lost it: a
            // deletion takes what is old, by its version. Had it taken more, the end would show it.
            let is_claimed = entry.state_name() == StateName::Claimed;
            entry.load_id == load && !is_claimed
                || live.is_some_and(|live| live.load_id == load)
                || unloaded.is_some_and(|unloaded| unloaded.load_id == load)
        });
        if let Some(entry) = named {
            self.fail(format!("{part} was deleted, and its load is named: {}", told(entry)));
        }
    }

    /// Loading is paused until then; or, where that is over, not any more.
    pub(crate) fn paused(&self, dataset: Option<usize>, until: Timestamp) {
        let now = self.timeline.now();
        let mut seen = self.seen();
        let since = seen.pauses.get(&dataset).filter(|(_, until)| *until > now).map_or(now, |(since, _)| *since);
        seen.pauses.insert(dataset, (since, until));
    }

    /// A commit is sent.
    pub(crate) fn commits(&self, dataset: &DatasetId) {
        if self.plan.faults != crate::wire::Faults::default() {
            return;
        }
        let (now, seen) = (self.timeline.now(), self.seen());
        let is_held = |paused: Option<usize>| {
            let (since, until) = seen.pauses.get(&paused)?;
            (now > since.plus(LONGEST_PASS) && now.plus(super::SKEW) < *until).then_some(*since)
        };
        let number = dataset.as_str().strip_prefix('d').and_then(|number| number.parse().ok());
        let held = is_held(None).or_else(|| is_held(Some(number?)));
        drop(seen);
        if let Some(since) = held {
            self.fail(format!("a batch of {dataset} was committed, and its loading is paused since {since}"));
        }
    }
}
