//! What tests share: the conformance suite of each port, wrappers that make a port fail at will, ports in memory, clocks,
//! and the services on this machine.
//!
//! The suite of a port is its specification: a backend is finished when it passes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite that cannot go on fails its test by panicking")]

pub mod conformance;
pub mod faulty;
pub mod manual_clock;
pub mod meddler;
pub mod memory;
pub mod microburst;
pub mod real_clock;
pub mod services;
