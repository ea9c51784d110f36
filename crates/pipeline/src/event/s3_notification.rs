//! The notification S3 sends to a queue, as other stores that speak S3 send it too.

use serde::Deserialize;
use serde_json::{Value, json};

use super::s3_object::{Bucket, Object};
use super::{Depth, Record, bad, ignored};

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

pub(super) fn decode(document: &Value, _: Depth) -> Option<Vec<Record>> {
    // It comes each time the bucket's configuration is saved, and has no records.
    if document.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Some(vec![ignored("s3:TestEvent")]);
    }
    let Some(records) = document.get("Records")?.as_array() else {
        return Some(vec![bad("`Records` is not a list", document)]);
    };
    let record = |(index, value)| {
        record(value).unwrap_or_else(|why| bad(format!("Records[{index}] {why}"), &json!({ "Records": [value] })))
    };
    Some(records.iter().enumerate().map(record).collect())
}

fn record(value: &Value) -> Result<Record, String> {
    let record = S3Record::deserialize(value).map_err(|error| format!("is no S3 event: {error}"))?;
    let major = record.event_version.split('.').next().unwrap_or_default();
    if major != "2" {
        return Err(format!("has eventVersion {}; 2.x is understood", record.event_version));
    }
    // Most stores leave the service's name out, some write it.
    let name = record.event_name.strip_prefix("s3:").unwrap_or(&record.event_name);
    if !name.starts_with("ObjectCreated:") {
        return Ok(ignored(name));
    }
    let S3Entity { bucket, object } = record.s3.ok_or("names no object")?;
    let key = decode_key(&object.key)
        .ok_or_else(|| format!("has the key {:?}, which is not form-url-encoded UTF-8", object.key))?;
    object.arrived(&bucket, &key)
}

/// Keys are form-url-encoded: `+` is a space and `%2B` a plus. What stores leave as it is, such as `/` or `=`, others
/// encode; both come out the same. `None` where the text is not encoded so.
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
