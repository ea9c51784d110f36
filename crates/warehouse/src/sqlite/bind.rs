//! Typed values into the parameters of an INSERT, each checked: a value that the declared column does not take is
//! refused here, for SQLite itself would take anything.

use std::fmt::Write as _;

use chrono::{Datelike, NaiveDate};
use lakehand_domain::shape::{ColumnShape, ColumnType};
use lakehand_domain::value::{ColumnValues, decimal_text};
use rusqlite::Statement;
use rusqlite::types::{Null, ToSqlOutput, ValueRef};

use super::physical::is_text_decimal;
use super::trouble::Trouble;

const DAY_MICROS: i64 = 86_400_000_000;
/// Days from 0001-01-01, chrono's first day of the common era, to 1970-01-01.
const EPOCH_DAYS_FROM_CE: i32 = 719_163;
/// Exactly these, for every scale that a double keeps.
const POWERS_OF_TEN: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
/// The most bytes of a refused value that a message shows.
const SHOWN_BYTES: usize = 80;

/// A value that its column does not take: what it is, and why not.
#[derive(Debug)]
pub(crate) enum Bad {
    /// The value is at fault.
    Value(String),
    /// SQLite failed.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Bad {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Bad {
    /// With the words that say where it was found.
    pub(crate) fn at(self, place: impl FnOnce() -> String) -> Trouble {
        match self {
            Self::Value(message) => Trouble::Data(format!("{}: {message}", place())),
            Self::Sql(error) => Trouble::Sql(error),
        }
    }
}

/// Whether values of this kind are what a reader gives for such a column.
pub(crate) fn is_kind(column_type: ColumnType, values: &ColumnValues) -> bool {
    match (column_type, values) {
        (ColumnType::Decimal { scale: declared, .. }, ColumnValues::Decimal { scale, .. }) => declared == *scale,
        (ColumnType::Boolean, ColumnValues::Boolean(_))
        | (ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint, ColumnValues::Integer(_))
        | (ColumnType::Real | ColumnType::Double, ColumnValues::Double(_))
        | (ColumnType::Varchar { .. } | ColumnType::Json, ColumnValues::Text(_))
        | (ColumnType::Date, ColumnValues::Date(_))
        | (ColumnType::Timestamp | ColumnType::Timestamptz, ColumnValues::Timestamp(_)) => true,
        _ => false,
    }
}

/// Binds row `row` of `values` to parameter `at`. `scratch` is reused from value to value.
pub(crate) fn bind(
    statement: &mut Statement<'_>,
    at: usize,
    column: &ColumnShape,
    values: &ColumnValues,
    row: usize,
    scratch: &mut String,
) -> Result<(), Bad> {
    let given = match values {
        ColumnValues::Boolean(values) => values[row].map(|value| ValueRef::Integer(i64::from(value))),
        ColumnValues::Integer(values) => {
            values[row].map(|value| integer(column.column_type, value)).transpose()?.map(ValueRef::Integer)
        }
        ColumnValues::Double(values) => {
            values[row].map(|value| double(column.column_type, value)).transpose()?.map(ValueRef::Real)
        }
        ColumnValues::Decimal { scale, unscaled } => match unscaled[row] {
            Some(value) => Some(decimal(column.column_type, value, *scale, scratch)?),
            None => None,
        },
        ColumnValues::Text(values) => match &values[row] {
            Some(value) => Some(text(column.column_type, value)?),
            None => None,
        },
        ColumnValues::Date(values) => match values[row] {
            Some(days) => Some(date(days, scratch)?),
            None => None,
        },
        ColumnValues::Timestamp(values) => match values[row] {
            Some(micros) => Some(timestamp(column.column_type, micros, scratch)?),
            None => None,
        },
    };
    match given {
        Some(value) => statement.raw_bind_parameter(at, ToSqlOutput::Borrowed(value))?,
        None if column.required => return Err(Bad::Value("no value, and the column is required".to_owned())),
        None => statement.raw_bind_parameter(at, Null)?,
    }
    Ok(())
}

fn integer(column_type: ColumnType, value: i64) -> Result<i64, Bad> {
    let fits = match column_type {
        ColumnType::Smallint => i16::try_from(value).is_ok(),
        ColumnType::Integer => i32::try_from(value).is_ok(),
        _ => true,
    };
    if fits { Ok(value) } else { Err(Bad::Value(format!("{value} is outside {column_type}"))) }
}

fn double(column_type: ColumnType, value: f64) -> Result<f64, Bad> {
    // SQLite would keep null for it.
    if value.is_nan() {
        return Err(Bad::Value(format!("not a number is no {column_type}")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "whether it is cut is what is asked")]
    let single = f64::from(value as f32);
    if column_type == ColumnType::Real && single.to_bits() != value.to_bits() {
        return Err(Bad::Value(format!("{value} is no real: it needs a double")));
    }
    Ok(value)
}

fn decimal(column_type: ColumnType, unscaled: i128, scale: u8, scratch: &mut String) -> Result<ValueRef<'_>, Bad> {
    let ColumnType::Decimal { precision, .. } = column_type else {
        return Err(Bad::Value(format!("a decimal is no {column_type}")));
    };
    if unscaled.unsigned_abs() >= 10_u128.pow(u32::from(precision)) {
        return Err(Bad::Value(format!("{} is outside {column_type}", decimal_text(unscaled, scale))));
    }
    if is_text_decimal(column_type) {
        *scratch = decimal_text(unscaled, scale);
        return Ok(ValueRef::Text(scratch.as_bytes()));
    }
    // Both are whole numbers that a double holds exactly, so that the quotient is the double nearest to the decimal,
    // the same that its text would be read as.
    #[expect(clippy::cast_precision_loss, reason = "at most 15 digits")]
    let value = unscaled as f64 / POWERS_OF_TEN[usize::from(scale)];
    Ok(ValueRef::Real(value))
}

fn text(column_type: ColumnType, value: &str) -> Result<ValueRef<'_>, Bad> {
    match column_type {
        ColumnType::Varchar { bytes } if value.len() > bytes as usize => Err(Bad::Value(format!(
            "{:?} has {} bytes, {column_type} takes {bytes}",
            &value[..value.floor_char_boundary(SHOWN_BYTES)],
            value.len()
        ))),
        _ => Ok(ValueRef::Text(value.as_bytes())),
    }
}

fn date(days: i32, scratch: &mut String) -> Result<ValueRef<'_>, Bad> {
    scratch.clear();
    write_date(i64::from(days), scratch)?;
    Ok(ValueRef::Text(scratch.as_bytes()))
}

fn timestamp(column_type: ColumnType, micros: i64, scratch: &mut String) -> Result<ValueRef<'_>, Bad> {
    scratch.clear();
    write_date(micros.div_euclid(DAY_MICROS), scratch)?;
    let time = micros.rem_euclid(DAY_MICROS);
    let seconds = time / 1_000_000;
    scratch.push('T');
    digits(scratch, seconds / 3600, 2);
    scratch.push(':');
    digits(scratch, seconds / 60 % 60, 2);
    scratch.push(':');
    digits(scratch, seconds % 60, 2);
    scratch.push('.');
    digits(scratch, time % 1_000_000, 6);
    if column_type == ColumnType::Timestamptz {
        scratch.push('Z');
    }
    Ok(ValueRef::Text(scratch.as_bytes()))
}

fn write_date(days: i64, scratch: &mut String) -> Result<(), Bad> {
    let date = i32::try_from(days)
        .ok()
        .and_then(|days| days.checked_add(EPOCH_DAYS_FROM_CE))
        .and_then(NaiveDate::from_num_days_from_ce_opt)
        .filter(|date| (1..=9999).contains(&date.year()))
        .ok_or_else(|| Bad::Value(format!("day {days} since 1970 is outside the years 1 to 9999")))?;
    digits(scratch, i64::from(date.year()), 4);
    scratch.push('-');
    digits(scratch, i64::from(date.month()), 2);
    scratch.push('-');
    digits(scratch, i64::from(date.day()), 2);
    Ok(())
}

fn digits(scratch: &mut String, value: i64, width: usize) {
    // Writing into a String cannot fail.
    let _infallible = write!(scratch, "{value:0width$}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: Result<ValueRef<'_>, Bad>) -> String {
        value.unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn times_have_one_width() {
        let mut scratch = String::new();
        assert_eq!(text_of(date(0, &mut scratch)), "1970-01-01");
        assert_eq!(text_of(date(-719_162, &mut scratch)), "0001-01-01");
        assert_eq!(text_of(date(2_932_896, &mut scratch)), "9999-12-31");
        assert!(date(2_932_897, &mut scratch).is_err());
        assert!(date(i32::MAX, &mut scratch).is_err());
        let at = 1_500_042_006_000_000;
        assert_eq!(text_of(timestamp(ColumnType::Timestamptz, at, &mut scratch)), "2017-07-14T14:20:06.000000Z");
        assert_eq!(text_of(timestamp(ColumnType::Timestamp, -1, &mut scratch)), "1969-12-31T23:59:59.999999");
        assert!(timestamp(ColumnType::Timestamp, i64::MAX, &mut scratch).is_err());
    }

    #[test]
    fn what_a_column_does_not_take_is_refused() {
        let mut scratch = String::new();
        assert!(integer(ColumnType::Smallint, 32_768).is_err());
        assert!(integer(ColumnType::Integer, i64::from(i32::MIN)).is_ok());
        assert!(double(ColumnType::Double, f64::NAN).is_err());
        assert!(double(ColumnType::Real, 0.1).is_err());
        assert!(double(ColumnType::Real, f64::from(0.1_f32)).is_ok());
        assert!(decimal(ColumnType::Decimal { precision: 3, scale: 2 }, 1000, 2, &mut scratch).is_err());
        assert!(text(ColumnType::Varchar { bytes: 3 }, "aä").is_ok());
        assert!(text(ColumnType::Varchar { bytes: 3 }, "ää").is_err());
    }
}
