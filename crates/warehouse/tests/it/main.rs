//! Each warehouse against its port's suite, while calls fail, while processes die, and on its own promises. What needs
//! services is below `cloud`.

mod cloud;
mod conformance;
mod faults;
mod killed;
mod sqlite;
