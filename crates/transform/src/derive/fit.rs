//! The result of an expression in the type its column declares: exactly, or not at all.

use lakehand_domain::reject::Rule;
use lakehand_domain::shape::ColumnType;
use lakehand_domain::value::decimal_text;
use polars::prelude::{DataType, PolarsError, PolarsResult, Series, TimeUnit};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, StaticArray, Utf8ViewArray};
use serde::de::IgnoredAny;

use crate::physical::Scalar;

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// A value that does not fit, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Misfit {
    /// The rule it breaks.
    pub(crate) rule: Rule,
    /// What is wrong, in words.
    pub(crate) message: String,
    /// The value.
    pub(crate) value: Option<String>,
}

/// Why results of this type can never become the declared type; `None` where they can.
pub(crate) fn unfit(data_type: &DataType, column_type: ColumnType) -> Option<String> {
    let numeric =
        data_type.is_integer() || matches!(data_type, DataType::Float32 | DataType::Float64 | DataType::Decimal(..));
    let fits = match column_type {
        _ if *data_type == DataType::Null => true,
        ColumnType::Boolean => *data_type == DataType::Boolean,
        ColumnType::Smallint
        | ColumnType::Integer
        | ColumnType::Bigint
        | ColumnType::Real
        | ColumnType::Double
        | ColumnType::Decimal { .. } => numeric,
        ColumnType::Varchar { .. } | ColumnType::Json => *data_type == DataType::String,
        ColumnType::Date => *data_type == DataType::Date,
        ColumnType::Timestamp => {
            matches!(data_type, DataType::Date | DataType::Datetime(TimeUnit::Microseconds, None))
        }
        ColumnType::Timestamptz => matches!(data_type, DataType::Datetime(TimeUnit::Microseconds, Some(_))),
    };
    (!fits).then(|| format!("it gives {data_type}, and the column is {column_type}: CAST it"))
}

/// One value of an expression's result.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Decimal { unscaled: i128, scale: u8 },
    Text(&'a str),
    Date(i32),
    Micros(i64),
}

/// The values of a result, whatever polars keeps them in.
pub(crate) struct Results<'a> {
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int16(&'a PrimitiveArray<i16>),
    Int32(&'a PrimitiveArray<i32>),
    Int64(&'a PrimitiveArray<i64>),
    UInt32(&'a PrimitiveArray<u32>),
    UInt64(&'a PrimitiveArray<u64>),
    Float32(&'a PrimitiveArray<f32>),
    Float64(&'a PrimitiveArray<f64>),
    Decimal(&'a PrimitiveArray<i128>, u8),
    Text(&'a Utf8ViewArray),
    Date(&'a PrimitiveArray<i32>),
    Micros(&'a PrimitiveArray<i64>),
}

impl<'a> Results<'a> {
    /// Over a series of one chunk.
    pub(crate) fn of(series: &'a Series) -> PolarsResult<Self> {
        fn cast<'a, A: 'static>(array: &'a dyn Array, data_type: &DataType) -> PolarsResult<&'a A> {
            array.as_any().downcast_ref::<A>().ok_or_else(|| strange(data_type))
        }
        let data_type = series.dtype();
        let Some(array) = series.chunks().first().map(AsRef::as_ref) else { return Ok(Self { values: Values::Null }) };
        let values = match data_type {
            DataType::Null => Values::Null,
            DataType::Boolean => Values::Boolean(cast(array, data_type)?),
            DataType::Int16 => Values::Int16(cast(array, data_type)?),
            DataType::Int32 => Values::Int32(cast(array, data_type)?),
            DataType::Int64 => Values::Int64(cast(array, data_type)?),
            DataType::UInt32 => Values::UInt32(cast(array, data_type)?),
            DataType::UInt64 => Values::UInt64(cast(array, data_type)?),
            DataType::Float32 => Values::Float32(cast(array, data_type)?),
            DataType::Float64 => Values::Float64(cast(array, data_type)?),
            DataType::Decimal(_, scale) => {
                Values::Decimal(cast(array, data_type)?, u8::try_from(*scale).map_err(|_| strange(data_type))?)
            }
            DataType::String => Values::Text(cast(array, data_type)?),
            DataType::Date => Values::Date(cast(array, data_type)?),
            DataType::Datetime(TimeUnit::Microseconds, _) => Values::Micros(cast(array, data_type)?),
            other => return Err(strange(other)),
        };
        Ok(Self { values })
    }

    fn cell(&self, row: usize) -> Cell<'a> {
        let cell = match &self.values {
            Values::Null => None,
            Values::Boolean(array) => array.get(row).map(Cell::Boolean),
            Values::Int16(array) => array.get(row).map(|value| Cell::Integer(value.into())),
            Values::Int32(array) => array.get(row).map(|value| Cell::Integer(value.into())),
            Values::Int64(array) => array.get(row).map(|value| Cell::Integer(value.into())),
            Values::UInt32(array) => array.get(row).map(|value| Cell::Integer(value.into())),
            Values::UInt64(array) => array.get(row).map(|value| Cell::Integer(value.into())),
            Values::Float32(array) => array.get(row).map(|value| Cell::Float(value.into())),
            Values::Float64(array) => array.get(row).map(Cell::Float),
            Values::Decimal(array, scale) => array.get(row).map(|unscaled| Cell::Decimal { unscaled, scale: *scale }),
            Values::Text(array) => array.get(row).map(Cell::Text),
            Values::Date(array) => array.get(row).map(Cell::Date),
            Values::Micros(array) => array.get(row).map(Cell::Micros),
        };
        cell.unwrap_or(Cell::Null)
    }

    /// The value of one row in the declared type.
    pub(crate) fn fit(&self, row: usize, column_type: ColumnType) -> Result<Scalar<'a>, Misfit> {
        fit(self.cell(row), column_type)
    }
}

fn fit(cell: Cell<'_>, column_type: ColumnType) -> Result<Scalar<'_>, Misfit> {
    if let Cell::Float(value) = cell
        && !value.is_finite()
    {
        return Err(misfit(Rule::Expression, "the result is no number (a division by zero?)".to_owned(), cell));
    }
    match (column_type, cell) {
        (_, Cell::Null) => Ok(Scalar::Null),
        (ColumnType::Boolean, Cell::Boolean(value)) => Ok(Scalar::Boolean(value)),
        (ColumnType::Smallint, _) => whole(cell, column_type, i16::MIN.into(), i16::MAX.into()),
        (ColumnType::Integer, _) => whole(cell, column_type, i32::MIN.into(), i32::MAX.into()),
        (ColumnType::Bigint, _) => whole(cell, column_type, i64::MIN, i64::MAX),
        (ColumnType::Double, _) => double(cell).map(Scalar::Float).ok_or_else(|| strange_cell(cell, column_type)),
        (ColumnType::Real, _) => match double(cell) {
            Some(value) => single(value).map(Scalar::Float).ok_or_else(|| beyond(cell, column_type)),
            None => Err(strange_cell(cell, column_type)),
        },
        (ColumnType::Decimal { precision, scale }, _) => decimal(cell, precision, scale),
        (ColumnType::Varchar { bytes }, Cell::Text(text)) if text.len() > bytes as usize => {
            let message = format!("the result has {} bytes, more than {column_type} holds", text.len());
            Err(misfit(Rule::Length, message, cell))
        }
        (ColumnType::Varchar { .. }, Cell::Text(text)) => Ok(Scalar::Text(text)),
        (ColumnType::Json, Cell::Text(text)) => match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => Ok(Scalar::Text(text)),
            Err(error) => Err(misfit(Rule::Expression, format!("the result is not JSON: {error}"), cell)),
        },
        (ColumnType::Date, Cell::Date(days)) => Ok(Scalar::Integer(days.into())),
        (ColumnType::Timestamp, Cell::Date(days)) => Ok(Scalar::Integer(i64::from(days) * DAY_MICROS)),
        (ColumnType::Timestamp | ColumnType::Timestamptz, Cell::Micros(micros)) => Ok(Scalar::Integer(micros)),
        _ => Err(strange_cell(cell, column_type)),
    }
}

fn whole(cell: Cell<'_>, column_type: ColumnType, least: i64, most: i64) -> Result<Scalar<'_>, Misfit> {
    let value = match cell {
        Cell::Integer(value) => Some(value),
        #[expect(clippy::cast_possible_truncation, reason = "the float is whole and smaller than i128 by far")]
        Cell::Float(value) if value.fract() == 0.0 && value.abs() < 1e30 => Some(value as i128),
        Cell::Float(value) if value.fract() == 0.0 => return Err(beyond(Cell::Float(value), column_type)),
        Cell::Decimal { unscaled, scale } => rescale(unscaled, scale, 0),
        Cell::Float(_) => None,
        other => return Err(strange_cell(other, column_type)),
    };
    let Some(value) = value else {
        let message = format!("the result is not whole, and the column is {column_type}: ROUND it");
        return Err(misfit(Rule::Expression, message, cell));
    };
    match i64::try_from(value) {
        Ok(value) if (least..=most).contains(&value) => Ok(Scalar::Integer(value)),
        _ => Err(beyond(cell, column_type)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "double and real are declared as approximate: the nearest is right")]
fn double(cell: Cell<'_>) -> Option<f64> {
    match cell {
        Cell::Integer(value) => Some(value as f64),
        Cell::Float(value) => Some(value),
        // Its text read as a number is the nearest double; dividing by a power of ten would round twice.
        Cell::Decimal { unscaled, scale } => decimal_text(unscaled, scale).parse().ok(),
        _ => None,
    }
}

fn single(value: f64) -> Option<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "the nearest single is what real holds")]
    let single = value as f32;
    single.is_finite().then_some(f64::from(single))
}

fn decimal(cell: Cell<'_>, precision: u8, scale: u8) -> Result<Scalar<'_>, Misfit> {
    let column_type = ColumnType::Decimal { precision, scale };
    let unscaled = match cell {
        Cell::Integer(value) => rescale(value, 0, scale).ok_or_else(|| beyond(cell, column_type))?,
        Cell::Decimal { unscaled, scale: from } => match rescale(unscaled, from, scale) {
            Some(unscaled) => unscaled,
            None if from <= scale => return Err(beyond(cell, column_type)),
            None => return Err(inexact(cell, column_type, scale)),
        },
        // The shortest text that reads back as the same float is the decimal that was meant.
        Cell::Float(value) => match exact_digits(&format!("{value}"), scale) {
            Digits::Exact(unscaled) => unscaled,
            Digits::TooMany => return Err(beyond(cell, column_type)),
            Digits::TooFine => return Err(inexact(cell, column_type, scale)),
        },
        other => return Err(strange_cell(other, column_type)),
    };
    // 10^38 is below i128's greatest.
    if unscaled.unsigned_abs() >= 10u128.pow(u32::from(precision)) {
        return Err(beyond(cell, column_type));
    }
    Ok(Scalar::Decimal(unscaled))
}

enum Digits {
    Exact(i128),
    TooMany,
    TooFine,
}

fn exact_digits(text: &str, scale: u8) -> Digits {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > usize::from(scale) {
        return Digits::TooFine;
    }
    let zeros = usize::from(scale) - fraction.len();
    format!("{whole}{fraction}{}", "0".repeat(zeros)).parse().map_or(Digits::TooMany, Digits::Exact)
}

/// `None` where it has digits the scale does not keep, or too many.
fn rescale(unscaled: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        unscaled.checked_mul(10i128.checked_pow(u32::from(to - from))?)
    } else {
        let factor = 10i128.checked_pow(u32::from(from - to))?;
        (unscaled % factor == 0).then(|| unscaled / factor)
    }
}

fn beyond(cell: Cell<'_>, column_type: ColumnType) -> Misfit {
    misfit(Rule::Range, format!("the result does not fit {column_type}"), cell)
}

fn inexact(cell: Cell<'_>, column_type: ColumnType, scale: u8) -> Misfit {
    let message =
        format!("the result has more than {scale} digits after the point, and the column is {column_type}: ROUND it");
    misfit(Rule::Precision, message, cell)
}

fn strange_cell(cell: Cell<'_>, column_type: ColumnType) -> Misfit {
    misfit(Rule::Expression, format!("the result is not of the type {column_type}"), cell)
}

fn misfit(rule: Rule, message: String, cell: Cell<'_>) -> Misfit {
    let value = match cell {
        Cell::Null => None,
        Cell::Boolean(value) => Some(value.to_string()),
        Cell::Integer(value) => Some(value.to_string()),
        Cell::Float(value) => Some(value.to_string()),
        Cell::Decimal { unscaled, scale } => Some(decimal_text(unscaled, scale)),
        Cell::Text(text) => Some(text.to_owned()),
        Cell::Date(days) => Some(format!("day {days}")),
        Cell::Micros(micros) => Some(format!("{micros} us")),
    };
    Misfit { rule, message, value }
}

fn strange(data_type: &DataType) -> PolarsError {
    PolarsError::SchemaMismatch(format!("an expression gave {data_type}, which the check should have refused").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(cell: Cell<'static>, column_type: &str) -> Result<Scalar<'static>, Rule> {
        fit(cell, ColumnType::parse(column_type).unwrap()).map_err(|misfit| misfit.rule)
    }

    #[test]
    fn numbers_arrive_unchanged_or_not_at_all() {
        assert_eq!(fits(Cell::Float(3.0), "integer"), Ok(Scalar::Integer(3)));
        assert_eq!(fits(Cell::Float(3.5), "integer"), Err(Rule::Expression));
        assert_eq!(fits(Cell::Float(1e300), "bigint"), Err(Rule::Range));
        assert_eq!(fits(Cell::Integer(40_000), "smallint"), Err(Rule::Range));
        assert_eq!(fits(Cell::Integer(i128::from(i64::MIN)), "bigint"), Ok(Scalar::Integer(i64::MIN)));
        assert_eq!(fits(Cell::Decimal { unscaled: 300, scale: 2 }, "integer"), Ok(Scalar::Integer(3)));
        assert_eq!(fits(Cell::Decimal { unscaled: 301, scale: 2 }, "integer"), Err(Rule::Expression));
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for column_type in ["double", "real", "integer", "decimal(9,2)"] {
                assert_eq!(fits(Cell::Float(number), column_type), Err(Rule::Expression), "{column_type}");
            }
        }
        assert_eq!(fits(Cell::Float(1e39), "real"), Err(Rule::Range));
        assert_eq!(fits(Cell::Decimal { unscaled: 171_519, scale: 2 }, "double"), Ok(Scalar::Float(1715.19)));
    }

    #[test]
    fn decimals_are_exact_or_rejected() {
        assert_eq!(fits(Cell::Float(12.35), "decimal(4,2)"), Ok(Scalar::Decimal(1235)));
        assert_eq!(fits(Cell::Float(-0.05), "decimal(4,2)"), Ok(Scalar::Decimal(-5)));
        assert_eq!(fits(Cell::Float(12.345), "decimal(4,2)"), Err(Rule::Precision));
        assert_eq!(fits(Cell::Float(100.0), "decimal(4,2)"), Err(Rule::Range));
        assert_eq!(fits(Cell::Float(1e300), "decimal(38,2)"), Err(Rule::Range));
        assert_eq!(fits(Cell::Float(1e-7), "decimal(38,2)"), Err(Rule::Precision));
        assert_eq!(fits(Cell::Integer(7), "decimal(4,2)"), Ok(Scalar::Decimal(700)));
        assert_eq!(fits(Cell::Decimal { unscaled: 12_340, scale: 3 }, "decimal(4,2)"), Ok(Scalar::Decimal(1234)));
        assert_eq!(fits(Cell::Decimal { unscaled: 12_345, scale: 3 }, "decimal(4,2)"), Err(Rule::Precision));
        assert_eq!(fits(Cell::Decimal { unscaled: i128::MAX, scale: 0 }, "decimal(38,2)"), Err(Rule::Range));
    }

    #[test]
    fn texts_are_measured_in_bytes() {
        assert_eq!(fits(Cell::Text("äö"), "varchar(4)"), Ok(Scalar::Text("äö")));
        assert_eq!(fits(Cell::Text("äö"), "varchar(3)"), Err(Rule::Length));
        assert_eq!(fits(Cell::Text("{\"a\":1}"), "json"), Ok(Scalar::Text("{\"a\":1}")));
        assert_eq!(fits(Cell::Text("{a}"), "json"), Err(Rule::Expression));
    }
}
