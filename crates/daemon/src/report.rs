//! What a run came to: the numbers a person wants at its end, and whether all of it is well.

use std::collections::BTreeMap;

use lakehand_domain::entry::SetAsideKind;
use lakehand_domain::id::DatasetId;
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::timestamp::Timestamp;

/// What has come of files since the daemon began, as this process did it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Messages received.
    pub messages: u64,
    /// Files whose Parquet this process wrote.
    pub written: u64,
    /// Files whose rows this process loaded.
    pub loaded: u64,
    /// Deliveries of files that had been done before.
    pub done_before: u64,
    /// Records of messages that asked for nothing, by what they were; see [`Tally::OTHERS`].
    pub ignored: BTreeMap<String, u64>,
    /// Files set aside, by reason; those without an entry are counted too.
    pub set_aside: BTreeMap<SetAsideKind, u64>,
    /// Times a file had to wait because something failed that may succeed later.
    pub retried: u64,
    /// Files sent back to transform by loading.
    pub sent_back: u64,
    /// Records read of files that were written or set aside.
    pub records: u64,
    /// Rejected records of files that were written or set aside, by rule and column.
    pub rejects: RejectCounts,
    /// Rows loaded, by dataset and table, whatever their standing.
    pub rows: BTreeMap<DatasetId, BTreeMap<String, u64>>,
    /// When something was last brought to its end.
    pub last_progress: Timestamp,
}

impl Tally {
    /// The kinds of ignored records are the senders' words: beyond [`Tally::KINDS`] of them they are counted as this.
    pub const OTHERS: &'static str = "others";

    /// At most so many kinds of ignored records are told apart.
    pub const KINDS: usize = 40;

    /// A record asked for nothing.
    pub(crate) fn ignore(&mut self, what: &str) {
        let known = self.ignored.len() < Self::KINDS || self.ignored.contains_key(what);
        *self.ignored.entry(if known { what } else { Self::OTHERS }.to_owned()).or_default() += 1;
    }

    /// Records that asked for nothing, whatever they were.
    pub fn ignored_total(&self) -> u64 {
        self.ignored.values().sum()
    }

    /// Files set aside, whatever the reason.
    pub fn set_aside_total(&self) -> u64 {
        self.set_aside.values().sum()
    }

    /// Rows loaded, all datasets and tables together.
    pub fn rows_total(&self) -> u64 {
        self.rows.values().flat_map(BTreeMap::values).sum()
    }
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunReport {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What became of files.
    pub tally: Tally,
    /// What is not finished, each in words: families that could not be loaded, files that wait to be retried, letters
    /// not sent, work that was given back.
    pub unfinished: Vec<Unfinished>,
}

impl RunReport {
    /// Whether every file of this run went through, and nothing waits.
    pub fn is_clean(&self) -> bool {
        self.tally.set_aside_total() == 0 && self.unfinished.is_empty()
    }
}

/// Something that a run left unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// The dataset, where it is about one.
    pub dataset: Option<DatasetId>,
    /// How many files, entries or messages; 0 where it is about none in particular.
    pub count: u64,
    /// What and why, in words.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_of_ignored_records_are_bounded() {
        let mut tally = Tally::default();
        for kind in 0..1_000 {
            tally.ignore(&format!("kind {kind:03}"));
            tally.ignore("kind 000");
        }
        assert_eq!((tally.ignored.len(), tally.ignored_total()), (Tally::KINDS + 1, 2_000));
        assert_eq!((tally.ignored["kind 000"], tally.ignored[Tally::OTHERS]), (1_001, 960));
    }
}
