//! The sender of dead letters: one for each entry that was set aside and not told of yet.

use std::time::Duration;

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::{Entry, EntryState};
use lakehand_domain::fault::chain;
use lakehand_domain::port::ledger::{EntryQuery, LedgerError};
use lakehand_domain::port::queue::QueueError;
use lakehand_pipeline::change::{Changed, change};
use lakehand_pipeline::dead_letters;
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::chores::Chore;

/// How long to wait between two looks at the ledger.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// How many entries to read at once.
const PAGE: usize = 100;

/// Why letters could not be sent. Those that were sent are told; the others follow at the next look.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// The ledger does not answer.
    #[error("find what no dead letter was sent for")]
    Ledger(#[from] LedgerError),
    /// The dead-letter queue does not answer.
    #[error("send a dead letter")]
    Queue(#[from] QueueError),
}

/// Sends letters every few seconds until it is stopped.
pub(crate) async fn run(ports: &Ports, board: &Board, stop: &CancellationToken) {
    loop {
        let told = tell_all_once(ports).await.map(drop).map_err(|error| chain(&error));
        if let Err(error) = &told {
            tracing::warn!(error, "dead letters wait");
        }
        board.chore(Chore::Letters, told.as_ref().copied().map_err(String::as_str));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = ports.clock.sleep(INTERVAL) => {}
        }
    }
}

/// Sends a letter for every entry that waits for one, and gives how many. Dying after a letter and before the ledger
/// knows sends it twice, which is harmless; the other way round would lose it.
pub async fn tell_all_once(ports: &Ports) -> Result<u64, LettersError> {
    let mut told = 0;
    let mut query = EntryQuery { untold: true, limit: PAGE, ..EntryQuery::default() };
    loop {
        let page = ports.ledger.list(&query).await?;
        for listed in &page.entries {
            // What an index shows may lag.
            let Some(entry) = ports.ledger.get(&listed.id).await? else { continue };
            let Some(letter) = letter(&entry) else { continue };
            dead_letters::send(ports.dead_letters.as_ref(), &letter).await?;
            let now = ports.clock.now();
            let generation = entry.generation;
            // If it was begun anew since, the letter speaks of a generation that is over, and a replay ignores it.
            let changed = change(ports.ledger.as_ref(), &entry.id, |entry| {
                if entry.generation == generation { entry.told(now).map(Some) } else { Ok(None) }
            });
            if let Changed::Stored(entry) = changed.await? {
                tracing::info!(entry.id = %entry.id, object.uri = %entry.object.uri, "dead letter sent");
            }
            told += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(told),
        }
    }
}

fn letter(entry: &Entry) -> Option<DeadLetter> {
    let EntryState::SetAside { at, reason, told: false, .. } = &entry.state else { return None };
    Some(DeadLetter {
        lakehand_dead_letter: 1,
        kind: reason.kind,
        reason: reason.message.clone(),
        at: *at,
        object: Some(entry.object.uri.clone()),
        dataset: Some(entry.dataset.clone()),
        entry: Some(entry.id.clone()),
        generation: Some(entry.generation),
        original: None,
    })
}
