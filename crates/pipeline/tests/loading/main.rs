//! Loading against the embedded ledger, queue, store and warehouse, with every port failing in turn.

mod after_load;
mod crash;
mod health;
mod meddled;
mod race;
mod refusal;
mod restore;
mod world;
