//! Our own dead letters, moved back to the queue as they are: the object again, or the message they were about.

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::object_event::{Cause, ObjectEvent};
use serde::Deserialize;
use serde_json::Value;

use super::{Record, bad};

pub(super) fn decode(document: &Value) -> Option<Vec<Record>> {
    document.get("lakehand_dead_letter")?;
    let letter = match DeadLetter::deserialize(document) {
        Ok(letter) if letter.lakehand_dead_letter == 1 => letter,
        Ok(letter) => {
            let version = letter.lakehand_dead_letter;
            return Some(vec![bad(format!(
                "lakehand_dead_letter is {version}; this version of lakehand understands 1"
            ))]);
        }
        Err(error) => return Some(vec![bad(format!("the dead letter cannot be read: {error}"))]),
    };
    let record = match (letter.object, letter.generation, letter.original) {
        // Only the generation that was set aside is begun again: an entry that went on since stays as it is.
        (Some(uri), Some(generation), _) => Record::Object(ObjectEvent { uri, cause: Cause::Letter(generation) }),
        // No entry answers for it: the object itself, not the nine others of its message.
        (Some(uri), None, _) => Record::Object(ObjectEvent { uri, cause: Cause::Arrived }),
        // A letter carries the message it is about, never a letter: this does not go deeper.
        (None, _, Some(original)) if !original.body.contains("lakehand_dead_letter") => {
            return Some(super::decode(&original.body));
        }
        (None, _, _) => bad("the dead letter names neither an object nor a message".to_owned()),
    };
    Some(vec![record])
}
