//! The rules of one column, compiled: from the slot of a field to a value that has been judged.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use chrono_tz::Tz;
use lakehand_dataset::dataset::Rules;
use lakehand_domain::reject::Rule;
use lakehand_domain::shape::ColumnType;
use regex::Regex;

use super::coerce::{Typing, Value};
use super::complaint::Complaint;
use super::json_text::{Unsound, unsound};
use super::slot::{Kind, Slot};
use super::texts::{Place, PlanTexts, TextAt, Texts};
use super::time::Notation;
use crate::mask::Masker;

/// How the values of one column are typed and judged.
#[derive(Debug)]
pub(crate) struct ColumnRules {
    typing: Typing,
    /// Whether fields are plain texts, that may hold JSON, rather than values of JSON.
    plain_text: bool,
    /// Whether `12.000` is how a whole number is written: by formats whose decimals have so many digits always.
    fixed_scale: bool,
    text: Option<Box<TextRules>>,
    default: Option<Value>,
    required: bool,
    judge: Option<Box<Judge>>,
}

/// What is done to a text before it is typed.
#[derive(Debug)]
struct TextRules {
    trim: bool,
    null_if: HashSet<String>,
    extract: Option<Regex>,
    map: Option<HashMap<String, TextAt>>,
}

/// What a typed value must satisfy.
#[derive(Debug)]
struct Judge {
    min: Option<(Value, String)>,
    max: Option<(Value, String)>,
    /// Of texts, in characters.
    lengths: Option<RangeInclusive<u32>>,
    matches: Option<Regex>,
    one_of: Vec<Value>,
}

impl ColumnRules {
    /// Compiles them. Err is what the check of the definition should have refused, in words.
    pub(crate) fn compile(
        rules: &Rules,
        column_type: ColumnType,
        required: bool,
        plain_text: bool,
        texts: &mut PlanTexts,
    ) -> Result<Self, String> {
        let zone = rules.zone.as_deref().map(str::parse::<Tz>).transpose().map_err(|error| format!("zone: {error}"))?;
        let notation = match &rules.format {
            Some(format) => Some(Notation::new(format).ok_or_else(|| format!("format {format:?} is no notation"))?),
            None => None,
        };
        // Of a text that is hashed, the column holds the hash.
        let column_type = match (column_type, &rules.mask) {
            (ColumnType::Varchar { .. }, Some(mask)) if Masker::is_of_fixed_length(mask) => {
                ColumnType::Varchar { bytes: u32::MAX }
            }
            (column_type, _) => column_type,
        };
        let iso = Typing { column_type, notation: None, zone };
        let typing = Typing { notation, ..iso.clone() };
        let mut literal = |text: &str| {
            let at = texts.keep(text);
            let typed = iso.text(text, at).or_else(|complaint| typing.text(text, at).map_err(|_| complaint));
            typed.map_err(|complaint| format!("{text:?} {}", complaint.message))
        };
        let bound = |text: &Option<String>, literal: &mut dyn FnMut(&str) -> Result<Value, String>| {
            text.as_ref().map(|text| literal(text).map(|value| (value, text.clone()))).transpose()
        };
        let default = rules.default.as_deref().map(&mut literal).transpose()?;
        let min = bound(&rules.min, &mut literal)?;
        let max = bound(&rules.max, &mut literal)?;
        let one_of = rules.one_of.iter().map(|text| literal(text)).collect::<Result<Vec<_>, _>>()?;
        let matches = regex(rules.matches.as_deref())?;
        let lengths = (rules.min_length.is_some() || rules.max_length.is_some())
            .then(|| rules.min_length.unwrap_or(0)..=rules.max_length.unwrap_or(u32::MAX));
        let judged = min.is_some() || max.is_some() || matches.is_some() || !one_of.is_empty() || lengths.is_some();
        let judge = judged.then(|| Box::new(Judge { min, max, lengths, matches, one_of }));
        let text_rules = TextRules {
            trim: rules.trim,
            null_if: rules.null_if.iter().cloned().collect(),
            extract: regex(rules.extract.as_deref())?,
            map: rules.map.as_ref().map(|map| map.iter().map(|(from, to)| (from.clone(), texts.keep(to))).collect()),
        };
        let text = text_rules.is_any().then(|| Box::new(text_rules));
        Ok(Self { typing, plain_text, fixed_scale: false, text, default, required, judge })
    }

    /// For a format with types of its own.
    pub(crate) fn of_typed_source(self) -> Self {
        Self { fixed_scale: true, ..self }
    }

    /// The value of a field, typed and judged by everything but `required`.
    #[inline]
    pub(crate) fn value(&self, slot: &Slot, texts: &Texts<'_>) -> Result<Value, Complaint> {
        let typed = match &self.text {
            None => self.typed(slot, texts)?,
            Some(rules) => self.ruled(rules, slot, texts)?,
        };
        self.judged(typed, texts)
    }

    /// The typing of a column whose values are judged by nothing else, null being null.
    pub(crate) fn unruled(&self) -> Option<&Typing> {
        let plain = self.text.is_none() && self.judge.is_none() && self.default.is_none();
        (plain && self.typing.notation.is_none()).then_some(&self.typing)
    }

    /// The value of a text that is no field: a capture.
    pub(crate) fn value_of_text(&self, at: TextAt, texts: &Texts<'_>) -> Result<Value, Complaint> {
        let typed = match &self.text {
            None => self.typing.text(texts.get(at), at)?,
            Some(rules) => match rules.apply(at, texts)? {
                Some(at) => self.typing.text(texts.get(at), at)?,
                None => Value::Null,
            },
        };
        self.judged(typed, texts)
    }

    /// Whether null is allowed, if it is null.
    #[inline]
    pub(crate) fn check_required(&self, value: Value) -> Result<(), Complaint> {
        if self.required && value.is_null() {
            return Err(Complaint::new(Rule::Required, "is absent or null, and the column is required"));
        }
        Ok(())
    }

    #[inline]
    fn typed(&self, slot: &Slot, texts: &Texts<'_>) -> Result<Value, Complaint> {
        let at = text_at(slot);
        match slot.kind {
            Kind::Absent | Kind::Null => Ok(Value::Null),
            Kind::Number if self.fixed_scale && slot.number.fractional && self.typing.is_whole() => {
                let text = texts.get(at);
                self.typing.number(slot.number.without_zeros(text), text, at)
            }
            Kind::Number => self.typing.number(slot.number, texts.get(at), at),
            Kind::Broken => Err(broken()),
            Kind::Object | Kind::Array if self.is_json_as_it_is() => {
                let at = raw_at(slot);
                sound(texts.get(at)).map(|()| Value::Text(at))
            }
            _ if self.is_json_as_it_is() => Ok(Value::Text(raw_at(slot))),
            Kind::Text | Kind::Escaped => self.typing.text(texts.get(at), at),
            Kind::True => self.typing.boolean(true, texts.get(at), at),
            Kind::False => self.typing.boolean(false, texts.get(at), at),
            Kind::Object | Kind::Array => Err(self.nested(slot.kind)),
        }
    }

    /// With rules for texts. JSON keeps its spelling, so that for json columns they only decide what is null.
    fn ruled(&self, rules: &TextRules, slot: &Slot, texts: &Texts<'_>) -> Result<Value, Complaint> {
        match slot.kind {
            Kind::Absent | Kind::Null => return Ok(Value::Null),
            Kind::Object | Kind::Array | Kind::Broken => return self.typed(slot, texts),
            _ => {}
        }
        let at = text_at(slot);
        if self.is_json_as_it_is() {
            return if rules.is_null(texts.get(at)) { Ok(Value::Null) } else { Ok(Value::Text(raw_at(slot))) };
        }
        match rules.apply(at, texts)? {
            None => Ok(Value::Null),
            // What no rule has changed keeps what was learned while it was scanned.
            Some(same) if same == at => self.typed(slot, texts),
            Some(changed) => self.typing.text(texts.get(changed), changed),
        }
    }

    /// Where the text stands that a reject shows: JSON as it came, and of delimited text what the field holds.
    pub(crate) fn shown_at(&self, slot: &Slot) -> TextAt {
        if self.plain_text { text_at(slot) } else { raw_at(slot) }
    }

    fn is_json_as_it_is(&self) -> bool {
        self.typing.column_type == ColumnType::Json && !self.plain_text
    }

    #[cold]
    fn nested(&self, kind: Kind) -> Complaint {
        let what = if kind == Kind::Object { "an object" } else { "a list" };
        let expected = match self.typing.column_type {
            // Of a text that is hashed, the column holds the hash, and it may have any length.
            ColumnType::Varchar { bytes: u32::MAX } => "a text".to_owned(),
            other => other.one(),
        };
        Complaint::owned(Rule::Type, format!("is {what}, not {expected}"))
    }

    #[inline]
    fn judged(&self, typed: Value, texts: &Texts<'_>) -> Result<Value, Complaint> {
        let value = match (typed, self.default) {
            (Value::Null, Some(default)) => default,
            (typed, _) => typed,
        };
        match &self.judge {
            Some(judge) if !value.is_null() => judge.check(value, texts).map(|()| value),
            _ => Ok(value),
        }
    }
}

#[cold]
fn broken() -> Complaint {
    Complaint::new(Rule::Utf8, "has an escape that is half of a surrogate pair, and so no character")
}

/// Whether JSON that is kept whole means one thing.
pub(super) fn sound(json: &str) -> Result<(), Complaint> {
    match unsound(json) {
        None => Ok(()),
        Some(Unsound::LoneSurrogate) => Err(broken()),
        Some(Unsound::DuplicateKey(key)) => {
            let key = super::reject::excerpt(&key);
            Err(Complaint::owned(Rule::DuplicateKey, format!("has an object with the key {key:?} twice")))
        }
    }
}

fn regex(pattern: Option<&str>) -> Result<Option<Regex>, String> {
    pattern.map(Regex::new).transpose().map_err(|error| error.to_string())
}

/// Where a scalar's text stands.
#[inline]
pub(super) fn text_at(slot: &Slot) -> TextAt {
    if slot.kind == Kind::Escaped {
        let (start, end) = slot.scratch();
        return TextAt { place: Place::Scratch, start, end };
    }
    TextAt { place: Place::Chunk, start: slot.start, end: slot.end }
}

/// Where a JSON value stands as it came, quotes and all.
fn raw_at(slot: &Slot) -> TextAt {
    let quotes = u32::from(matches!(slot.kind, Kind::Text | Kind::Escaped | Kind::Broken));
    TextAt { place: Place::Chunk, start: slot.start - quotes, end: slot.end + quotes }
}

impl TextRules {
    fn is_any(&self) -> bool {
        self.trim || !self.null_if.is_empty() || self.extract.is_some() || self.map.is_some()
    }

    fn is_null(&self, text: &str) -> bool {
        let text = if self.trim { text.trim() } else { text };
        (self.trim && text.is_empty()) || self.null_if.contains(text)
    }

    /// Where the text stands after all of them; `None` where it means null.
    fn apply(&self, at: TextAt, texts: &Texts<'_>) -> Result<Option<TextAt>, Complaint> {
        let mut at = at;
        let mut text = texts.get(at);
        if self.trim {
            let from = text.len() - text.trim_start().len();
            text = text.trim();
            at = at.part(from, from + text.len());
        }
        if self.is_null(text) {
            return Ok(None);
        }
        if let Some(extract) = &self.extract {
            let Some(group) = extract.captures(text).and_then(|captures| captures.get(1)) else {
                return Err(Complaint::owned(
                    Rule::Matches,
                    format!("is not matched by extract {:?}", extract.as_str()),
                ));
            };
            at = at.part(group.start(), group.end());
            text = group.as_str();
        }
        if let Some(map) = &self.map {
            let Some(to) = map.get(text) else {
                return Err(Complaint::owned(Rule::Map, "is not among the texts of map".to_owned()));
            };
            at = *to;
        }
        Ok(Some(at))
    }
}

impl Judge {
    fn check(&self, value: Value, texts: &Texts<'_>) -> Result<(), Complaint> {
        if let Some((min, written)) = &self.min
            && order(value, *min, texts) == Ordering::Less
        {
            return Err(Complaint::owned(Rule::Bounds, format!("is less than {written}")));
        }
        if let Some((max, written)) = &self.max
            && order(value, *max, texts) == Ordering::Greater
        {
            return Err(Complaint::owned(Rule::Bounds, format!("is greater than {written}")));
        }
        if let (Some(lengths), Value::Text(at)) = (&self.lengths, value) {
            let characters = u32::try_from(texts.get(at).chars().count()).unwrap_or(u32::MAX);
            if !lengths.contains(&characters) {
                return Err(Complaint::owned(Rule::Length, unfit_length(characters, lengths)));
            }
        }
        if let (Some(matches), Value::Text(at)) = (&self.matches, value)
            && !matches.is_match(texts.get(at))
        {
            return Err(Complaint::owned(Rule::Matches, format!("is not matched by {:?}", matches.as_str())));
        }
        let allowed = |one: &Value| order(value, *one, texts) == Ordering::Equal;
        if !self.one_of.is_empty() && !self.one_of.iter().any(allowed) {
            return Err(Complaint::new(Rule::OneOf, "is none of the values of one_of"));
        }
        Ok(())
    }
}

/// A text of another length than allowed, in words.
pub(crate) fn unfit_length(characters: u32, lengths: &RangeInclusive<u32>) -> String {
    let (least, most) = (lengths.start(), lengths.end());
    if characters < *least {
        format!("has {characters} characters, fewer than the {least} of min_length")
    } else {
        format!("has {characters} characters, more than the {most} of max_length")
    }
}

/// The order of two values of one type; texts by their bytes.
fn order(one: Value, other: Value, texts: &Texts<'_>) -> Ordering {
    match (one, other) {
        (Value::Boolean(one), Value::Boolean(other)) => one.cmp(&other),
        (Value::Integer(one), Value::Integer(other)) => one.cmp(&other),
        (Value::Float(one), Value::Float(other)) => one.partial_cmp(&other).unwrap_or(Ordering::Equal),
        (Value::Decimal(one), Value::Decimal(other)) => one.cmp(&other),
        (Value::Text(one), Value::Text(other)) => texts.get(one).cmp(texts.get(other)),
        _ => Ordering::Equal,
    }
}

#[cfg(test)]
mod tests;
