//! The object that an event of S3 names, as a notification and EventBridge have it.

use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent};
use serde::Deserialize;
use serde_json::Value;

use super::{Record, ignored};

#[derive(Debug, Deserialize)]
pub(super) struct Bucket {
    pub(super) name: String,
}

/// The fields that are used. Version, eTag and sequencer are not: what the store's stat says is what counts, and not
/// every store sends them.
#[derive(Debug, Deserialize)]
pub(super) struct Object {
    pub(super) key: String,
    size: Option<Value>,
}

impl Object {
    /// The arrival of the object under its decoded key; the error says what is wrong with the name.
    pub(super) fn arrived(&self, bucket: &Bucket, key: &str) -> Result<Record, String> {
        if key.is_empty() || bucket.name.is_empty() || bucket.name.contains('/') {
            return Err(format!("bucket {:?} and key {key:?} name no object", bucket.name));
        }
        // Consoles show folders by empty objects that end in a slash; there is nothing in them to be read.
        if key.ends_with('/') && self.size.as_ref().and_then(Value::as_u64) == Some(0) {
            return Ok(ignored("folder marker"));
        }
        let uri = ObjectUri::parse(&format!("s3://{}/{key}", bucket.name)).map_err(|error| error.to_string())?;
        Ok(Record::Object(ObjectEvent { uri, cause: Cause::Arrived }))
    }
}
