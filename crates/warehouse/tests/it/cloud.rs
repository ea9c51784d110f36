//! Redshift, on the stand-in, with parts in a bucket.

mod conformance;
mod debug;
mod lake;
mod parquet;
mod world;
