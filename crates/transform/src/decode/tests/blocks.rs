//! Records made many at once: the same rows and the same rejects as one by one, which the fixture compares for each chunk.

use std::fmt::Write as _;

use lakehand_dataset::dataset::Dataset;
use proptest::prelude::*;

use super::fixture::{ColumnSpec, column, csv, decode_in, jsonl, table};

/// A column of each type as it is, and of some with rules.
fn columns() -> Vec<ColumnSpec> {
    let plain = [
        "boolean",
        "smallint",
        "integer",
        "bigint",
        "real",
        "double",
        "decimal(5,2)",
        "decimal(38,10)",
        "varchar(6)",
        "json",
        "date",
        "timestamp",
        "timestamptz",
    ];
    let mut columns: Vec<ColumnSpec> =
        plain.iter().enumerate().map(|(at, kind)| column(&format!("c{at} {kind}"))).collect();
    columns.push(column("needed bigint").required());
    columns.push(column("default integer").with(|rules| rules.default = Some("7".to_owned())));
    columns.push(column("bound decimal(9,2)").with(|rules| rules.max = Some("50".to_owned())));
    columns.push(column("trimmed varchar(20)").with(|rules| rules.trim = true));
    columns.push(column("noted date").with(|rules| rules.format = Some("%d.%m.%Y".to_owned())));
    columns.push(column("zoned timestamptz").with(|rules| rules.zone = Some("Europe/Berlin".to_owned())));
    columns
}

/// What a column of this number holds: right values, and wrong ones where `dirt` says so.
fn field(at: usize, choice: usize, dirt: bool) -> &'static str {
    let (right, wrong): (&[&str], &[&str]) = match at {
        0 => (&["true", "false", ""], &["yes", "1"]),
        1 => (&["-32768", "7", ""], &["32768", "1.5"]),
        2 | 14 => (&["2147483647", "-1", "007", ""], &["2147483648", "x"]),
        3 => (&["9223372036854775807", "-5", ""], &["9223372036854775808", "1e3"]),
        4 | 5 => (&["0.1", "-2.5", "1e10", ""], &["1e400", "nan"]),
        6 => (&["999.99", "-1.5", "10.500", ""], &["1000", "0.001"]),
        7 => (&["12345678901234567890.5", "0.1", ""], &["0.12345678901"]),
        8 => (&["abc", "äöü", ""], &["seven77"]),
        9 => (&["12", "true", ""], &["nothing"]),
        10 => (&["2024-02-29", "0001-01-01", ""], &["2023-02-29"]),
        11 => (&["2024-01-01T00:00:00", "2024-01-01 23:59:59.5", ""], &["2024-01-01T00:00:00Z"]),
        12 => (&["2024-01-01T00:00:00Z", "2024-01-01T00:00:00+02:00", ""], &["2024-01-01T00:00:00"]),
        13 => (&["1", "2"], &[""]),
        15 => (&["49.99", "", "-3"], &["50.01"]),
        16 => (&[" padded ", "", "x"], &["longer than twenty bytes"]),
        17 => (&["31.12.2024", ""], &["2024-12-31"]),
        _ => (&["2024-07-01T12:00:00", "2024-01-01T00:00:00Z", ""], &["2024-03-31T02:30:00"]),
    };
    let from = if dirt { wrong } else { right };
    from[choice % from.len()]
}

fn dataset(of: fn(Vec<lakehand_dataset::dataset::Table>) -> Dataset) -> Dataset {
    of(vec![
        table("t", None, columns()),
        table("second", None, vec![column("again bigint c3"), column("c8 varchar(9)")]),
    ])
}

fn names() -> Vec<String> {
    let plain = (0..13).map(|at| format!("c{at}"));
    plain.chain(["needed", "default", "bound", "trimmed", "noted", "zoned"].map(str::to_owned)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn many_at_once_are_as_one_by_one(
        records in prop::collection::vec((prop::collection::vec(0_usize..12, 19), prop::option::weighted(0.01, 0_usize..19)), 1..700),
        chunk in prop::sample::select(vec![64_usize, 5_000, 1 << 20]),
    ) {
        let mut delimited = names().join(",");
        let mut json = String::new();
        delimited.push('\n');
        for (choices, dirty) in &records {
            let fields: Vec<&str> =
                choices.iter().enumerate().map(|(at, choice)| field(at, *choice, *dirty == Some(at))).collect();
            writeln!(delimited, "{}", fields.join(",")).unwrap();
            // Half of the values as texts, half as JSON writes them.
            let value = |(at, field): (usize, &&str)| match choices[at] % 2 {
                0 if serde_json::from_str::<serde::de::IgnoredAny>(field).is_ok() => (*field).to_owned(),
                _ if field.is_empty() => "null".to_owned(),
                _ => format!("\"{}\"", field.replace('ä', "\\u00e4")),
            };
            let members = fields.iter().enumerate().map(value).zip(names());
            let members: Vec<String> = members.map(|(value, name)| format!("\"{name}\":{value}")).collect();
            writeln!(json, "{{{}}}", members.join(",")).unwrap();
        }
        let decoded = decode_in(&dataset(|tables| csv(b',', tables)), delimited.as_bytes(), chunk).unwrap();
        let dirty = records.iter().filter(|(_, dirty)| dirty.is_some()).count();
        prop_assert_eq!(decoded.rejects.len(), dirty);
        prop_assert_eq!(decoded.tables[1].len(), records.len() - dirty);
        let decoded = decode_in(&dataset(jsonl), json.as_bytes(), chunk).unwrap();
        prop_assert_eq!(decoded.records, records.len() as u64);
    }
}

/// A line that cannot be read stands between records that wait and one that is refused: all in the order of lines.
#[test]
fn rejects_are_in_the_order_of_lines() {
    let tables = || vec![table("t", None, vec![column("a bigint"), column("b bigint")])];
    let decoded = decode_in(&csv(b',', tables()), b"a,b\n1,2\nx,2\n1\n3,y\n4,5\n", 1 << 20).unwrap();
    assert_eq!(decoded.rules(), ["3 type t.a", "4 ragged -", "5 type t.b"]);
    assert_eq!(decoded.rows(), ["1|2", "4|5"]);
    let lines = b"{\"a\":1}\n{\"a\":\"x\"}\n{\"a\":\n{\"b\":\"y\"}\n{\"a\":2}\n";
    let decoded = decode_in(&jsonl(tables()), lines, 1 << 20).unwrap();
    assert_eq!(decoded.rules(), ["2 type t.a", "3 syntax -", "4 type t.b"]);
    assert_eq!(decoded.rows(), ["1|NULL", "2|NULL"]);
}
