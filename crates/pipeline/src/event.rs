//! **event**: the body of a message → object events, all of its records, each of which is settled by itself.

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::message::{Attributes, Message, MessageRef};
use lakehand_domain::object_event::{ObjectEvent, OwnMessage};
use serde_json::Value;

use crate::intake::Intake;

mod event_bridge;
mod letter;
mod own;
mod s3_notification;
mod s3_object;
mod sns;

#[cfg(test)]
mod tests;

/// A message may be wrapped this often: a dead letter about an SNS notification of a batch of events is four deep.
const DEEPEST: u8 = 6;

/// A message with more records than this that cannot be understood is one dead letter as a whole, not one for each.
const MOST_BAD: usize = 100;

/// The kind of an ignored record is cut after this many characters: it is the sender's text.
const LONGEST_KIND: usize = 80;

/// A message whose records are known.
#[derive(Debug)]
pub struct Received {
    message: Message,
    decoded: Decoded,
}

/// What a body says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The dead letter that the message is, where it is one of ours.
    pub letter: Option<DeadLetter>,
    /// Its records, at least one.
    pub records: Vec<Record>,
}

/// One record of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An object to be looked at.
    Object(ObjectEvent),
    /// It asks for nothing: a test event, a deletion.
    Ignored {
        /// What it is, as a word to count by.
        what: String,
        /// What a person should know of it, where there is something.
        advice: Option<String>,
    },
    /// It cannot be understood.
    Bad {
        /// Why, and what would be understood.
        reason: String,
        /// A message of this record alone, in the shape it came in.
        body: String,
    },
}

impl Received {
    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its records, at least one.
    pub fn records(&self) -> &[Record] {
        &self.decoded.records
    }

    /// The message as an entry remembers it. Of a dead letter: the one that it is about.
    pub(crate) fn asked_by(&self) -> MessageRef {
        let Message { id, sent_at, attributes, .. } = &self.message;
        match self.letter().map(|letter| &letter.original) {
            Some(Some(original)) => MessageRef::new(&original.id, original.sent_at.min(*sent_at), &original.attributes),
            // What stands beside a letter is said of the letter.
            Some(None) => MessageRef::new(id, *sent_at, &Attributes::new()),
            None => MessageRef::new(id, *sent_at, attributes),
        }
    }

    /// The dead letter that it is, where it is one of ours.
    pub fn letter(&self) -> Option<&DeadLetter> {
        self.decoded.letter.as_ref()
    }
}

impl Record {
    /// A message of this record alone.
    pub(crate) fn alone(&self) -> Option<String> {
        match self {
            Self::Object(event) => Some(OwnMessage::new(vec![event.clone()]).body()),
            Self::Bad { body, .. } => Some(body.clone()),
            Self::Ignored { .. } => None,
        }
    }
}

/// Reads a message. What cannot be understood becomes a [`Record::Bad`] and takes nothing else with it.
pub fn event(intake: &Intake<'_>, message: Message) -> Received {
    intake.observer.message_received(&message);
    let decoded = decode(&message.body);
    for record in &decoded.records {
        if let Record::Ignored { what, advice: Some(advice) } = record {
            tracing::warn!(what, "{advice}");
        }
    }
    Received { message, decoded }
}

/// What a body says, whatever it is.
pub fn decode(body: &str) -> Decoded {
    let document = match serde_json::from_str::<Value>(body) {
        Ok(document) => document,
        Err(error) => {
            let reason = format!("the message is not JSON: {error}");
            return Decoded { letter: None, records: vec![Record::Bad { reason, body: body.to_owned() }] };
        }
    };
    let mut records = records(&document, Depth(0));
    let mut bad = records.iter().filter_map(|record| match record {
        Record::Bad { reason, .. } => Some(reason),
        _ => None,
    });
    if let Some(first) = bad.next() {
        let count = bad.count() + 1;
        if count > MOST_BAD {
            let reason = format!("{count} records cannot be understood, the first: {first}");
            records.retain(|record| !matches!(record, Record::Bad { .. }));
            records.push(Record::Bad { reason, body: body.to_owned() });
        }
    }
    if records.is_empty() {
        records.push(ignored("a message without records"));
    }
    Decoded { letter: letter::of(&document), records }
}

/// How many envelopes a document lies in.
#[derive(Debug, Clone, Copy)]
struct Depth(u8);

/// A shape of messages: `None` where the document is none of it.
type Shape = fn(&Value, Depth) -> Option<Vec<Record>>;

/// Every shape that is understood. They tell themselves apart by keys that no other has; an envelope gives what it
/// carries to [`within`].
const SHAPES: [Shape; 6] =
    [own::decode, s3_notification::decode, sns::decode, event_bridge::decode, letter::decode, batch];

fn records(document: &Value, depth: Depth) -> Vec<Record> {
    SHAPES.iter().find_map(|shape| shape(document, depth)).unwrap_or_else(|| {
        vec![bad(
            "the message is no shape that is understood: expected an object with `lakehand_event`, with `Records` (an \
             S3 notification), with `Type` and `TopicArn` (SNS), with `detail-type` (EventBridge), or with \
             `lakehand_dead_letter`; or a list of such",
            document,
        )]
    })
}

/// What an envelope carries.
fn within(document: &Value, depth: Depth) -> Vec<Record> {
    if depth.0 >= DEEPEST {
        return vec![bad(format!("the message is wrapped more than {DEEPEST} times"), document)];
    }
    records(document, Depth(depth.0 + 1))
}

/// What an envelope carries as text. `whose` says of which envelope it is.
fn within_text(text: &str, whose: &str, depth: Depth) -> Vec<Record> {
    match serde_json::from_str::<Value>(text) {
        Ok(document) => within(&document, depth),
        Err(error) => vec![Record::Bad { reason: format!("{whose} is not JSON: {error}"), body: text.to_owned() }],
    }
}

/// Events that were sent together: a list of documents, each of a shape of its own.
fn batch(document: &Value, depth: Depth) -> Option<Vec<Record>> {
    let documents = document.as_array().filter(|documents| !documents.is_empty())?;
    Some(documents.iter().flat_map(|document| within(document, depth)).collect())
}

fn bad(reason: impl Into<String>, alone: &Value) -> Record {
    Record::Bad { reason: reason.into(), body: alone.to_string() }
}

fn ignored(what: &str) -> Record {
    Record::Ignored { what: what.chars().take(LONGEST_KIND).collect(), advice: None }
}
