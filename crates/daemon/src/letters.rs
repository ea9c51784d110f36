//! The sender of dead letters: one for each entry that was set aside and not told of yet. Intake tells at once of what it
//! sets aside; what is left is loading's, and what a worker or the queue failed to tell.

use std::time::Duration;

use lakehand_domain::fault::chain;
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_pipeline::dead_letters::{self, LettersError};
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::chores::Chore;

/// How long to wait between two looks at the ledger.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// How many entries to read at once.
const PAGE: usize = 100;

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

/// Sends a letter for every entry that waits for one, and gives how many.
pub async fn tell_all_once(ports: &Ports) -> Result<u64, LettersError> {
    let mut told = 0;
    let mut query = EntryQuery { untold: true, limit: PAGE, ..EntryQuery::default() };
    loop {
        let page = ports.ledger.list(&query).await?;
        for listed in &page.entries {
            // What an index shows may lag.
            told += u64::from(dead_letters::tell(ports, &listed.id).await?);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(told),
        }
    }
}
