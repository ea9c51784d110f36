//! What one process remembers of a family between batches. Losing it costs a few calls and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lakehand_domain::entry::Entry;
use lakehand_domain::id::{EntryId, Fingerprint, Nonce};
use lakehand_domain::timestamp::Timestamp;

use crate::loading::loader::Loader;

/// What one process remembers of a family between batches.
#[derive(Debug, Default)]
pub struct Memory {
    /// Fence and marker tables were made.
    pub(crate) ensured: bool,
    /// The ledger knows since when there are workers with this definition.
    pub(crate) known: Option<Fingerprint>,
    /// Definitions that were in force and are not any more, as the fence said last.
    pub(crate) retired: BTreeSet<Fingerprint>,
    /// The warehouse was seen to be ours, complete, and of our definition.
    pub(crate) verified: bool,
    /// This process has met this fence: what the ledger had lost before it began was looked for.
    pub(crate) compared: bool,
    /// Staging tables that we made, or may have made, and that are not known to be dropped.
    pub(crate) stagings: BTreeSet<Nonce>,
    /// What the ledger calls loaded, or has set aside, since then is to be compared with the markers.
    pub(crate) look_since: Option<Timestamp>,
    asked: BTreeMap<EntryId, Timestamp>,
    /// Entries that are marked and could not be finished, and until when they are passed over.
    unfinished: BTreeMap<EntryId, Timestamp>,
    /// Entries of definitions that may be about to come into force, and since when they were seen without a break.
    strangers: BTreeMap<EntryId, Timestamp>,
    /// Entries that nobody can load before somebody acts: until when they are passed over, and why.
    stuck: BTreeMap<EntryId, (Timestamp, String)>,
}

/// So many entries are remembered as asked for; beyond it, asking twice is the lesser evil.
const MOST_ASKED: usize = 10_000;

impl Memory {
    /// After a failure of the warehouse nothing is taken for granted any more: it may come back as an older self.
    pub fn doubt(&mut self) {
        self.make_sure();
        // Nor could anybody else load meanwhile, and put a definition in force.
        self.strangers.clear();
    }

    fn make_sure(&mut self) {
        self.ensured = false;
        self.verified = false;
    }

    /// These entries are of definitions that are not in force.
    pub(crate) fn meet_strangers(&mut self, entries: impl Iterator<Item = EntryId>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.strangers);
        self.strangers = entries.map(|id| before.remove_entry(&id).unwrap_or((id, now))).collect();
    }

    /// Since when this entry was met in every pass, as one of a definition that is not in force.
    pub(crate) fn met(&self, entry: &EntryId) -> Option<Timestamp> {
        self.strangers.get(entry).copied()
    }

    /// Nobody can load this entry before somebody acts. It is passed over for a while, and its reason told.
    pub(crate) fn is_stuck(&mut self, loader: &Loader<'_>, entry: &Entry, why: &str) {
        tracing::error!(
            dataset.id = %entry.dataset,
            entry.id = %entry.id,
            object.uri = %entry.object.uri,
            "{why}; it waits until then"
        );
        let until = loader.ports.clock.now().plus(loader.settings.poll);
        self.pass_over(entry.id.clone(), until);
        if self.stuck.len() < MOST_ASKED {
            self.stuck.insert(entry.id.clone(), (until, format!("{}: {why}", entry.object.uri)));
        }
    }

    /// Those that are looked at again now are stuck only if they still are.
    pub(crate) fn look_at_stuck(&mut self, now: Timestamp) {
        self.stuck.retain(|_, (until, _)| now < *until);
    }

    /// What nobody can load before somebody acts: how many entries, and why the first of them.
    pub(crate) fn told_stuck(&self) -> Option<String> {
        let (_, first) = self.stuck.values().next()?;
        let others = self.stuck.len() - 1;
        Some(if others == 0 { first.clone() } else { format!("{first} (and {others} others)") })
    }

    /// The warehouse is looked at anew, and what was loaded or set aside since then looked for in it. A look that is still to
    /// come looks back as far as it was to.
    pub fn look_anew(&mut self, since: Timestamp) {
        self.make_sure();
        self.look_since = Some(self.look_since.map_or(since, |before| before.min(since)));
    }

    /// Others load and look: a look that is still to come here needs to look back no further than this.
    pub fn others_look(&mut self, since: Timestamp) {
        self.look_since = self.look_since.map(|before| before.max(since));
    }

    /// Names of staging tables that this process made and has not dropped.
    pub fn stagings(&self) -> impl Iterator<Item = &Nonce> {
        self.stagings.iter()
    }

    /// An entry could not be finished: it is passed over until then, so that it does not keep others from being loaded.
    pub(crate) fn pass_over(&mut self, entry: EntryId, until: Timestamp) {
        if self.unfinished.len() < MOST_ASKED {
            self.unfinished.insert(entry, until);
        }
    }

    /// Whether this definition was in force and is not any more: nothing is committed under it.
    pub(crate) fn is_retired(&self, fingerprint: &Fingerprint) -> bool {
        self.retired.contains(fingerprint)
    }

    /// Whether an entry is passed over now.
    pub(crate) fn is_passed_over(&self, entry: &EntryId, now: Timestamp) -> bool {
        self.unfinished.get(entry).is_some_and(|until| now < *until)
    }

    /// Whether to ask for this entry now: it was not, for as long as `again`.
    pub(crate) fn is_to_be_asked(&self, entry: &EntryId, again: Duration, now: Timestamp) -> bool {
        self.asked.get(entry).is_none_or(|at| now >= at.plus(again))
    }

    /// These were asked for.
    pub(crate) fn asked(&mut self, entries: Vec<EntryId>, again: Duration, now: Timestamp) {
        self.asked.retain(|_, at| now < at.plus(again));
        let room = MOST_ASKED.saturating_sub(self.asked.len());
        self.asked.extend(entries.into_iter().take(room).map(|entry| (entry, now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_that_could_not_be_taken_is_made_up_for_by_the_next() {
        let mut memory = Memory::default();
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        for (since, back_to) in [(20, 20), (30, 20), (10, 10)] {
            memory.look_anew(at(since));
            assert_eq!(memory.look_since, Some(at(back_to)));
        }
        memory.others_look(at(5));
        assert_eq!(memory.look_since, Some(at(10)));
        memory.others_look(at(50));
        assert_eq!(memory.look_since, Some(at(50)), "who stood by for long has little to look for");
        let mut memory = Memory::default();
        memory.others_look(at(50));
        assert_eq!(memory.look_since, None, "no look is to come");
    }

    #[test]
    fn a_stranger_is_known_since_it_was_met_first_unless_there_was_a_break() {
        let mut memory = Memory::default();
        let (entry, at) = (EntryId::new("e"), |second: i64| Timestamp::from_micros(second * 1_000_000));
        for second in [10, 20] {
            memory.meet_strangers([entry.clone()].into_iter(), at(second));
            assert_eq!(memory.met(&entry), Some(at(10)));
        }
        memory.look_anew(at(0));
        assert_eq!(memory.met(&entry), Some(at(10)), "a look is no break");
        memory.doubt();
        assert_eq!(memory.met(&entry), None, "nobody could load meanwhile");
        memory.meet_strangers([entry.clone()].into_iter(), at(30));
        memory.meet_strangers(std::iter::empty(), at(40));
        memory.meet_strangers([entry.clone()].into_iter(), at(50));
        assert_eq!(memory.met(&entry), Some(at(50)));
    }

    #[test]
    fn an_unfinished_entry_is_passed_over_for_a_while() {
        let mut memory = Memory::default();
        let (entry, at) = (EntryId::new("e"), |second: i64| Timestamp::from_micros(second * 1_000_000));
        memory.pass_over(entry.clone(), at(10));
        assert!(memory.is_passed_over(&entry, at(9)));
        assert!(!memory.is_passed_over(&entry, at(10)));
    }

    #[test]
    fn an_entry_is_asked_for_again_only_after_a_while() {
        let mut memory = Memory::default();
        let (entry, again) = (EntryId::new("e"), Duration::from_secs(10));
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        assert!(memory.is_to_be_asked(&entry, again, at(0)));
        memory.asked(vec![entry.clone()], again, at(0));
        assert!(!memory.is_to_be_asked(&entry, again, at(9)));
        assert!(memory.is_to_be_asked(&entry, again, at(10)));
        memory.asked(vec![entry.clone()], again, at(10));
        assert!(!memory.is_to_be_asked(&entry, again, at(19)));
    }
}
