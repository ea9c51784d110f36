//! What the values of one field have in common, and the narrowest type that holds them all.

use std::collections::HashSet;

use chrono::{Datelike, NaiveDate, NaiveDateTime};

/// Texts that often stand for nothing in fields of another type.
const NOTHING: &[&str] = &["", "-", "?", "NULL", "null", "None", "NA", "N/A", "n/a", "NaN", "nan", "NO_INFORMATION"];

/// Notations of dates other than ISO 8601, each with a separator of its own, so that none is read as another.
const DATE_FORMATS: &[&str] = &["%d.%m.%Y", "%Y/%m/%d", "%Y%m%d"];

/// How many values are kept to find out whether all differ.
const DISTINCT_MOST: usize = 2_000_000;

/// A double keeps this many decimal digits whatever they are.
const DOUBLE_DIGITS: usize = 15;

/// The types that may still hold all values; each value leaves those that hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kinds(u16);

impl Kinds {
    const BOOLEAN: Self = Self(1);
    const INTEGER: Self = Self(2);
    const DECIMAL: Self = Self(4);
    const DOUBLE: Self = Self(8);
    const DATE: Self = Self(16);
    const TIMESTAMP: Self = Self(32);
    const TIMESTAMPTZ: Self = Self(64);
    /// The first of [`DATE_FORMATS`]; the others follow.
    const FORMATS: u16 = 128;
    const ALL: Self = Self(Self::FORMATS * 8 - 1);
    const NONE: Self = Self(0);

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What was seen of one field.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Records in which it has a value.
    values: u64,
    /// Of these, texts that often stand for nothing.
    nothing: Vec<&'static str>,
    nothing_count: u64,
    kinds: Kinds,
    trimmed: bool,
    least: i128,
    greatest: i128,
    whole_digits: usize,
    fraction_digits: usize,
    significant_digits: usize,
    most_bytes: usize,
    /// Whether a value is a list or an object.
    nested: bool,
    /// Hashes of the values, while all differ.
    distinct: Option<HashSet<u64>>,
    /// The first and the last day of the dates and times.
    days: Option<(NaiveDate, NaiveDate)>,
}

/// The type of a field, and what else its column needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inferred {
    /// As definitions write it.
    pub(crate) column_type: String,
    /// In strftime notation.
    pub(crate) format: Option<&'static str>,
    /// Texts that mean null.
    pub(crate) null_if: Vec<&'static str>,
    /// Whether white space stands around values.
    pub(crate) trim: bool,
    /// Records in which it has a value.
    pub(crate) values: u64,
    /// Whether no two values are the same.
    pub(crate) distinct: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            values: 0,
            nothing: Vec::new(),
            nothing_count: 0,
            kinds: Kinds::ALL,
            trimmed: false,
            least: i128::MAX,
            greatest: i128::MIN,
            whole_digits: 0,
            fraction_digits: 0,
            significant_digits: 0,
            most_bytes: 0,
            nested: false,
            distinct: Some(HashSet::new()),
            days: None,
        }
    }
}

impl Seen {
    /// A text, or a field of delimited text.
    pub(crate) fn text(&mut self, text: &str) {
        self.count(text);
        if let Some(nothing) = NOTHING.iter().find(|nothing| **nothing == text) {
            self.nothing_count += 1;
            if !self.nothing.contains(nothing) {
                self.nothing.push(nothing);
            }
            return;
        }
        let inner = text.trim();
        self.trimmed |= inner.len() < text.len();
        let kinds = self.kinds_of(inner);
        self.kinds = self.kinds.and(kinds);
    }

    /// A number as JSON writes it.
    pub(crate) fn number(&mut self, text: &str) {
        self.count(text);
        let numeric = self.kinds_of(text).and(Kinds::INTEGER.or(Kinds::DECIMAL).or(Kinds::DOUBLE));
        self.kinds = self.kinds.and(numeric);
    }

    /// A JSON boolean.
    pub(crate) fn boolean(&mut self, value: bool) {
        self.count(if value { "true" } else { "false" });
        self.kinds = self.kinds.and(Kinds::BOOLEAN);
    }

    /// A list, or an object that is kept whole.
    pub(crate) fn nested(&mut self) {
        self.values += 1;
        self.nested = true;
        self.distinct = None;
    }

    fn count(&mut self, text: &str) {
        self.values += 1;
        self.most_bytes = self.most_bytes.max(text.len());
        if let Some(distinct) = &mut self.distinct {
            let hash = blake3::hash(text.as_bytes());
            let hash = hash.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            if distinct.len() >= DISTINCT_MOST || !distinct.insert(hash) {
                self.distinct = None;
            }
        }
    }

    fn kinds_of(&mut self, text: &str) -> Kinds {
        let first = text.as_bytes().first().copied().unwrap_or(b' ');
        if first.is_ascii_digit() || first == b'-' {
            let mut kinds = self.numeric(text);
            for (at, format) in DATE_FORMATS.iter().enumerate() {
                if let Some(day) = date_in(text, format) {
                    kinds = kinds.or(Kinds(Kinds::FORMATS << at));
                    self.day(day);
                }
            }
            let temporal = temporal(text);
            if temporal != Kinds::NONE
                && let Some(day) = text.get(..10).and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok())
            {
                self.day(day);
            }
            return kinds.or(temporal);
        }
        if text == "true" || text == "false" { Kinds::BOOLEAN } else { Kinds::NONE }
    }

    fn day(&mut self, day: NaiveDate) {
        self.days = Some(self.days.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
    }

    /// The days from the first of its dates or times to the last; `None` where it is of another type.
    pub(crate) fn span_of_days(&self, column_type: &str) -> Option<i64> {
        let (first, last) = self.days?;
        matches!(column_type, "date" | "timestamp" | "timestamptz").then(|| (last - first).num_days())
    }

    /// Numbers in the notation of JSON, so that `007` stays the text it is.
    fn numeric(&mut self, text: &str) -> Kinds {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match digits.find(['e', 'E']) {
            Some(at) => (&digits[..at], Some(&digits[at + 1..])),
            None => (digits, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) || fraction.is_some_and(|f| !all_digits(f))
        {
            return Kinds::NONE;
        }
        if let Some(exponent) = exponent {
            let is_zero = mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.'));
            let finite = text.parse::<f64>().is_ok_and(|value| value.is_finite() && (value != 0.0 || is_zero));
            let well_formed = all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
            return if finite && well_formed { Kinds::DOUBLE } else { Kinds::NONE };
        }
        let fraction = fraction.unwrap_or("");
        self.whole_digits = self.whole_digits.max(if whole == "0" { 0 } else { whole.len() });
        self.fraction_digits = self.fraction_digits.max(fraction.len());
        let significant = format!("{whole}{fraction}").trim_start_matches('0').len();
        self.significant_digits = self.significant_digits.max(significant);
        let mut kinds = Kinds::DECIMAL.or(Kinds::DOUBLE);
        if fraction.is_empty()
            && let Ok(value) = text.parse::<i128>()
        {
            self.least = self.least.min(value);
            self.greatest = self.greatest.max(value);
            kinds = kinds.or(Kinds::INTEGER);
        }
        kinds
    }

    /// The narrowest type. `exact` says that numbers came as they are written, and not through a double.
    pub(crate) fn infer(&self, exact: bool) -> Inferred {
        let typed = self.values > self.nothing_count && !self.nested;
        let decided = if typed { self.narrowest(exact) } else { None };
        let is_text = decided.is_none();
        let (column_type, format) = match decided {
            Some(decided) => decided,
            None if self.nested => ("json".to_owned(), None),
            None => (self.varchar(), None),
        };
        Inferred {
            column_type,
            format,
            null_if: if is_text { Vec::new() } else { self.nothing.clone() },
            trim: !is_text && self.trimmed,
            values: if is_text { self.values } else { self.values - self.nothing_count },
            distinct: self.distinct.is_some() && self.values > 0,
        }
    }

    fn narrowest(&self, exact: bool) -> Option<(String, Option<&'static str>)> {
        let plain = |name: &str| Some((name.to_owned(), None));
        let kinds = self.kinds;
        if kinds.has(Kinds::BOOLEAN) {
            return plain("boolean");
        }
        // Eight digits that are dates throughout are dates, not numbers.
        for (at, format) in DATE_FORMATS.iter().enumerate() {
            if kinds.has(Kinds(Kinds::FORMATS << at)) {
                return Some(("date".to_owned(), Some(format)));
            }
        }
        if kinds.has(Kinds::INTEGER) {
            for (name, least, greatest) in [
                ("smallint", i128::from(i16::MIN), i128::from(i16::MAX)),
                ("integer", i128::from(i32::MIN), i128::from(i32::MAX)),
                ("bigint", i128::from(i64::MIN), i128::from(i64::MAX)),
            ] {
                if self.least >= least && self.greatest <= greatest {
                    return plain(name);
                }
            }
            if exact && self.whole_digits <= 38 {
                return plain("decimal(38,0)");
            }
        }
        if kinds.has(Kinds::DECIMAL) {
            let kept = if exact { 38 } else { DOUBLE_DIGITS };
            let scale = self.fraction_digits.max(1);
            // Room for two more digits before the point.
            let precision = (self.whole_digits + 2 + scale).min(38);
            if self.significant_digits <= kept && self.whole_digits + scale <= precision && scale <= DOUBLE_DIGITS {
                return Some((format!("decimal({precision},{scale})"), None));
            }
        }
        if kinds.has(Kinds::DOUBLE) {
            // A double would round them unseen; as text they stay as they are.
            return if self.beyond_double() { None } else { plain("double") };
        }
        if kinds.has(Kinds::DATE) {
            return plain("date");
        }
        if kinds.has(Kinds::TIMESTAMPTZ) {
            return plain("timestamptz");
        }
        if kinds.has(Kinds::TIMESTAMP) {
            return plain("timestamp");
        }
        None
    }

    fn varchar(&self) -> String {
        if self.values == 0 {
            return "varchar(255)".to_owned();
        }
        let room = self.most_bytes + self.most_bytes / 2;
        let bytes =
            [10, 20, 50, 100, 255, 1000, 4000, 65_535].into_iter().find(|bytes| *bytes >= room).unwrap_or(65_535);
        format!("varchar({bytes})")
    }

    /// Whether it holds whole numbers of more digits than a double keeps.
    pub(crate) fn beyond_double(&self) -> bool {
        self.kinds.has(Kinds::DOUBLE) && self.whole_digits > DOUBLE_DIGITS
    }

    /// Whether a value has more bytes than any varchar holds.
    pub(crate) fn too_long(&self) -> bool {
        self.most_bytes > 65_535
    }
}

/// A date in this notation, with all of its digits.
fn date_in(text: &str, format: &str) -> Option<NaiveDate> {
    let length = if format.contains(['.', '/']) { 10 } else { 8 };
    let date =
        if text.len() == length && text.is_ascii() { NaiveDate::parse_from_str(text, format).ok() } else { None };
    // Eight digits are dates only in the years that data speaks of.
    date.filter(|date| length == 10 || (1900..2100).contains(&date.year()))
}

/// Dates and times in ISO 8601.
fn temporal(text: &str) -> Kinds {
    let bytes = text.as_bytes();
    let shaped = bytes.len() >= 10
        && text.is_ascii()
        && bytes[..10]
            .iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    if !shaped || &text[..4] == "0000" || NaiveDate::parse_from_str(&text[..10], "%Y-%m-%d").is_err() {
        return Kinds::NONE;
    }
    if bytes.len() == 10 {
        return Kinds::DATE;
    }
    let clock = &text[10..];
    let (clock, zoned) = match clock.strip_suffix('Z') {
        Some(clock) => (clock, true),
        None => match clock.rfind(['+', '-']) {
            Some(at) if is_offset(&clock[at + 1..]) => (&clock[..at], true),
            Some(_) => return Kinds::NONE,
            None => (clock, false),
        },
    };
    let fraction = clock.split_once('.').map(|(_, fraction)| fraction);
    if fraction.is_some_and(|fraction| fraction.is_empty() || fraction.len() > 6) {
        return Kinds::NONE;
    }
    let normal = format!("{}T{}", &text[..10], clock.get(1..).unwrap_or(""));
    let separated = matches!(clock.as_bytes().first(), Some(b'T' | b' '));
    // The length rules out `8:00:00`; chrono takes it, and takes a leap second, which no warehouse does.
    let whole = normal.len() - fraction.map_or(0, |fraction| fraction.len() + 1);
    let real =
        whole == 19 && &normal[17..19] < "60" && NaiveDateTime::parse_from_str(&normal, "%Y-%m-%dT%H:%M:%S%.f").is_ok();
    match (separated && real, zoned) {
        (false, _) => Kinds::NONE,
        (true, true) => Kinds::TIMESTAMPTZ,
        (true, false) => Kinds::TIMESTAMP,
    }
}

/// `hh:mm`.
fn is_offset(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 5
        && bytes[2] == b':'
        && text[..2].parse::<u8>().is_ok_and(|hours| hours <= 14)
        && text[3..].parse::<u8>().is_ok_and(|minutes| minutes < 60)
}

#[cfg(test)]
mod tests;
