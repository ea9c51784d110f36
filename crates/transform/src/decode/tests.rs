//! Decoding end to end: chunks in, typed rows and rejects out.

mod fixture;
mod json_edges;
