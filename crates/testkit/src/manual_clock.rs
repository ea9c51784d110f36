//! A clock that stands still until a test moves it.

use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::clock::Clock;
use lakehand_domain::timestamp::Timestamp;
use tokio::sync::watch;

/// Time moves by [`ManualClock::advance`], or, where a test says so, by every sleep itself.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
    sleeping_advances: bool,
}

impl ManualClock {
    /// Stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self { now: watch::channel(start).0, sleeping_advances: false }
    }

    /// Stands at `start`; a sleep moves it by its own length and returns at once.
    pub fn hurrying(start: Timestamp) -> Self {
        Self { now: watch::channel(start).0, sleeping_advances: true }
    }

    /// Moves on; sleepers whose time has come wake.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.plus(by));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        if self.sleeping_advances {
            self.advance(duration);
            tokio::task::yield_now().await;
            return;
        }
        let mut now = self.now.subscribe();
        let wake_at = now.borrow().plus(duration);
        // The sender lives as long as this clock, which the caller borrows: waiting cannot fail.
        drop(now.wait_for(|now| *now >= wake_at).await);
    }
}
