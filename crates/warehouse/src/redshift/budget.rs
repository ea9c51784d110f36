//! How often the Data API may be asked: the service counts the requests of all replicas together, so each keeps to a
//! share of its own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::timestamp::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests a second, and statements under way at once.
#[derive(Debug)]
pub(crate) struct Budget {
    clock: Arc<dyn Clock>,
    /// One request takes this long out of the budget.
    cost: Duration,
    /// So much of it may be saved up.
    saved: Duration,
    /// When the budget will be whole again.
    whole_at: Mutex<Timestamp>,
    active: Arc<Semaphore>,
    most_active: u32,
}

impl Budget {
    pub(crate) fn new(clock: Arc<dyn Clock>, per_second: f64, burst: u32, max_active: usize) -> Self {
        let cost = Duration::from_secs_f64(1.0 / per_second.clamp(1e-3, 1e6));
        let whole_at = Mutex::new(clock.now());
        let most_active = u32::try_from(max_active).unwrap_or(u32::MAX);
        let active = Arc::new(Semaphore::new(max_active));
        Self { clock, cost, saved: cost.saturating_mul(burst), whole_at, active, most_active }
    }

    /// Waits until one more request may be made, and takes it out of the budget.
    pub(crate) async fn request(&self) {
        let wait = self.take(self.clock.now());
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
    }

    fn take(&self, now: Timestamp) -> Duration {
        let mut whole_at = self.whole_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not stop all requests until it has caught up.
        let most = now.plus(self.saved.saturating_mul(2));
        let begin = (*whole_at).clamp(now, most);
        *whole_at = begin.plus(self.cost);
        whole_at.since(now).saturating_sub(self.saved)
    }

    /// Waits until one more statement may be under way; it is until the permit is dropped.
    pub(crate) async fn statement(&self) -> Option<OwnedSemaphorePermit> {
        // Nobody closes the semaphore.
        Arc::clone(&self.active).acquire_owned().await.ok()
    }

    /// Waits until no statement is under way.
    pub(crate) async fn come_to_rest(&self) {
        drop(self.active.acquire_many(self.most_active).await);
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    #[derive(Debug)]
    struct Still;

    #[async_trait]
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(1_000_000_000)
        }

        async fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn a_burst_then_a_steady_rate() {
        let budget = Budget::new(Arc::new(Still), 5.0, 3, 1);
        let at = |millis: i64| Timestamp::from_micros(1_000_000_000 + millis * 1_000);
        let waits: Vec<u128> = (0..5).map(|_| budget.take(at(0)).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 200, 400]);
        // After a pause the burst is there again, and no more than that.
        let waits: Vec<u128> = (0..4).map(|_| budget.take(at(60_000)).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 200]);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing_for_long() {
        let budget = Budget::new(Arc::new(Still), 5.0, 3, 1);
        for _ in 0..4 {
            budget.take(Timestamp::from_micros(1_000_000_000));
        }
        let wait = budget.take(Timestamp::from_micros(0));
        assert!(wait < Duration::from_secs(1), "{wait:?}");
    }

    #[tokio::test]
    async fn statements_wait_for_each_other() {
        let budget = Budget::new(Arc::new(Still), 5.0, 3, 1);
        let first = budget.statement().await;
        assert!(futures::poll!(Box::pin(budget.statement())).is_pending());
        drop(first);
        assert!(budget.statement().await.is_some());
    }
}
