//! The only crate that knows polars: bytes of an object in, parts of Parquet and a quarantine part out.

mod encode;
mod gather;
mod part;
mod physical;
mod piece;
mod reader;

pub use reader::PartFiles;
