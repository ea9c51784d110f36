//! Backends of the store port, and the watch over landing folders: one file or folder each.

pub mod file;
pub mod s3;
pub mod watch;
