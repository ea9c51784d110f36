//! Messages of our own: `{"lakehand_event": 1, "objects": [{"uri": "…"}]}`.

use lakehand_domain::object_event::ObjectEvent;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Depth, Record, bad};

pub(super) fn decode(document: &Value, _: Depth) -> Option<Vec<Record>> {
    let version = document.get("lakehand_event")?;
    if version.as_u64() != Some(1) {
        let reason = format!("lakehand_event is {version}; this version of lakehand understands 1");
        return Some(vec![bad(reason, document)]);
    }
    let Some(objects) = document.get("objects").and_then(Value::as_array) else {
        return Some(vec![bad("a lakehand_event without a list of `objects`", document)]);
    };
    // One by one, and not as the whole type at once: a bad record takes nothing else with it.
    Some(objects.iter().enumerate().map(|(index, object)| record(index, object)).collect())
}

fn record(index: usize, object: &Value) -> Record {
    match ObjectEvent::deserialize(object) {
        Ok(event) => Record::Object(event),
        Err(error) => {
            let alone = json!({ "lakehand_event": 1, "objects": [object] });
            bad(format!("objects[{index}] cannot be read: {error}"), &alone)
        }
    }
}
