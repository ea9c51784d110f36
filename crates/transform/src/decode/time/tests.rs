//! Days and times exist or do not, and nothing is rounded.

use super::*;

fn rule<T>(result: Result<T, Complaint>) -> Result<T, Rule> {
    result.map_err(|complaint| complaint.rule)
}

/// The calendar by hand is chrono's, for every day it knows in a thousand years.
#[test]
fn every_day_is_the_calendars() {
    let mut day = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
    while day.year() <= 9999 {
        let days = civil_days(i64::from(day.year()), i64::from(day.month()), i64::from(day.day()));
        assert_eq!(days, Some(days_of(day)), "{day}");
        day = day.checked_add_days(chrono::Days::new(if day.year() % 100 < 4 { 1 } else { 13 })).unwrap();
    }
    assert_eq!(LEAST_MICROS, civil_days(1, 1, 1).unwrap() * SECONDS_PER_DAY * MICROS_PER_SECOND);
    assert_eq!(GREATEST_MICROS, (civil_days(9999, 12, 31).unwrap() + 1) * SECONDS_PER_DAY * MICROS_PER_SECOND - 1);
}

#[test]
fn dates() {
    let cases = [
        ("1970-01-01", Ok(0)),
        ("2024-02-29", Ok(19_782)),
        ("1969-12-31", Ok(-1)),
        ("2023-02-29", Err(Rule::Time)),
        ("1900-02-29", Err(Rule::Time)),
        ("2024-04-31", Err(Rule::Time)),
        ("2024-13-01", Err(Rule::Time)),
        ("2024-00-10", Err(Rule::Time)),
        ("2024-01-00", Err(Rule::Time)),
        ("0000-01-01", Err(Rule::Time)),
        ("2024-1-1", Err(Rule::Type)),
        ("24-01-01", Err(Rule::Type)),
        ("2024/01/01", Err(Rule::Type)),
        ("20240101", Err(Rule::Type)),
        ("2024-01-01T00:00:00", Err(Rule::Type)),
        ("2024-01-01 ", Err(Rule::Type)),
        ("", Err(Rule::Type)),
        ("２０２４-01-01", Err(Rule::Type)),
    ];
    for (text, expected) in cases {
        assert_eq!(rule(date(text, None)), expected, "{text}");
    }
    let german = Notation::new("%d.%m.%Y").unwrap();
    assert_eq!(rule(date("29.02.2024", Some(&german))), Ok(19_782));
    assert_eq!(rule(date("29.02.2023", Some(&german))), Err(Rule::Time));
    assert_eq!(rule(date("2024-02-29", Some(&german))), Err(Rule::Type));
    assert_eq!(rule(date("29.02.2024 ", Some(&german))), Err(Rule::Type));
    assert_eq!(rule(date("1.2.2024", Some(&german))), Ok(19_754));
    for text in ["29.02.24", "29.02.+2024", "29.02.-2024", "29.02.02024", " 29.02.2024", "29. 2.2024", "29.02. 2024"] {
        assert_eq!(rule(date(text, Some(&german))), Err(Rule::Type), "{text:?}");
    }
    for (notation, text, expected) in [
        ("%Y%m%d", "20240229", Ok(19_782)),
        ("%e.%m.%Y", " 1.02.2024", Ok(19_754)),
        ("%d.%m.%y", "29.02.24", Ok(19_782)),
        ("%d %b %Y", "29 Feb 2024", Ok(19_782)),
        ("%G-W%V-%u", "2024-W09-4", Ok(19_782)),
        ("%G-W%V-%u", "24-W09-4", Err(Rule::Type)),
        // A time of day is not cut off.
        ("%d.%m.%Y %H:%M", "29.02.2024 00:00", Ok(19_782)),
        ("%d.%m.%Y %H", "29.02.2024 00", Ok(19_782)),
        ("%d.%m.%Y %I:%M %p", "29.02.2024 12:00 AM", Ok(19_782)),
        ("%d.%m.%Y %I:%M %p", "29.02.2024 12:00 PM", Err(Rule::Time)),
        ("%d.%m.%Y %I:%M", "29.02.2024 12:00", Err(Rule::Time)),
        ("%d.%m.%Y %H:%M", "29.02.2024 23:30", Err(Rule::Time)),
        ("%d.%m.%Y %H:%M:%S%.f", "29.02.2024 00:00:00.5", Err(Rule::Time)),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-02-29T00:00:00-0500", Err(Rule::Time)),
        ("%s", "1709164800", Err(Rule::Time)),
    ] {
        assert_eq!(rule(date(text, Some(&Notation::new(notation).unwrap()))), expected, "{text} by {notation}");
    }
}

#[test]
fn timestamps() {
    const T: i64 = 1_500_042_006_000_000;
    let cases = [
        ("2017-07-14T14:20:06", Ok(T)),
        ("2017-07-14 14:20:06", Ok(T)),
        ("2017-07-14t14:20:06.5", Ok(T + 500_000)),
        ("2017-07-14T14:20:06,123456", Ok(T + 123_456)),
        ("2017-07-14T14:20:06.123456000", Ok(T + 123_456)),
        ("2017-07-14T14:20", Ok(T - 6_000_000)),
        ("2017-07-14T14:20:06.1234567", Err(Rule::Time)),
        ("2017-07-14T14:20:06.000000001", Err(Rule::Time)),
        ("2017-07-14T14:20:06.0000000001", Err(Rule::Type)),
        ("2017-07-14T14:20:06.", Err(Rule::Type)),
        ("2017-07-14T14:20:06Z", Err(Rule::Time)),
        ("2017-07-14T14:20:06+02:00", Err(Rule::Time)),
        ("2017-07-14T24:00:00", Err(Rule::Time)),
        ("2017-07-14T14:60:06", Err(Rule::Time)),
        ("2016-12-31T23:59:60", Err(Rule::Time)),
        ("2017-02-30T14:20:06", Err(Rule::Time)),
        ("2017-07-14", Err(Rule::Type)),
        ("2017-07-14T", Err(Rule::Type)),
        ("2017-07-14T14", Err(Rule::Type)),
        ("2017-07-14X14:20:06", Err(Rule::Type)),
        ("2017-07-14T14:20:06 ", Err(Rule::Type)),
        ("1500042006", Err(Rule::Type)),
    ];
    for (text, expected) in cases {
        assert_eq!(rule(timestamp(text, None)), expected, "{text}");
    }
    for (notation, text, expected) in [
        ("%d.%m.%Y %H:%M:%S", "14.07.2017 14:20:06", Ok(T)),
        ("%d.%m.%Y %H:%M", "14.07.2017 14:20", Ok(T - 6_000_000)),
        ("%d.%m.%Y", "14.07.2017", Ok(T - 6_000_000 - (14 * 60 + 20) * 60_000_000)),
        ("%Y-%m-%dT%H:%M:%S%.f", "2017-07-14T14:20:06.25", Ok(T + 250_000)),
        ("%Y-%m-%dT%H:%M:%S%.f", "2017-07-14T14:20:06.0000001", Err(Rule::Time)),
        ("%Y-%m-%dT%H:%M:%S%.f", "2017-07-14T14:20:06.00000000000001", Err(Rule::Time)),
        ("%Y-%m-%dT%H:%M:%S%z", "2017-07-14T14:20:06+0200", Err(Rule::Time)),
        ("%Y-%m-%d %H:%M:%S", "2016-12-31 23:59:60", Err(Rule::Time)),
        ("%Y-%m-%d %H:%M:%S", "2016-12-31 23:61:00", Err(Rule::Time)),
        ("%Y-%m-%d %H:%M:%S", "hello", Err(Rule::Type)),
        ("%s", "1500042006", Err(Rule::Time)),
        ("%d.%m.%Y %H:%M", "14.07.17 14:20", Err(Rule::Type)),
        ("%d.%m.%Y %H:%M", "14.07.2017  14:20", Ok(T - 6_000_000)),
        ("%Y-%m-%d %H:%M:%S.%6f", "2017-07-14 14:20:06.500000", Ok(T + 500_000)),
        ("%Y-%m-%d %H:%M:%S.%6f", "2017-07-14 14:20:06.5", Err(Rule::Type)),
    ] {
        let notation = Notation::new(notation).unwrap();
        assert_eq!(rule(timestamp(text, Some(&notation))), expected, "{text} by {notation:?}");
    }
}

#[test]
fn instants() {
    const T: i64 = 1_500_042_006_000_000;
    const HOUR: i64 = 3_600_000_000;
    let berlin: Tz = "Europe/Berlin".parse().unwrap();
    for (text, zone, expected) in [
        ("2017-07-14T14:20:06Z", None, Ok(T)),
        ("2017-07-14T16:20:06+02:00", None, Ok(T)),
        ("2017-07-14T16:20:06+0200", None, Ok(T)),
        ("2017-07-14T16:20:06.5+02", None, Ok(T + 500_000)),
        ("2017-07-14T10:50:06-03:30", None, Ok(T)),
        ("2017-07-14T14:20:06-00:00", None, Ok(T)),
        ("2017-07-14T14:20:06", None, Err(Rule::Time)),
        ("2017-07-14T16:20:06", Some(berlin), Ok(T)),
        ("2017-07-14T16:20:06.000001", Some(berlin), Ok(T + 1)),
        ("2017-07-14T14:20:06Z", Some(berlin), Ok(T)),
        ("2017-12-14T15:20:06", Some(berlin), Ok(T + 153 * 24 * HOUR)),
        ("2017-03-26T02:30:00", Some(berlin), Err(Rule::Time)),
        ("2017-10-29T02:30:00", Some(berlin), Err(Rule::Time)),
        ("1960-01-01T00:00:00.5", Some(berlin), Ok(-315_622_799_500_000)),
        ("2017-07-14T16:20:06+24:00", None, Err(Rule::Time)),
        ("2017-07-14T16:20:06+02:60", None, Err(Rule::Time)),
        ("2017-07-14T16:20:06+2", None, Err(Rule::Type)),
        ("2017-07-14T16:20:06+02:", None, Err(Rule::Type)),
        ("2017-07-14T16:20:06 CEST", None, Err(Rule::Type)),
        ("2017-07-14T16:20:06ZZ", None, Err(Rule::Type)),
        ("0001-01-01T00:00:00+01:00", None, Err(Rule::Time)),
        ("9999-12-31T23:59:59-01:00", None, Err(Rule::Time)),
    ] {
        assert_eq!(rule(timestamptz(text, None, zone)), expected, "{text}");
    }
    for (notation, text, zone, expected) in [
        ("%d/%b/%Y:%H:%M:%S %z", "14/Jul/2017:16:20:06 +0200", None, Ok(T)),
        ("%d.%m.%Y %H:%M:%S", "14.07.2017 16:20:06", Some(berlin), Ok(T)),
        ("%d.%m.%Y %H:%M:%S", "14.07.2017 16:20:06", None, Err(Rule::Time)),
        ("%s", "1500042006", None, Ok(T)),
        ("%s%.f", "1500042006.25", None, Ok(T + 250_000)),
        ("%+", "2017-07-14T16:20:06+02:00", None, Ok(T)),
        ("%+", "+2017-07-14T16:20:06+02:00", None, Err(Rule::Type)),
        ("%s", "15000420060000000000000", None, Err(Rule::Time)),
    ] {
        let notation = Notation::new(notation).unwrap();
        assert_eq!(rule(timestamptz(text, Some(&notation), zone)), expected, "{text} by {notation:?}");
    }
    assert!(Notation::new("%Q").is_none());
}
