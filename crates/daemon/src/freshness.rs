//! Freshness: of which datasets nothing was loaded for longer than their definitions expect.
//!
//! It is told, and that is all: no file is treated otherwise for it, and the worker is as healthy as before, since what
//! does not come is the producer's fault. All replicas see the same, from the ledger.

use std::time::Duration;

use lakehand_domain::entry::{EntryState, StateName};
use lakehand_domain::fault::chain;
use lakehand_domain::id::DatasetId;
use lakehand_domain::port::ledger::{EntryQuery, Ledger, LedgerError};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::snapshot::Freshness;

/// The longest and the shortest time between two looks.
const EVERY: (Duration, Duration) = (Duration::from_mins(1), Duration::from_millis(250));

/// What is looked after.
pub(crate) fn expected(ports: &Ports) -> Vec<(DatasetId, Duration)> {
    let datasets = ports.catalog.iter();
    datasets.filter_map(|dataset| Some((dataset.id.clone(), dataset.quality.freshness?))).collect()
}

/// Looks at intervals until it is stopped.
pub(crate) async fn run(ports: &Ports, board: &Board, stop: &CancellationToken) {
    let expected = expected(ports);
    let Some(shortest) = expected.iter().map(|(_, freshness)| *freshness).min() else {
        return stop.cancelled().await;
    };
    let every = (shortest / 10).clamp(EVERY.1, EVERY.0);
    let looking = async {
        loop {
            for (dataset, freshness) in &expected {
                match look(ports.ledger.as_ref(), dataset, *freshness, ports.clock.now()).await {
                    Ok(now) => told(board, dataset, now),
                    // What was seen last stands; a ledger that does not answer is told of elsewhere.
                    Err(error) => {
                        tracing::debug!(dataset.id = %dataset, error = chain(&error), "freshness is not known");
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

/// Says it once where a dataset has become stale, and once where it is fresh again.
fn told(board: &Board, dataset: &DatasetId, now: Freshness) {
    let mut was_stale = false;
    let words = now.words();
    let is_stale = now.is_stale;
    board.family(dataset, |family| {
        was_stale = family.freshness.replace(now).is_some_and(|before| before.is_stale);
    });
    match (was_stale, is_stale) {
        (false, true) => tracing::warn!(dataset.id = %dataset, "stale: {words}"),
        (true, false) => tracing::info!(dataset.id = %dataset, "fresh again"),
        _ => {}
    }
}

/// How a dataset stands at `now`. The ledger remembers when it was last loaded, also where entries expire, and since when
/// anybody looks: a dataset of which nothing ever came is stale no later than another.
async fn look(
    ledger: &dyn Ledger,
    dataset: &DatasetId,
    expected: Duration,
    now: Timestamp,
) -> Result<Freshness, LedgerError> {
    let newest = |state| EntryQuery {
        dataset: Some(dataset.clone()),
        state: Some(state),
        newest_first: true,
        limit: 1,
        ..EntryQuery::default()
    };
    let loaded = ledger.list(&newest(StateName::Loaded)).await?.entries.into_iter().next();
    let loaded = loaded.map(|entry| match entry.state {
        EntryState::Loaded { at } => at,
        _ => entry.updated,
    });
    let (looked_name, loaded_name) = (format!("freshness/looked/{dataset}"), format!("freshness/loaded/{dataset}"));
    let kept = ledger.number(&loaded_name).await?.map(Timestamp::from_micros);
    if let Some(loaded) = loaded.filter(|loaded| kept.is_none_or(|kept| kept < *loaded)) {
        ledger.raise(&loaded_name, loaded.micros()).await?;
    }
    let loaded = loaded.max(kept);
    let since = if let Some(loaded) = loaded {
        loaded
    } else if let Some(looked) = ledger.number(&looked_name).await? {
        Timestamp::from_micros(looked)
    } else {
        ledger.raise(&looked_name, now.micros()).await?;
        now
    };
    let is_stale = now.since(since) > expected;
    let waits = is_stale && !ledger.list(&newest(StateName::Written)).await?.entries.is_empty();
    Ok(Freshness { expected, since, is_loaded: loaded.is_some(), is_stale, waits })
}

#[cfg(test)]
mod tests;
