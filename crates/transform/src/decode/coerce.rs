//! From what is written to a value of the declared type: unchanged, or not at all.

use chrono_tz::Tz;
use lakehand_domain::reject::Rule;
use lakehand_domain::shape::ColumnType;
use memchr::memchr;

use super::complaint::Complaint;
use super::number::{self, Number};
use super::texts::{TextAt, Texts};
use super::time::{self, Notation};
use crate::physical::Scalar;

/// What is wrong with a text that has one. `COPY` of Redshift fails at it ("Preparing your input data"), as PostgreSQL does.
pub(crate) const NUL: &str =
    "has a NUL character (U+0000), which a varchar of a warehouse does not hold; deliver the text without it";

/// A typed value; texts by their place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// None.
    Null,
    /// Of a boolean column.
    Boolean(bool),
    /// Of a smallint, integer or bigint column; days of a date; microseconds of a timestamp or timestamptz.
    Integer(i64),
    /// Of a real or double column.
    Float(f64),
    /// Of a decimal column, unscaled.
    Decimal(i128),
    /// Of a varchar or json column.
    Text(TextAt),
    /// Of a varchar column that is a hash: its 32 hexadecimal digits.
    Digest(u128),
}

impl Value {
    /// Whether it is none.
    pub(crate) fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// As builders take it. `digits` holds the text of a digest meanwhile.
    #[inline]
    pub(crate) fn scalar<'a>(self, texts: &Texts<'a>, digits: &'a mut String) -> Scalar<'a> {
        match self {
            Self::Null => Scalar::Null,
            Self::Boolean(value) => Scalar::Boolean(value),
            Self::Integer(value) => Scalar::Integer(value),
            Self::Float(value) => Scalar::Float(value),
            Self::Decimal(value) => Scalar::Decimal(value),
            Self::Text(at) => Scalar::Text(texts.get(at)),
            Self::Digest(value) => {
                digits.clear();
                digits.extend((0..32).rev().filter_map(|place| {
                    // Four bits are always a hexadecimal digit.
                    char::from_digit(u32::try_from(value >> (4 * place) & 0xf).unwrap_or(0), 16)
                }));
                Scalar::Text(digits)
            }
        }
    }
}

/// The type of a column, and how its dates and times are written.
#[derive(Debug, Clone)]
pub(crate) struct Typing {
    /// The declared type.
    pub(crate) column_type: ColumnType,
    /// How dates and times are written; ISO 8601 without it.
    pub(crate) notation: Option<Notation>,
    /// The zone of times that carry none.
    pub(crate) zone: Option<Tz>,
}

fn not_a(column_type: ColumnType) -> Complaint {
    Complaint::owned(Rule::Type, format!("is not {}", column_type.one()))
}

impl Typing {
    /// Least and greatest of the whole numbers.
    pub(crate) fn limits(&self) -> (i64, i64) {
        match self.column_type {
            ColumnType::Smallint => (i64::from(i16::MIN), i64::from(i16::MAX)),
            ColumnType::Integer => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        }
    }

    /// Whether values are whole numbers.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.column_type, ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint)
    }

    /// From a number; `text` is how it is written and `at` where.
    #[inline]
    pub(crate) fn number(&self, number: Number, text: &str, at: TextAt) -> Result<Value, Complaint> {
        match self.column_type {
            ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => {
                let (least, greatest) = self.limits();
                number.integer(least, greatest).map(Value::Integer)
            }
            ColumnType::Double => number.double(text).map(Value::Float),
            ColumnType::Real => number.real(text).map(Value::Float),
            ColumnType::Decimal { precision, scale } => number.decimal(text, precision, scale).map(Value::Decimal),
            ColumnType::Varchar { bytes } => varchar(text, at, bytes),
            ColumnType::Json => Ok(Value::Text(at)),
            ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz if self.notation.is_some() => {
                self.text(text, at)
            }
            ColumnType::Boolean => {
                Err(Complaint::new(Rule::Type, "is a number, not a boolean; say in map which number means what"))
            }
            ColumnType::Date | ColumnType::Timestamp | ColumnType::Timestamptz => Err(not_a(self.column_type)),
        }
    }

    /// From a JSON boolean.
    pub(crate) fn boolean(&self, value: bool, text: &str, at: TextAt) -> Result<Value, Complaint> {
        match self.column_type {
            ColumnType::Boolean => Ok(Value::Boolean(value)),
            ColumnType::Varchar { bytes } => varchar(text, at, bytes),
            ColumnType::Json => Ok(Value::Text(at)),
            other => Err(not_a(other)),
        }
    }

    /// From a text that holds exactly what the type writes.
    #[inline]
    pub(crate) fn text(&self, text: &str, at: TextAt) -> Result<Value, Complaint> {
        match self.column_type {
            ColumnType::Varchar { bytes } => varchar(text, at, bytes),
            ColumnType::Boolean => match text {
                "true" => Ok(Value::Boolean(true)),
                "false" => Ok(Value::Boolean(false)),
                _ => Err(Complaint::new(Rule::Type, "is neither true nor false; say in map which text means what")),
            },
            ColumnType::Date => time::date(text, self.notation.as_ref()).map(|days| Value::Integer(i64::from(days))),
            ColumnType::Timestamp => time::timestamp(text, self.notation.as_ref()).map(Value::Integer),
            ColumnType::Timestamptz => time::timestamptz(text, self.notation.as_ref(), self.zone).map(Value::Integer),
            ColumnType::Json => match serde_json::from_str::<serde::de::IgnoredAny>(text) {
                Ok(_) => super::rules::sound(text).map(|()| Value::Text(at)),
                Err(error) => Err(Complaint::owned(Rule::Type, format!("is not JSON: {error}"))),
            },
            _ => match number::parse(text) {
                Some(number) => self.number(number, text, at),
                None if number::is_unreal(text) => {
                    let message =
                        "is no finite number, and columns hold no others; to have it null, name it in null_if";
                    Err(Complaint::new(Rule::Type, message))
                }
                None => Err(not_a(self.column_type)),
            },
        }
    }
}

/// A text within its bytes; never cut.
#[inline]
fn varchar(text: &str, at: TextAt, most: u32) -> Result<Value, Complaint> {
    if text.len() > most as usize {
        let message = format!("has {} bytes and varchar({most}) holds {most}", text.len());
        return Err(Complaint::owned(Rule::Length, message));
    }
    if memchr(0, text.as_bytes()).is_some() {
        return Err(Complaint::new(Rule::Nul, NUL));
    }
    Ok(Value::Text(at))
}
