//! The path of one file: two short loops with the ledger between them, each stage a free async function.

pub mod ports;
