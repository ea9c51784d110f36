//! What is done to a column's value, and what it must satisfy.

use std::collections::BTreeMap;

use chrono::format::{Fixed, Item, Numeric, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use lakehand_domain::shape::ColumnType;
use regex::Regex;

use super::column::kind_of;
use super::table::Kind;
use crate::dataset::Rules;
use crate::definition;
use crate::definition::read::{At, Entries, Scalar};
use crate::literal::Literal;
use crate::nearest::nearest;
use crate::problem::Report;

/// Checks the rules of a column of this type; `None` where one of them has a problem.
pub(super) fn check(
    given: &definition::Column,
    column_type: ColumnType,
    path: &str,
    report: &mut Report<'_>,
) -> Option<Rules> {
    let mut check = RulesCheck { column_type, path, report, fine: true };
    check.refuse_unfit(given);
    let (min, max) = check.bounds(given);
    let default = check.default(given, min.as_ref(), max.as_ref());
    let rules = Rules {
        trim: given.trim.as_ref().is_some_and(|trim| trim.value),
        null_if: given.null_if.iter().flat_map(|list| &list.value).map(|text| text.value.0.clone()).collect(),
        extract: given.extract.as_ref().and_then(|pattern| check.extract(pattern)),
        map: given.map.as_ref().map(|map| check.map(map, given.format.is_some() || given.zone.is_some())),
        default,
        min: given.min.as_ref().map(|bound| bound.value.0.clone()),
        max: given.max.as_ref().map(|bound| bound.value.0.clone()),
        matches: given
            .matches
            .as_ref()
            .and_then(|pattern| check.regex(pattern, "matches").map(|_| pattern.value.clone())),
        one_of: given.one_of.as_ref().map(|list| check.one_of(list)).unwrap_or_default(),
        format: given.format.as_ref().and_then(|format| check.format(format, given.zone.is_some())),
        zone: given.zone.as_ref().and_then(|zone| check.zone(zone)),
        min_length: given.min_length.as_ref().and_then(|length| check.length(length, "min_length")),
        max_length: given.max_length.as_ref().and_then(|length| check.length(length, "max_length")),
        unique: given.unique.as_ref().is_some_and(|unique| unique.value),
        mask: None,
        subject: given.subject.as_ref().is_some_and(|subject| subject.value),
    };
    if let (Some(least), Some(most), Some(given)) = (rules.min_length, rules.max_length, &given.min_length)
        && least > most
    {
        check.problem(given.at, "min_length", format!("{least} is above max_length, {most}: no text could pass"));
    }
    // Of a text that is masked, the column holds what the mask leaves.
    if let (Some(least), Some(length), ColumnType::Varchar { bytes }, None) =
        (rules.min_length, &given.min_length, column_type, &given.mask)
        && least > bytes
    {
        let message = format!("{least} characters have more bytes than {column_type} holds: no text could pass");
        check.problem(length.at, "min_length", message);
    }
    check.fine.then_some(rules)
}

/// Parts of a notation by which times would become others: what they are, and what to write instead.
fn bent(item: &Item<'_>) -> Option<(&'static str, &'static str)> {
    match item {
        Item::Numeric(Numeric::Nanosecond, _) => Some((
            "%f, which counts nanoseconds, so that .5 would be five of them",
            "write %.f for a point and any digits, %3f or %6f for so many digits",
        )),
        Item::Fixed(Fixed::TimezoneName) => Some((
            "%Z, the name of a zone, which says no offset that can be relied on",
            "write %z for offsets such as +0100, or the name as it stands and zone = \"Europe/Berlin\"",
        )),
        _ => None,
    }
}

struct RulesCheck<'c, 'f> {
    column_type: ColumnType,
    path: &'c str,
    report: &'c mut Report<'f>,
    fine: bool,
}

impl RulesCheck<'_, '_> {
    fn problem(&mut self, at: usize, key: &str, message: impl Into<String>) {
        self.fine = false;
        self.report.add(at, format!("{}.{key}", self.path), message);
    }

    fn advise(&mut self, at: usize, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.fine = false;
        self.report.advise(at, format!("{}.{key}", self.path), message, hint);
    }

    /// Rules that mean nothing for the column's type or origin would be broken promises, so they are refused.
    fn refuse_unfit(&mut self, given: &definition::Column) {
        let kind = kind_of(given);
        let (text, moment) = (
            matches!(self.column_type, ColumnType::Varchar { .. }),
            matches!(self.column_type, ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz),
        );
        let json = self.column_type == ColumnType::Json;
        let ordered = !text && !json && self.column_type != ColumnType::Boolean;
        let floating = matches!(self.column_type, ColumnType::Real | ColumnType::Double);
        let before_typing = [
            ("trim", given.trim.as_ref().map(|rule| rule.at), !json),
            ("null_if", given.null_if.as_ref().map(|rule| rule.at), true),
            ("extract", given.extract.as_ref().map(|rule| rule.at), !json),
            ("map", given.map.as_ref().map(|rule| rule.at), !json),
            ("format", given.format.as_ref().map(|rule| rule.at), moment),
            ("zone", given.zone.as_ref().map(|rule| rule.at), self.column_type == ColumnType::Timestamptz),
        ];
        let after_typing = [
            ("min", given.min.as_ref().map(|rule| rule.at), ordered),
            ("max", given.max.as_ref().map(|rule| rule.at), ordered),
            ("matches", given.matches.as_ref().map(|rule| rule.at), text),
            ("min_length", given.min_length.as_ref().map(|rule| rule.at), text),
            ("max_length", given.max_length.as_ref().map(|rule| rule.at), text),
            ("one_of", given.one_of.as_ref().map(|rule| rule.at), !json && !floating),
        ];
        if let (Some(default), Kind::Hash) = (&given.default, kind) {
            self.problem(default.at, "default", "is not for hashes");
        }
        for (key, at, fits) in before_typing {
            let Some(at) = at else { continue };
            match kind {
                Kind::Expression => {
                    self.problem(at, key, "is not for expressions: it is about texts before they are typed");
                }
                Kind::Hash => self.problem(at, key, "is not for hashes"),
                Kind::Field | Kind::Capture if !fits => self.unfit(at, key),
                Kind::Field | Kind::Capture => {}
            }
        }
        for (key, at, fits) in after_typing {
            let Some(at) = at else { continue };
            match kind {
                Kind::Hash => self.problem(at, key, "is not for hashes"),
                _ if !fits => self.unfit(at, key),
                _ => {}
            }
        }
    }

    fn unfit(&mut self, at: usize, key: &str) {
        let only = match key {
            "format" => "is only for date, timestamp and timestamptz",
            "zone" => "is only for timestamptz",
            "min" | "max" => "is only for numbers, dates and times",
            "matches" | "min_length" | "max_length" => "is only for varchar",
            "one_of" => "is not for json, real and double",
            _ => "is not for json, which is kept as it came",
        };
        self.problem(at, key, format!("{only}; this column is {}", self.column_type));
    }

    fn length(&mut self, length: &At<i64>, key: &str) -> Option<u32> {
        let characters = u32::try_from(length.value).ok();
        if characters.is_none() {
            self.problem(length.at, key, format!("must be a number of characters, and is {}", length.value));
        }
        characters
    }

    fn literal(&mut self, scalar: &At<Scalar>, key: &str) -> Option<Literal> {
        match Literal::parse(&scalar.value.0, self.column_type) {
            Ok(literal) => Some(literal),
            Err(message) => {
                self.problem(scalar.at, key, message);
                None
            }
        }
    }

    fn bounds(&mut self, given: &definition::Column) -> (Option<Literal>, Option<Literal>) {
        let min = given.min.as_ref().and_then(|bound| self.literal(bound, "min"));
        let max = given.max.as_ref().and_then(|bound| self.literal(bound, "max"));
        if let (Some(bound), Some(least), Some(greatest)) = (&given.min, &min, &max)
            && least.is_after(greatest)
        {
            let most = given.max.as_ref().map_or("", |bound| bound.value.0.as_str());
            self.problem(bound.at, "min", format!("{} is above max, {most}: no value could pass", bound.value.0));
        }
        (min, max)
    }

    fn default(&mut self, given: &definition::Column, min: Option<&Literal>, max: Option<&Literal>) -> Option<String> {
        let default = given.default.as_ref()?;
        let value = self.literal(default, "default")?;
        let text = &default.value.0;
        if min.is_some_and(|min| min.is_after(&value)) || max.is_some_and(|max| value.is_after(max)) {
            self.problem(default.at, "default", format!("{text} is outside min and max, so that it would be rejected"));
        }
        if let Some(list) = given.one_of.as_ref().filter(|list| !list.value.is_empty()) {
            let allowed = list.value.iter().filter_map(|one| Literal::parse(&one.value.0, self.column_type).ok());
            if !allowed.into_iter().any(|allowed| allowed == value) {
                self.problem(
                    default.at,
                    "default",
                    format!("{text:?} is none of one_of, so that it would be rejected"),
                );
            }
        }
        let pattern = given.matches.as_ref().and_then(|pattern| Regex::new(&pattern.value).ok());
        if pattern.is_some_and(|pattern| !pattern.is_match(text)) {
            self.problem(default.at, "default", format!("{text:?} does not match, so that it would be rejected"));
        }
        Some(text.clone())
    }

    fn regex(&mut self, pattern: &At<String>, key: &str) -> Option<Regex> {
        match Regex::new(&pattern.value) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or("").trim().trim_start_matches("error: ").to_owned();
                self.problem(pattern.at, key, format!("{:?} is not a regular expression: {why}", pattern.value));
                None
            }
        }
    }

    fn extract(&mut self, pattern: &At<String>) -> Option<String> {
        let groups = self.regex(pattern, "extract")?.captures_len() - 1;
        if groups != 1 {
            let message = format!("{:?} has {groups} groups, and needs exactly one, which is the value", pattern.value);
            let hint = if groups == 0 {
                "put parentheses around the part that is the value"
            } else {
                "write (?:…) for groups that are not the value"
            };
            self.advise(pattern.at, "extract", message, hint);
            return None;
        }
        Some(pattern.value.clone())
    }

    fn map(&mut self, map: &At<Entries<Scalar>>, own_notation: bool) -> BTreeMap<String, String> {
        if map.value.read.is_empty() {
            self.problem(map.at, "map", "is empty, so that every value would be rejected");
        }
        for (text, value) in &map.value.read {
            // What a map gives is read like the field itself, so that a format or zone says how it is written.
            if !own_notation {
                self.literal(value, &format!("map.{}", text.value));
            }
        }
        map.value.read.iter().map(|(text, value)| (text.value.clone(), value.value.0.clone())).collect()
    }

    fn one_of(&mut self, list: &At<Vec<At<Scalar>>>) -> Vec<String> {
        if list.value.is_empty() {
            self.problem(list.at, "one_of", "is empty, so that every value would be rejected");
        }
        for value in &list.value {
            self.literal(value, "one_of");
        }
        list.value.iter().map(|value| value.value.0.clone()).collect()
    }

    /// A format is good if chrono can write a sample with it and read the same type back.
    fn format(&mut self, format: &At<String>, has_zone: bool) -> Option<String> {
        let text = format.value.as_str();
        if StrftimeItems::new(text).any(|item| matches!(item, Item::Error)) {
            let message = format!("{text:?} is not in strftime notation");
            self.advise(format.at, "format", message, "for example %d.%m.%Y or %Y-%m-%dT%H:%M:%S%.f%:z");
            return None;
        }
        if let Some((what, hint)) = StrftimeItems::new(text).find_map(|item| bent(&item)) {
            self.advise(format.at, "format", format!("{text:?} has {what}"), hint);
            return None;
        }
        let sample = Utc.with_ymd_and_hms(2026, 11, 21, 14, 9, 7).single()?;
        let written = sample.format(text).to_string();
        let date = NaiveDate::parse_from_str(&written, text).is_ok();
        let time = NaiveDateTime::parse_from_str(&written, text).is_ok();
        let zoned = DateTime::parse_from_str(&written, text).is_ok();
        if self.column_type == ColumnType::Date && zoned {
            let message = format!("{text:?} gives a time with its zone, of which a date would lose both");
            self.advise(format.at, "format", message, "declare the column as timestamptz");
            return None;
        }
        let lacking = match self.column_type {
            ColumnType::Date if !date => "a whole date: year, month and day",
            ColumnType::Timestamp if !time => "a whole date and time: year, month, day, hour and minute",
            ColumnType::Timestamptz if has_zone && !time && !zoned => {
                "a whole date and time: year, month, day, hour and minute"
            }
            ColumnType::Timestamptz if !has_zone && !zoned => {
                if time {
                    let message = format!("{text:?} gives no zone");
                    self.advise(format.at, "format", message, "add %z to it, or say zone = \"Europe/Berlin\"");
                    return None;
                }
                "a whole date and time with its zone"
            }
            _ => return Some(text.to_owned()),
        };
        self.problem(format.at, "format", format!("{text:?} does not give {lacking}"));
        None
    }

    fn zone(&mut self, zone: &At<String>) -> Option<String> {
        if zone.value.parse::<Tz>().is_ok() {
            return Some(zone.value.clone());
        }
        let message = format!("{:?} is not an IANA time zone", zone.value);
        let hint = match nearest(&zone.value, TZ_VARIANTS.iter().map(|zone| zone.name())) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "for example Europe/Berlin or UTC".to_owned(),
        };
        self.advise(zone.at, "zone", message, hint);
        None
    }
}
