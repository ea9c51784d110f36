//! Loading is paused and resumed for all replicas by a number in the ledger: until when. Files go on being written to the
//! lake meanwhile.

use lakehand_domain::id::DatasetId;
use lakehand_domain::port::ledger::{Ledger, LedgerError};
use lakehand_domain::timestamp::Timestamp;

/// A pause without an end: 9999-12-31T23:59:59Z.
pub const FOREVER: Timestamp = Timestamp::from_micros(253_402_300_799_000_000);

/// The name of the number in the ledger that says until when the loading of a dataset, or of all, is paused.
pub fn pause_number(dataset: Option<&DatasetId>) -> String {
    match dataset {
        Some(dataset) => format!("loading_paused/{dataset}"),
        None => "loading_paused".to_owned(),
    }
}

/// Pauses the loading of a dataset, or of all, until then. Takes effect when the batch under way is committed. Doing so
/// twice is harmless; the last word counts.
pub async fn pause(ledger: &dyn Ledger, dataset: Option<&DatasetId>, until: Timestamp) -> Result<(), LedgerError> {
    ledger.reset(&pause_number(dataset), until.min(FOREVER).micros()).await
}

/// Ends the pause of a dataset, or the one of all. A dataset whose own pause is over may still be paused with all.
pub async fn resume(ledger: &dyn Ledger, dataset: Option<&DatasetId>) -> Result<(), LedgerError> {
    ledger.reset(&pause_number(dataset), 0).await
}

/// Until when the loading of a dataset, by itself or with all, is paused at `now`; `None`: it is not.
pub async fn paused_until(
    ledger: &dyn Ledger,
    dataset: Option<&DatasetId>,
    now: Timestamp,
) -> Result<Option<Timestamp>, LedgerError> {
    let mut until = ledger.number(&pause_number(None)).await?;
    if dataset.is_some() {
        until = until.max(ledger.number(&pause_number(dataset)).await?);
    }
    Ok(until.map(Timestamp::from_micros).filter(|until| *until > now))
}

/// As people read the end of a pause.
pub fn pause_text(until: Timestamp) -> String {
    if until >= FOREVER { "until lakehand resume".to_owned() } else { format!("until {until}") }
}
