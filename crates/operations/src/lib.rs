//! What people ask of lakehand, as use cases over the ports.
//!
//! Each returns plain values that can be serialised; nothing here prints, and nothing here changes anything.

pub mod explain;
pub mod loads;

#[cfg(test)]
mod fake;
