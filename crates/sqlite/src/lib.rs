//! What the embedded backends share of SQLite: opening a file of lakehand's, working on it, and what its errors mean.
//!
//! It knows no port: each backend says what a [`failure::Failure`] is to its callers.

pub mod failure;
pub mod file;
pub mod work;
