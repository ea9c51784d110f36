//! The machine's clock, for tests of services whose time nobody owns.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use lakehand_domain::clock::Clock;
use lakehand_domain::timestamp::Timestamp;

/// Time as the machine tells it.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealClock;

#[async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "the service under test lives in real time")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    async fn sleep(&self, duration: Duration) {
        #[expect(clippy::disallowed_methods, reason = "the service under test lives in real time")]
        tokio::time::sleep(duration).await;
    }
}
