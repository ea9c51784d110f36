//! Values of formats with types of their own, written as JSON: each exactly, in the notation that columns read.

use std::fmt::Write as _;
use std::io::Write as _;

use chrono::{Datelike, NaiveDate};
use lakehand_domain::reject::Rule;
use lakehand_domain::value::decimal_text;

use crate::piece::Fault;

/// What is kept of a record that is too long to be held.
const KEPT_BYTES: usize = 64 << 10;
/// Whole numbers up to this are written without a point: a double holds each of them.
const WHOLE_MOST: f64 = 9_007_199_254_740_992.0;
/// The most bytes of a text that is none which a message shows.
const SHOWN_BYTES: usize = 100;
/// Days from the first of year 1 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_163;

/// A line of JSON being written.
pub(crate) struct Line<'a> {
    into: &'a mut Vec<u8>,
    start: usize,
    most: usize,
    fault: Option<Fault>,
    /// The root field being written, for faults.
    pub(crate) column: &'a str,
}

impl<'a> Line<'a> {
    /// At the end of the bytes; a line of more than `most` bytes is a fault.
    pub(crate) fn new(into: &'a mut Vec<u8>, most: usize) -> Self {
        let start = into.len();
        Self { into, start, most, fault: None, column: "" }
    }

    /// Ends the line, which is the one of this number; what it is at fault with.
    pub(crate) fn finish(mut self, number: u64) -> Option<Fault> {
        if self.is_full() {
            let message = format!(
                "the record has more than {} bytes as JSON; raise source.max_line_bytes if such records are right",
                self.most
            );
            self.into.truncate(self.start + KEPT_BYTES.min(self.most).max(1));
            self.fault = Some(Fault { line: 0, rule: Rule::LineTooLong, message, column: None, byte: None, cut: true });
        }
        self.into.push(b'\n');
        self.fault.map(|fault| Fault { line: number, ..fault })
    }

    /// Whether it is too long already; what else is written is left out.
    pub(crate) fn is_full(&self) -> bool {
        self.into.len() - self.start > self.most
    }

    /// Bytes that are JSON.
    pub(crate) fn raw(&mut self, json: &[u8]) {
        if !self.is_full() {
            self.into.extend_from_slice(json);
        }
    }

    /// Notes what is wrong with the record, the first being what is told, and writes null.
    pub(crate) fn wrong(&mut self, rule: Rule, message: String) {
        self.fault(rule, message, false);
        self.raw(b"null");
    }

    fn fault(&mut self, rule: Rule, message: String, cut: bool) {
        if self.fault.is_none() {
            let column = Some(self.column.to_owned());
            self.fault = Some(Fault { line: 0, rule, message, column, byte: None, cut });
        }
    }

    /// Writes bytes that should be text as far as they are; what is written is less than they are.
    fn no_text(&mut self, bytes: &[u8], message: &str) {
        let mut shown = String::new();
        for byte in bytes.iter().take(SHOWN_BYTES) {
            let _written = write!(shown, "{byte:02x}");
        }
        let more = if bytes.len() > SHOWN_BYTES { " and more" } else { "" };
        self.fault(Rule::Utf8, format!("{message}; in hexadecimal digits it is {shown}{more}"), true);
        self.text(&String::from_utf8_lossy(bytes));
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, value: bool) {
        self.raw(if value { b"true" } else { b"false" });
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, value: impl std::fmt::Display) {
        // Writing to memory does not fail.
        let _written = write!(self.into, "{value}");
    }

    /// A double, or a single in the double that it is: the shortest digits that give it back, and none behind the point
    /// where there is nothing. What is no number is a text, which no column of numbers takes.
    #[allow(clippy::cast_possible_truncation, reason = "whole numbers this small are 64 bits wide")]
    pub(crate) fn double(&mut self, value: f64) {
        if value.is_nan() {
            self.raw(b"\"NaN\"");
        } else if value.is_infinite() {
            self.raw(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
        } else if value == 0.0 && value.is_sign_negative() {
            self.raw(b"-0");
        } else if value.fract() == 0.0 && value.abs() <= WHOLE_MOST {
            self.integer(value as i64);
        } else {
            let _written = write!(self.into, "{value:?}");
        }
    }

    /// A decimal by its unscaled value.
    pub(crate) fn decimal(&mut self, unscaled: i128, scale: u8) {
        let text = decimal_text(unscaled, scale);
        self.raw(text.as_bytes());
    }

    /// A text.
    pub(crate) fn text(&mut self, text: &str) {
        if self.is_full() {
            return;
        }
        // One of more bytes than a record may have makes it too long whatever is written of it.
        let kept = if text.len() > self.most { &text[..text.floor_char_boundary(self.most)] } else { text };
        let _written = serde_json::to_writer(&mut *self.into, kept);
        if kept.len() < text.len() {
            self.into.resize(self.start + self.most + 1, b' ');
        }
    }

    /// Bytes that are to be text.
    pub(crate) fn utf8(&mut self, bytes: &[u8]) {
        match simdutf8::compat::from_utf8(bytes) {
            Ok(text) => self.text(text),
            Err(error) => {
                let at = error.valid_up_to() + 1;
                self.no_text(bytes, &format!("the text is not valid UTF-8, at its byte {at}"));
            }
        }
    }

    /// Bytes as hexadecimal digits.
    pub(crate) fn hexadecimal(&mut self, bytes: &[u8]) {
        self.raw(b"\"");
        for byte in bytes.iter().take(self.most / 2 + 1) {
            let _written = write!(self.into, "{byte:02x}");
        }
        self.raw(b"\"");
    }

    /// A UUID with its hyphens.
    pub(crate) fn uuid(&mut self, bytes: &[u8]) {
        self.raw(b"\"");
        for (at, byte) in bytes.iter().enumerate() {
            let hyphen = if matches!(at, 4 | 6 | 8 | 10) { "-" } else { "" };
            let _written = write!(self.into, "{hyphen}{byte:02x}");
        }
        self.raw(b"\"");
    }

    /// A text that is JSON itself, which becomes part of the record.
    pub(crate) fn json(&mut self, bytes: &[u8]) {
        if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
            self.fault(Rule::Type, "is declared as JSON and is none".to_owned(), std::str::from_utf8(bytes).is_err());
            return self.text(&String::from_utf8_lossy(bytes));
        }
        if self.is_full() || bytes.len() > self.most {
            self.into.resize(self.start + self.most + 1, b' ');
            return;
        }
        // Within its texts JSON has no line ends.
        self.into.extend(bytes.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
    }

    /// A day by its distance from 1970-01-01.
    pub(crate) fn date(&mut self, days: i64) {
        let mut text = String::from("\"");
        day(days, &mut text);
        text.push('"');
        self.raw(text.as_bytes());
    }

    /// A time of day.
    pub(crate) fn time(&mut self, units: i64, per_second: i64) {
        let mut text = String::from("\"");
        clock(units.div_euclid(per_second), units.rem_euclid(per_second), per_second, &mut text);
        text.push('"');
        self.raw(text.as_bytes());
    }

    /// A day and time, in UTC where it is an instant, by its distance from 1970-01-01 in units of which a second has so
    /// many.
    pub(crate) fn timestamp(&mut self, units: i64, per_second: i64, instant: bool) {
        let (seconds, fraction) = (units.div_euclid(per_second), units.rem_euclid(per_second));
        let mut text = String::from("\"");
        day(seconds.div_euclid(86_400), &mut text);
        text.push('T');
        clock(seconds.rem_euclid(86_400), fraction, per_second, &mut text);
        text.push_str(if instant { "Z\"" } else { "\"" });
        self.raw(text.as_bytes());
    }

    /// A day by its distance from 1970-01-01, and nanoseconds of it, or beyond it.
    pub(crate) fn moment(&mut self, days: i64, nanos: i64) {
        const A_DAY: i64 = 86_400_000_000_000;
        let (days, nanos) = (days + nanos.div_euclid(A_DAY), nanos.rem_euclid(A_DAY));
        let mut text = String::from("\"");
        day(days, &mut text);
        text.push('T');
        // What is a whole number of microseconds is written as one, as all other times are.
        match nanos % 1_000 {
            0 => clock(nanos / 1_000_000_000, nanos / 1_000 % 1_000_000, 1_000_000, &mut text),
            _ => clock(nanos / 1_000_000_000, nanos % 1_000_000_000, 1_000_000_000, &mut text),
        }
        text.push('"');
        self.raw(text.as_bytes());
    }
}

fn day(days: i64, into: &mut String) {
    let date = i32::try_from(days + EPOCH_DAYS).ok().and_then(NaiveDate::from_num_days_from_ce_opt);
    let _written = match date {
        Some(date) if (1..10_000).contains(&date.year()) => {
            write!(into, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
        }
        // No column takes it, and the reject shows it.
        Some(date) => write!(into, "{date}"),
        None => write!(into, "day {days}"),
    };
}

fn clock(seconds: i64, fraction: i64, per_second: i64, into: &mut String) {
    let _written = write!(into, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction > 0 {
        let digits = per_second.ilog10() as usize;
        let _written = write!(into, ".{fraction:0digits$}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Line<'_>)) -> String {
        let mut bytes = Vec::new();
        let mut line = Line::new(&mut bytes, 1000);
        write(&mut line);
        assert_eq!(line.finish(1), None);
        String::from_utf8(bytes).unwrap().trim_end().to_owned()
    }

    #[test]
    fn values_are_written_as_columns_read_them() {
        for (value, expected) in [
            (0.1, "0.1"),
            (5.0, "5"),
            (-0.0, "-0"),
            (1e300, "1e300"),
            (9_007_199_254_740_994.0, "9007199254740994.0"),
            (f64::from(0.1_f32), "0.10000000149011612"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(written(|line| line.double(value)), expected);
        }
        assert_eq!(written(|line| line.decimal(-5, 2)), "-0.05");
        assert_eq!(written(|line| line.text("a\"\n\u{1}ä")), "\"a\\\"\\n\\u0001ä\"");
        assert_eq!(written(|line| line.hexadecimal(&[0, 255])), "\"00ff\"");
        assert_eq!(written(|line| line.uuid(&[0x11; 16])), "\"11111111-1111-1111-1111-111111111111\"");
        assert_eq!(written(|line| line.json(b"{\n\"a\": 1}")), "{ \"a\": 1}");
        assert_eq!(written(|line| line.date(-1)), "\"1969-12-31\"");
        assert_eq!(written(|line| line.time(3_661_000_001, 1_000_000)), "\"01:01:01.000001\"");
        assert_eq!(written(|line| line.timestamp(-1, 1_000, true)), "\"1969-12-31T23:59:59.999Z\"");
        assert_eq!(
            written(|line| line.timestamp(1_000_000_001, 1_000_000_000, false)),
            "\"1970-01-01T00:00:01.000000001\""
        );
        assert_eq!(written(|line| line.date(3_000_000)), "\"+10183-09-21\"");
        assert_eq!(written(|line| line.date(i64::from(i32::MAX))), "\"day 2147483647\"");
    }

    #[test]
    fn what_is_wrong_is_told_once() {
        let mut bytes = Vec::new();
        let mut line = Line::new(&mut bytes, 1000);
        line.column = "a";
        line.utf8(b"x\xff");
        line.json(b"{");
        let fault = line.finish(3).unwrap();
        assert_eq!((fault.line, fault.rule, fault.column.as_deref()), (3, Rule::Utf8, Some("a")));
        assert_eq!(fault.message, "the text is not valid UTF-8, at its byte 2; in hexadecimal digits it is 78ff");
        assert!(fault.cut, "what is written is not what was there");
        assert_eq!(String::from_utf8(bytes).unwrap(), "\"x\u{fffd}\"\"{\"\n");
        let texts: &dyn Fn(&mut Line<'_>) = &|line| line.text(&"x".repeat(99));
        let digits: &dyn Fn(&mut Line<'_>) = &|line| line.hexadecimal(&[0; 99]);
        for long in [texts, digits] {
            let mut bytes = Vec::new();
            let mut line = Line::new(&mut bytes, 50);
            long(&mut line);
            long(&mut line);
            assert_eq!(line.finish(1).unwrap().rule, Rule::LineTooLong);
            assert_eq!(bytes.len(), 51);
        }
    }
}
