//! Redshift, on the stand-in, with parts in a bucket.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures are for people who run the test")]

mod conformance;
mod cost;
mod deadlines;
mod faults;
mod killed;
mod parquet;
mod refusals;
mod side_by_side;
mod tables;
mod values;
mod world;
