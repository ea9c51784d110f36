//! How dead letters are sent: with what an operator looks for beside the body, and never too long.

use std::time::Duration;

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::id::MessageId;
use lakehand_domain::port::queue::{Queue, QueueError, message_bytes};

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
    match &letter.original {
        Some(original) if original.body.len() <= most => dead_letters.send(&original.body, Duration::ZERO).await,
        _ => whole,
    }
}
