//! Declarative definitions of datasets: what is read, how it becomes typed rows, and where the rows go.
//!
//! A definition file is parsed (`definition`), checked with every problem reported at once (`check`), and becomes a
//! [`dataset::Dataset`], which only `check` can make. A [`catalog::Catalog`] holds all of them and routes an object to
//! its dataset. [`transformer::Transformer`] is the port to the one crate that turns bytes into Parquet.

pub mod catalog;
pub mod check;
pub mod dataset;
pub mod definition;
pub mod fingerprint;
pub mod literal;
mod nearest;
pub mod path;
pub mod pattern;
pub mod problem;
pub mod query;
pub mod transformer;
