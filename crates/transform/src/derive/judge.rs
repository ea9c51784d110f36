//! The rules of a column whose value is an expression: default, required, bounds, pattern and list.

use std::fmt::Display;
use std::ops::RangeInclusive;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use lakehand_dataset::dataset::Rules;
use lakehand_domain::reject::Rule;
use lakehand_domain::shape::ColumnType;
use lakehand_domain::value::decimal_text;
use regex::Regex;

use super::fit::Misfit;
use crate::decode::unfit_length;
use crate::physical::Scalar;

/// A value that owns its text.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Decimal(i128),
    Text(String),
}

impl Value {
    fn scalar(&self) -> Scalar<'_> {
        match self {
            Self::Boolean(value) => Scalar::Boolean(*value),
            Self::Integer(value) => Scalar::Integer(*value),
            Self::Float(value) => Scalar::Float(*value),
            Self::Decimal(value) => Scalar::Decimal(*value),
            Self::Text(text) => Scalar::Text(text),
        }
    }
}

/// The rules of one column, ready to be asked.
#[derive(Debug)]
pub(crate) struct Judge {
    column_type: ColumnType,
    required: bool,
    default: Option<Value>,
    least: Option<(Value, String)>,
    greatest: Option<(Value, String)>,
    lengths: Option<RangeInclusive<u32>>,
    pattern: Option<Regex>,
    allowed: Vec<Value>,
}

impl Judge {
    /// From the definition. A failure is (the rule's key, what is wrong).
    pub(crate) fn compile(rules: &Rules, column_type: ColumnType, required: bool) -> Result<Self, (String, String)> {
        let value = |key: &str, text: &str| {
            parse(text, column_type)
                .ok_or_else(|| (key.to_owned(), format!("{text:?} is not a value of {column_type}")))
        };
        let optional = |key: &str, text: &Option<String>| {
            text.as_ref().map(|text| value(key, text).map(|value| (value, text.clone()))).transpose()
        };
        let pattern = rules.matches.as_ref().map(|text| Regex::new(text)).transpose();
        Ok(Self {
            column_type,
            required,
            default: optional("default", &rules.default)?.map(|(value, _)| value),
            least: optional("min", &rules.min)?,
            greatest: optional("max", &rules.max)?,
            lengths: (rules.min_length.is_some() || rules.max_length.is_some())
                .then(|| rules.min_length.unwrap_or(0)..=rules.max_length.unwrap_or(u32::MAX)),
            pattern: pattern.map_err(|error| ("matches".to_owned(), error.to_string()))?,
            allowed: rules.one_of.iter().map(|text| value("one_of", text)).collect::<Result<_, _>>()?,
        })
    }

    /// The value that stands: the one given, or the default.
    pub(crate) fn judge<'a>(&'a self, scalar: Scalar<'a>) -> Result<Scalar<'a>, Misfit> {
        let scalar = match (scalar, &self.default) {
            (Scalar::Null, Some(default)) => default.scalar(),
            (scalar, _) => scalar,
        };
        if scalar == Scalar::Null {
            if self.required {
                return Err(self.broken(Rule::Required, "the expression is null, and the column is required", scalar));
            }
            return Ok(scalar);
        }
        if let Some((least, text)) = &self.least
            && below(scalar, least.scalar())
        {
            return Err(self.broken(Rule::Bounds, format_args!("the result is less than {text}"), scalar));
        }
        if let Some((greatest, text)) = &self.greatest
            && below(greatest.scalar(), scalar)
        {
            return Err(self.broken(Rule::Bounds, format_args!("the result is greater than {text}"), scalar));
        }
        if let (Some(lengths), Scalar::Text(text)) = (&self.lengths, scalar) {
            let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
            if !lengths.contains(&characters) {
                let message = format!("the result {}", unfit_length(characters, lengths));
                return Err(self.broken(Rule::Length, message, scalar));
            }
        }
        if let (Some(pattern), Scalar::Text(text)) = (&self.pattern, scalar)
            && !pattern.is_match(text)
        {
            return Err(self.broken(Rule::Matches, format_args!("the result does not match {pattern}"), scalar));
        }
        if !self.allowed.is_empty() && !self.allowed.iter().any(|allowed| allowed.scalar() == scalar) {
            return Err(self.broken(Rule::OneOf, "the result is none of the values allowed", scalar));
        }
        Ok(scalar)
    }

    fn broken(&self, rule: Rule, message: impl Display, scalar: Scalar<'_>) -> Misfit {
        Misfit { rule, message: message.to_string(), value: text_of(scalar, self.column_type) }
    }
}

/// The value as its column writes it; `None` for null. Exact: it reads back as the same value.
pub(crate) fn text_of(scalar: Scalar<'_>, column_type: ColumnType) -> Option<String> {
    Some(match (scalar, column_type) {
        (Scalar::Null, _) => return None,
        (Scalar::Boolean(value), _) => value.to_string(),
        (Scalar::Integer(days), ColumnType::Date) => {
            crate::partition::day(days).map_or_else(|| format!("day {days}"), |day| day.format("%Y-%m-%d").to_string())
        }
        (Scalar::Integer(micros), ColumnType::Timestamp | ColumnType::Timestamptz) => {
            let zone = if column_type == ColumnType::Timestamptz { "Z" } else { "" };
            DateTime::from_timestamp_micros(micros)
                .map_or_else(|| format!("{micros} us"), |at| format!("{}{zone}", at.format("%Y-%m-%dT%H:%M:%S%.f")))
        }
        (Scalar::Integer(value), _) => value.to_string(),
        #[expect(clippy::cast_possible_truncation, reason = "values of real columns are singles")]
        (Scalar::Float(value), ColumnType::Real) => (value as f32).to_string(),
        (Scalar::Float(value), _) => value.to_string(),
        (Scalar::Decimal(unscaled), ColumnType::Decimal { scale, .. }) => decimal_text(unscaled, scale),
        (Scalar::Decimal(unscaled), _) => unscaled.to_string(),
        (Scalar::Text(text), _) => text.to_owned(),
    })
}

fn below(left: Scalar<'_>, right: Scalar<'_>) -> bool {
    match (left, right) {
        (Scalar::Boolean(left), Scalar::Boolean(right)) => !left & right,
        (Scalar::Integer(left), Scalar::Integer(right)) => left < right,
        (Scalar::Float(left), Scalar::Float(right)) => left < right,
        (Scalar::Decimal(left), Scalar::Decimal(right)) => left < right,
        (Scalar::Text(left), Scalar::Text(right)) => left < right,
        _ => false,
    }
}

/// A value in a column's own notation.
fn parse(text: &str, column_type: ColumnType) -> Option<Value> {
    Some(match column_type {
        ColumnType::Boolean => Value::Boolean(text.parse().ok()?),
        ColumnType::Smallint => Value::Integer(text.parse::<i16>().ok()?.into()),
        ColumnType::Integer => Value::Integer(text.parse::<i32>().ok()?.into()),
        ColumnType::Bigint => Value::Integer(text.parse().ok()?),
        ColumnType::Real => Value::Float(text.parse::<f32>().ok().filter(|value| value.is_finite())?.into()),
        ColumnType::Double => Value::Float(text.parse::<f64>().ok().filter(|value| value.is_finite())?),
        ColumnType::Decimal { precision, scale } => Value::Decimal(decimal(text, precision, scale)?),
        ColumnType::Varchar { bytes } => Value::Text((text.len() <= bytes as usize).then(|| text.to_owned())?),
        ColumnType::Json => Value::Text(text.to_owned()),
        ColumnType::Date => {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
            Value::Integer(day.signed_duration_since(NaiveDate::default()).num_days())
        }
        ColumnType::Timestamp => {
            let at = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                .iter()
                .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
            let at = at.or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
            Value::Integer(at.and_utc().timestamp_micros())
        }
        ColumnType::Timestamptz => Value::Integer(DateTime::parse_from_rfc3339(text).ok()?.timestamp_micros()),
    })
}

fn decimal(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > usize::from(scale) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let zeros = "0".repeat(usize::from(scale) - fraction.len());
    let unscaled: i128 = format!("{whole}{fraction}{zeros}").parse().ok()?;
    (unscaled.unsigned_abs() < 10u128.pow(u32::from(precision))).then_some(unscaled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(column_type: &str, rules: &Rules, scalar: Scalar<'_>) -> Result<String, Rule> {
        let column_type = ColumnType::parse(column_type).unwrap();
        let judge = Judge::compile(rules, column_type, true).unwrap();
        let outcome = judge.judge(scalar).map_err(|misfit| misfit.rule);
        outcome.map(|scalar| text_of(scalar, column_type).unwrap())
    }

    #[test]
    fn rules_hold_for_results() {
        let some = |text: &str| Some(text.to_owned());
        let rules = Rules { min: some("0.50"), max: some("9.99"), default: some("1"), ..Rules::default() };
        assert_eq!(judged("decimal(4,2)", &rules, Scalar::Decimal(50)), Ok("0.50".to_owned()));
        assert_eq!(judged("decimal(4,2)", &rules, Scalar::Decimal(49)), Err(Rule::Bounds));
        assert_eq!(judged("decimal(4,2)", &rules, Scalar::Decimal(1000)), Err(Rule::Bounds));
        assert_eq!(judged("decimal(4,2)", &rules, Scalar::Null), Ok("1.00".to_owned()));
        assert_eq!(judged("decimal(4,2)", &Rules::default(), Scalar::Null), Err(Rule::Required));
        let rules = Rules { matches: some("^a"), one_of: vec!["ab".to_owned(), "b".to_owned()], ..Rules::default() };
        assert_eq!(judged("varchar(9)", &rules, Scalar::Text("ab")), Ok("ab".to_owned()));
        assert_eq!(judged("varchar(9)", &rules, Scalar::Text("b")), Err(Rule::Matches));
        assert_eq!(judged("varchar(9)", &rules, Scalar::Text("abc")), Err(Rule::OneOf));
        let rules = Rules { min: some("2026-01-01"), ..Rules::default() };
        assert_eq!(judged("date", &rules, Scalar::Integer(0)), Err(Rule::Bounds));
        assert_eq!(
            judged("timestamp", &rules, Scalar::Integer(1_767_225_600_000_000)),
            Ok("2026-01-01T00:00:00".into())
        );
    }

    #[test]
    fn limits_that_are_no_values_are_found_at_the_check() {
        let rules = Rules { max: Some("1.234".to_owned()), ..Rules::default() };
        let problem = Judge::compile(&rules, ColumnType::Decimal { precision: 4, scale: 2 }, false).unwrap_err();
        assert_eq!(problem.0, "max");
    }
}
