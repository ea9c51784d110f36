//! The ports as one process has them: the services of the world behind its wire.

pub(crate) mod ledger;
pub(crate) mod object_store;
pub(crate) mod queue;
pub(crate) mod warehouse;

/// What a call failed of.
pub(crate) fn cause() -> lakehand_domain::fault::Cause {
    "as the simulation has it".into()
}
