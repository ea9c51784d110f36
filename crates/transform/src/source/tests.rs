//! Whatever an object is wrapped in, the same lines come out, or a reason.

mod archive;
mod bounds;
mod json;
mod text;
mod typed;
mod wrapping;
