//! What a worker says of itself over HTTP: whether it lives, whether it is well, and its numbers for Prometheus.
//!
//! It only reads: nothing that is asked here changes anything. What is said comes from a [`Source`], so that this crate
//! knows nothing of queues and warehouses.

mod metrics;
mod server;

pub use metrics::{Distribution, Kind, Metric, Sample};
pub use server::{Source, Status, serve};
