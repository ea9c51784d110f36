//! The notification S3 sends to a queue, as other stores that speak S3 send it too.

use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent};
use serde::Deserialize;
use serde_json::Value;

use super::{Record, bad};

/// The fields that are used; others may be there and may come.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Record {
    event_version: String,
    event_name: String,
    s3: Option<S3Entity>,
}

#[derive(Debug, Deserialize)]
struct S3Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    key: String,
}

pub(super) fn decode(document: &Value) -> Option<Vec<Record>> {
    // It comes each time the bucket's configuration is saved, and has no records.
    if document.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Some(vec![Record::Ignored { what: "s3:TestEvent".to_owned() }]);
    }
    let Some(records) = document.get("Records")?.as_array() else {
        return Some(vec![bad("`Records` is not a list".to_owned())]);
    };
    Some(records.iter().enumerate().map(|(index, value)| record(index, value)).collect())
}

fn record(index: usize, value: &Value) -> Record {
    let record = match S3Record::deserialize(value) {
        Ok(record) => record,
        Err(error) => return bad(format!("Records[{index}] is no S3 event: {error}")),
    };
    let major = record.event_version.split('.').next().unwrap_or_default();
    if major != "2" {
        let version = record.event_version;
        return bad(format!("Records[{index}] has eventVersion {version}; 2.x is understood"));
    }
    // Most stores leave the service's name out, some write it.
    let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
    if !name.starts_with("ObjectCreated:") {
        return Record::Ignored { what: record.event_name };
    }
    let Some(S3Entity { bucket, object }) = record.s3 else {
        return bad(format!("Records[{index}] names no object"));
    };
    let Some(key) = decode_key(&object.key) else {
        return bad(format!("Records[{index}] has the key {:?}, which is not form-url-encoded UTF-8", object.key));
    };
    match ObjectUri::parse(&format!("s3://{}/{key}", bucket.name)) {
        Ok(uri) => Record::Object(ObjectEvent { uri, cause: Cause::Arrived }),
        Err(error) => bad(format!("Records[{index}]: {error}")),
    }
}

/// Keys are form-url-encoded: `+` is a space and `%2B` a plus. `None` where the text is not.
fn decode_key(encoded: &str) -> Option<String> {
    let mut bytes = encoded.bytes();
    let mut decoded = Vec::with_capacity(encoded.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next()?)? * 16 + hex(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
