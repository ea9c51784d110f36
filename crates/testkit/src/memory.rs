//! Ports that live in memory and under an injected clock, for simulations: each passes its port's suite.
//!
//! What a call does is a method of its own that returns at once (`…_now`), so that a simulation decides when it happens
//! and when, or whether, its answer arrives.

pub mod ledger;
pub mod object_store;
pub mod queue;
pub mod warehouse;
