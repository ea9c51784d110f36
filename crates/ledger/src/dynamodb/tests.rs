//! What needs no service is beside this file; what does is below `cloud`.

mod cloud;
mod histories;
mod lag;
mod sizes;
