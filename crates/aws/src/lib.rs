//! What every adapter of an AWS service shares: one configuration of the SDK, and what its errors mean.
//!
//! Invariants that live here:
//! - One HTTP client with one TLS stack, one place for timeouts, one layer of retries for each call: the SDK's. Nothing
//!   above repeats a call in place; loops above come back to it later.
//! - An error says whether the call may have happened, and never less than the truth: since the SDK repeats calls by
//!   itself, only a refusal is sure not to have happened.

pub mod failure;
pub mod provision;
pub mod sdk_config;

pub use aws_config::SdkConfig;
pub use failure::{Failure, Kind, classify};
pub use sdk_config::{AwsOptions, Service, connect};
