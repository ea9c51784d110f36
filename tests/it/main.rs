//! The one integration-test binary: the real `lakehand` on embedded parts, and the rules of the architecture.

mod architecture;
mod cli;
mod cloud;
mod disk;
mod errors;
mod evolution;
mod freshness;
mod harness;
mod http;
mod letters;
mod masks;
mod metrics;
mod pause;
mod planted;
mod promises;
mod references;
mod rejects;
mod rescued;
mod torture;
