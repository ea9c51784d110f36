//! The queue port, failing as planned.
