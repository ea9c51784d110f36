//! Values as they are mostly written, read without a detour. `None` is no refusal: it leaves the text to those who know
//! every spelling, and say what is wrong with it.

use super::number::Number;
use super::time::civil_days;

/// Digits that always fit 64 bits, with or without a sign.
const DIGITS: usize = 18;
const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// `true` or `false`.
#[inline]
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// Up to 18 digits behind at most a minus.
#[inline]
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let value = i64::try_from(whole(digits)?).ok()?;
    Some(if digits.len() < text.len() { -value } else { value })
}

/// Up to 18 digits, with or without a point between two of them, behind at most a minus.
#[inline]
pub(super) fn number(text: &[u8]) -> Option<Number> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || digits.len() > DIGITS {
        return None;
    }
    let mut number = Number { negative: digits.len() < text.len(), ..Number::default() };
    for (at, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            number.mantissa = number.mantissa * 10 + u64::from(digit);
            number.exponent -= i32::from(number.fractional);
        } else if *byte == b'.' && !number.fractional && at > 0 && at + 1 < digits.len() {
            number.fractional = true;
        } else {
            return None;
        }
    }
    Some(number)
}

/// Digits and nothing else.
#[inline]
fn whole(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > DIGITS {
        return None;
    }
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

/// Days since 1970-01-01 of `2026-11-21`.
#[inline]
pub(super) fn date(text: &[u8]) -> Option<i64> {
    match text {
        [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] => {
            let year = two(*y0, *y1)? * 100 + two(*y2, *y3)?;
            civil_days(year, two(*m0, *m1)?, two(*d0, *d1)?)
        }
        _ => None,
    }
}

/// Microseconds since 1970-01-01T00:00:00 of `2026-11-21T08:00:00`, with up to six digits behind a point.
#[inline]
pub(super) fn timestamp(text: &[u8]) -> Option<i64> {
    let (day, time) = text.split_at_checked(10)?;
    let ([b'T' | b' ', h0, h1, b':', m0, m1, b':', s0, s1], fraction) = time.split_first_chunk::<9>()? else {
        return None;
    };
    let (hour, minute, second) = (two(*h0, *h1)?, two(*m0, *m1)?, two(*s0, *s1)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = date(day)? * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    Some(seconds * MICROS_PER_SECOND + micros(fraction)?)
}

/// Microseconds since 1970-01-01T00:00:00Z of `2026-11-21T08:00:00Z`, with up to six digits behind a point.
#[inline]
pub(super) fn instant(text: &[u8]) -> Option<i64> {
    timestamp(text.strip_suffix(b"Z")?)
}

#[inline]
fn micros(fraction: &[u8]) -> Option<i64> {
    let [b'.', digits @ ..] = fraction else { return fraction.is_empty().then_some(0) };
    if digits.len() > 6 {
        return None;
    }
    let missing = 6 - u32::try_from(digits.len()).ok()?;
    i64::try_from(whole(digits)? * 10u64.pow(missing)).ok()
}

#[inline]
fn two(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens) * 10 + i64::from(ones))
}

#[cfg(test)]
mod tests;
