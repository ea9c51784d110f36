//! One value on its way into PostgreSQL, in the form of its binary COPY.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing.
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// SMALLINT.
    Small(i16),
    /// INTEGER.
    Integer(i32),
    /// BIGINT.
    Big(i64),
    /// REAL.
    Real(f32),
    /// DOUBLE PRECISION.
    Double(f64),
    /// DECIMAL: the digits without their point, and how many are behind it.
    Decimal(i128, u16),
    /// Text.
    Text(String),
    /// DATE, in days since 1970.
    Date(i32),
    /// TIMESTAMP, in microseconds since 1970.
    Timestamp(i64),
    /// SUPER, as JSON.
    Json(String),
}

/// Days from 1970 to 2000, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

impl ToSql for Cell {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Boolean(value) => out.put_u8(u8::from(*value)),
            Self::Small(value) => out.put_i16(*value),
            Self::Integer(value) => out.put_i32(*value),
            Self::Big(value) => out.put_i64(*value),
            Self::Real(value) => out.put_f32(*value),
            Self::Double(value) => out.put_f64(*value),
            Self::Decimal(digits, scale) => numeric(*digits, *scale, out)?,
            Self::Text(text) => out.put_slice(text.as_bytes()),
            Self::Date(days) => out.put_i32(days.checked_sub(EPOCH_DAYS).ok_or("the date is too far away")?),
            Self::Timestamp(micros) => {
                let epoch = i64::from(EPOCH_DAYS) * DAY;
                out.put_i64(micros.checked_sub(epoch).ok_or("the timestamp is too far away")?);
            }
            Self::Json(text) => {
                // The version of the format.
                out.put_u8(1);
                out.put_slice(text.as_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// PostgreSQL's NUMERIC: digits of base 10,000, the weight of the first, sign, and the digits shown behind the point.
fn numeric(digits: i128, scale: u16, out: &mut BytesMut) -> Result<(), Box<dyn Error + Sync + Send>> {
    let negative = digits < 0;
    let mut rest = digits.unsigned_abs();
    let mut groups: Vec<u16> = Vec::new();
    // The fraction is filled up to whole groups of four digits.
    let (whole_groups, odd) = (usize::from(scale / 4), u32::from(scale % 4));
    if odd > 0 {
        let part = rest % 10_u128.pow(odd);
        groups.push(u16::try_from(part * 10_u128.pow(4 - odd))?);
        rest /= 10_u128.pow(odd);
    }
    for _ in 0..whole_groups {
        groups.push(u16::try_from(rest % 10_000)?);
        rest /= 10_000;
    }
    let fraction_groups = groups.len();
    while rest > 0 {
        groups.push(u16::try_from(rest % 10_000)?);
        rest /= 10_000;
    }
    let mut weight = i16::try_from(groups.len())? - i16::try_from(fraction_groups)? - 1;
    groups.reverse();
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    out.put_i16(i16::try_from(groups.len())?);
    out.put_i16(if groups.is_empty() { 0 } else { weight });
    out.put_u16(if negative { 0x4000 } else { 0 });
    out.put_u16(scale);
    for group in groups {
        out.put_u16(group);
    }
    Ok(())
}
