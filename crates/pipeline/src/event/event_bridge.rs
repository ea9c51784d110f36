//! An event of S3 as EventBridge delivers it. Its keys are not encoded.

use serde::Deserialize;
use serde_json::Value;

use super::s3_object::{Bucket, Object};
use super::{Depth, Record, bad, ignored};

/// The fields that are used; others may be there and may come.
#[derive(Debug, Deserialize)]
struct Detail {
    bucket: Bucket,
    object: Object,
}

pub(super) fn decode(document: &Value, _: Depth) -> Option<Vec<Record>> {
    let kind = document.get("detail-type")?.as_str()?;
    if kind != "Object Created" {
        return Some(vec![ignored(kind)]);
    }
    let created = document
        .get("detail")
        .ok_or_else(|| "has no `detail`".to_owned())
        .and_then(|detail| Detail::deserialize(detail).map_err(|error| error.to_string()))
        .and_then(|Detail { bucket, object }| object.arrived(&bucket, &object.key));
    Some(vec![
        created.unwrap_or_else(|why| bad(format!("the event \"Object Created\" cannot be read: {why}"), document)),
    ])
}
