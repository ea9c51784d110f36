//! Our own messages and letters, which come back as they were sent.

use lakehand_domain::dead_letter::{DeadLetter, OriginalMessage};
use lakehand_domain::entry::{SetAsideKind, SetAsideReason};
use lakehand_domain::id::MessageId;
use lakehand_domain::message::Attributes;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::timestamp::Timestamp;

use super::*;

fn event(uri: &str, cause: Cause) -> ObjectEvent {
    ObjectEvent { uri: ObjectUri::parse(uri).unwrap(), cause }
}

fn letter(object: Option<&str>, original: Option<&str>) -> DeadLetter {
    let reason = SetAsideReason { kind: SetAsideKind::NoDataset, message: "r".to_owned() };
    let at = Timestamp::parse("2026-11-21T08:00:00Z").unwrap();
    let of = |body: &str| OriginalMessage {
        id: MessageId::new("m"),
        body: body.to_owned(),
        sent_at: at,
        attributes: Attributes::new(),
        full_bytes: None,
    };
    let object = object.map(|uri| ObjectUri::parse(uri).unwrap());
    DeadLetter { original: original.map(of), ..DeadLetter::of_message(reason, at, object, of("")) }
}

#[test]
fn our_own_messages_come_back_as_they_were_sent() {
    let event = event("file:///in/a b+c.zip", Cause::Replay);
    assert_eq!(decode(&OwnMessage::new(vec![event.clone()]).body()).records, [Record::Object(event)]);
    let body = r#"{"lakehand_event":1,"objects":[{"uri":"nonsense"},{"uri":"s3://b/k"},{"uri":"s3://b/l","x":1}]}"#;
    assert_eq!(told(&decode(body).records), ["bad", "s3://b/k", "bad"]);
    assert_eq!(told(&decode(r#"{"lakehand_event":2,"objects":[{"uri":"s3://b/k"}]}"#).records), ["bad"]);
}

#[test]
fn a_letter_about_an_entry_is_its_object_and_generation() {
    let letter = DeadLetter { generation: Some(Generation(3)), ..letter(Some("s3://b/k"), None) };
    let decoded = decode(&letter.body());
    assert_eq!(decoded.records, [Record::Object(event("s3://b/k", Cause::Letter(Generation(3))))]);
    assert_eq!(decoded.letter, Some(letter));
}

#[test]
fn a_letter_about_an_object_asks_for_it_as_its_message_did_and_for_nothing_else() {
    let asked = OwnMessage::new(vec![event("s3://b/j", Cause::Arrived), event("s3://b/k", Cause::Replay)]).body();
    let decoded = decode(&letter(Some("s3://b/k"), Some(&asked)).body());
    assert_eq!(decoded.records, [Record::Object(event("s3://b/k", Cause::Replay))]);
    for original in [None, Some("no json"), Some(r#"{"Records":[]}"#)] {
        let decoded = decode(&letter(Some("s3://b/k"), original).body());
        assert_eq!(decoded.records, [Record::Object(event("s3://b/k", Cause::Arrived))], "{original:?}");
    }
}

#[test]
fn a_letter_about_a_message_is_that_message() {
    let message = sns("Notification", &notification("a+b").to_string()).to_string();
    let about = letter(None, Some(&message)).body();
    assert_eq!(told(&decode(&about).records), ["s3://landing/a b"]);
    // A letter about a letter is not written any more, and was once.
    assert_eq!(told(&decode(&letter(None, Some(&about)).body()).records), ["s3://landing/a b"]);
    let still = decode(&letter(None, Some("no json")).body());
    let [Record::Bad { body, .. }] = still.records.as_slice() else { panic!("{still:?}") };
    assert_eq!(body, "no json", "what it is about, not the letter");
}

#[test]
fn a_letter_that_cannot_be_read_says_why() {
    let decoded = decode(&letter(None, None).body());
    assert!(why_bad(&decoded.records).contains("neither an object nor a message"));
    for (body, said) in [(r#"{"lakehand_dead_letter":2}"#, "cannot be read"), (r#"{"lakehand_dead_letter":1}"#, "kind")]
    {
        let decoded = decode(body);
        assert!(decoded.letter.is_none() && why_bad(&decoded.records).contains(said), "{decoded:?}");
    }
    let newer =
        letter(Some("s3://b/k"), None).body().replace("\"lakehand_dead_letter\":1", "\"lakehand_dead_letter\":2");
    assert!(why_bad(&decode(&newer).records).contains("understands 1"));
}
