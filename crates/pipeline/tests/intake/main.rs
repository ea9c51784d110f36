//! Intake against the embedded queue, ledger and store, with every port failing in turn.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

mod change_of_object;
mod crash;
mod dead_letter;
mod delivery;
mod moody;
mod shapes;
mod tiny;
mod trouble;
mod world;
