//! Tests that need PostgreSQL and an S3 endpoint.

mod batch;
mod copy;
mod world;
