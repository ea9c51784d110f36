//! The hash of all that decides the bytes made from an object and the standing of its rows.
//!
//! It is recorded with every load and is in force in the warehouse, so it must never change by accident: it is taken
//! over a canonical JSON of the checked definition, in which keys are sorted and what is absent, false or empty is left
//! out. So a new optional key of definitions leaves the fingerprints of those without it as they are.

use lakehand_domain::id::{DatasetId, Fingerprint, digest};
use serde_json::{Value as Json, json};

use crate::dataset::{Encoding, Origin, Quality, RecordCheck, Source, Table};
use crate::pattern::Pattern;

/// The version of the transform: whoever changes what bytes it makes changes this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformIdentity(pub String);

/// What a fingerprint is taken over.
#[derive(Debug)]
pub(crate) struct Basis<'b> {
    pub(crate) id: &'b DatasetId,
    pub(crate) revision: Option<i64>,
    pub(crate) patterns: &'b [&'b Pattern],
    pub(crate) source: &'b Source,
    pub(crate) quality: &'b Quality,
    pub(crate) encoding: &'b Encoding,
    pub(crate) tables: &'b [Table],
    pub(crate) checks: &'b [RecordCheck],
}

impl Basis<'_> {
    /// The fingerprint under this version of the transform.
    pub(crate) fn fingerprint(&self, identity: &TransformIdentity) -> Fingerprint {
        Fingerprint::new(digest(&[b"fingerprint 1", identity.0.as_bytes(), self.canonical().as_bytes()]))
    }

    fn canonical(&self) -> String {
        let mut text = String::new();
        write_canonical(&self.document(), &mut text);
        text
    }

    fn document(&self) -> Json {
        // Where objects lie decides nothing; how their names are taken apart does, where a column or a scope uses it.
        let uses_names = |table: &Table| {
            let captures = table.columns.iter().any(|column| matches!(column.origin, Origin::Capture(_)));
            captures || !table.shape.contest.must_be_said().is_empty()
        };
        let uses_names = self.tables.iter().any(uses_names);
        let names: Vec<String> =
            if uses_names { self.patterns.iter().map(|pattern| pattern.below_prefix()).collect() } else { Vec::new() };
        let Source {
            objects: _,
            format,
            records,
            on_rewrite,
            after_load: _,
            max_line_bytes,
            max_expanded_bytes,
            max_expansion,
            charset,
            max_block_bytes,
        } = self.source;
        // How a warehouse lays a table out decides neither bytes nor standing.
        let tables: Vec<Table> =
            self.tables.iter().map(|table| Table { shape: table.shape.without_layout(), ..table.clone() }).collect();
        json!({
            "dataset": self.id,
            "revision": self.revision,
            "source": {
                "names": names,
                "format": format,
                "records": records,
                "on_rewrite": on_rewrite,
                "max_line_bytes": max_line_bytes,
                "max_expanded_bytes": max_expanded_bytes,
                "max_expansion": max_expansion,
                "charset": charset,
                "max_block_bytes": max_block_bytes,
            },
            "quality": self.quality,
            "encoding": self.encoding,
            "tables": tables,
            "checks": self.checks,
        })
    }
}

/// Writes JSON with sorted keys, leaving out of objects what is null, false or empty.
fn write_canonical(value: &Json, text: &mut String) {
    match value {
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().filter(|(_, value)| !is_nothing(value)).collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                text.push_str(&Json::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
            }
            text.push('}');
        }
        Json::Array(list) => {
            text.push('[');
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_canonical(value, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

fn is_nothing(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Array(list) => list.is_empty(),
        Json::Object(map) => map.values().all(is_nothing),
        Json::Number(_) | Json::String(_) | Json::Bool(true) => false,
    }
}

#[cfg(test)]
mod tests;
