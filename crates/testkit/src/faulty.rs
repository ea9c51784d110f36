//! Wrappers around ports that fail before the call, fail after it happened, or delay it.

pub mod injected;
pub mod ledger;
pub mod object_store;
pub mod plan;
pub mod queue;
pub mod warehouse;
