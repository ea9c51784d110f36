//! The subcommands, one a file: each reads its arguments, calls a library, and renders the answer.

pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod infer;
pub(crate) mod loads;
pub(crate) mod pause;
pub(crate) mod preview;
pub(crate) mod provision;
pub(crate) mod ready;
pub(crate) mod rejects;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod sample;
pub(crate) mod schema;
