//! Each rule of a column, in the order in which they are applied.

use std::collections::BTreeMap;

use lakehand_dataset::dataset::Rules;

use crate::decode::tests::fixture::{ColumnSpec, column, csv, decode, jsonl, table};

/// What becomes of a JSON value in a column `c`: its text, or the rule it breaks.
fn value(spec: &ColumnSpec, json: &str) -> String {
    let dataset = jsonl(vec![table("t", None, vec![spec.clone()])]);
    let decoded = decode(&dataset, format!("{{\"c\":{json}}}"));
    match decoded.rejects.as_slice() {
        [] => decoded.rows()[0].clone(),
        [reject] => {
            assert!(
                !reject.message.is_empty() && reject.column.as_deref().is_some_and(|c| c.starts_with("t.")),
                "{reject:?}"
            );
            format!("!{}", reject.rule.name())
        }
        more => panic!("{more:?}"),
    }
}

fn with(text: &str, change: impl FnOnce(&mut Rules)) -> ColumnSpec {
    column(text).with(change)
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

/// Every type takes what is exactly its own, from JSON and from text, and nothing else.
#[test]
fn types() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "c boolean",
            &[
                ("true", "true"),
                ("false", "false"),
                ("\"true\"", "true"),
                ("\"false\"", "false"),
                ("null", "NULL"),
                ("1", "!type"),
                ("\"TRUE\"", "!type"),
                ("\"yes\"", "!type"),
                ("\"\"", "!type"),
                ("{}", "!type"),
            ],
        ),
        (
            "c smallint",
            &[
                ("32767", "32767"),
                ("-32768", "-32768"),
                ("32768", "!range"),
                ("-32769", "!range"),
                ("\"7\"", "7"),
                ("1.0", "!type"),
                ("true", "!type"),
                ("\"\"", "!type"),
                ("\"x\"", "!type"),
                ("\"1.0\"", "!type"),
            ],
        ),
        ("c integer", &[("2147483647", "2147483647"), ("2147483648", "!range"), ("\"-2147483648\"", "-2147483648")]),
        (
            "c bigint",
            &[
                ("9007199254740993", "9007199254740993"),
                ("\"9223372036854775807\"", "9223372036854775807"),
                ("9223372036854775808", "!range"),
                ("\"0000000000000000000000012\"", "12"),
                ("-0", "0"),
            ],
        ),
        (
            "c double",
            &[
                ("0.1", "0.1"),
                ("1", "1.0"),
                ("\"2.5e3\"", "2500.0"),
                ("9007199254740992", "9007199254740992.0"),
                ("9007199254740993", "!precision"),
                ("\"9007199254740993\"", "!precision"),
                ("9007199254740993.0", "9007199254740992.0"),
                ("1e-400", "!range"),
                ("0e-400", "0.0"),
                ("1e309", "!range"),
                ("\"1e309\"", "!range"),
                ("\"inf\"", "!type"),
                ("\"NaN\"", "!type"),
                ("\"1,5\"", "!type"),
                ("[1]", "!type"),
            ],
        ),
        (
            "c real",
            &[
                ("0.1", "0.1"),
                ("16777216", "16777216.0"),
                ("16777217", "!precision"),
                ("1e39", "!range"),
                ("\"0.5\"", "0.5"),
            ],
        ),
        (
            "c decimal(6,2)",
            &[
                ("1715.19", "1715.19"),
                ("1.5", "1.50"),
                ("1e2", "100.00"),
                ("1.505", "!precision"),
                ("1.500", "1.50"),
                ("10000", "!precision"),
                ("\"430\"", "430.00"),
                ("\"430 EUR\"", "!type"),
                ("-0.01", "-0.01"),
                ("true", "!type"),
            ],
        ),
        (
            "c varchar(4)",
            &[
                ("\"abcd\"", "abcd"),
                ("\"abcde\"", "!length"),
                ("\"äö\"", "äö"),
                ("\"äöü\"", "!length"),
                ("\"\"", ""),
                ("\"\\u00e4\\u00f6\"", "äö"),
                ("1.50", "1.50"),
                ("12345", "!length"),
                ("true", "true"),
                ("false", "!length"),
                ("[]", "!type"),
                ("{}", "!type"),
                ("\"\\ud800\"", "!utf8"),
                ("\"\\u0000\"", "!nul"),
                ("null", "NULL"),
            ],
        ),
        (
            "c json",
            &[
                ("{\"a\" : 1.0}", "{\"a\" : 1.0}"),
                ("[ ]", "[ ]"),
                ("\"x\"", "\"x\""),
                ("1e400", "1e400"),
                ("true", "true"),
                ("null", "NULL"),
                ("\"\\ud800\"", "!utf8"),
                ("{\"a\":1,\"a\":2}", "!duplicate_key"),
                ("[\"\\ude00\"]", "!utf8"),
                ("\"\\n\"", "\"\\n\""),
            ],
        ),
        ("c date", &[("\"2026-11-21\"", "20778"), ("20261121", "!type"), ("\"2026-02-30\"", "!time"), ("{}", "!type")]),
        (
            "c timestamp",
            &[("\"1970-01-01T00:00:01\"", "1000000"), ("\"1970-01-01T00:00:01Z\"", "!time"), ("1", "!type")],
        ),
        (
            "c timestamptz",
            &[("\"1970-01-01T01:00:01+01:00\"", "1000000"), ("\"1970-01-01T00:00:01\"", "!time"), ("true", "!type")],
        ),
    ];
    for (spec, values) in cases {
        for (json, expected) in *values {
            assert_eq!(value(&column(spec), json), *expected, "{json} as {spec}");
        }
    }
}

#[test]
fn a_text_that_is_hashed_is_called_a_text() {
    let hashed = with("c varchar(64)", |rules| rules.mask = Some(lakehand_dataset::dataset::Mask::Sha256));
    let dataset = jsonl(vec![table("t", None, vec![hashed])]);
    assert_eq!(decode(&dataset, r#"{"c":{"a":1}}"#).rejects[0].message, "is an object, not a text");
}

#[test]
fn rules_are_applied_in_their_order() {
    let trimmed = with("c varchar(9)", |rules| rules.trim = true);
    for (json, expected) in
        [("\" a b\\t\"", "a b"), ("\"  \"", "NULL"), ("\"\\u00a0x\"", "x"), ("\"x\"", "x"), ("5", "5")]
    {
        assert_eq!(value(&trimmed, json), expected, "{json}");
    }
    let number = with("c integer", |rules| {
        rules.trim = true;
        rules.null_if = texts(&["", "NO_INFORMATION", "-1"]);
    });
    for (json, expected) in [
        ("\" 12 \"", "12"),
        ("\" NO_INFORMATION\"", "NULL"),
        ("-1", "NULL"),
        ("\"-1\"", "NULL"),
        ("\"no_information\"", "!type"),
        ("7", "7"),
        ("7.5", "!type"),
        ("{}", "!type"),
    ] {
        assert_eq!(value(&number, json), expected, "{json}");
    }
    let price = with("c decimal(8,2)", |rules| {
        rules.trim = true;
        rules.null_if = texts(&["n/a"]);
        rules.extract = Some("^([0-9.]+) EUR$".to_owned());
        rules.min = Some("1".to_owned());
        rules.max = Some("1000.50".to_owned());
    });
    for (json, expected) in [
        ("\"430 EUR\"", "430.00"),
        ("\" 430.5 EUR \"", "430.50"),
        ("\"430 USD\"", "!matches"),
        ("430", "!matches"),
        ("\"n/a\"", "NULL"),
        ("\"0.99 EUR\"", "!bounds"),
        ("\"1000.50 EUR\"", "1000.50"),
        ("\"1000.51 EUR\"", "!bounds"),
        ("\"1.2.3 EUR\"", "!type"),
    ] {
        assert_eq!(value(&price, json), expected, "{json}");
    }
    let mapped = with("c boolean", |rules| {
        rules.null_if = texts(&["?"]);
        rules.map = Some(map(&[("y", "true"), ("1", "true"), ("n", "false"), ("true", "true"), ("x", "maybe")]));
    });
    for (json, expected) in [
        ("\"y\"", "true"),
        ("1", "true"),
        ("\"n\"", "false"),
        ("true", "true"),
        ("false", "!map"),
        ("\"?\"", "NULL"),
        ("\"x\"", "!type"),
    ] {
        assert_eq!(value(&mapped, json), expected, "{json}");
    }
    let extracted = with("c varchar(5)", |rules| {
        rules.extract = Some("/(\\w*)/".to_owned());
        rules.map = Some(map(&[("ä", "größe"), ("", "none")]));
    });
    assert_eq!(value(&extracted, "\"x/\\u00e4/\""), "!length");
    assert_eq!(value(&extracted, "\"x//\""), "none");
    assert_eq!(value(&extracted, "\"x/y/\""), "!map");
}

#[test]
fn defaults_and_judgements() {
    let default = with("c integer", |rules| {
        rules.default = Some("5".to_owned());
        rules.null_if = texts(&["-"]);
    })
    .required();
    for (json, expected) in [("null", "5"), ("\"-\"", "5"), ("6", "6"), ("\"x\"", "!type")] {
        assert_eq!(value(&default, json), expected, "{json}");
    }
    assert_eq!(value(&column("c integer").required(), "null"), "!required");
    assert_eq!(value(&column("other integer").required(), "1").as_str(), "!required");
    let judged = with("c varchar(20)", |rules| {
        rules.matches = Some("^[A-Z]".to_owned());
        rules.one_of = texts(&["Abc", "Äbc", "Zzz"]);
        rules.min = Some("B".to_owned());
    });
    for (json, expected) in
        [("\"Zzz\"", "Zzz"), ("\"Abc\"", "!bounds"), ("\"Zz\"", "!one_of"), ("\"äbc\"", "!matches"), ("null", "NULL")]
    {
        assert_eq!(value(&judged, json), expected, "{json}");
    }
    for (spec, one_of, inside, outside) in [
        ("c date", "2026-11-21", "\"2026-11-21\"", "\"2026-11-22\""),
        ("c timestamptz", "2026-11-21T08:00:00Z", "\"2026-11-21T09:00:00+01:00\"", "\"2026-11-21T08:00:00.1Z\""),
        ("c double", "0.5", "5e-1", "0.6"),
        ("c decimal(4,2)", "0.5", "0.50", "0.51"),
        ("c boolean", "true", "true", "false"),
        ("c bigint", "7", "\"7\"", "8"),
    ] {
        let spec = with(spec, |rules| rules.one_of = texts(&[one_of]));
        assert!(!value(&spec, inside).starts_with('!'), "{inside}");
        assert_eq!(value(&spec, outside), "!one_of", "{outside}");
    }
    let notation = with("c date", |rules| {
        rules.format = Some("%d.%m.%Y".to_owned());
        rules.min = Some("1970-01-02".to_owned());
        rules.default = Some("03.01.1970".to_owned());
    });
    assert_eq!(value(&notation, "\"02.01.1970\""), "1");
    assert_eq!(value(&notation, "\"01.01.1970\""), "!bounds");
    assert_eq!(value(&notation, "null"), "2");
    let compact = with("c date", |rules| rules.format = Some("%Y%m%d".to_owned()));
    assert_eq!(value(&compact, "19700102"), "1");
    let zoned = with("c timestamptz", |rules| rules.zone = Some("Europe/Berlin".to_owned()));
    assert_eq!(value(&zoned, "\"1970-01-01T01:00:00\""), "0");
    assert_eq!(value(&zoned, "\"2026-03-29T02:30:00\""), "!time");
    let json = with("c json", |rules| rules.null_if = texts(&["none"]));
    for (value_in, expected) in [("\"none\"", "NULL"), ("[\"none\"]", "[\"none\"]"), ("\"n\"", "\"n\"")] {
        assert_eq!(value(&json, value_in), expected);
    }
}

/// Text in delimited files is typed as text in JSON is; JSON in it is checked.
#[test]
fn delimited_text_is_typed_alike() {
    let columns = vec![column("a json"), column("b boolean"), column("d varchar(4)")];
    let dataset = csv(b';', vec![table("t", None, columns)]);
    let decoded =
        decode(&dataset, "a;b;d\n\"{\"\"x\"\":\n1}\";true;\"\"\n1;false;\n{;true;x\n;;\"a;b\"\nnull;TRUE;x\n\"\";;\n");
    assert_eq!(decoded.rows(), ["{\"x\":\n1}|true|", "1|false|NULL", "NULL|NULL|a;b"]);
    assert_eq!(decoded.rules(), ["5 type t.a", "7 type t.b", "8 type t.a"]);
}

/// The offending text is kept, cut between characters.
#[test]
fn values_are_shown_in_part() {
    let dataset = jsonl(vec![table("t", None, vec![column("c varchar(10)")])]);
    let long = "ä".repeat(40_000);
    let decoded = decode(&dataset, format!("{{\"c\":\"x{long}\"}}\n{{\"c\":\"\\u00e4 much too long\"}}"));
    let reject = &decoded.rejects[0];
    assert_eq!(reject.value.as_deref(), Some(format!("\"x{}", "ä".repeat(99)).as_str()));
    assert!(reject.raw_cut && reject.raw.len() <= 65_536 && reject.raw.ends_with('ä'));
    assert_eq!(reject.message, "has 80001 bytes and varchar(10) holds 10");
    assert_eq!(decoded.rejects[1].value.as_deref(), Some("\"\\u00e4 much too long\""));
    assert!(!decoded.rejects[1].raw_cut);
}
