//! Stores over the services of `make test`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails by panicking")]

mod cloud;
