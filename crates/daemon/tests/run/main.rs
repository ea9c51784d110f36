//! The whole daemon over embedded backends: files land, and rows are in the warehouse.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails by panicking")]

mod chores;
mod definitions;
mod drain;
mod freshness;
mod lag;
mod outage;
mod pause;
mod replay;
mod shutdown;
mod tiny;
mod trouble;
mod world;
