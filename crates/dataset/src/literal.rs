//! Values that a definition writes down, in the notation of their column's type.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use lakehand_domain::shape::ColumnType;

/// A value of a column's type, as `default`, `min`, `max`, `map` and `one_of` write it.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Literal {
    /// Of a boolean column.
    Boolean(bool),
    /// Of a smallint, integer or bigint column.
    Integer(i64),
    /// Of a real or double column.
    Double(f64),
    /// Of a decimal column: the unscaled integer under the column's scale.
    Decimal(i128),
    /// Of a varchar or json column.
    Text(String),
    /// Of a date column.
    Date(NaiveDate),
    /// Of a timestamp column, and in UTC of a timestamptz column.
    Timestamp(NaiveDateTime),
}

impl Literal {
    /// Reads a value: `true`, `12`, `-0.5`, `2026-11-21`, `2026-11-21T08:00:00.5`, with a zone (`Z`, `+02:00`) for
    /// timestamptz. The error says what is expected instead.
    ///
    /// ```
    /// use lakehand_dataset::literal::Literal;
    /// use lakehand_domain::shape::ColumnType;
    ///
    /// let rent = ColumnType::Decimal { precision: 12, scale: 2 };
    /// assert_eq!(Literal::parse("1715.19", rent), Ok(Literal::Decimal(171_519)));
    /// assert!(Literal::parse("1715.195", rent).is_err());
    /// ```
    pub fn parse(text: &str, column_type: ColumnType) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not {}", column_type.one());
        match column_type {
            ColumnType::Boolean => text.parse().map(Self::Boolean).map_err(|_| wrong() + ": write true or false"),
            ColumnType::Smallint => whole(text, i64::from(i16::MIN), i64::from(i16::MAX)).ok_or_else(wrong),
            ColumnType::Integer => whole(text, i64::from(i32::MIN), i64::from(i32::MAX)).ok_or_else(wrong),
            ColumnType::Bigint => whole(text, i64::MIN, i64::MAX).ok_or_else(wrong),
            ColumnType::Real | ColumnType::Double => {
                let number = if column_type == ColumnType::Real {
                    text.parse::<f32>().ok().map(f64::from)
                } else {
                    text.parse::<f64>().ok()
                };
                number.filter(|number| is_held(*number, text, column_type)).map(Self::Double).ok_or_else(wrong)
            }
            ColumnType::Decimal { precision, scale } => decimal(text, precision, scale).ok_or_else(wrong),
            ColumnType::Varchar { .. } if text.contains('\0') => {
                Err(format!("{text:?} has a NUL character, which no varchar holds"))
            }
            ColumnType::Varchar { bytes } => {
                if text.len() > usize::try_from(bytes).unwrap_or(usize::MAX) {
                    return Err(format!("{text:?} has {} bytes and does not fit {column_type}", text.len()));
                }
                Ok(Self::Text(text.to_owned()))
            }
            ColumnType::Json => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(_) => Ok(Self::Text(text.to_owned())),
                Err(error) => Err(format!("{text:?} is not json: {error}")),
            },
            ColumnType::Date => NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map(Self::Date)
                .map_err(|_| wrong() + ": write it as 2026-11-21"),
            ColumnType::Timestamp => NaiveDateTime::parse_from_str(&text.replacen(' ', "T", 1), "%Y-%m-%dT%H:%M:%S%.f")
                .map(Self::Timestamp)
                .map_err(|_| wrong() + ": write it as 2026-11-21T08:00:00"),
            ColumnType::Timestamptz => DateTime::parse_from_rfc3339(text)
                .map(|at| Self::Timestamp(at.naive_utc()))
                .map_err(|_| wrong() + ": write it with its zone, as 2026-11-21T08:00:00Z"),
        }
    }

    /// Whether this comes after another value of the same type.
    pub fn is_after(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Greater)
    }
}

/// Whether a double or single may stand for the number as it is written, by the rules of values in files: one that is whole
/// is held exactly, or written as it is, and none becomes zero.
#[expect(clippy::cast_possible_truncation, reason = "the values of a real are singles")]
fn is_held(number: f64, text: &str, column_type: ColumnType) -> bool {
    let single = column_type == ColumnType::Real;
    let shortest = || if single { (number.abs() as f32).to_string() } else { number.abs().to_string() };
    let digits = text.trim_start_matches(['-', '+']);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_zero = !digits.split(['e', 'E']).next().unwrap_or("").bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    match digits.trim_start_matches('0') {
        _ if !number.is_finite() || (number == 0.0 && !is_zero) => false,
        significant if is_whole && !is_zero => {
            shortest() == significant || format!("{:.0}", number.abs()) == significant
        }
        _ => true,
    }
}

fn whole(text: &str, least: i64, greatest: i64) -> Option<Literal> {
    let number: i64 = text.parse().ok()?;
    (least..=greatest).contains(&number).then_some(Literal::Integer(number))
}

fn decimal(text: &str, precision: u8, scale: u8) -> Option<Literal> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if before.is_empty() || !all_digits(before) || !all_digits(after) || digits.ends_with('.') {
        return None;
    }
    let after = after.trim_end_matches('0');
    let scale = usize::from(scale);
    if after.len() > scale {
        return None;
    }
    let unscaled = format!("{before}{after:0<scale$}");
    let unscaled = unscaled.trim_start_matches('0');
    if unscaled.len() > usize::from(precision) {
        return None;
    }
    let number: i128 = if unscaled.is_empty() { 0 } else { unscaled.parse().ok()? };
    Some(Literal::Decimal(if negative { -number } else { number }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(column_type: &str, text: &str) -> Result<Literal, String> {
        Literal::parse(text, ColumnType::parse(column_type).unwrap())
    }

    #[test]
    fn values_are_exact_or_refused() {
        for (column_type, good, bad) in [
            ("boolean", vec!["true", "false"], vec!["yes", "1", "TRUE"]),
            ("smallint", vec!["-32768", "32767"], vec!["32768", "1.0", ""]),
            ("integer", vec!["2147483647"], vec!["2147483648"]),
            ("bigint", vec!["-9223372036854775808"], vec!["9223372036854775808", "1e3"]),
            (
                "double",
                vec!["1e3", "-0.5", "1152921504606847000"],
                vec!["nan", "inf", "1,5", "1e400", "1e-400", "9007199254740993"],
            ),
            ("real", vec!["16777216", "0.1", "0", "-0.0", "1e10"], vec!["16777217", "1e39", "1e-60"]),
            ("decimal(4,2)", vec!["12.34", "-0.5", "1.500", "007"], vec!["123.4", "1.234", ".5", "1.", "--1", "1e1"]),
            ("varchar(3)", vec!["", "abc", "é"], vec!["abcd", "éé", "a\0"]),
            ("json", vec!["{}", "null", "[1]"], vec!["{", ""]),
            ("date", vec!["2024-02-29"], vec!["2023-02-29", "29.02.2024", "2024-02-29T00:00:00"]),
            (
                "timestamp",
                vec!["2024-02-29T08:00:00", "2024-02-29 08:00:00.25"],
                vec!["2024-02-29", "2024-02-29T08:00:00Z"],
            ),
            ("timestamptz", vec!["2024-02-29T08:00:00Z", "2024-02-29T08:00:00.5+02:00"], vec!["2024-02-29T08:00:00"]),
        ] {
            for text in good {
                assert!(parse(column_type, text).is_ok(), "{column_type} {text}");
            }
            for text in bad {
                assert!(parse(column_type, text).is_err(), "{column_type} {text}");
            }
        }
        assert_eq!(parse("decimal(4,2)", "-0.5"), Ok(Literal::Decimal(-50)));
        assert_eq!(parse("decimal(38,0)", &"9".repeat(38)).unwrap(), Literal::Decimal(10_i128.pow(38) - 1));
    }

    #[test]
    fn instants_compare_across_zones() {
        let one = parse("timestamptz", "2024-01-01T00:30:00+01:00").unwrap();
        let other = parse("timestamptz", "2023-12-31T23:45:00Z").unwrap();
        assert!(other.is_after(&one) && !one.is_after(&other));
    }
}
