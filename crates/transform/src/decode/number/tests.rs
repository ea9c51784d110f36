//! Numbers become exactly what they say, or nothing.

use super::*;

fn decimal(text: &str, precision: u8, scale: u8) -> Result<i128, Rule> {
    parse(text).unwrap().decimal(text, precision, scale).map_err(|complaint| complaint.rule)
}

#[test]
fn decimals_are_exact() {
    let nines = "9".repeat(38);
    let cases: &[(&str, u8, u8, Result<i128, Rule>)] = &[
        ("1715.19", 12, 2, Ok(171_519)),
        ("-1715.19", 12, 2, Ok(-171_519)),
        ("10.500", 12, 2, Ok(1050)),
        ("10.505", 12, 2, Err(Rule::Precision)),
        ("0.005", 12, 2, Err(Rule::Precision)),
        ("1e3", 12, 2, Ok(100_000)),
        ("1.5e-1", 12, 2, Ok(15)),
        ("1e-3", 12, 2, Err(Rule::Precision)),
        ("1e-400", 12, 2, Err(Rule::Precision)),
        ("1e400", 12, 2, Err(Rule::Precision)),
        ("0e400", 12, 2, Ok(0)),
        ("0e-400", 12, 2, Ok(0)),
        ("0e99999999999999999999", 12, 2, Ok(0)),
        ("1e99999999999999999999", 12, 2, Err(Rule::Precision)),
        ("-0.00", 12, 2, Ok(0)),
        ("99.99", 4, 2, Ok(9999)),
        ("100", 4, 2, Err(Rule::Precision)),
        ("100.00", 4, 2, Err(Rule::Precision)),
        ("1", 1, 1, Err(Rule::Precision)),
        ("0.1", 1, 1, Ok(1)),
        (&nines, 38, 0, Ok(99_999_999_999_999_999_999_999_999_999_999_999_999)),
        ("123456789012345678901234567890.12345678", 38, 8, Ok(12_345_678_901_234_567_890_123_456_789_012_345_678)),
        (
            "12345678901234567890123456789.000000000000000000000000000000",
            38,
            8,
            Ok(1_234_567_890_123_456_789_012_345_678_900_000_000),
        ),
        ("1234567890123456789012345678901234567890", 38, 0, Err(Rule::Precision)),
        ("12345678901234567890e-18", 38, 18, Ok(12_345_678_901_234_567_890)),
        ("0.00000000000000000000000000000000000001", 38, 38, Ok(1)),
        ("0.000000000000000000000000000000000000001", 38, 38, Err(Rule::Precision)),
        ("100000000000000000000000000000000000000e-38", 38, 37, Ok(10_000_000_000_000_000_000_000_000_000_000_000_000)),
        ("18446744073709551615", 20, 0, Ok(18_446_744_073_709_551_615)),
        ("00000000000000000000000000000000000000000000001.5", 3, 1, Ok(15)),
    ];
    for (text, precision, scale, expected) in cases {
        assert_eq!(decimal(text, *precision, *scale), *expected, "{text} as decimal({precision},{scale})");
    }
}

#[test]
fn fractions_are_correctly_rounded() {
    for text in [
        "0",
        "-0",
        "0.1",
        "-0.1",
        "1e22",
        "1e23",
        "123456789.125",
        "9007199254740993.0",
        "9007199254740993e0",
        "9007199254740992",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072011e-308",
        "0.30000000000000004",
        "1e-22",
        "1e-23",
        "179769313486231570000000000000000000000.0",
        "3.14159265358979323846264338327950288",
        "0e-400",
        "7.0e-10",
    ] {
        let (end, number) = scan(text.as_bytes(), 0).unwrap();
        assert_eq!(end, text.len());
        assert_eq!(number.double(text).unwrap().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
        #[expect(clippy::cast_possible_truncation, reason = "a single is what is compared")]
        let single = number.real(text).map(|real| (real as f32).to_bits());
        let exact = text.parse::<f32>().unwrap();
        let is_held = exact.is_finite() && (exact != 0.0 || number.mantissa == 0);
        assert_eq!(single.ok(), is_held.then_some(exact.to_bits()), "{text}");
    }
    for text in ["1e309", "-1e400", "2e308"] {
        assert_eq!(parse(text).unwrap().double(text).unwrap_err().rule, Rule::Range);
    }
    for text in ["1e39", "1e-60", "-5e-324"] {
        assert_eq!(parse(text).unwrap().real(text).unwrap_err().rule, Rule::Range, "{text}");
    }
    for text in ["1e-400", "-0.0000000000000000000001e-320"] {
        assert_eq!(parse(text).unwrap().double(text).unwrap_err().rule, Rule::Range, "{text}");
    }
}

/// What is written as a whole number is kept as one, or not at all.
#[test]
fn whole_numbers_are_held_exactly() {
    let double = |text: &str| parse(text).unwrap().double(text).map_err(|complaint| complaint.rule);
    let real = |text: &str| parse(text).unwrap().real(text).map_err(|complaint| complaint.rule);
    for text in [
        "9007199254740992",
        "-9007199254740994",
        "+009007199254740994",
        "1152921504606846976",
        "1152921504606847000",
        "100000000000000000000",
    ] {
        assert_eq!(double(text), Ok(text.parse().unwrap()), "{text}");
    }
    for text in ["9007199254740993", "-9007199254740993", "18446744073709551615", "1152921504606847001"] {
        assert_eq!(double(text), Err(Rule::Precision), "{text}");
    }
    for text in ["16777216", "16777218", "-16777218", "18446744073709551616", "150000000000", "0", "-0"] {
        assert_eq!(real(text), Ok(f64::from(text.parse::<f32>().unwrap())), "{text}");
    }
    for text in ["16777217", "-16777217", "100000000001"] {
        assert_eq!(real(text), Err(Rule::Precision), "{text}");
    }
    let complaint = parse("9007199254740993").unwrap().double("9007199254740993").unwrap_err();
    assert!(complaint.message.contains("9007199254740992 being the nearest; declare the column as bigint"));
}

#[test]
fn zeros_behind_the_point_are_nothing() {
    let whole = |text: &str| parse(text).unwrap().without_zeros(text).integer(i64::MIN, i64::MAX).ok();
    assert_eq!(whole("12.000"), Some(12));
    assert_eq!(whole("-9223372036854775807.0000000000"), Some(-i64::MAX));
    assert_eq!((whole("12.001"), whole("1.0e5"), whole("1e5")), (None, None, None));
}

#[test]
fn texts_are_numbers_or_not() {
    for text in ["1", "-1", "+1", "007", ".5", "5.", "1e5", "1E+5", "-0.0", "1.e3"] {
        assert!(parse(text).is_some(), "{text}");
    }
    for text in
        ["", "-", "+", ".", "e5", "1e", "1e+", "1 ", " 1", "1,5", "0x1", "inf", "NaN", "--1", "1_000", "１", "1.2.3"]
    {
        assert!(parse(text).is_none(), "{text}");
    }
}

#[test]
fn json_numbers_end_where_their_grammar_does() {
    for (text, end) in [("0", 1), ("01", 1), ("-0", 2), ("10}", 2), ("1.5e-3,", 6), ("1.5E3x", 5), ("0.5.5", 3)] {
        assert_eq!(scan(text.as_bytes(), 0).unwrap().0, end, "{text}");
    }
    for (text, at) in [("-", 1), ("+1", 0), (".5", 0), ("1.", 2), ("1.e3", 2), ("1e", 2), ("1e+", 3), ("-x", 1)] {
        assert_eq!(scan(text.as_bytes(), 0).unwrap_err(), at, "{text}");
    }
}
