//! Whatever an object is wrapped in, the same lines come out, or a reason.

pub(crate) mod archive;
mod arriving;
mod bounds;
mod json;
mod text;
mod typed;
mod wrapping;
