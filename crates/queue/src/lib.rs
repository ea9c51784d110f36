//! Backends of the queue port: one file or folder each, named after what they speak to.

pub mod sqlite;
pub mod sqs;
