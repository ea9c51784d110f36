//! The suite of the object_store port.
