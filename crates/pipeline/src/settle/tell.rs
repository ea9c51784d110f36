//! Dead letters, before the message is deleted: one for each record that no entry answers for, and that of an entry that was
//! set aside.

use lakehand_domain::dead_letter::{DeadLetter, OriginalMessage};
use lakehand_domain::entry::SetAsideReason;
use lakehand_domain::fault::chain;
use lakehand_domain::id::EntryId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::queue::QueueError;
use lakehand_domain::timestamp::Timestamp;

use crate::dead_letters;
use crate::event::{Received, Record};
use crate::intake::Intake;
use crate::settle::{Ended, Fate, LETTER};

/// Sends the letters of a message. Dying after one of them sends it twice, which is harmless.
pub(super) async fn tell(
    intake: &Intake<'_>,
    received: &Received,
    records: &[Ended],
    now: Timestamp,
) -> Result<(), QueueError> {
    for (record, ended) in received.records().iter().zip(records) {
        let Fate::Letter { object, reason } = &ended.fate else { continue };
        let letter = letter(received, record, object.as_ref(), reason, now);
        dead_letters::send(intake.ports.dead_letters.as_ref(), &letter).await?;
    }
    Ok(())
}

/// Sends the letter of an entry that was set aside. The ledger owes it until it is sent: where that fails, takes too long,
/// or the work is stopped, the message need not wait, and the sender of letters tells of it.
pub(super) async fn entry(intake: &Intake<'_>, id: &EntryId) {
    let told = tokio::select! {
        biased;
        () = intake.cancel.cancelled() => return,
        told = dead_letters::tell(intake.ports, id) => told.map_err(|error| chain(&error)),
        () = intake.ports.clock.sleep(LETTER) => Err(format!("it took longer than {} s", LETTER.as_secs())),
    };
    if let Err(error) = told {
        tracing::warn!(entry.id = %id, error, "a dead letter waits for the sender of letters");
    }
}

fn letter(
    received: &Received,
    record: &Record,
    object: Option<&ObjectUri>,
    reason: &SetAsideReason,
    now: Timestamp,
) -> DeadLetter {
    let message = received.message();
    let single = received.records().len() == 1;
    // A letter never holds a letter, however often it is replayed.
    let before = match received.letter() {
        Some(letter) if single => {
            let object = letter.object.clone().or_else(|| object.cloned());
            return DeadLetter { object, ..letter.again(reason.clone(), now) };
        }
        Some(letter) => letter.original.clone(),
        None => None,
    };
    let came = OriginalMessage {
        id: message.id.clone(),
        body: message.body.clone(),
        sent_at: message.sent_at,
        attributes: message.attributes.clone(),
        full_bytes: None,
    };
    let mut original = before.unwrap_or(came);
    if let Some(alone) = record.alone().filter(|_| !single) {
        original.body = alone;
    }
    DeadLetter::of_message(reason.clone(), now, object.cloned(), original)
}
