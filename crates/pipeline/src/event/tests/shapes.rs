//! Every shape, as its service and the emulators write it.

use super::*;

#[test]
fn every_record_of_a_notification_is_read() {
    let body = json!({"Records": [
        s3("ObjectCreated:Put", "put"), s3("s3:ObjectCreated:Post", "post"), s3("ObjectCreated:Copy", "copy"),
        s3("ObjectCreated:CompleteMultipartUpload", "multipart"), s3("ObjectCreated:Put", "multipart"),
    ]});
    let keys = ["put", "post", "copy", "multipart", "multipart"];
    assert_eq!(told(&read(&body)), keys.map(|key| format!("s3://landing/{key}")));
}

/// The first is how AWS encodes; the others are emulators, which encode more or less and mean the same.
#[test]
fn keys_are_decoded_whoever_encoded_them() {
    for (encoded, key) in [
        ("in/a+b%2B%C3%A9.csv", "in/a b+é.csv"),
        ("in/a%20b%2B%C3%A9.csv", "in/a b+é.csv"),
        ("in%2Fa+b%2B%C3%A9.csv", "in/a b+é.csv"),
        ("in%2fa%20b%2bé.csv", "in/a b+é.csv"),
        ("year%3D2026/day%3D21/a.zip", "year=2026/day=21/a.zip"),
        ("year=2026/day=21/a.zip", "year=2026/day=21/a.zip"),
        ("%F0%9F%8C%B8/%E5%A4%A7.jsonl", "🌸/大.jsonl"),
        ("a//b", "a//b"),
        ("/lead", "/lead"),
        ("%2Flead%2F%2Fdouble", "/lead//double"),
        ("100%25+sure%3F%23%26", "100% sure?#&"),
        ("twice%2525", "twice%25"),
        ("a%00b", "a\0b"),
    ] {
        assert_eq!(told(&read(&notification(encoded))), [format!("s3://landing/{key}")], "{encoded}");
    }
    for broken in ["broken%2", "broken%", "broken%zz", "%ff", ""] {
        assert_eq!(told(&read(&notification(broken))), ["bad"], "{broken}");
    }
}

#[test]
fn what_other_stores_leave_out_is_not_missed() {
    let mut record = s3("ObjectCreated:Put", "k");
    // What is used is the store's stat: neither the version nor the order that an event speaks of.
    for field in ["versionId", "sequencer", "eTag", "size"] {
        record["s3"]["object"][field] = Value::Null;
        assert_eq!(told(&read(&json!({"Records": [&record]}))), ["s3://landing/k"], "{field} is null");
        record["s3"]["object"].as_object_mut().unwrap().remove(field);
        assert_eq!(told(&read(&json!({"Records": [&record]}))), ["s3://landing/k"], "without {field}");
    }
    for time in [json!("2026-11-21T08:00:00.123456"), json!("yesterday"), Value::Null] {
        record["eventTime"] = time;
        assert_eq!(told(&read(&json!({"Records": [&record]}))), ["s3://landing/k"]);
    }
    record.as_object_mut().unwrap().remove("eventTime");
    record["eventVersion"] = json!("2.99");
    assert_eq!(told(&read(&json!({"Records": [&record, &record]}))), ["s3://landing/k"; 2], "a constant sequencer");
}

#[test]
fn foreign_events_ask_for_nothing_and_are_told_apart() {
    for (name, what) in [
        ("ObjectRemoved:Delete", "ObjectRemoved:Delete"),
        ("s3:ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:DeleteMarkerCreated"),
        ("ObjectRestore:Completed", "ObjectRestore:Completed"),
        ("ObjectTagging:Put", "ObjectTagging:Put"),
        ("ObjectAcl:Put", "ObjectAcl:Put"),
        ("LifecycleExpiration:Delete", "LifecycleExpiration:Delete"),
        ("ReducedRedundancyLostObject", "ReducedRedundancyLostObject"),
    ] {
        assert_eq!(told(&read(&json!({"Records": [s3(name, "k")]}))), [format!("ignored: {what}")]);
    }
    let endless = read(&json!({"Records": [s3(&"é".repeat(10_000), "k")]}));
    assert_eq!(told(&endless)[0].chars().count(), "ignored: ".len() + 80, "the sender's text is bounded");
}

#[test]
fn a_test_event_asks_for_nothing_however_it_comes() {
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-21T08:00:00Z",
        "Bucket": "landing", "RequestId": "5582815E1AEA5ADF", "HostId": "8cLeGAmw"});
    for body in [&test, &sns("Notification", &test.to_string()), &json!([test])] {
        assert_eq!(told(&read(body)), ["ignored: s3:TestEvent"]);
    }
}

#[test]
fn a_folder_of_a_console_is_no_file() {
    let mut body = notification("2026/");
    assert_eq!(told(&read(&body)), ["s3://landing/2026/"], "there are bytes in it");
    body["Records"][0]["s3"]["object"]["size"] = json!(0);
    assert_eq!(told(&read(&body)), ["ignored: folder marker"]);
    let mut event = event_bridge("Object Created", "2026/");
    event["detail"]["object"]["size"] = json!(0);
    assert_eq!(told(&read(&event)), ["ignored: folder marker"]);
}

#[test]
fn sns_wraps_what_it_carries() {
    let inner = json!({"Records": [s3("ObjectCreated:Put", "a+b"), s3("ObjectRemoved:Delete", "c"), 7]});
    let records = read(&sns("Notification", &inner.to_string()));
    assert_eq!(told(&records), ["s3://landing/a b", "ignored: ObjectRemoved:Delete", "bad"]);
    // With raw delivery the queue has the inner body.
    assert_eq!(read(&inner), records);
    let Record::Bad { body, reason } = &records[2] else { panic!("{records:?}") };
    assert_eq!((body.as_str(), reason.starts_with("Records[2]")), (r#"{"Records":[7]}"#, true), "{reason}");
    let bridged = sns("Notification", &event_bridge("Object Created", "a+b%20").to_string());
    assert_eq!(told(&read(&bridged)), ["s3://landing/a+b%20"]);
    for (message, said) in [("no json", "SNS topic arn:aws:sns"), ("[]", "no shape"), ("\"x\"", "no shape")] {
        let records = read(&sns("Notification", message));
        assert!(why_bad(&records).contains(said), "{records:?}");
    }
    let mut without = sns("Notification", "");
    without.as_object_mut().unwrap().remove("Message");
    assert!(why_bad(&read(&without)).contains("no text"));
    assert!(why_bad(&read(&sns("Surprise", "{}"))).contains("Surprise"));
}

#[test]
fn sns_confirmations_ask_for_nothing_and_say_what_to_do() {
    for (kind, advice) in
        [("SubscriptionConfirmation", "confirm-subscription"), ("UnsubscribeConfirmation", "any more")]
    {
        let mut body = sns(kind, "You have chosen to subscribe to the topic");
        body["Token"] = json!("2336412f37-secret");
        body["SubscribeURL"] = json!("https://sns.example/?Token=2336412f37-secret");
        let records = read(&body);
        let [Record::Ignored { what, advice: Some(said) }] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!(what, kind);
        assert!(said.contains(advice) && said.contains(":landing") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn event_bridge_keys_are_taken_as_they_are() {
    for key in ["a+b %2B/é=🌸.csv", "plain", "/lead//double"] {
        assert_eq!(told(&read(&event_bridge("Object Created", key))), [format!("s3://landing/{key}")]);
    }
    for kind in ["Object Deleted", "Object Restore Completed", "Object Tags Added", "EC2 Instance State-change"] {
        assert_eq!(told(&read(&event_bridge(kind, "k"))), [format!("ignored: {kind}")]);
    }
    let mut slim = event_bridge("Object Created", "k");
    slim["detail"] = json!({"bucket": {"name": "landing"}, "object": {"key": "k"}});
    assert_eq!(told(&read(&slim)), ["s3://landing/k"]);
    for detail in [json!(null), json!({}), json!({"bucket": {"name": ""}, "object": {"key": "k"}}), json!([1])] {
        slim["detail"] = detail;
        assert_eq!(told(&read(&slim)), ["bad"]);
    }
}

#[test]
fn events_that_were_batched_are_read_one_by_one() {
    let batch = json!([event_bridge("Object Created", "a"), event_bridge("Object Deleted", "a"), {"detail-type":
        "Object Created"}, event_bridge("Object Created", "b"), notification("c+d"), sns("Notification",
        &json!([event_bridge("Object Created", "e")]).to_string())]);
    let records = read(&batch);
    let expected =
        ["s3://landing/a", "ignored: Object Deleted", "bad", "s3://landing/b", "s3://landing/c d", "s3://landing/e"];
    assert_eq!(told(&records), expected);
    let Record::Bad { body, .. } = &records[2] else { panic!("{records:?}") };
    assert_eq!(body, r#"{"detail-type":"Object Created"}"#);
}

#[test]
fn envelopes_in_envelopes_come_to_an_end() {
    let mut body = notification("k");
    for _ in 0..6 {
        assert_eq!(told(&read(&body)), ["s3://landing/k"]);
        body = sns("Notification", &body.to_string());
    }
    assert_eq!(told(&read(&body)), ["s3://landing/k"]);
    let body = sns("Notification", &body.to_string());
    assert!(why_bad(&read(&body)).contains("wrapped more than 6 times"));
}

#[test]
fn a_bad_record_among_ten_takes_nothing_with_it() {
    let mut records: Vec<Value> = (0..10).map(|n| s3("ObjectCreated:Put", &format!("k{n}"))).collect();
    records[3] = json!({"eventVersion": "2.1"});
    records[4]["eventVersion"] = json!("3.0");
    records[5]["s3"]["object"]["key"] = json!("broken%2");
    records[6]["s3"]["bucket"]["name"] = json!("a/b");
    records[7]["eventName"] = json!("ObjectRemoved:Delete");
    let decoded = told(&read(&json!({ "Records": records })));
    let good = [0, 1, 2, 8, 9].map(|n| (n, format!("s3://landing/k{n}")));
    for (at, uri) in good {
        assert_eq!(decoded[at], uri);
    }
    assert_eq!(decoded[3..8], ["bad", "bad", "bad", "bad", "ignored: ObjectRemoved:Delete"]);
}

#[test]
fn very_many_bad_records_are_one() {
    let mut records: Vec<Value> = (0..100_000).map(|n| json!({ "n": n })).collect();
    records.insert(500, s3("ObjectCreated:Put", "k"));
    let body = json!({ "Records": records });
    let decoded = read(&body);
    assert_eq!(told(&decoded), ["s3://landing/k", "bad"]);
    let Record::Bad { reason, body: whole } = &decoded[1] else { panic!("one bad record") };
    assert!(
        reason.starts_with("100000 records cannot be understood, the first: Records[0] is no S3 event"),
        "{reason}"
    );
    assert_eq!(*whole, body.to_string());
}

#[test]
fn what_is_no_message_is_one_bad_record() {
    for body in ["", "{", "[]", "{}", "null", "7", r#"{"Records": 3}"#, r#"{"lakehand_event":1}"#] {
        assert_eq!(told(&decode(body).records), ["bad"], "{body}");
    }
    assert_eq!(told(&decode(r#"{"Records": []}"#).records), ["ignored: a message without records"]);
}
