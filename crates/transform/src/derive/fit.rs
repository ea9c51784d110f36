//! The result of an expression in the type its column declares: exactly, or not at all.

use lakehand_domain::reject::Rule;
use lakehand_domain::shape::ColumnType;
use lakehand_domain::value::decimal_text;
use memchr::memchr;
use polars::prelude::{DataType, PolarsError, PolarsResult, Series, TimeUnit};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, StaticArray, Utf8ViewArray};
use serde::de::IgnoredAny;

use crate::decode::{NUL, stands_for};
use crate::physical::Scalar;

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;
/// A double of this and more may be another number than the one that was meant.
const COARSE: f64 = 9_007_199_254_740_992.0;

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
        (ColumnType::Double, _) => double(cell, column_type).map(Scalar::Float),
        (ColumnType::Real, _) => single(double(cell, column_type)?, cell).map(Scalar::Float),
        (ColumnType::Decimal { precision, scale }, _) => decimal(cell, precision, scale),
        (ColumnType::Varchar { bytes }, Cell::Text(text)) if text.len() > bytes as usize => {
            let message = format!("the result has {} bytes, more than {column_type} holds", text.len());
            Err(misfit(Rule::Length, message, cell))
        }
        (ColumnType::Varchar { .. }, Cell::Text(text)) if memchr(0, text.as_bytes()).is_some() => {
            Err(misfit(Rule::Nul, format!("the result {NUL}"), cell))
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
        Cell::Float(value) if value.fract() == 0.0 && value.abs() < COARSE => Some(value as i128),
        #[expect(clippy::cast_precision_loss, reason = "between limits and what is far beyond them no digit counts")]
        Cell::Float(value) if value.fract() == 0.0 => {
            let within = (least as f64..=most as f64).contains(&value);
            return Err(if within { coarse(cell) } else { beyond(cell, column_type) });
        }
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

/// Whole numbers are kept exactly or not at all. Those with a fraction are approximate by nature: the nearest is right.
fn double(cell: Cell<'_>, column_type: ColumnType) -> Result<f64, Misfit> {
    let whole = match cell {
        Cell::Integer(value) => Some(value),
        Cell::Float(value) => return Ok(value),
        Cell::Decimal { unscaled, scale } => rescale(unscaled, scale, 0),
        _ => return Err(strange_cell(cell, column_type)),
    };
    match (whole, cell) {
        (Some(whole), _) => exact_double(whole).ok_or_else(|| unheld(cell, column_type)),
        // Its text read as a number is the nearest double; dividing by a power of ten would round twice.
        (None, Cell::Decimal { unscaled, scale }) => {
            decimal_text(unscaled, scale).parse().map_err(|_| strange_cell(cell, column_type))
        }
        (None, _) => Err(strange_cell(cell, column_type)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is compared with what it was")]
fn exact_double(whole: i128) -> Option<f64> {
    let value = whole as f64;
    (whole == 0 || stands_for(value, false, &whole.unsigned_abs().to_string())).then_some(value)
}

fn single(value: f64, cell: Cell<'_>) -> Result<f64, Misfit> {
    #[expect(clippy::cast_possible_truncation, reason = "the nearest single is what real holds")]
    let single = f64::from(value as f32);
    if !single.is_finite() || (single == 0.0 && value != 0.0) {
        return Err(beyond(cell, ColumnType::Real));
    }
    // From there on a double is approximate itself.
    let is_whole = value.fract() == 0.0 && value.abs() < COARSE;
    let is_bent = is_whole && value != 0.0 && !stands_for(single, true, &format!("{:.0}", value.abs()));
    if is_bent { Err(unheld(cell, ColumnType::Real)) } else { Ok(single) }
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
            Digits::Coarse => return Err(coarse(cell)),
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
    /// More than a double is sure to keep.
    Coarse,
}

fn exact_digits(text: &str, scale: u8) -> Digits {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > usize::from(scale) {
        return Digits::TooFine;
    }
    let zeros = usize::from(scale) - fraction.len();
    let Ok(unscaled) = format!("{whole}{fraction}{}", "0".repeat(zeros)).parse() else { return Digits::TooMany };
    let is_coarse = format!("{whole}{fraction}").parse::<i128>().is_ok_and(|digits| digits.unsigned_abs() >= 1 << 53);
    if is_coarse { Digits::Coarse } else { Digits::Exact(unscaled) }
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

fn coarse(cell: Cell<'_>) -> Misfit {
    let message = "the result was made as a double, and has more digits than a double is sure to keep: CAST what it is \
                   made of to a decimal";
    misfit(Rule::Precision, message.to_owned(), cell)
}

fn unheld(cell: Cell<'_>, column_type: ColumnType) -> Misfit {
    let message = format!(
        "the result is a whole number that {column_type} does not hold exactly: declare the column as bigint or decimal"
    );
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
mod tests;
