//! The only crate that knows polars: bytes of an object in, parts of Parquet and a quarantine part out.

mod decode;
mod derive;
mod encode;
mod engine;
mod gather;
mod hash;
mod part;
mod partition;
mod physical;
mod piece;
mod reader;
mod source;

pub use engine::Engine;
pub use reader::PartFiles;
