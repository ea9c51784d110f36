//! The only crate that knows polars: bytes of an object in, parts of Parquet and a quarantine part out.

mod decode;
mod derive;
mod encode;
mod engine;
mod gather;
mod hash;
mod infer;
mod part;
mod partition;
mod physical;
mod piece;
mod preview;
mod reader;
mod source;

pub use engine::Engine;
pub use infer::infer;
pub use preview::{Preview, PreviewTable, preview};
pub use reader::PartFiles;
