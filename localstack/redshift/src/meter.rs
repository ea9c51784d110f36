//! Counts requests, and throttles those above the account's quota.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::options::Quota;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// The requests of a stand-in.
#[derive(Debug)]
pub(crate) struct Meter {
    quota: Option<Quota>,
    counts: Mutex<BTreeMap<String, Count>>,
}

#[derive(Debug, Default)]
struct Count {
    all: u64,
    /// The second that is counted, and how many in it.
    second: i64,
    within: u32,
}

impl Meter {
    pub(crate) fn new(quota: Option<Quota>) -> Self {
        Self { quota, counts: Mutex::default() }
    }

    /// Counts a request. Returns whether it is within the quota.
    pub(crate) fn count(&self, operation: &str, now: i64) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(operation.to_owned()).or_default();
        count.all += 1;
        if count.second != now / SECOND {
            (count.second, count.within) = (now / SECOND, 0);
        }
        count.within += 1;
        let most = self.quota.and_then(|quota| match operation {
            "ExecuteStatement" => Some(quota.execute),
            "BatchExecuteStatement" => Some(quota.batch_execute),
            "DescribeStatement" => Some(quota.describe),
            _ => None,
        });
        most.is_none_or(|most| count.within <= most)
    }

    /// All requests there were, by operation.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(operation, count)| (operation.clone(), count.all)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_the_quota_in_a_second_is_throttled() {
        let meter = Meter::new(Some(Quota { execute: 2, batch_execute: 1, describe: 1 }));
        let taken: Vec<bool> = (0..3).map(|_| meter.count("ExecuteStatement", 10 * SECOND)).collect();
        assert_eq!(taken, [true, true, false]);
        assert!(meter.count("ExecuteStatement", 11 * SECOND));
        assert!((0..9).all(|_| meter.count("CancelStatement", 11 * SECOND)));
        assert_eq!(meter.requests()["ExecuteStatement"], 4);
    }
}
