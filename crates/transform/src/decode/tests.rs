//! Decoding end to end: chunks in, typed rows and rejects out.

mod blocks;
mod delimited;
pub(crate) mod fixture;
mod json_edges;
mod random;
mod rescued;
mod tables;
