//! Loading against the embedded ledger, queue, store and warehouse, with every port failing in turn.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails by panicking")]

mod after_load;
mod crash;
mod definitions;
mod health;
mod meddled;
mod race;
mod refusal;
mod restore;
mod tagged;
mod world;
