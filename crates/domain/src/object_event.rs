//! That an object is there to be looked at, and why someone says so.

use serde::{Deserialize, Serialize};

use crate::id::Generation;
use crate::object::ObjectUri;

/// Why an object is to be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was created, or found by a listing. What is done already stays as it is.
    #[default]
    Arrived,
    /// Someone asked for it again: what is loaded or set aside begins a new generation.
    Replay,
    /// It was written under a definition that is no longer in force.
    DefinitionChanged,
    /// A dead letter of this generation is replayed: a new generation begins only if it is still set aside there.
    Letter(Generation),
}

/// One object to be processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectEvent {
    /// The object.
    pub uri: ObjectUri,
    /// Why.
    #[serde(default)]
    pub cause: Cause,
}

/// The body of a message of our own, `{"lakehand_event": 1, "objects": [{"uri": "…"}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnMessage {
    /// The version of this format: 1.
    pub lakehand_event: u32,
    /// The objects, at most some hundred.
    pub objects: Vec<ObjectEvent>,
}

impl OwnMessage {
    /// A message about these objects.
    pub fn new(objects: Vec<ObjectEvent>) -> Self {
        Self { lakehand_event: 1, objects }
    }

    /// Its text.
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
