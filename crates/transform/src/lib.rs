//! The only crate that knows polars: bytes of an object in, parts of Parquet and a quarantine part out.

mod decode;
mod derive;
mod encode;
mod engine;
mod gather;
mod hash;
mod infer;
mod mask;
mod part;
mod partition;
mod physical;
mod piece;
mod preview;
mod reader;
mod source;
mod unique;

use lakehand_dataset::fingerprint::TransformIdentity;

pub use engine::Engine;
pub use infer::infer;
pub use mask::MaskKeys;
pub use preview::{Preview, PreviewTable, preview};
pub use reader::PartFiles;

/// What this engine adds to fingerprints. Whoever changes which bytes it makes of the same input raises the number: with
/// it every fingerprint changes, and every definition is a new one.
pub fn identity() -> TransformIdentity {
    TransformIdentity("transform 4".to_owned())
}
