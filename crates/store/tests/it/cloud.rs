//! The S3 store on emulators, and behind a proxy that does what networks and services do.

mod bed;
mod conformance;
mod lost;
mod names;
mod reading;
mod soak;
mod tagging;
mod writing;
