//! Redshift, on the stand-in, with parts in a bucket.

mod conformance;
mod faults;
mod killed;
mod lake;
mod parquet;
mod refusals;
mod side_by_side;
mod tables;
mod values;
mod world;
