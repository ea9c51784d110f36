//! The ports: one trait for each outside thing, with its error and the contract of both sides.

pub mod landing_watch;
pub mod ledger;
pub mod object_store;
pub mod queue;
pub mod redrive;
pub mod row_reader;
pub mod warehouse;
