//! What the daemon lends to the work on one message: room, turns, and leases that are prolonged while it lasts.

use std::any::Any;
use std::fmt;
use std::fmt::Debug;

use async_trait::async_trait;
use lakehand_domain::entry::Lease;
use lakehand_domain::id::EntryId;
use tokio_util::sync::CancellationToken;

/// Lends one message what its work needs. The message's own visibility is kept from its receipt on, without being
/// asked for, until [`Keep::let_go`].
#[async_trait]
pub trait Keep: Debug + Send + Sync {
    /// Waits until this many more bytes may be in work. Dropping the guard gives the room back.
    async fn room(&self, bytes: u64) -> Guard;

    /// Waits for a turn at the processors. Dropping the guard passes it on.
    async fn turn(&self) -> Guard;

    /// Prolongs the lease of an entry until the answer is dropped.
    fn lease(&self, entry: &EntryId, lease: &Lease) -> KeptLease;

    /// Keeps the message's visibility no longer: once this returns no prolongation is under way or begins.
    async fn let_go(&self);
}

/// Gives back what was lent when it is dropped.
pub struct Guard(#[expect(dead_code, reason = "held for its drop")] Option<Box<dyn Any + Send + Sync>>);

impl Guard {
    /// Holds `lent` until it is dropped.
    pub fn new(lent: impl Any + Send + Sync) -> Self {
        Self(Some(Box::new(lent)))
    }

    /// Holds nothing.
    pub fn nothing() -> Self {
        Self(None)
    }
}

impl Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

/// A lease that is prolonged until this is dropped.
#[derive(Debug)]
pub struct KeptLease {
    /// Cancelled when the lease is lost, or will be over before it can be prolonged: the work under it stops.
    pub lost: CancellationToken,
    /// Stops prolonging.
    pub guard: Guard,
}

/// Lends without limit and prolongs nothing: for one file at a time that takes less than a lease, as in a test.
#[derive(Debug, Default)]
pub struct Unkept;

#[async_trait]
impl Keep for Unkept {
    async fn room(&self, _bytes: u64) -> Guard {
        Guard::nothing()
    }

    async fn turn(&self) -> Guard {
        Guard::nothing()
    }

    fn lease(&self, _entry: &EntryId, _lease: &Lease) -> KeptLease {
        KeptLease { lost: CancellationToken::new(), guard: Guard::nothing() }
    }

    async fn let_go(&self) {}
}
