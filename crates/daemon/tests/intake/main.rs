//! The daemon's half of intake: keeping, permits, the loop, the landing and the letters.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

#[allow(dead_code, reason = "the pipeline's tests use the rest of it")]
#[path = "../../../pipeline/tests/intake/tiny.rs"]
mod tiny;
#[allow(dead_code, reason = "the pipeline's tests use the rest of it")]
#[path = "../../../pipeline/tests/intake/world.rs"]
mod world;

mod gate;
mod keeper;
mod landing;
mod letters;
mod listing;
mod replay;
mod running;
