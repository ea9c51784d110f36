//! The embedded warehouse against its port's suite, while calls fail, while processes die, and on its own promises.

mod conformance;
mod faults;
mod killed;
mod sqlite;
