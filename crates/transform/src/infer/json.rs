//! Fields of JSON records, nested objects walked through.

use std::collections::{HashMap, HashSet};
use std::fmt;

use lakehand_dataset::path::FieldPath;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Field;
use super::name::{distinct, snake_case};
use super::seen::Seen;

/// Objects with more keys than this are maps, not records, and are kept as JSON.
const KEYS_MOST: usize = 300;
/// Objects this deep are kept as JSON.
const DEPTH_MOST: usize = 8;

/// One place in the records.
#[derive(Debug, Default)]
struct Place {
    seen: Seen,
    /// Records in which an object stands here.
    objects: u64,
    /// Records in which something else stands here, null left out.
    others: u64,
    /// Whether lists of objects stand here.
    rows: bool,
    children: Vec<(String, Place)>,
    by_key: HashMap<String, usize>,
    /// Whether keys were left out.
    overflow: bool,
}

impl Place {
    fn child(&mut self, key: &str) -> Option<&mut Self> {
        let at = match self.by_key.get(key) {
            Some(at) => *at,
            None if self.children.len() >= KEYS_MOST => {
                self.overflow = true;
                return None;
            }
            None => {
                self.children.push((key.to_owned(), Self::default()));
                self.by_key.insert(key.to_owned(), self.children.len() - 1);
                self.children.len() - 1
            }
        };
        Some(&mut self.children[at].1)
    }

    /// Whether its keys become columns.
    fn flat(&self, depth: usize) -> bool {
        self.objects > 0 && self.others == 0 && !self.overflow && depth < DEPTH_MOST && !self.children.is_empty()
    }
}

/// Whether a line is one JSON object.
pub(crate) fn is_object(line: &str) -> bool {
    line.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(line).is_ok()
}

/// Where in a single document the list lies whose elements are the records: the longest one of objects, where there is
/// one of two or more.
pub(crate) fn list_of(documents: &str) -> Option<Vec<String>> {
    let mut lines = documents.lines();
    let (Some(only), None) = (lines.next(), lines.next()) else { return None };
    let document: serde_json::Value = serde_json::from_str(only).ok()?;
    let mut longest = None;
    find_lists(&document, &mut Vec::new(), &mut longest);
    longest.map(|(_, path)| path)
}

/// Whether the text is one document on one line that holds little but a list of objects.
pub(crate) fn is_envelope(text: &str) -> bool {
    let Some(list) = list_of(text.trim()) else { return false };
    let Ok(document) = serde_json::from_str::<serde_json::Value>(text.trim()) else { return false };
    let within = list.iter().try_fold(&document, |value, key| value.get(key)).map_or(0, leaves);
    within > leaves(&document) - within
}

/// The values that are no lists and no objects.
fn leaves(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(list) => list.iter().map(leaves).sum(),
        serde_json::Value::Object(object) => object.values().map(leaves).sum(),
        _ => 1,
    }
}

fn find_lists(value: &serde_json::Value, path: &mut Vec<String>, longest: &mut Option<(usize, Vec<String>)>) {
    let Some(object) = value.as_object().filter(|_| path.len() < DEPTH_MOST) else { return };
    for (key, value) in object {
        path.push(key.clone());
        if let Some(list) = value.as_array()
            && list.len() > longest.as_ref().map_or(1, |(length, _)| *length)
            && list.iter().all(serde_json::Value::is_object)
        {
            *longest = Some((list.len(), path.clone()));
        }
        find_lists(value, path, longest);
        path.pop();
    }
}

/// What was seen of the records.
#[derive(Debug, Default)]
pub(crate) struct Records {
    root: Place,
    /// Records that could be read.
    pub(crate) records: u64,
}

impl Records {
    /// Takes one line; one that is no JSON object is left out.
    pub(crate) fn line(&mut self, line: &str) {
        // Checked first, so that a line that breaks off leaves no trace.
        if !line.trim_start().starts_with('{') || serde_json::from_str::<IgnoredAny>(line).is_err() {
            return;
        }
        self.records += 1;
        let mut reader = serde_json::Deserializer::from_str(line);
        let _checked_above = Observe { place: &mut self.root, depth: 0 }.deserialize(&mut reader);
    }

    /// Where the records sit, and their fields.
    pub(crate) fn fields(self) -> (Option<String>, Vec<Field>) {
        let mut root = self.root;
        let mut records = FieldPath { from_record: false, keys: Vec::new() };
        while root.children.len() == 1 && root.children[0].1.flat(0) && root.children[0].1.objects == self.records {
            let Some((key, only)) = root.children.pop() else { break };
            records.keys.push(key);
            root = only;
        }
        let mut fields = Vec::new();
        let mut taken = HashSet::new();
        flatten(root, &mut Vec::new(), &mut taken, &mut fields);
        ((!records.keys.is_empty()).then(|| records.to_string()), fields)
    }
}

fn flatten(place: Place, path: &mut Vec<String>, taken: &mut HashSet<String>, fields: &mut Vec<Field>) {
    for (key, mut child) in place.children {
        path.push(key);
        if child.flat(path.len()) {
            flatten(child, path, taken, fields);
        } else {
            if child.objects > 0 {
                child.seen.nested();
            }
            // A key that a path cannot write is left out; so is one that held nothing but empty objects.
            let writable = path.iter().all(|key| !key.contains('"') && !key.is_empty());
            if writable {
                let name = distinct(snake_case(&path.join("_")), taken);
                let from = FieldPath { from_record: false, keys: path.clone() }.to_string();
                let comment = child.rows.then(|| {
                    format!(
                        "a list of objects: a table of its own with rows = {} gives a row for each",
                        quoted(&format!("{from}[]"))
                    )
                });
                fields.push(Field { name, from, seen: child.seen, comment });
            }
        }
        path.pop();
    }
}

fn quoted(text: &str) -> String {
    super::definition::quoted(text)
}

struct Observe<'a> {
    place: &'a mut Place,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Observe<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Observe<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.place.others += 1;
        self.place.seen.boolean(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.place.others += 1;
        self.place.seen.number(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.place.others += 1;
        self.place.seen.number(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.place.others += 1;
        // `1.0` and `1e3` are written with a point or an exponent, which no integer column takes.
        let text = value.to_string();
        self.place.seen.number(&if text.contains('.') { text } else { format!("{text}.0") });
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.place.others += 1;
        self.place.seen.text(text);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.place.others += 1;
        self.place.seen.nested();
        while let Some(is_object) = list.next_element::<IsObject>()? {
            self.place.rows |= is_object.0;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        self.place.objects += 1;
        while let Some(key) = object.next_key::<String>()? {
            match self.place.child(&key).filter(|_| self.depth < DEPTH_MOST) {
                Some(place) => object.next_value_seed(Observe { place, depth: self.depth + 1 })?,
                None => object.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }
}

/// Whether a value is an object; the value itself is passed over.
struct IsObject(bool);

impl<'de> serde::Deserialize<'de> for IsObject {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Look;

        impl<'de> Visitor<'de> for Look {
            type Value = IsObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_bool<E>(self, _: bool) -> Result<IsObject, E> {
                Ok(IsObject(false))
            }

            fn visit_i64<E>(self, _: i64) -> Result<IsObject, E> {
                Ok(IsObject(false))
            }

            fn visit_u64<E>(self, _: u64) -> Result<IsObject, E> {
                Ok(IsObject(false))
            }

            fn visit_f64<E>(self, _: f64) -> Result<IsObject, E> {
                Ok(IsObject(false))
            }

            fn visit_str<E>(self, _: &str) -> Result<IsObject, E> {
                Ok(IsObject(false))
            }

            fn visit_unit<E>(self) -> Result<IsObject, E> {
                Ok(IsObject(false))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<IsObject, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(IsObject(false))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<IsObject, A::Error> {
                while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(IsObject(true))
            }
        }

        deserializer.deserialize_any(Look)
    }
}
