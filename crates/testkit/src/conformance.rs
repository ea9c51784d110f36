//! One suite for each port.

pub mod ledger;
pub mod object_store;
pub mod queue;
pub mod warehouse;
