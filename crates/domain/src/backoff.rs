//! Attempt number to delay, without state.

use std::time::Duration;

/// Doubling delays from `first` up to `most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub first: Duration,
    /// No delay is longer than this.
    pub most: Duration,
}

impl Backoff {
    /// The delay after the `attempt`-th failure (from 1), spread over its upper half by `seed` so that workers that
    /// failed together do not come back together. The same attempt and seed give the same delay.
    pub fn delay(&self, attempt: u32, seed: &str) -> Duration {
        let doubled =
            self.first.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1).min(20)).unwrap_or(u32::MAX));
        let whole = doubled.min(self.most);
        let hash = blake3::hash(format!("{seed}/{attempt}").as_bytes());
        let share = u32::from(hash.as_bytes()[0]);
        whole / 2 + whole / 2 * share / 255
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_mins(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_most_and_stay_in_their_upper_half() {
        let backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_mins(1) };
        for (attempt, whole) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60)] {
            let delay = backoff.delay(attempt, "w");
            assert!(delay >= Duration::from_secs(whole) / 2, "attempt {attempt}: {delay:?}");
            assert!(delay <= Duration::from_secs(whole), "attempt {attempt}: {delay:?}");
        }
        assert_eq!(backoff.delay(3, "a"), backoff.delay(3, "a"));
    }
}
