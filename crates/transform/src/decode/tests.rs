//! Decoding end to end: chunks in, typed rows and rejects out.

mod delimited;
pub(crate) mod fixture;
mod json_edges;
mod random;
mod tables;
