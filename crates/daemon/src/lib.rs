//! The long-running process: tasks around the two loops, and how they end.

pub mod in_flight;
pub mod intake;
pub mod keeper;
pub mod landing;
pub mod letters;
pub mod permits;
