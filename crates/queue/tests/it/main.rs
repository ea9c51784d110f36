//! The sqs backend against a listener that answers as a test wants, and against emulators.

mod cloud;
mod fake;
mod opening;
mod receipts;
mod sending;
