//! Tests that need PostgreSQL and an S3 endpoint.

mod batch;
mod copy;
mod copy_files;
mod faults;
mod locks;
mod program;
mod session;
mod statement;
mod table;
mod token;
mod view;
mod world;
