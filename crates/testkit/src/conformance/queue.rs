//! The suite of the queue port.
