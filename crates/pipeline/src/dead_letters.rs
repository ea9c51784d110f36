//! How dead letters are sent: with what an operator looks for beside the body, and never too long; and the letter that an
//! entry is owed.

use std::time::Duration;

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::id::{EntryId, MessageId};
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::port::queue::{Queue, QueueError, message_bytes};

use crate::change::{Changed, change_read};
use crate::ports::Ports;

/// Why a letter that is owed could not be sent. It stays owed, and follows at the next look.
#[derive(Debug, thiserror::Error)]
pub enum LettersError {
    /// The ledger does not answer.
    #[error("find what no dead letter was sent for")]
    Ledger(#[from] LedgerError),
    /// The dead-letter queue does not answer.
    #[error("send a dead letter")]
    Queue(#[from] QueueError),
}

/// Sends the letter of an entry that is owed one, and gives whether it was. Dying after the letter and before the ledger
/// knows sends it twice, and so may two who look at once, which is harmless; the other way round would lose it.
pub async fn tell(ports: &Ports, id: &EntryId) -> Result<bool, LettersError> {
    let Some(entry) = ports.ledger.get(id).await? else { return Ok(false) };
    let Some(letter) = DeadLetter::of_entry(&entry) else { return Ok(false) };
    send(ports.dead_letters.as_ref(), &letter).await?;
    let now = ports.clock.now();
    let generation = entry.generation;
    // If it was begun anew since, the letter speaks of a generation that is over, and a replay ignores it.
    let changed = change_read(ports.ledger.as_ref(), &entry, |entry| {
        if entry.generation == generation { entry.told(now).map(Some) } else { Ok(None) }
    });
    if let Changed::Stored(entry) = changed.await? {
        tracing::info!(entry.id = %entry.id, object.uri = %entry.object.uri, "dead letter sent");
    }
    Ok(true)
}

/// Sends a letter. One that the queue does not take for its length is shortened by what its replay can do without; in
/// the end what it is about is sent as it came, and the log alone says why.
///
/// # Errors
/// What the queue says; [`QueueError::TooLong`] where nothing shorter would do. What the letter is about must be kept
/// then: a message is not deleted, and the queue itself gives it up in the end.
pub async fn send(dead_letters: &dyn Queue, letter: &DeadLetter) -> Result<MessageId, QueueError> {
    let attributes = letter.attributes();
    let whole = dead_letters.send_with(&letter.body(), &attributes, Duration::ZERO).await;
    let Err(QueueError::TooLong { most, bytes, .. }) = whole else { return whole };
    let (kind, reason) = (letter.kind.as_str(), letter.reason.as_str());
    tracing::warn!(bytes, most, kind, reason, "a dead letter is too long, and is sent shortened");
    if let Some(body) = letter.body_within(most.saturating_sub(message_bytes("", &attributes))) {
        return dead_letters.send_with(&body, &attributes, Duration::ZERO).await;
    }
    match letter.as_it_came() {
        Some(body) if body.len() <= most => dead_letters.send(body, Duration::ZERO).await,
        _ => whole,
    }
}
