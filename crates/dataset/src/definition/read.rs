//! Reads the spanned TOML of a definition into its structs, and notes every key and value that does not fit.
//!
//! What is read and what the JSON Schema says come from the same implementations of [`Read`], so they cannot drift.

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;
use crate::problem::Report;

/// A value and the byte offset at which it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands in the file.
    pub(crate) at: usize,
}

impl<T> At<T> {
    pub(crate) fn new(value: T, at: usize) -> Self {
        Self { value, at }
    }
}

/// The entries of a TOML table whose keys are the user's own, in the order of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entries<T> {
    /// Keys and values that could be read.
    pub(crate) read: Vec<(At<String>, At<T>)>,
    /// Keys whose value could not be read, so that nobody calls them unknown.
    pub(crate) unread: Vec<String>,
}

/// A text, number, boolean or date of TOML, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub(crate) String);

/// Something a definition may hold.
pub(crate) trait Read: Sized {
    /// Reads it. What does not fit is noted in the reader, and `None` is given where nothing is left.
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self>;

    /// Its JSON Schema.
    fn schema() -> Json;
}

/// Where reading stands in the file.
#[derive(Debug)]
pub(crate) struct Reader<'r, 'f> {
    report: &'r mut Report<'f>,
    path: Vec<String>,
    /// Whether keys that are missing are problems; not so in a file whose syntax is broken, where they may be lost.
    whole: bool,
}

impl<'r, 'f> Reader<'r, 'f> {
    pub(crate) fn new(report: &'r mut Report<'f>, whole: bool) -> Self {
        Self { report, path: Vec::new(), whole }
    }

    fn key_path(&self, last: Option<&str>) -> String {
        self.path.iter().map(String::as_str).chain(last).collect::<Vec<_>>().join(".")
    }

    /// Notes that the value here is not what it must be.
    pub(crate) fn wrong(&mut self, value: &Spanned<DeValue<'_>>, expected: &str) {
        let path = self.key_path(None);
        let found = described(value.get_ref());
        self.report.add(value.span().start, path, format!("must be {expected}, and is {found}"));
    }

    /// The table here.
    pub(crate) fn table<'v, 'i>(&mut self, value: &'v Spanned<DeValue<'i>>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(value, "a table");
        }
        table
    }

    /// Notes every key of a table that is none of these.
    pub(crate) fn refuse_unknown(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
        known: &[&str],
    ) -> Owner {
        let mut owner = Owner { at: value.span().start, meant: Vec::new() };
        for (key, _) in table {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let path = self.key_path(Some(name));
            let hint = match nearest(name, known.iter().copied()) {
                Some(meant) => {
                    owner.meant.push(meant.to_owned());
                    format!("did you mean {meant}?")
                }
                None => format!("known here: {}", known.join(", ")),
            };
            self.report.advise(key.span().start, path, "unknown key", hint);
        }
        owner
    }

    /// The value of a key that may be absent.
    pub(crate) fn optional<T: Read>(&mut self, table: &DeTable<'_>, _owner: &Owner, key: &str) -> Option<At<T>> {
        let value = table.get(key)?;
        self.inside(key, value)
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T: Read>(&mut self, table: &DeTable<'_>, owner: &Owner, key: &str) -> Option<At<T>> {
        // A key that is there under a misspelled name has been spoken of.
        let misspelled = owner.meant.iter().any(|meant| meant == key);
        if !table.contains_key(key) && !misspelled && self.whole {
            let path = self.key_path(Some(key));
            self.report.add(owner.at, path, "is missing");
        }
        self.optional(table, owner, key)
    }

    fn inside<T: Read>(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<T>> {
        self.path.push(key.to_owned());
        let read = T::read(value, self);
        self.path.pop();
        read.map(|read| At::new(read, value.span().start))
    }
}

/// The table that keys are read from.
#[derive(Debug)]
pub(crate) struct Owner {
    /// Where it stands.
    at: usize,
    /// The known keys that its unknown ones most likely mean.
    meant: Vec<String>,
}

/// A value in words.
fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {:?}", text.as_ref()),
        DeValue::Integer(number) => format!("the integer {number}"),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(truth) => format!("the boolean {truth}"),
        DeValue::Datetime(at) => format!("the date or time {at}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The value of a TOML integer in any base.
pub(crate) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

impl Read for String {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            reader.wrong(value, "a text in quotes");
        }
        text.map(str::to_owned)
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }
}

impl Read for bool {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let truth = value.get_ref().as_bool();
        if truth.is_none() {
            reader.wrong(value, "true or false, without quotes");
        }
        truth
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

impl Read for i64 {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let number = integer(value.get_ref());
        if number.is_none() {
            reader.wrong(value, "an integer");
        }
        number
    }

    fn schema() -> Json {
        json!({ "type": "integer" })
    }
}

impl Read for Scalar {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(Self(text.as_ref().to_owned())),
            DeValue::Integer(number) if number.radix() == 10 => {
                Some(Self(number.as_str().trim_start_matches('+').to_owned()))
            }
            DeValue::Integer(_) => integer(value.get_ref()).map(|number| Self(number.to_string())),
            DeValue::Float(number) => Some(Self(number.as_str().trim_start_matches('+').to_owned())),
            DeValue::Boolean(truth) => Some(Self(truth.to_string())),
            DeValue::Datetime(at) => Some(Self(at.to_string())),
            DeValue::Array(_) | DeValue::Table(_) => {
                reader.wrong(value, "a text, number, boolean or date");
                None
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

impl<T: Read> Read for Vec<At<T>> {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let Some(list) = value.get_ref().as_array() else {
            reader.wrong(value, "a list in brackets");
            return None;
        };
        let elements =
            list.iter().filter_map(|element| T::read(element, reader).map(|read| At::new(read, element.span().start)));
        Some(elements.collect())
    }

    fn schema() -> Json {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: Read> Read for Entries<T> {
    fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
        let mut entries: Vec<_> = reader.table(value)?.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut given = Self { read: Vec::with_capacity(entries.len()), unread: Vec::new() };
        for (key, value) in entries {
            let name = key.get_ref().as_ref().to_owned();
            match reader.inside(&name, value) {
                Some(read) => given.read.push((At::new(name, key.span().start), read)),
                None => given.unread.push(name),
            }
        }
        Some(given)
    }

    fn schema() -> Json {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}

/// A struct whose fields are the known keys of a TOML table, each present or not, with its offset.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $name:ident {
            $( $(#[doc = $field_doc:literal])+ $need:ident $field:ident = $key:literal : $kind:ty, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Default)]
        pub(crate) struct $name {
            $( $(#[doc = $field_doc])+ pub(crate) $field: Option<At<$kind>>, )+
        }

        impl $crate::definition::read::Read for $name {
            fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
                let table = reader.table(value)?;
                let owner = reader.refuse_unknown(value, table, &[$($key),+]);
                Some(Self { $( $field: reader.$need(table, &owner, $key), )+ })
            }

            fn schema() -> Json {
                let mut properties = serde_json::Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let mut schema = <$kind as $crate::definition::read::Read>::schema();
                    schema["description"] = Json::from(concat!($($field_doc, "\n"),+).trim().replace("\n ", "\n"));
                    properties.insert($key.to_owned(), schema);
                    if stringify!($need) == "required" {
                        required.push($key);
                    }
                )+
                json!({
                    "type": "object",
                    "description": concat!($($doc, "\n"),+).trim().replace("\n ", "\n"),
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }
        }
    };
}

/// An enum whose variants are texts.
macro_rules! choice {
    ($(#[doc = $doc:literal])+ $name:ident { $( $(#[doc = $variant_doc:literal])+ $variant:ident = $text:literal, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $( $(#[doc = $variant_doc])+ $variant, )+ }

        impl $crate::definition::read::Read for $name {
            fn read(value: &Spanned<DeValue<'_>>, reader: &mut Reader<'_, '_>) -> Option<Self> {
                match value.get_ref().as_str() {
                    $( Some($text) => Some(Self::$variant), )+
                    _ => {
                        let texts = [$( concat!("\"", $text, "\"") ),+];
                        reader.wrong(value, &texts.join(" or "));
                        None
                    }
                }
            }

            fn schema() -> Json {
                json!({ "type": "string", "enum": [$($text),+] })
            }
        }
    };
}

pub(super) use {choice, section};
