//! What JSON is, line by line.

use super::fixture::{column, decode, jsonl, one, table};

/// Lines and what becomes of them in `id bigint`, `t varchar(40)`, `x double`, `j json`, `city varchar(20) a.city`.
#[test]
fn every_line_is_read_or_rejected_by_the_right_rule() {
    let dataset = jsonl(one(&["id bigint", "t varchar(40)", "x double", "j json", "city varchar(20) a.city"]));
    let cases: &[(&str, Result<&str, &str>)] = &[
        (r"{}", Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#" { "id" : 1 , "t" : "x" } "#, Ok("1|x|NULL|NULL|NULL")),
        ("\t{\"id\":1}\r", Ok("1|NULL|NULL|NULL|NULL")),
        (r#"{"id":1,"id":2}"#, Err("duplicate_key id")),
        (r#"{"id":1,"\u0069d":2}"#, Err("duplicate_key id")),
        (r#"{"a":{},"a":{}}"#, Err("duplicate_key a")),
        (r#"{"a":{"city":"x"},"a":{}}"#, Err("duplicate_key a")),
        (r#"{"a":{"city":"x","city":"x"}}"#, Err("duplicate_key a.city")),
        (r#"{"other":1,"other":2}"#, Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#"{"\u0069d":7}"#, Ok("7|NULL|NULL|NULL|NULL")),
        (r#"{"t":"\ud800"}"#, Err("utf8 t.t")),
        (r#"{"other":"\ud800"}"#, Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#"{"\ud800":1}"#, Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#"{"j":"\ud800"}"#, Err("utf8 t.j")),
        (r#"{"t":"\ud83d\ude00 \u00e4 \n"}"#, Ok("NULL|😀 ä \n|NULL|NULL|NULL")),
        (r#"{"t":"a\u0000b"}"#, Err("nul t.t")),
        (r#"{"x":NaN}"#, Err("syntax -")),
        (r#"{"x":Infinity}"#, Err("syntax -")),
        (r#"{"x":-Infinity}"#, Err("syntax -")),
        (r#"{"x":01}"#, Err("syntax -")),
        (r#"{"x":1.}"#, Err("syntax -")),
        (r#"{"x":+1}"#, Err("syntax -")),
        (r#"{"x":.5}"#, Err("syntax -")),
        (r#"{"x":1e}"#, Err("syntax -")),
        (r#"{"x":-}"#, Err("syntax -")),
        (r#"{"x":0x10}"#, Err("syntax -")),
        (r#"{"x":1e400}"#, Err("range t.x")),
        (r#"{"x":1e-400}"#, Err("range t.x")),
        (r#"{"x":-0}"#, Ok("NULL|NULL|-0.0|NULL|NULL")),
        (r#"{"x":-0.0e-3}"#, Ok("NULL|NULL|-0.0|NULL|NULL")),
        (r#"{"other":1e400}"#, Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#"{"id":1.0}"#, Err("type t.id")),
        (r#"{"id":1e3}"#, Err("type t.id")),
        (r#"{"id":-9223372036854775808}"#, Ok("-9223372036854775808|NULL|NULL|NULL|NULL")),
        (r#"{"id":-9223372036854775809}"#, Err("range t.id")),
        (r#"{"id":9223372036854775808}"#, Err("range t.id")),
        (r#"{"id":123456789012345678901234567890}"#, Err("range t.id")),
        (r#"{"id":"10"}"#, Ok("10|NULL|NULL|NULL|NULL")),
        (r#"{"id":" 10"}"#, Err("type t.id")),
        (r#"{"id":true}"#, Err("type t.id")),
        (r#"{"id":{}}"#, Err("type t.id")),
        (r#"{"id":[1]}"#, Err("type t.id")),
        (r#"{"id":null}"#, Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#"{"a":null}"#, Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#"{"a":5}"#, Err("type a")),
        (r#"{"a":[]}"#, Err("type a")),
        (r#"{"a":"x"}"#, Err("type a")),
        (r#"{"t":12.50}"#, Ok("NULL|12.50|NULL|NULL|NULL")),
        (r#"{"t":1E+2}"#, Ok("NULL|1E+2|NULL|NULL|NULL")),
        (r#"{"t":false}"#, Ok("NULL|false|NULL|NULL|NULL")),
        (r#"{"t":{"a":1}}"#, Err("type t.t")),
        (r#"{"j":{"b" : [1, 2.50,"\u00e4"]}}"#, Ok(r#"NULL|NULL|NULL|{"b" : [1, 2.50,"\u00e4"]}|NULL"#)),
        (r#"{"j":"text"}"#, Ok(r#"NULL|NULL|NULL|"text"|NULL"#)),
        (r#"{"j":1.0}"#, Ok("NULL|NULL|NULL|1.0|NULL")),
        (r#"{"j":null}"#, Ok("NULL|NULL|NULL|NULL|NULL")),
        (r#"{"j":{"b":}}"#, Err("syntax -")),
        (r#"{"j":[1,]}"#, Err("syntax -")),
        ("{\"t\":\"tab\there\"}", Err("syntax -")),
        (r#"{"t":"\x"}"#, Err("syntax -")),
        (r#"{"t":"\u12"}"#, Err("syntax -")),
        (r#"{"other":"\q"}"#, Err("syntax -")),
        (r#"{"other":{"deep":[tru]}}"#, Err("syntax -")),
        (r#"{"id":1"#, Err("syntax -")),
        (r#"{"id":"#, Err("syntax -")),
        (r#"{"t":"cut"#, Err("syntax -")),
        (r#"{"id":1,}"#, Err("syntax -")),
        (r"{,}", Err("syntax -")),
        (r#"{"id" 1}"#, Err("syntax -")),
        (r"{id:1}", Err("syntax -")),
        (r#"{"id":1 "t":2}"#, Err("syntax -")),
        (r#"{"id":nul}"#, Err("syntax -")),
        (r#"{"id":truely}"#, Err("syntax -")),
        (r#"{"id":1}{"id":2}"#, Err("syntax -")),
        (r#"{"id":1} x"#, Err("syntax -")),
        (r#"[{"id":1}]"#, Err("syntax -")),
        ("5", Err("syntax -")),
        ("null", Err("syntax -")),
        ("\"text\"", Err("syntax -")),
        ("\u{feff}{}", Err("syntax -")),
        (r#"{"":1,"id":3}"#, Ok("3|NULL|NULL|NULL|NULL")),
    ];
    for (line, expected) in cases {
        // Something before, so that the byte order mark is none.
        let decoded = decode(&dataset, format!("\n{line}\n{{\"id\":99}}\n"));
        let found = match decoded.rejects.as_slice() {
            [] => Ok(decoded.rows()[0].clone()),
            [reject] => {
                assert_eq!((reject.line, reject.record), (2, 2), "{line}");
                assert_eq!(reject.raw, line.trim_end_matches('\r'), "{line}");
                assert_eq!(
                    reject.byte.is_some(),
                    matches!(reject.rule.name(), "syntax" | "duplicate_key") || reject.column.as_deref() == Some("a"),
                    "{reject:?}"
                );
                Err(format!("{} {}", reject.rule.name(), reject.column.as_deref().unwrap_or("-")))
            }
            more => panic!("{more:?}"),
        };
        assert_eq!(found.as_deref().map_err(String::as_str), *expected, "{line}");
        assert_eq!(decoded.rows().last().unwrap(), "99|NULL|NULL|NULL|NULL", "{line}: the next line is read");
        assert_eq!((decoded.lines, decoded.records), (3, 2), "{line}");
    }
}

/// 128 levels are read, wanted or not; one more is not.
#[test]
fn nesting_is_bounded() {
    let dataset = jsonl(one(&["id bigint", "j json"]));
    for key in ["j", "other"] {
        let nested = |levels: usize| format!("{{\"{key}\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(decode(&dataset, nested(127)).rejects.is_empty());
        assert_eq!(decode(&dataset, nested(128)).rejects.len(), 1);
        assert_eq!(decode(&dataset, nested(100_000)).rejects.len(), 1);
        let objects = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
        assert_eq!(decode(&dataset, objects).rejects.len(), 1);
    }
}

/// Blank lines are counted and are no records; the last line needs no end.
#[test]
fn lines_are_counted_as_editors_do() {
    let dataset = jsonl(one(&["id bigint"]));
    let decoded = decode(&dataset, "{\"id\":1}\n\n  \r\n{\"id\":x}\r\n\n{\"id\":2}");
    assert_eq!((decoded.lines, decoded.records), (6, 3));
    assert_eq!(decoded.rules(), ["4 syntax -"]);
    assert_eq!(decoded.tables[0].iter().map(|row| row.0).collect::<Vec<_>>(), [1, 6]);
    assert_eq!(decoded.accepted, [(1, "{\"id\":1}".to_owned()), (6, "{\"id\":2}".to_owned())]);
    assert_eq!((decoded.rejects[0].byte, decoded.rejects[0].raw.as_str()), (Some(7), "{\"id\":x}"));
}

/// A line that is not UTF-8 is rejected alone, with its bytes as far as they can be shown.
#[test]
fn invalid_utf8_rejects_its_line() {
    let dataset = jsonl(one(&["id bigint", "t varchar(40)"]));
    let mut bytes = "{\"id\":1,\"t\":\"ä\"}\n".repeat(3).into_bytes();
    bytes.extend_from_slice(b"{\"id\":2,\"t\":\"M\xfcnchen\"}\n");
    bytes.extend_from_slice("{\"id\":3,\"t\":\"ö\"}\n".as_bytes());
    bytes.extend_from_slice(b"\xff\n{\"id\":4}\n{\"id\":5,\"t\":\"\xe4\"}");
    let decoded = decode(&dataset, &bytes);
    assert_eq!(decoded.rules(), ["4 utf8 -", "6 utf8 -", "8 utf8 -"]);
    assert_eq!(decoded.rejects[0].byte, Some(15));
    assert!(decoded.rejects[0].raw.contains("M\u{fffd}nchen"));
    assert_eq!(decoded.rows(), ["1|ä", "1|ä", "1|ä", "3|ö", "4|NULL"]);
}

/// Keys that come in another order, or not at all, change nothing.
#[test]
fn the_order_of_keys_does_not_matter() {
    let columns: Vec<String> = (0..30).map(|n| format!("c{n} integer")).collect();
    let dataset = jsonl(one(&columns.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut state = 7_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = String::new();
    let mut expected = Vec::new();
    for line in 0..300 {
        let mut keys: Vec<u64> = (0..30).filter(|_| next(4) > 0).collect();
        if line % 3 == 0 {
            for at in (1..keys.len()).rev() {
                keys.swap(at, usize::try_from(next(at as u64 + 1)).unwrap());
            }
        }
        let mut row = vec!["NULL".to_owned(); 30];
        let mut fields = Vec::new();
        for key in keys {
            fields.push(format!("\"c{key}\":{line}"));
            fields.push(format!("\"unknown_{key}_{}\": [\"{line}\"]", next(40)));
            row[usize::try_from(key).unwrap()] = line.to_string();
        }
        text.extend(["{", &fields.join(","), "}\n"]);
        expected.push(row.join("|"));
    }
    let decoded = decode(&dataset, &text);
    assert!(decoded.rejects.is_empty());
    assert_eq!(decoded.rows(), expected);
}

/// A reject shows the value at which its record goes wrong, and not what comes behind it.
#[test]
fn the_value_shown_is_the_one_at_fault() {
    let dataset = jsonl(one(&["id bigint", "b bigint a.b"]));
    for (line, value) in [
        (r#"{"id":01,"b":2}"#, Some("01")),
        (r#"{"id":1,"id":2}"#, Some("2")),
        (r#"{"id":1,"id":{"x":[1,2]} ,"y":3}"#, Some(r#"{"x":[1,2]}"#)),
        (r#"{"a":[1,2],"id":1}"#, Some("[1,2]")),
        (r#"{"a":"x,y","id":1}"#, Some(r#""x,y""#)),
        (r#"{"id":nul,"b":1}"#, Some("nul")),
        (r#"{"id":1"#, None),
    ] {
        let decoded = decode(&dataset, line);
        assert_eq!(decoded.rejects[0].value.as_deref(), value, "{line}");
    }
}

/// Bytes that are no text are kept as they are, beside what can be read of them.
#[test]
fn raw_bytes_are_kept_where_they_are_no_text() {
    let mut dataset = jsonl(one(&["id bigint", "t varchar(9)"]));
    let decoded = decode(&dataset, b"{\"id\":1,\"t\":\"\xff\xfe\"}\n{\"id\":\"x\"}\n");
    let kept: Vec<_> = decoded.rejects.iter().map(|r| (r.raw.as_str(), r.raw_base64.as_deref(), r.raw_cut)).collect();
    assert_eq!(
        kept,
        [
            ("{\"id\":1,\"t\":\"\u{fffd}\u{fffd}\"}", Some("eyJpZCI6MSwidCI6Iv/+In0="), false),
            ("{\"id\":\"x\"}", None, false)
        ]
    );
    // Bytes of another encoding are read as text, and what means nothing in it is not kept.
    dataset.source.charset = Some(lakehand_dataset::dataset::Charset::Windows1252);
    let decoded = decode(&dataset, b"{\"id\":1,\"t\":\"\x81\"}\n");
    assert_eq!((decoded.rejects[0].raw_base64.as_deref(), decoded.rejects[0].raw_cut), (None, true));
    // What is masked stays so.
    let masked = jsonl(vec![table(
        "t",
        None,
        vec![column("t varchar(64)").with(|rules| rules.mask = Some(lakehand_dataset::dataset::Mask::Sha256))],
    )]);
    let decoded = decode(&masked, b"{\"t\":\"secret\xff\"}\n");
    assert_eq!(decoded.rejects[0].raw_base64, None);
    assert!(decoded.rejects[0].raw.starts_with("withheld"));
}
