//! The warehouse port, failing as planned.
