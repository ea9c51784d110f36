//! The sqs backend against a listener that answers as a test wants, and against emulators.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod cloud;
mod fake;
mod opening;
mod receipts;
mod sending;
