//! A stand-in for the Redshift Data API on PostgreSQL.

mod api;
pub mod clock;
mod connection;
mod copy;
mod database;
mod executor;
pub mod faults;
pub mod fixture;
mod history;
pub mod options;
mod registry;
mod result;
mod server;
mod service;
mod severable;
mod sql;
mod statement;
mod trouble;

pub use clock::{Clock, ShiftedClock, SystemClock};
pub use database::database_name;
pub use faults::{Fault, Faults, Fired, Rule};
pub use options::{Isolation, Limits, Quota, S3Access, StandinOptions};
pub use server::{Running, StandinError, start};
