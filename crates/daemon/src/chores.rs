//! What is done again and again, whatever the files, and how each of it goes. One failure is tried again and no matter of
//! health; many in a row are.

use std::collections::BTreeMap;

use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::observe::LeaseKind;

/// What is done again and again, and fails by no file's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chore {
    /// Work on files: stores, ledger, disk and network, as far as it needs them.
    Intake,
    /// Messages are deleted from the queue, or hidden until they can go on.
    Settle,
    /// The visibility of messages in work is prolonged.
    Visibility,
    /// The leases of entries in work are prolonged.
    Leases,
    /// Dead letters are sent.
    Letters,
    /// Claims of lost workers are asked for.
    SweepClaims,
    /// Staging tables of lost loaders are dropped.
    SweepStagings,
    /// What is dead in the lake is deleted.
    SweepLake,
}

impl Chore {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Intake,
        Self::Settle,
        Self::Visibility,
        Self::Leases,
        Self::Letters,
        Self::SweepClaims,
        Self::SweepStagings,
        Self::SweepLake,
    ];

    /// As a word to filter by.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Settle => "settle",
            Self::Visibility => "visibility",
            Self::Leases => "leases",
            Self::Letters => "letters",
            Self::SweepClaims => "sweep_claims",
            Self::SweepStagings => "sweep_stagings",
            Self::SweepLake => "sweep_lake",
        }
    }

    /// What is wrong where it fails again and again.
    pub fn trouble(self) -> &'static str {
        match self {
            Self::Intake => "files are not taken in",
            Self::Settle => "messages cannot be settled, and are delivered again and again",
            Self::Visibility => {
                "the visibility of messages cannot be prolonged, so that files that take long never end"
            }
            Self::Leases => "leases cannot be prolonged, so that files that take long never end",
            Self::Letters => "dead letters cannot be sent, and wait in the ledger",
            Self::SweepClaims => "files whose worker was lost are not asked for",
            Self::SweepStagings => "old staging tables are not dropped",
            Self::SweepLake => "the lake is not swept",
        }
    }

    /// The prolonging of leases of this kind.
    pub(crate) fn of_lease(lease: LeaseKind) -> Self {
        match lease {
            LeaseKind::Message => Self::Visibility,
            LeaseKind::Entry => Self::Leases,
        }
    }
}

/// How something goes that is done again and again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Streak {
    /// How often in a row it failed. No file loses an attempt by it.
    pub failures: u32,
    /// What failed last; `None` once it went well.
    pub last_error: Option<String>,
    /// Since when.
    pub failing_since: Option<Timestamp>,
}

impl Streak {
    /// So many failures in a row are no accident.
    pub const MANY: u32 = 3;

    /// Whether it failed so often in a row that it is no accident.
    pub fn is_long(&self) -> bool {
        self.failures >= Self::MANY
    }

    fn failed(&mut self, error: &str, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some(error.to_owned());
        self.failing_since.get_or_insert(now);
    }
}

/// How all of it goes. What has not failed since it went well last is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chores(BTreeMap<Chore, Streak>);

impl Chores {
    /// How this goes.
    pub fn of(&self, chore: Chore) -> Option<&Streak> {
        self.0.get(&chore)
    }

    /// What fails again and again, and how.
    pub fn troubles(&self) -> impl Iterator<Item = (Chore, &Streak)> {
        self.0.iter().filter(|(_, streak)| streak.is_long()).map(|(chore, streak)| (*chore, streak))
    }

    /// It went well, or did not: why. Gives whether that is news.
    pub(crate) fn went(&mut self, chore: Chore, outcome: Result<(), &str>, now: Timestamp) -> bool {
        match outcome {
            Ok(()) => self.0.remove(&chore).is_some(),
            Err(error) => {
                self.0.entry(chore).or_default().failed(error, now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_no_trouble_many_are_and_one_success_ends_it() {
        let (mut chores, at) = (Chores::default(), |second: i64| Timestamp::from_micros(second * 1_000_000));
        assert!(!chores.went(Chore::Letters, Ok(()), at(0)), "no news");
        for second in 1..=3 {
            assert_eq!(chores.troubles().count(), 0);
            assert!(chores.went(Chore::Letters, Err(&format!("away {second}")), at(second)));
            assert!(chores.went(Chore::Settle, Err("away"), at(second)));
            assert!(chores.went(Chore::Settle, Ok(()), at(second)));
        }
        let troubles: Vec<_> = chores.troubles().collect();
        let [(Chore::Letters, streak)] = troubles.as_slice() else { panic!("{troubles:?}") };
        assert_eq!((streak.last_error.as_deref(), streak.failing_since), (Some("away 3"), Some(at(1))));
        assert!(chores.went(Chore::Letters, Ok(()), at(4)));
        assert_eq!(chores, Chores::default());
    }
}
