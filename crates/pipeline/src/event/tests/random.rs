//! Whatever comes: nothing panics, and nothing comes of nothing.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

/// The keys of all shapes, so that chance meets them.
const KEYS: [&str; 24] = [
    "Records",
    "Event",
    "eventVersion",
    "eventName",
    "s3",
    "bucket",
    "name",
    "object",
    "key",
    "size",
    "Type",
    "TopicArn",
    "Message",
    "detail-type",
    "detail",
    "lakehand_event",
    "objects",
    "uri",
    "cause",
    "lakehand_dead_letter",
    "original",
    "body",
    "kind",
    "generation",
];

const TEXTS: [&str; 14] = [
    "2.1",
    "ObjectCreated:Put",
    "s3:TestEvent",
    "Notification",
    "SubscriptionConfirmation",
    "Object Created",
    "landing",
    "a+b%2F",
    "%",
    "s3://b/k",
    "{\"Records\":[{}]}",
    "[[]]",
    "unreadable",
    "2026-11-21T08:00:00Z",
];

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned), any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(json!(1)),
        text.prop_map(Value::from),
    ];
    let key = prop_oneof![9 => proptest::sample::select(&KEYS[..]).prop_map(str::to_owned), 1 => any::<String>()];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        // Envelopes carry documents as text.
        let wrapped = inner.clone().prop_map(|value| Value::from(value.to_string()));
        let inner = prop_oneof![4 => inner, 1 => wrapped];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(key.clone(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

pub(super) fn is_sane(body: &str) {
    let decoded = decode(body);
    assert!(!decoded.records.is_empty());
    for record in &decoded.records {
        match record {
            Record::Object(event) => assert!(event.uri.as_str().contains("://")),
            Record::Ignored { what, .. } => assert!(what.chars().count() <= LONGEST_KIND),
            // What a dead letter carries is bad again, and for itself: a replay neither loses nor doubles it.
            Record::Bad { body, .. } => {
                let again = decode(body).records;
                assert_eq!(again.iter().filter(|record| matches!(record, Record::Bad { .. })).count(), again.len());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_json_gives_records(value in json_value()) {
        is_sane(&value.to_string());
    }

    #[test]
    fn any_bytes_give_records(bytes in vec(any::<u8>(), 0..300)) {
        is_sane(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_text_in_any_place_of_a_message_gives_records(text in any::<String>(), at in 0_usize..6) {
        let mut body = notification("k");
        match at {
            0 => body["Records"][0]["s3"]["object"]["key"] = json!(text),
            1 => body["Records"][0]["s3"]["bucket"]["name"] = json!(text),
            2 => body["Records"][0]["eventName"] = json!(text),
            3 => body["Records"][0]["eventVersion"] = json!(text),
            4 => body = sns("Notification", &text),
            _ => body = event_bridge("Object Created", &text),
        }
        is_sane(&body.to_string());
    }

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
        let decoded = read(&notification(&encoded));
        prop_assert_eq!(told(&decoded), vec![format!("s3://landing/{key}")]);
        prop_assert_eq!(told(&read(&event_bridge("Object Created", &key))), vec![format!("s3://landing/{key}")]);
    }
}
