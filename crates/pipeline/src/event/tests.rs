use lakehand_domain::id::Generation;
use lakehand_domain::object_event::Cause;
use serde_json::json;

use super::*;

mod fuzz;
mod letters;
mod random;
mod shapes;

/// A record as AWS writes it.
fn s3(name: &str, key: &str) -> Value {
    json!({
        "eventVersion": "2.3", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
        "eventTime": "2026-11-21T08:00:00.000Z", "eventName": name,
        "userIdentity": {"principalId": "AWS:EXAMPLE"}, "requestParameters": {"sourceIPAddress": "203.0.113.9"},
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "landing",
            "bucket": {"name": "landing", "ownerIdentity": {"principalId": "A1"}, "arn": "arn:aws:s3:::landing"},
            "object": {"key": key, "size": 17, "eTag": "d41d8cd9", "versionId": "v1", "sequencer": "00A"}
        },
        "somethingNew": {"of": "later versions"}
    })
}

fn notification(key: &str) -> Value {
    json!({"Records": [s3("ObjectCreated:Put", key)]})
}

fn sns(kind: &str, message: &str) -> Value {
    json!({
        "Type": kind, "MessageId": "5f1c", "TopicArn": "arn:aws:sns:eu-central-1:123456789012:landing",
        "Subject": "Amazon S3 Notification", "Message": message, "Timestamp": "2026-11-21T08:00:00.000Z",
        "SignatureVersion": "1", "Signature": "c2ln", "SigningCertURL": "https://sns.example/cert.pem",
        "UnsubscribeURL": "https://sns.example/?Action=Unsubscribe"
    })
}

fn event_bridge(kind: &str, key: &str) -> Value {
    json!({
        "version": "0", "id": "17793124", "detail-type": kind, "source": "aws.s3", "account": "123456789012",
        "time": "2026-11-21T08:00:00Z", "region": "eu-central-1", "resources": ["arn:aws:s3:::landing"],
        "detail": {
            "version": "0", "bucket": {"name": "landing"},
            "object": {"key": key, "size": 5, "etag": "b1946ac9", "version-id": "IYV3p", "sequencer": "617f08299329d189"},
            "request-id": "N4N7GDK58NMKJ12R", "requester": "123456789012", "reason": "PutObject"
        }
    })
}

fn read(body: &Value) -> Vec<Record> {
    decode(&body.to_string()).records
}

/// Each record in a word or two.
fn told(records: &[Record]) -> Vec<String> {
    records
        .iter()
        .map(|record| match record {
            Record::Object(event) => event.uri.to_string(),
            Record::Ignored { what, .. } => format!("ignored: {what}"),
            Record::Bad { .. } => "bad".to_owned(),
        })
        .collect()
}

fn why_bad(records: &[Record]) -> &str {
    match records {
        [Record::Bad { reason, .. }] => reason,
        _ => panic!("one bad record: {records:?}"),
    }
}
