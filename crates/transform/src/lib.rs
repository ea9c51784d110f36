//! The only crate that knows polars: bytes of an object in, parts of Parquet and a quarantine part out.

mod decode;
mod encode;
mod gather;
mod part;
mod physical;
mod piece;
mod reader;
mod source;

pub use reader::PartFiles;
