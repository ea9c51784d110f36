//! What is read without a detour is what the detour gives.

use chrono_tz::Tz;
use lakehand_domain::shape::ColumnType;
use proptest::prelude::*;

use super::*;
use crate::decode::coerce::{Typing, Value};
use crate::decode::texts::{Place, TextAt};

fn by_detour(column_type: &str, text: &str) -> Option<Value> {
    let column_type = ColumnType::parse(column_type).unwrap();
    let typing = Typing { column_type, notation: None, zone: Some(Tz::Europe__Berlin) };
    typing.text(text, TextAt { place: Place::Chunk, start: 0, end: 0 }).ok()
}

fn assert_same(text: &str) {
    let bytes = text.as_bytes();
    let checked = |column_type: &str, value: Option<Value>| {
        if value.is_some() {
            assert_eq!(value, by_detour(column_type, text), "{text:?} as {column_type}");
        }
    };
    checked("boolean", boolean(bytes).map(Value::Boolean));
    checked("bigint", integer(bytes).map(Value::Integer));
    checked("date", date(bytes).map(Value::Integer));
    checked("timestamp", timestamp(bytes).map(Value::Integer));
    checked("timestamptz", instant(bytes).map(Value::Integer));
    checked("double", number(bytes).and_then(Number::ordinary_double).map(Value::Float));
    for (precision, scale) in [(1, 0), (1, 1), (12, 2), (18, 0), (18, 18), (19, 5), (38, 0), (38, 38)] {
        let value = number(bytes).and_then(|number| number.ordinary_decimal(precision, scale));
        checked(&format!("decimal({precision},{scale})"), value.map(|value| Value::Decimal(value.into())));
    }
}

/// Each of these is read here, so that none of the functions refuses everything.
#[test]
fn ordinary_spellings_are_read() {
    assert_eq!(boolean(b"true"), Some(true));
    assert_eq!(integer(b"-123456789012345678"), Some(-123_456_789_012_345_678));
    assert_eq!(date(b"1970-01-02"), Some(1));
    assert_eq!(timestamp(b"1970-01-01 00:00:01.5"), Some(1_500_000));
    assert_eq!(instant(b"1970-01-01T00:01:00Z"), Some(60_000_000));
    assert_eq!(number(b"-12.50").and_then(|number| number.ordinary_decimal(12, 2)), Some(-1250));
    assert_eq!(number(b"0.25").and_then(Number::ordinary_double), Some(0.25));
}

#[test]
fn edges_are_left_alone_or_the_same() {
    let edges = [
        "",
        "-",
        "+1",
        "--1",
        "1-",
        "01",
        "-0",
        "-0.0",
        "00.10",
        ".5",
        "5.",
        "1.2.3",
        "1e3",
        "999999999999999999",
        "1000000000000000000",
        "-999999999999999999.9",
        "0.000000000000000001",
        "9.99",
        "10.00",
        "2024-02-29",
        "2023-02-29",
        "0000-01-01",
        "0001-01-01",
        "9999-12-31",
        "2024-13-01",
        "2024-1-01",
        "2024-01-01T24:00:00",
        "2024-01-01T23:60:00",
        "2024-01-01T23:59:60Z",
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
        "2024-01-01t00:00:00z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00.1234567Z",
        "2024-01-01T00:00:00.000001",
        "2024-01-01T00:00:00+01:00",
        "2024-01-01T00:00Z",
        "2024-01-01",
        "True",
        "true ",
        "9007199254740993",
        "9007199254740992",
        "ä024-01-01",
    ];
    edges.into_iter().for_each(assert_same);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn numbers_are_the_same(text in "-{0,2}[0-9]{0,20}(\\.[0-9]{0,19})?(e[0-9])?") {
        assert_same(&text);
    }

    #[test]
    fn times_are_the_same(text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,7})?Z?)?") {
        assert_same(&text);
    }
}
