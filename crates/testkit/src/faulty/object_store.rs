//! The object_store port, failing as planned.
