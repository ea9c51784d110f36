//! The only source of time.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::timestamp::Timestamp;

/// Tells the time and waits. Nothing else in lakehand reads a clock, so that a test owns time.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// The instant now, UTC. It may step backwards as any wall clock; leases allow for it.
    fn now(&self) -> Timestamp;

    /// Returns once this long has passed. Cancelled by dropping the future.
    async fn sleep(&self, duration: Duration);
}
