//! Dead letters of what no entry answers for: one for each such record, before its message is deleted.

use lakehand_domain::dead_letter::{DeadLetter, OriginalMessage};
use lakehand_domain::entry::SetAsideReason;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::queue::QueueError;
use lakehand_domain::timestamp::Timestamp;

use crate::dead_letters;
use crate::event::{Received, Record};
use crate::intake::Intake;
use crate::settle::{Ended, Fate};

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
