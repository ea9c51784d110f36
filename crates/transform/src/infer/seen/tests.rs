//! The type a field gets for the values it has.

use super::*;

fn of(texts: &[&str]) -> String {
    let mut seen = Seen::default();
    for text in texts {
        seen.text(text);
    }
    let inferred = seen.infer(true);
    let format = inferred.format.map(|format| format!(" {format}")).unwrap_or_default();
    let null_if = if inferred.null_if.is_empty() { String::new() } else { format!(" {:?}", inferred.null_if) };
    format!("{}{format}{null_if}{}", inferred.column_type, if inferred.trim { " trim" } else { "" })
}

#[test]
fn types_are_the_narrowest_that_hold() {
    for (texts, expected) in [
        (&["true", "false"][..], "boolean"),
        (&["1", "-5"], "smallint"),
        (&["1", "40000"], "integer"),
        (&["1", "3000000000"], "bigint"),
        (&["92233720368547758070"], "decimal(38,0)"),
        (&["1", "2.50"], "decimal(5,2)"),
        (&["1715.19", "0.5"], "decimal(8,2)"),
        (&["1e3", "2.5"], "double"),
        (&["0.12345678901234567890"], "double"),
        (&["2026-11-21"], "date"),
        (&["21.11.2026", "01.01.2020"], "date %d.%m.%Y"),
        (&["20261121", "20200101"], "date %Y%m%d"),
        (&["20261121", "12345678"], "integer"),
        (&["2026-11-21T08:00:00Z", "2026-11-21T08:00:00.123+01:00"], "timestamptz"),
        (&["2026-11-21 08:00:00"], "timestamp"),
        (&["2026-11-21T08:00:00", "2026-11-21T08:00:00Z"], "varchar(50)"),
        (&["2026-02-30"], "varchar(20)"),
        (&["2026-11-21T24:00:00"], "varchar(50)"),
        (&["2026-11-21T8:00:00"], "varchar(50)"),
        (&["1", "1.0e3", "123456789012345678901234567890123456789012"], "varchar(100)"),
        (&["01067", "10115"], "varchar(10)"),
        (&["+49"], "varchar(10)"),
        (&["1", "x"], "varchar(10)"),
        (&["1", ""], "smallint [\"\"]"),
        (&["", ""], "varchar(10)"),
        (&["1", "NO_INFORMATION", "2"], "smallint [\"NO_INFORMATION\"]"),
        (&["x", "NO_INFORMATION"], "varchar(50)"),
        (&[" 1", "2"], "smallint trim"),
        (&["äöü"], "varchar(10)"),
        (&[], "varchar(255)"),
    ] {
        assert_eq!(of(texts), expected, "{texts:?}");
    }
}

#[test]
fn json_booleans_and_numbers_do_not_mix() {
    let mut seen = Seen::default();
    seen.boolean(true);
    assert_eq!(seen.infer(false).column_type, "boolean");
    seen.number("1");
    assert_eq!(seen.infer(false).column_type, "varchar(10)");
    let mut seen = Seen::default();
    seen.number("0.1234567890123456");
    assert_eq!(seen.infer(false).column_type, "double");
    seen.nested();
    assert_eq!(seen.infer(false).column_type, "json");
}
