//! The ledger port, failing as planned.
