//! Rejected records: why, where, and how they are counted and kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which rule a record broke. The names are written to quarantine and shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The line is not a record of the format at all.
    Syntax,
    /// The line is not valid UTF-8.
    Utf8,
    /// The line is longer than the limit.
    LineTooLong,
    /// The line has more or fewer fields than the header.
    Ragged,
    /// A key that is wanted occurs twice.
    DuplicateKey,
    /// The value is of another type than declared, and is not that type in text either.
    Type,
    /// The number does not fit the declared type.
    Range,
    /// The decimal has digits beyond its scale or precision.
    Precision,
    /// The text has more bytes than varchar(n), or more or fewer characters than allowed.
    Length,
    /// The text has a NUL character, which warehouses do not hold.
    Nul,
    /// The date or time does not exist, or has no zone where one is needed.
    Time,
    /// A required value is absent.
    Required,
    /// The value is outside min or max.
    Bounds,
    /// The text does not match the pattern.
    Matches,
    /// The value is none of those allowed.
    OneOf,
    /// `map` has no entry for the value.
    Map,
    /// The file had the value before, and the column is unique.
    Unique,
    /// An expression failed, or its result does not fit the declared type.
    Expression,
    /// A check of the definition finds the record.
    Check,
    /// The record has a field the definition does not know.
    UnknownField,
}

impl Rule {
    /// The name as people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Utf8 => "utf8",
            Self::LineTooLong => "line_too_long",
            Self::Ragged => "ragged",
            Self::DuplicateKey => "duplicate_key",
            Self::Type => "type",
            Self::Range => "range",
            Self::Precision => "precision",
            Self::Length => "length",
            Self::Nul => "nul",
            Self::Time => "time",
            Self::Required => "required",
            Self::Bounds => "bounds",
            Self::Matches => "matches",
            Self::OneOf => "one_of",
            Self::Map => "map",
            Self::Unique => "unique",
            Self::Expression => "expression",
            Self::Check => "check",
            Self::UnknownField => "unknown_field",
        }
    }
}

/// One rejected record, as a line of a quarantine file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The URI of the object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// The record's number in the object, as in the `_record` column: its first line, members counted on; its place
    /// among the records where these are no lines.
    pub record: u64,
    /// The member of an archive, where the object is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The line within the member, or within the object where it is no archive; from 1. For Parquet and Avro, which have
    /// no lines, the place among the records.
    pub line: u64,
    /// The byte within the record at which a syntax error was seen, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// `table.column`, or the path, where one column is at fault; `checks.name` where a check is what finds the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The rule it broke.
    pub rule: Rule,
    /// What is wrong, in words.
    pub message: String,
    /// The offending text, cut to 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The raw record, cut to the quarantine's limit; invalid UTF-8 replaced.
    pub raw: String,
    /// Whether `raw` is less than the record.
    #[serde(default)]
    pub raw_cut: bool,
    /// The bytes of which `raw` is made, in base64, where they are not valid UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
}

/// Kinds that are counted apart; of those that come after them, each rule counts the rest under its own name.
const MOST_KINDS: usize = 200;

/// The most of a kind's name that is kept. Names of unknown fields come from the files.
const KIND_BYTES: usize = 140;

/// How many records were rejected, by rule and column. It lies in ledger entries, which must stay small: a file in which
/// every record has an unknown field of its own has no more kinds than any other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RejectCounts(BTreeMap<String, u64>);

impl RejectCounts {
    /// Counts one more.
    pub fn add(&mut self, rule: Rule, column: Option<&str>) {
        match column {
            Some(column) => self.count(kind(rule, column), rule.name(), 1),
            None => self.count(rule.name().to_owned(), rule.name(), 1),
        }
    }

    /// Adds all of another.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.0 {
            let rule = kind.split_once(' ').map_or(kind.as_str(), |(rule, _)| rule);
            self.count(kind.clone(), rule, *count);
        }
    }

    fn count(&mut self, kind: String, rule: &str, count: u64) {
        let full = self.0.len() >= MOST_KINDS && !self.0.contains_key(&kind);
        *self.0.entry(if full { rule.to_owned() } else { kind }).or_default() += count;
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// `rule column` (or `rule` alone) and how many, in order of the name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(key, count)| (key.as_str(), *count))
    }
}

/// `rule column`, without what a terminal or a log would choke on.
fn kind(rule: Rule, column: &str) -> String {
    let mut kind = format!("{} ", rule.name());
    kind.extend(column.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }));
    kind.truncate(kind.floor_char_boundary(KIND_BYTES));
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_of_before_read_as_they_were() {
        let line = r#"{"record":3,"line":3,"rule":"utf8","message":"m","raw":"r","raw_cut":false}"#;
        let reject: Reject = serde_json::from_str(line).unwrap();
        assert_eq!((reject.raw.as_str(), &reject.raw_base64), ("r", &None));
        assert_eq!(serde_json::to_string(&reject).unwrap(), line);
    }

    #[test]
    fn kinds_are_bounded_and_every_reject_is_counted() {
        let mut counts = RejectCounts::default();
        for number in 0..1_000 {
            counts.add(Rule::UnknownField, Some(&format!("{number}\u{0}{}", "ü".repeat(300))));
        }
        counts.add(Rule::Type, Some("t.late"));
        counts.add(Rule::Syntax, None);
        counts.add(Rule::UnknownField, Some(&format!("7\u{0}{}", "ü".repeat(300))));
        assert_eq!(counts.total(), 1_003);
        let kinds: Vec<_> = counts.iter().collect();
        assert_eq!(kinds.len(), MOST_KINDS + 3, "the rules themselves come on top");
        assert!(kinds.iter().all(|(kind, _)| kind.len() <= KIND_BYTES && !kind.contains('\u{0}')));
        assert!(
            kinds.contains(&("unknown_field", 800)) && kinds.contains(&("type", 1)) && kinds.contains(&("syntax", 1))
        );
        let mut merged = RejectCounts::default();
        merged.add(Rule::Type, Some("t.first"));
        merged.merge(&counts);
        assert_eq!((merged.total(), merged.iter().count()), (1_004, MOST_KINDS), "the rules came first");
    }
}
