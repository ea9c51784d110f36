//! Stores over the services of `make test`.

mod cloud;
