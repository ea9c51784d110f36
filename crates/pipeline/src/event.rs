//! **event**: the body of a message → object events, all of its records, each of which is settled by itself.

use lakehand_domain::message::Message;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::ObjectEvent;
use serde_json::Value;

use crate::intake::Intake;

mod letter;
mod own;
mod s3_notification;

#[cfg(test)]
mod tests;

/// A message whose records are known.
#[derive(Debug)]
pub struct Received {
    message: Message,
    records: Vec<Record>,
}

/// One record of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An object to be looked at.
    Object(ObjectEvent),
    /// It asks for nothing: a test event, a deletion.
    Ignored {
        /// What it is.
        what: String,
    },
    /// It cannot be understood.
    Bad {
        /// Why, and what would be understood.
        reason: String,
        /// The object, as far as it names one.
        object: Option<ObjectUri>,
    },
}

impl Received {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its records, at least one.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

/// Reads a message. What cannot be understood becomes a [`Record::Bad`] and takes nothing else with it.
pub fn event(intake: &Intake<'_>, message: Message) -> Received {
    intake.observer.message_received(&message);
    let mut records = decode(&message.body);
    if records.is_empty() {
        records.push(Record::Ignored { what: "a message without records".to_owned() });
    }
    Received { message, records }
}

/// A shape of messages: `None` where the document is none of it.
type Shape = fn(&Value) -> Option<Vec<Record>>;

/// Every shape that is understood. They tell themselves apart by a key that no other has; an envelope decodes what it
/// carries by [`decode`].
const SHAPES: [Shape; 3] = [own::decode, s3_notification::decode, letter::decode];

fn decode(body: &str) -> Vec<Record> {
    let document = match serde_json::from_str::<Value>(body) {
        Ok(document) => document,
        Err(error) => return vec![bad(format!("the message is not JSON: {error}"))],
    };
    SHAPES.iter().find_map(|shape| shape(&document)).unwrap_or_else(|| {
        vec![bad(
            "the message is no shape that is understood: expected an object with `lakehand_event`, with `Records` (an \
             S3 notification), or with `lakehand_dead_letter`"
                .to_owned(),
        )]
    })
}

fn bad(reason: String) -> Record {
    Record::Bad { reason, object: None }
}
