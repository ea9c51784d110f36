use lakehand_domain::id::Generation;
use lakehand_domain::object_event::{Cause, OwnMessage};
use serde_json::json;

use super::*;

fn s3(name: &str, key: &str) -> Value {
    json!({
        "eventVersion": "2.3", "eventSource": "aws:s3", "awsRegion": "eu-central-1", "eventName": name,
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "landing"}, "object": {"key": key, "sequencer": "00A"}},
        "somethingNew": {"of": "later versions"}
    })
}

fn uris(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| match record {
            Record::Object(event) => event.uri.as_str(),
            Record::Ignored { .. } => "ignored",
            Record::Bad { .. } => "bad",
        })
        .collect()
}

#[test]
fn every_record_of_a_notification_is_read_and_its_key_decoded() {
    let body = json!({"Records": [
        s3("ObjectCreated:Put", "red+flower.jpg"),
        s3("s3:ObjectCreated:Post", "a%2Bb%3Dc/%C3%A9%F0%9F%8C%B8"),
        s3("ObjectCreated:CompleteMultipartUpload", "/lead//double"),
        s3("ObjectCreated:Copy", "plain")
    ]});
    assert_eq!(
        uris(&decode(&body.to_string())),
        ["s3://landing/red flower.jpg", "s3://landing/a+b=c/é🌸", "s3://landing//lead//double", "s3://landing/plain"]
    );
}

#[test]
fn a_bad_record_among_ten_takes_nothing_with_it() {
    let mut records: Vec<Value> = (0..10).map(|n| s3("ObjectCreated:Put", &format!("k{n}"))).collect();
    records[3] = json!({"eventVersion": "2.1"});
    records[4]["eventVersion"] = json!("3.0");
    records[5]["s3"]["object"]["key"] = json!("broken%2");
    records[6]["s3"]["object"]["key"] = json!("%ff");
    records[7]["eventName"] = json!("ObjectRemoved:Delete");
    let decoded = decode(&json!({ "Records": records }).to_string());
    assert_eq!(
        uris(&decoded),
        [
            "s3://landing/k0",
            "s3://landing/k1",
            "s3://landing/k2",
            "bad",
            "bad",
            "bad",
            "bad",
            "ignored",
            "s3://landing/k8",
            "s3://landing/k9"
        ]
    );
}

#[test]
fn a_test_event_asks_for_nothing() {
    let body = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "landing"});
    assert_eq!(decode(&body.to_string()), [Record::Ignored { what: "s3:TestEvent".to_owned() }]);
}

#[test]
fn our_own_messages_come_back_as_they_were_sent() {
    let uri = ObjectUri::parse("file:///in/a b+c.zip").unwrap();
    let event = ObjectEvent { uri, cause: Cause::Replay };
    assert_eq!(decode(&OwnMessage::new(vec![event.clone()]).body()), [Record::Object(event)]);
    let body = r#"{"lakehand_event":1,"objects":[{"uri":"nonsense"},{"uri":"s3://b/k"},{"uri":"s3://b/l","x":1}]}"#;
    assert_eq!(uris(&decode(body)), ["bad", "s3://b/k", "bad"]);
    assert_eq!(uris(&decode(r#"{"lakehand_event":2,"objects":[{"uri":"s3://b/k"}]}"#)), ["bad"]);
}

#[test]
fn a_dead_letter_is_the_object_or_the_message_it_was_about() {
    let letter = json!({
        "lakehand_dead_letter": 1, "kind": "unreadable", "reason": "r", "at": "2026-11-21T08:00:00Z",
        "object": "s3://b/k", "dataset": "d", "entry": "e", "generation": 3
    });
    let Record::Object(event) = &decode(&letter.to_string())[0] else { panic!("{letter}") };
    assert_eq!((event.uri.as_str(), event.cause), ("s3://b/k", Cause::Letter(Generation(3))));
    let original = OwnMessage::new(vec![event.clone()]).body();
    let about_message = json!({
        "lakehand_dead_letter": 1, "kind": "undecodable", "reason": "r", "at": "2026-11-21T08:00:00Z",
        "original": {"id": "m", "body": original, "sent_at": "2026-11-21T08:00:00Z"}
    });
    assert_eq!(uris(&decode(&about_message.to_string())), ["s3://b/k"]);
}

#[test]
fn what_is_no_message_is_one_bad_record() {
    for body in ["", "{", "[]", "{}", "null", r#"{"Records": 3}"#, r#"{"lakehand_event":1}"#] {
        assert_eq!(uris(&decode(body)), ["bad"], "{body}");
    }
    assert!(decode(r#"{"Records": []}"#).is_empty());
}

proptest::proptest! {
    #[test]
    fn any_key_survives_its_encoding(key in "\\PC{1,40}") {
        let mut encoded = String::new();
        for byte in key.bytes() {
            match byte {
                b' ' => encoded.push('+'),
                b'a'..=b'z' | b'/' => encoded.push(char::from(byte)),
                other => encoded.extend(format!("%{other:02X}").chars()),
            }
        }
        let body = json!({"Records": [s3("ObjectCreated:Put", &encoded)]}).to_string();
        let expected = format!("s3://landing/{key}");
        let decoded = decode(&body);
        proptest::prop_assert_eq!(uris(&decoded), vec![expected.as_str()]);
    }
}
