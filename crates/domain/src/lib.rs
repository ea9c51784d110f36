//! The words, states and ports of lakehand.
//!
//! This crate does no I/O, has no runtime, and knows neither polars nor any cloud. It holds what every other crate
//! speaks of: objects and their versions, ledger entries and their legal transitions, manifests, the shape of tables,
//! the fence and the markers of the warehouse, and one port (a trait with a written contract) for each outside thing.
//!
//! Invariants that live here:
//! - Names of loads and parts are functions of (entry, generation, fingerprint), never of time or chance.
//! - A ledger entry changes only by the functions of [`entry`]; backends compare and set, they do not decide.
//! - Every port error says whether a retry can help and whether the call may have happened ([`fault`]).

pub mod backoff;
pub mod clock;
pub mod dead_letter;
pub mod entry;
pub mod fault;
pub mod id;
pub mod manifest;
pub mod message;
pub mod object;
pub mod object_event;
pub mod port;
pub mod reject;
pub mod shape;
pub mod timestamp;
pub mod value;
pub mod warehousing;
