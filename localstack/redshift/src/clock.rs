//! Time: when statements were made, and when tokens and results are forgotten.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tells the time. Waits for statements are in real time; only lifetimes go by this clock.
pub trait Clock: Debug + Send + Sync {
    /// Microseconds since 1970 began, UTC.
    fn now_micros(&self) -> i64;
}

/// Time as the system tells it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "this is the clock that the stand-in uses")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        micros(since)
    }
}

/// The system's time, moved on by hand: a test need not wait for a day to pass.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    ahead: AtomicI64,
}

impl ShiftedClock {
    /// Lets so much time pass at once.
    pub fn advance(&self, by: Duration) {
        self.ahead.fetch_add(micros(by), Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now_micros(&self) -> i64 {
        SystemClock.now_micros().saturating_add(self.ahead.load(Ordering::SeqCst))
    }
}

/// A duration as the clock counts.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
