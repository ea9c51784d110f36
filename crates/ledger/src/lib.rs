//! Backends of the ledger port: one file or folder each, named after what they speak to.

pub mod dynamodb;
pub mod sqlite;
