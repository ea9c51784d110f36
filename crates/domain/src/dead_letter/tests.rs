use std::time::Duration;

use super::*;
use crate::entry::{ClaimDecision, ClaimRequest, claim};
use crate::id::{Fingerprint, WorkerId};
use crate::message::MessageRef;
use crate::object::{ObjectStat, ObjectVersion};
use crate::object_event::Cause;

fn original(body: String) -> OriginalMessage {
    OriginalMessage {
        id: MessageId::new("m-1"),
        body,
        sent_at: Timestamp::from_micros(1),
        attributes: Attributes::from([("origin".to_owned(), "a topic".to_owned())]),
        full_bytes: None,
    }
}

fn letter(object: Option<&str>, body: String) -> DeadLetter {
    let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: "é".repeat(40_000) };
    let object = object.map(|uri| ObjectUri::parse(uri).unwrap());
    DeadLetter::of_message(reason, Timestamp::from_micros(2), object, original(body))
}

fn read(text: &str) -> DeadLetter {
    serde_json::from_str(text).unwrap()
}

#[test]
fn attributes_name_what_an_operator_looks_for() {
    let mut letter = letter(Some("s3://landing/a.zip"), "body".to_owned());
    letter.dataset = Some(DatasetId::new("flats"));
    letter.entry = Some(EntryId::new("e"));
    letter.generation = Some(Generation(3));
    let attributes = letter.attributes();
    let names: Vec<_> = attributes.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["dataset", "entry", "generation", "kind", "object", "original_attributes", "original_id", "reason"]
    );
    assert_eq!(attributes["object"], "s3://landing/a.zip");
    assert_eq!(attributes["kind"], SetAsideKind::Unreadable.as_str());
    assert_eq!(attributes["generation"], "3");
    assert_eq!(attributes["original_attributes"], r#"{"origin":"a topic"}"#);
    assert!(attributes["reason"].starts_with("éé") && attributes["reason"].ends_with('…'));
    assert!(attributes["reason"].len() < 1100, "a queue counts attributes too");
}

#[test]
fn the_letter_of_an_entry_names_the_message_that_the_file_came_by() {
    let stat = ObjectStat {
        uri: ObjectUri::parse("s3://landing/a.zip").unwrap(),
        version: ObjectVersion::of(Some("v"), None, 1, Timestamp::default()),
        version_id: None,
        etag: None,
        size: 1,
        last_modified: Timestamp::default(),
    };
    let brought = Attributes::from([("origin".to_owned(), "a topic".to_owned())]);
    let request = ClaimRequest {
        dataset: DatasetId::new("flats"),
        object: stat,
        fingerprint: Fingerprint::new("f"),
        worker: WorkerId::new("w"),
        lease_for: Duration::from_mins(1),
        skew: Duration::ZERO,
        cause: Cause::Arrived,
        asked_by: MessageRef::new(&MessageId::new("m-1"), Timestamp::from_micros(1), &brought),
        marked: None,
        now: Timestamp::from_micros(2),
    };
    let ClaimDecision::Take(claimed) = claim(None, &request) else { panic!("nobody has it") };
    assert_eq!(DeadLetter::of_entry(&claimed), None);
    let reason = SetAsideReason { kind: SetAsideKind::Unreadable, message: "torn".to_owned() };
    let aside = claimed.set_aside(claimed.lease().unwrap(), reason, None, Timestamp::from_micros(3)).unwrap();
    let letter = DeadLetter::of_entry(&aside).unwrap();
    let attributes = letter.attributes();
    assert_eq!(attributes["original_id"], "m-1");
    assert_eq!(attributes["original_attributes"], r#"{"origin":"a topic"}"#);
    assert_eq!(read(&letter.body()), letter);
    assert!(!letter.body().contains("\"body\""), "an entry does not keep it: {}", letter.body());
    assert_eq!((letter.as_it_came(), letter.body_within(10)), (None, None), "a letter is never sent empty");
    assert_eq!(DeadLetter::of_entry(&aside.told(Timestamp::from_micros(4)).unwrap()), None);
    let old = DeadLetter::of_entry(&Entry { asked_by: None, ..aside }).unwrap();
    assert_eq!(old.original, None);
}

#[test]
fn what_fits_is_left_as_it_is() {
    let letter = letter(None, "body".to_owned());
    assert_eq!(letter.body_within(1 << 20).unwrap(), letter.body());
}

#[test]
fn the_object_is_kept_and_the_rest_is_cut_with_a_mark() {
    let letter = letter(Some("s3://landing/a.zip"), "\"".repeat(1 << 20));
    for most in [1 << 20, 200_000, 10_000, 1_000, 400] {
        let text = letter.body_within(most).unwrap();
        assert!(text.len() <= most, "{most}: {}", text.len());
        let short = read(&text);
        assert_eq!((&short.object, short.kind, short.at), (&letter.object, letter.kind, letter.at));
        let original = short.original.unwrap();
        assert_eq!(original.full_bytes, Some(1 << 20));
        assert!(original.body.ends_with('…'));
    }
    assert_eq!(letter.body_within(100), None);
}

#[test]
fn an_original_that_alone_says_what_was_asked_is_never_cut() {
    let long = "x".repeat(1 << 19);
    let letter = letter(None, long.clone());
    let text = letter.body_within(long.len() + 4_000).unwrap();
    let short = read(&text);
    assert_eq!(short.original.unwrap().body, long, "the reason is cut first");
    assert!(short.reason.ends_with('…'));
    assert_eq!(letter.body_within(long.len()).unwrap(), long, "then it is sent as it came");
    assert_eq!(letter.body_within(long.len() - 1), None, "and never lost");
}
