//! Warehouses: one file or folder a backend, each an implementation of [`lakehand_domain::port::warehouse`].
//!
//! Invariants:
//! - What is committed is decided by fence and markers inside the warehouse alone, never by what a process remembers.
//! - The rows that readers see are a function of the set of live loads, never of the order in which they came.

mod change;
mod fit;
mod number_text;
pub mod redshift;
mod scope;
pub mod sqlite;
mod target;
