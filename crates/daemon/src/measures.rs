//! How long things took and how large they were, since the daemon began, as this process saw it.

use std::collections::BTreeMap;
use std::time::Duration;

use lakehand_domain::id::DatasetId;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::observe::LeaseKind;

const MILLIS: u64 = 1_000;
const SECONDS: u64 = 1_000 * MILLIS;

/// Bounds of the time that a stage takes, in microseconds: files of a few KB take milliseconds, large ones minutes.
const STAGES: &[u64] = &[
    MILLIS,
    5 * MILLIS,
    25 * MILLIS,
    100 * MILLIS,
    500 * MILLIS,
    2_500 * MILLIS,
    10 * SECONDS,
    60 * SECONDS,
    300 * SECONDS,
    1_800 * SECONDS,
];
/// Bounds of the age that a message has when it is received, in microseconds.
const AGES: &[u64] = &[
    SECONDS,
    5 * SECONDS,
    15 * SECONDS,
    60 * SECONDS,
    300 * SECONDS,
    900 * SECONDS,
    3_600 * SECONDS,
    21_600 * SECONDS,
    86_400 * SECONDS,
];
/// Bounds of the time that a batch takes, in microseconds.
const BATCHES: &[u64] = &[
    100 * MILLIS,
    500 * MILLIS,
    SECONDS,
    2_500 * MILLIS,
    5 * SECONDS,
    10 * SECONDS,
    30 * SECONDS,
    60 * SECONDS,
    300 * SECONDS,
    1_800 * SECONDS,
];
/// Bounds of the files in a batch.
const FILES: &[u64] = &[1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000];

/// How many values there were up to each of some bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds: the last is of what lies above all of them.
    counts: Vec<u64>,
    sum: u64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    fn add(&mut self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    fn add_time(&mut self, took: Duration) {
        self.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// Each bound, and how many values are not above it.
    pub fn up_to(&self) -> impl Iterator<Item = (u64, u64)> {
        let counted = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(counted)
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All values together.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measures {
    /// How old messages were when they were received, in microseconds, by the clocks of queue and worker.
    pub message_age: Histogram,
    /// When the oldest message that is in work was first sent.
    pub oldest_message: Option<Timestamp>,
    /// How long files, and batches, were in a stage, in microseconds, waiting for room included. Passes of loading that
    /// found nothing are not counted.
    pub stages: BTreeMap<Stage, Histogram>,
    /// Bytes of the objects that were written or set aside.
    pub bytes_read: u64,
    /// Bytes of the Parquet that was written.
    pub bytes_written: u64,
    /// Files of a batch that was loaded.
    pub batch_files: Histogram,
    /// How long a batch that was loaded took from gather to finish, in microseconds.
    pub batch_time: Histogram,
    /// How often a lease was lost before the work under it was done.
    pub lost: BTreeMap<LeaseKind, u64>,
    /// Since when the oldest file of a dataset waits that is neither loaded nor set aside, by the ledger when it was last
    /// asked; `None`: none waits.
    pub unloaded: BTreeMap<DatasetId, Option<Timestamp>>,
}

impl Default for Measures {
    fn default() -> Self {
        Self {
            message_age: Histogram::new(AGES),
            oldest_message: None,
            stages: BTreeMap::new(),
            bytes_read: 0,
            bytes_written: 0,
            batch_files: Histogram::new(FILES),
            batch_time: Histogram::new(BATCHES),
            lost: BTreeMap::new(),
            unloaded: BTreeMap::new(),
        }
    }
}

impl Measures {
    pub(crate) fn received(&mut self, age: Duration) {
        self.message_age.add_time(age);
    }

    pub(crate) fn stage(&mut self, stage: Stage, took: Duration) {
        self.stages.entry(stage).or_insert_with(|| Histogram::new(STAGES)).add_time(took);
    }

    pub(crate) fn batch(&mut self, files: u64, took: Duration) {
        self.batch_files.add(files);
        self.batch_time.add_time(took);
    }

    pub(crate) fn lost(&mut self, lease: LeaseKind) {
        *self.lost.entry(lease).or_default() += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_the_bound_that_they_do_not_exceed() {
        let mut files = Histogram::new(FILES);
        for value in [1, 2, 2, 3, 1_000, 1_001] {
            files.add(value);
        }
        let counted: Vec<_> = files.up_to().collect();
        assert_eq!(counted[..4], [(1, 1), (2, 3), (5, 4), (10, 4)]);
        assert_eq!(counted.last(), Some(&(1_000, 5)));
        assert_eq!((files.count(), files.sum()), (6, 2_009));
    }
}
