//! Whatever an object is wrapped in, the same lines come out, or a reason.

mod archive;
mod arriving;
mod bounds;
mod wrapping;
