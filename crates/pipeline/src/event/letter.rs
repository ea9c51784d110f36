//! Our own dead letters, moved back to the queue as they are or replayed: the object again, or the message they were
//! about.

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent};
use serde::Deserialize;
use serde_json::Value;

use super::{Depth, Record, bad, within_text};

const WHOSE: &str = "the message that the dead letter is about";

/// The letter that a document is.
pub(super) fn of(document: &Value) -> Option<DeadLetter> {
    document.get("lakehand_dead_letter")?;
    DeadLetter::deserialize(document).ok().filter(|letter| letter.lakehand_dead_letter == 1)
}

pub(super) fn decode(document: &Value, depth: Depth) -> Option<Vec<Record>> {
    document.get("lakehand_dead_letter")?;
    let letter = match DeadLetter::deserialize(document) {
        Ok(letter) if letter.lakehand_dead_letter == 1 => letter,
        Ok(letter) => {
            let version = letter.lakehand_dead_letter;
            let reason = format!("lakehand_dead_letter is {version}; this version of lakehand understands 1");
            return Some(vec![bad(reason, document)]);
        }
        Err(error) => return Some(vec![bad(format!("the dead letter cannot be read: {error}"), document)]),
    };
    Some(match (letter.object, letter.generation, letter.original) {
        // Only the generation that was set aside is begun again: an entry that went on since stays as it is.
        (Some(uri), Some(generation), _) => {
            vec![Record::Object(ObjectEvent { uri, cause: Cause::Letter(generation) })]
        }
        // No entry answers for it: the object itself, as its message asked for it, not the nine others.
        (Some(uri), None, original) => {
            let asked = original.and_then(|original| asked_for(&uri, &original.body, depth));
            vec![asked.unwrap_or(Record::Object(ObjectEvent { uri, cause: Cause::Arrived }))]
        }
        (None, _, Some(original)) => within_text(&original.body, WHOSE, depth),
        (None, _, None) => vec![bad("the dead letter names neither an object nor a message", document)],
    })
}

fn asked_for(uri: &ObjectUri, body: &str, depth: Depth) -> Option<Record> {
    let is_asked = |record: &Record| matches!(record, Record::Object(event) if event.uri == *uri);
    within_text(body, WHOSE, depth).into_iter().find(is_asked)
}
