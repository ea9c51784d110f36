//! Backlog: since when the oldest file waits that is neither loaded nor set aside.
//!
//! It is told, and that is all. All replicas see the same, from the ledger, also while loading is paused or elsewhere.

use std::time::Duration;

use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::fault::chain;
use lakehand_domain::id::{DatasetId, Generation};
use lakehand_domain::port::ledger::{EntryQuery, Ledger, LedgerError};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::board::Board;

/// A retry moves an entry to the end of the list: among so many the one that has waited longest is looked for.
const LOOKED_AT: usize = 20;

/// Looks at intervals until it is stopped.
pub(crate) async fn run(ports: &Ports, board: &Board, every: Duration, stop: &CancellationToken) {
    let looking = async {
        loop {
            for dataset in ports.catalog.iter() {
                match oldest(ports.ledger.as_ref(), &dataset.id).await {
                    Ok(oldest) => board.measure(|measures| {
                        measures.unloaded.insert(dataset.id.clone(), oldest);
                    }),
                    // What was seen last stands; a ledger that does not answer is told of elsewhere.
                    Err(error) => {
                        tracing::debug!(dataset.id = %dataset.id, error = chain(&error), "the backlog is not known");
                    }
                }
            }
            ports.clock.sleep(every).await;
        }
    };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = looking => {}
    }
}

/// Since when the oldest file of a dataset waits to be loaded.
async fn oldest(ledger: &dyn Ledger, dataset: &DatasetId) -> Result<Option<Timestamp>, LedgerError> {
    let mut oldest: Option<Timestamp> = None;
    for state in [StateName::Claimed, StateName::Written] {
        let dataset = Some(dataset.clone());
        let query = EntryQuery { dataset, state: Some(state), limit: LOOKED_AT, ..EntryQuery::default() };
        let since = ledger.list(&query).await?.entries.iter().map(waits_since).min();
        oldest = oldest.into_iter().chain(since).min();
    }
    Ok(oldest)
}

/// A file that is replayed was seen long before it began to wait again.
fn waits_since(entry: &Entry) -> Timestamp {
    if entry.generation == Generation::FIRST { entry.first_seen } else { entry.updated }
}

#[cfg(test)]
mod tests;
