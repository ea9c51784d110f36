//! Dates and times: ISO 8601 by hand, other notations by chrono, and nothing rounded.

use chrono::format::{Fixed, Item, Numeric, Pad, Parsed, StrftimeItems};
use chrono::offset::LocalResult;
use chrono::{Datelike, NaiveDate, NaiveTime, TimeZone, Timelike};
use chrono_tz::Tz;
use lakehand_domain::reject::Rule;

use super::complaint::Complaint;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;
/// The first microsecond of year 1.
const LEAST_MICROS: i64 = -62_135_596_800 * MICROS_PER_SECOND;
/// The last microsecond of year 9999.
const GREATEST_MICROS: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

/// A notation of dates and times, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Notation {
    items: Vec<Item<'static>>,
    text: String,
}

impl Notation {
    /// Reads strftime notation; `None` where it is not.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let items = StrftimeItems::new(text).parse_to_owned().ok()?;
        Some(Self { items, text: text.to_owned() })
    }

    fn parse(&self, text: &str) -> Result<Parsed, Complaint> {
        let mut parsed = Parsed::new();
        let mut rest = text;
        for item in &self.items {
            let behind = chrono::format::parse_and_remainder(&mut parsed, rest, std::iter::once(item));
            let behind = behind.map_err(|error| match error.kind() {
                chrono::format::ParseErrorKind::OutOfRange | chrono::format::ParseErrorKind::Impossible => {
                    Complaint::owned(Rule::Time, format!("does not exist, read by the format {:?}", self.text))
                }
                _ => self.misread(),
            })?;
            self.judge(item, &rest[..rest.len() - behind.len()])?;
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(self.misread());
        }
        // chrono drops digits beyond nanoseconds without a word.
        let digits_after_point = text.rsplit(['.', ',']).next().map_or(0, |rest| {
            if rest.len() == text.len() { 0 } else { rest.bytes().take_while(u8::is_ascii_digit).count() }
        });
        if digits_after_point > 9 {
            return Err(too_fine());
        }
        Ok(parsed)
    }

    /// chrono takes blanks before every number, and years of any length: `01.01.24` would be in the year 24.
    fn judge(&self, item: &Item<'_>, written: &str) -> Result<(), Complaint> {
        let year = match item {
            Item::Numeric(Numeric::Year | Numeric::IsoYear, _) => written,
            Item::Fixed(Fixed::RFC3339) => written.split('-').next().unwrap_or(""),
            Item::Numeric(_, Pad::Space) => return Ok(()),
            Item::Numeric(..) if written.starts_with(char::is_whitespace) => return Err(self.misread()),
            _ => return Ok(()),
        };
        if year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(());
        }
        let message = format!("has a year of other than four digits, read by the format {:?}", self.text);
        Err(Complaint::owned(Rule::Type, message))
    }

    #[cold]
    fn misread(&self) -> Complaint {
        Complaint::owned(Rule::Type, format!("is not written by the format {:?}", self.text))
    }
}

fn too_fine() -> Complaint {
    Complaint::new(Rule::Time, "is finer than microseconds, which are kept")
}

fn unreal() -> Complaint {
    Complaint::new(Rule::Time, "does not exist in the calendar or on the clock")
}

/// Days since 1970-01-01 of a date, in ISO 8601 (`2026-11-21`) or in the notation given.
pub(crate) fn date(text: &str, notation: Option<&Notation>) -> Result<i32, Complaint> {
    let Some(notation) = notation else {
        let (days, rest) =
            iso_date(text.as_bytes()).ok_or_else(|| Complaint::new(Rule::Type, "is not a date such as 2026-11-21"))?;
        if !rest.is_empty() {
            return Err(Complaint::new(Rule::Type, "is more than a date such as 2026-11-21"));
        }
        return days.map(|days| i32::try_from(days).unwrap_or(i32::MAX));
    };
    let parsed = notation.parse(text)?;
    let is_zero = |field: Option<u32>| field.is_none_or(|value| value == 0);
    // Twelve o'clock is midnight or noon.
    let is_midnight = parsed.hour_div_12().is_some() || parsed.hour_mod_12().is_none();
    let clock = [parsed.hour_div_12(), parsed.hour_mod_12(), parsed.minute(), parsed.second(), parsed.nanosecond()];
    if !is_midnight || !clock.into_iter().all(is_zero) || parsed.offset().is_some() || parsed.timestamp().is_some() {
        return Err(Complaint::new(
            Rule::Time,
            "has a time of day other than midnight, which a date column would lose; declare the column as timestamp",
        ));
    }
    let date = parsed.to_naive_date().map_err(|_| unreal())?;
    let days = i64::from(date.num_days_from_ce()) - 719_163;
    in_years(days * SECONDS_PER_DAY * MICROS_PER_SECOND)?;
    Ok(i32::try_from(days).unwrap_or(i32::MAX))
}

/// Microseconds since 1970-01-01T00:00:00 of a time without a zone; one with a zone is refused.
pub(crate) fn timestamp(text: &str, notation: Option<&Notation>) -> Result<i64, Complaint> {
    match local(text, notation)? {
        (micros, None) => in_years(micros),
        (_, Some(_)) => Err(Complaint::new(
            Rule::Time,
            "carries a zone, which a timestamp column would lose; declare the column as timestamptz",
        )),
    }
}

/// Microseconds since 1970-01-01T00:00:00Z of a time with an offset, or of one in the zone given.
pub(crate) fn timestamptz(text: &str, notation: Option<&Notation>, zone: Option<Tz>) -> Result<i64, Complaint> {
    let (micros, offset) = local(text, notation)?;
    if let Some(offset) = offset {
        return in_years(micros - i64::from(offset) * MICROS_PER_SECOND);
    }
    let Some(zone) = zone else {
        return Err(Complaint::new(Rule::Time, "carries no zone; name the zone of such times in the column's zone"));
    };
    let seconds = micros.div_euclid(MICROS_PER_SECOND);
    let Some(naive) = chrono::DateTime::from_timestamp(seconds, 0).map(|at| at.naive_utc()) else {
        return Err(unreal());
    };
    match zone.from_local_datetime(&naive) {
        LocalResult::Single(at) => in_years(at.timestamp() * MICROS_PER_SECOND + micros.rem_euclid(MICROS_PER_SECOND)),
        LocalResult::Ambiguous(..) => {
            Err(Complaint::owned(Rule::Time, format!("happened twice in {zone}, when clocks were set back")))
        }
        LocalResult::None => {
            Err(Complaint::owned(Rule::Time, format!("did not happen in {zone}, where clocks were set forward")))
        }
    }
}

/// Years 1 to 9999 are kept.
fn in_years(micros: i64) -> Result<i64, Complaint> {
    if (LEAST_MICROS..=GREATEST_MICROS).contains(&micros) {
        Ok(micros)
    } else {
        Err(Complaint::new(Rule::Time, "is not in the years 1 to 9999"))
    }
}

/// Microseconds on the local clock, and the offset from UTC in seconds where there is one.
fn local(text: &str, notation: Option<&Notation>) -> Result<(i64, Option<i32>), Complaint> {
    let Some(notation) = notation else { return iso_timestamp(text.as_bytes()) };
    let parsed = notation.parse(text)?;
    if let Some(instant) = parsed.timestamp() {
        let nanos = parsed.nanosecond().unwrap_or(0);
        let micros = instant.checked_mul(MICROS_PER_SECOND).ok_or_else(unreal)?;
        return Ok((micros + whole_micros(nanos)?, Some(0)));
    }
    let date = parsed.to_naive_date().map_err(|_| unreal())?;
    // A notation without any time of day means the day's first moment; one with half a time is not enough.
    let dateless = parsed.hour_div_12().is_none() && parsed.hour_mod_12().is_none() && parsed.minute().is_none();
    let time = if dateless { NaiveTime::MIN } else { parsed.to_naive_time().map_err(|_| unreal())? };
    if time.nanosecond() >= 1_000_000_000 {
        return Err(unreal());
    }
    let micros = whole_micros(time.nanosecond())?;
    let seconds = days_of(date) * SECONDS_PER_DAY + i64::from(time.num_seconds_from_midnight());
    Ok((seconds * MICROS_PER_SECOND + micros, parsed.offset()))
}

fn whole_micros(nanos: u32) -> Result<i64, Complaint> {
    if nanos.is_multiple_of(1000) { Ok(i64::from(nanos / 1000)) } else { Err(too_fine()) }
}

fn days_of(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - 719_163
}

/// Exactly so many digits, as a number.
fn digits<const N: usize>(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (digits, rest) = bytes.split_at_checked(N)?;
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(digit - b'0');
    }
    Some((number, rest))
}

fn after(bytes: &[u8], byte: u8) -> Option<&[u8]> {
    bytes.split_first().filter(|(first, _)| **first == byte).map(|(_, rest)| rest)
}

/// `2026-11-21` at the start: days since the epoch where the day exists, and what follows. `None`: another notation.
fn iso_date(bytes: &[u8]) -> Option<(Result<i64, Complaint>, &[u8])> {
    let (year, rest) = digits::<4>(bytes)?;
    let (month, rest) = digits::<2>(after(rest, b'-')?)?;
    let (day, rest) = digits::<2>(after(rest, b'-')?)?;
    Some((civil_days(year, month, day).ok_or_else(unreal), rest))
}

/// Days since 1970-01-01 of a day of the Gregorian calendar, years 1 to 9999; `None` where there is no such day.
#[inline]
pub(super) fn civil_days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if year < 1 || day < 1 || day > length {
        return None;
    }
    // Years are counted from March, so that the leap day is the last of its year.
    let shifted = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468)
}

/// A time in ISO 8601.
fn iso_timestamp(bytes: &[u8]) -> Result<(i64, Option<i32>), Complaint> {
    let (days, clock, offset) = iso_parts(bytes).ok_or_else(|| {
        Complaint::new(Rule::Type, "is not a time such as 2026-11-21T08:00:00 or 2026-11-21T08:00:00Z")
    })?;
    let (days, clock, offset) = (days?, clock?, offset?);
    Ok((days * SECONDS_PER_DAY * MICROS_PER_SECOND + clock, offset))
}

type Parts = (Result<i64, Complaint>, Result<i64, Complaint>, Result<Option<i32>, Complaint>);

/// Days, microseconds of the day, and offset; `None`: another notation.
fn iso_parts(bytes: &[u8]) -> Option<Parts> {
    let (days, rest) = iso_date(bytes)?;
    let (separator, rest) = rest.split_first()?;
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (hour, rest) = digits::<2>(rest)?;
    let (minute, mut rest) = digits::<2>(after(rest, b':')?)?;
    let mut second = 0;
    let mut micros = Ok(0);
    if let Some(seconds) = after(rest, b':') {
        (second, rest) = digits::<2>(seconds)?;
        if let Some(fraction) = after(rest, b'.').or_else(|| after(rest, b',')) {
            let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&length) {
                return None;
            }
            let (digits, behind) = fraction.split_at(length);
            micros = fraction_micros(digits);
            rest = behind;
        }
    }
    let clock = if hour < 24 && minute < 60 && second < 60 {
        micros.map(|micros| ((hour * 60 + minute) * 60 + second) * MICROS_PER_SECOND + micros)
    } else {
        Err(unreal())
    };
    Some((days, clock, iso_offset(rest)?))
}

/// One to nine digits after the point, as microseconds.
fn fraction_micros(digits: &[u8]) -> Result<i64, Complaint> {
    let mut micros = 0;
    for place in 0..6 {
        micros = micros * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0'));
    }
    if digits.iter().skip(6).all(|&digit| digit == b'0') { Ok(micros) } else { Err(too_fine()) }
}

/// `Z`, `+01:00`, `+0100`, `+01`, or nothing.
fn iso_offset(bytes: &[u8]) -> Option<Result<Option<i32>, Complaint>> {
    let Some((first, rest)) = bytes.split_first() else { return Some(Ok(None)) };
    let sign = match first {
        b'Z' | b'z' if rest.is_empty() => return Some(Ok(Some(0))),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits::<2>(rest)?;
    let minutes = if rest.is_empty() {
        0
    } else {
        let (minutes, rest) = digits::<2>(after(rest, b':').unwrap_or(rest))?;
        if !rest.is_empty() {
            return None;
        }
        minutes
    };
    if hours > 23 || minutes > 59 {
        return Some(Err(unreal()));
    }
    Some(Ok(Some(sign * i32::try_from(hours * 3600 + minutes * 60).unwrap_or(0))))
}

#[cfg(test)]
mod tests;
