//! What people ask of lakehand, as use cases over the ports.
//!
//! Each returns plain values that can be serialised; nothing here prints, and nothing here changes anything.

pub mod explain;
pub mod loads;
pub mod rejects;
pub mod select;

#[cfg(test)]
mod fake;
