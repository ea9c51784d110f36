//! The suite of the ledger port.
