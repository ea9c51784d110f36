//! No call to the outside is waited for without end: each port is wrapped so that a call that takes too long fails as
//! unavailable, and may have happened.

mod ledger;
mod queue;
mod store;
#[cfg(test)]
mod tests;
mod warehouse;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::fault::Cause;
use lakehand_domain::port::warehouse::Warehouse;
use lakehand_pipeline::ports::Ports;

use ledger::PatientLedger;
use queue::PatientQueue;
use store::PatientStore;
use warehouse::PatientWarehouse;

/// How long a call may take before it counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// A call to the queue, beyond the time that a receive is asked to wait.
    pub queue: Duration,
    /// A call to the ledger.
    pub ledger: Duration,
    /// A call to landing or lake, and the wait for each chunk of a body.
    pub store: Duration,
    /// A call to landing or lake that moves a whole object: put, copy, write and complete of an upload.
    pub transfer: Duration,
    /// A short call to the warehouse, unless it ends its calls by itself, and later.
    pub warehouse: Duration,
    /// A call to the warehouse that moves rows (stage, commit, migrate), unless it ends its calls by itself, and later.
    pub rows: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            queue: Duration::from_secs(30),
            ledger: Duration::from_secs(30),
            store: Duration::from_mins(1),
            transfer: Duration::from_mins(10),
            warehouse: Duration::from_mins(2),
            rows: Duration::from_mins(30),
        }
    }
}

/// The same ports, of which no call is waited for without end.
#[must_use]
pub fn with_deadlines(ports: Ports, deadlines: Deadlines) -> Ports {
    Ports {
        queue: Arc::new(PatientQueue { inner: ports.queue, deadlines }),
        dead_letters: Arc::new(PatientQueue { inner: ports.dead_letters, deadlines }),
        ledger: Arc::new(PatientLedger { inner: ports.ledger, deadlines }),
        landing: Arc::new(PatientStore { inner: ports.landing, deadlines }),
        lake: Arc::new(PatientStore { inner: ports.lake, deadlines }),
        warehouse: patient_warehouse(ports.warehouse, deadlines),
        ..ports
    }
}

/// The same for a warehouse alone.
#[must_use]
pub fn patient_warehouse(inner: Arc<dyn Warehouse>, deadlines: Deadlines) -> Arc<dyn Warehouse> {
    Arc::new(PatientWarehouse::new(inner, deadlines))
}

/// Waits for a call as long as it may take. Time is the runtime's here, not the clock's: a clock that a test moves must
/// not make calls fail.
async fn within<T, E>(
    limit: Duration,
    call: impl Future<Output = Result<T, E>> + Send,
    late: impl FnOnce(Cause) -> E + Send,
) -> Result<T, E> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer,
        Err(_) => Err(late(format!("there was no answer within {} s", limit.as_secs_f32()).into())),
    }
}
