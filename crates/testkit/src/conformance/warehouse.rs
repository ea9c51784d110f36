//! The suite of the warehouse port.
