//! What delimited text is, record by record.

use lakehand_dataset::dataset::{CsvFormat, CsvHeader, Dataset, Format, UnknownFields};

use super::fixture::{column, csv, decode, decode_in, jsonl, one, table, unreadable};

fn format(dataset: &mut Dataset, change: impl FnOnce(&mut CsvFormat)) {
    match &mut dataset.source.format {
        Format::Csv(format) => change(format),
        _ => panic!("not delimited"),
    }
}

/// No warehouse holds them: one such row would keep all of its file out of it.
#[test]
fn texts_with_nul_reject_their_record() {
    let delimited = csv(b',', one(&["a varchar(9)", "b varchar(3)", "j json c"]));
    let decoded = decode(&delimited, "a,b,c\n100,2,300\nx\0,2,3\n1,\"\0\",3\n1,2,\"\"\"\0\"\"\"\n4,5,6\n");
    assert_eq!(decoded.rules(), ["3 nul t.a", "4 nul t.b", "5 type t.j"]);
    assert_eq!(decoded.rows(), ["100|2|300", "4|5|6"]);
    assert!(decoded.rejects[0].message.starts_with("has a NUL character (U+0000)"), "{}", decoded.rejects[0].message);
    let escaped = jsonl(one(&["a varchar(9)", "j json"]));
    let lines = "{\"a\":\"x\"}\n{\"a\":\"x\\u0000\"}\n{\"j\":\"\\u0000\"}\n{\"other\":\"\\u0000\"}\n";
    let decoded = decode(&escaped, lines);
    assert_eq!(decoded.rules(), ["2 nul t.a"]);
    assert_eq!(decoded.rows(), ["x|NULL", "NULL|\"\\u0000\"", "NULL|NULL"], "json keeps the escape, which is none");
}

#[test]
fn every_record_is_read_or_rejected_by_the_right_rule() {
    let dataset = csv(b',', one(&["a varchar(40)", "b varchar(40)"]));
    let cases: &[(&str, Result<&str, &str>)] = &[
        ("1,2", Ok("1|2")),
        ("1,2\r", Ok("1|2")),
        ("\"1\",\"2\"\r", Ok("1|2")),
        (",", Ok("NULL|NULL")),
        ("\"\",", Ok("|NULL")),
        (" 1 , 2 ", Ok(" 1 | 2 ")),
        ("\"a,b\",2", Ok("a,b|2")),
        ("\"a\nb\",\"c\r\nd\"", Ok("a\nb|c\r\nd")),
        ("\"a\"\"b\",\"\"\"\"", Ok("a\"b|\"")),
        ("\"\"\"\"\"\",\"x\"\"\"", Ok("\"\"|x\"")),
        ("5\" pipe,b\"\"c", Ok("5\" pipe|b\"\"c")),
        ("größer,\"ä\"\"ö\"", Ok("größer|ä\"ö")),
        ("a\rb,c", Ok("a\rb|c")),
        ("1", Err("ragged")),
        ("1,2,3", Err("ragged")),
        ("1,2,", Err("ragged")),
        ("\"1\"x,2", Err("syntax")),
        ("\"1\" ,2", Err("syntax")),
        ("1,\"2\"\"\"x", Err("syntax")),
        ("\"1\"x\"y\",2", Err("syntax")),
        ("\"a\nb\"c,\"d\ne\"", Err("syntax")),
    ];
    for (record, expected) in cases {
        let text = format!("a,b\n{record}\nlast,\"of\"\n");
        for chunk_bytes in [1, 5, 1 << 20] {
            let decoded = decode_in(&dataset, text.as_bytes(), chunk_bytes).unwrap();
            let found = match decoded.rejects.as_slice() {
                [] => Ok(decoded.rows()[0].clone()),
                [reject] => {
                    assert_eq!((reject.line, reject.raw.as_str()), (2, record.trim_end_matches('\r')), "{record:?}");
                    Err(reject.rule.name())
                }
                more => panic!("{record:?}: {more:?}"),
            };
            assert_eq!(found.as_deref().map_err(|rule| *rule), *expected, "{record:?}");
            assert_eq!(decoded.rows().last().unwrap(), "last|of", "{record:?}");
            let lines = text.matches('\n').count() as u64;
            assert_eq!((decoded.lines, decoded.records), (lines, 2), "{record:?}");
        }
    }
    let ragged = decode(&dataset, "a,b\n1,2,3\n");
    assert_eq!(ragged.rejects[0].message, "the line has 3 fields and the header 2");
}

#[test]
fn headers_decide_where_fields_are() {
    let mut dataset = csv(b';', one(&["id bigint", "größe double \"größe.m²\""]));
    let text = "\u{feff}x;größe.m²;\"id\"\r\n;1.5;1\r\n\r\n;;2\r\n";
    assert_eq!(decode(&dataset, text).rows(), ["1|1.5", "2|NULL"]);
    assert_eq!(decode(&dataset, "\n\r\nid;größe.m²\n7;8\n").rows(), ["7|8.0"]);
    let empty = decode(&dataset, "id;größe.m²\n");
    assert_eq!((empty.lines, empty.records), (1, 0));

    let message = unreadable(decode_in(&dataset, b"ID;other\n1;2\n", 100));
    assert_eq!(
        message,
        "has no column \"id\", \"größe.m²\"; its header has \"ID\", \"other\"; deliver the columns, or change the \
         definition"
    );
    let message = unreadable(decode_in(&dataset, "id;größe.m²;id\n1;2;3\n".as_bytes(), 100));
    assert!(message.contains("has the column \"id\" more than once"), "{message}");
    assert!(decode_in(&dataset, "id;größe.m²;x;x\n1;2;3;4\n".as_bytes(), 100).is_ok());
    assert!(
        unreadable(decode_in(&dataset, b"id;gr\xf6\xdfe\n", 100)).contains("a header line that is not valid UTF-8")
    );
    assert!(unreadable(decode_in(&dataset, b"id;\"x\n1;2\n", 100)).contains("a header line that cannot be read"));

    // What the header does not name is null, unless a column needs it; a default stands in for it as for any null.
    assert_eq!(decode(&dataset, "x;id\n5;1\n").rows(), ["1|NULL"]);
    let needs = csv(b';', vec![table("t", None, vec![column("id bigint").required(), column("x double")])]);
    assert_eq!(decode(&needs, "id\n1\n").rows(), ["1|NULL"]);
    assert!(unreadable(decode_in(&needs, b"x\n1\n", 100)).starts_with("has no column \"id\"; its header has \"x\""));

    dataset.quality.unknown_fields = UnknownFields::Reject;
    assert!(
        unreadable(decode_in(&dataset, text.as_bytes(), 100)).contains("has the column \"x\", which the definition")
    );
    assert!(decode_in(&dataset, "größe.m²;id\n1;2\n".as_bytes(), 100).is_ok());
}

#[test]
fn formats_are_told_apart_by_the_definition() {
    let mut dataset = csv(b'\t', one(&["b varchar(9)", "a varchar(9)"]));
    assert_eq!(decode(&dataset, "a\tb\n\t\n1\t\"2\t3\"\n").rows(), ["NULL|NULL", "2\t3|1"]);
    format(&mut dataset, |format| {
        format.header = CsvHeader::Given(vec!["a".into(), "x".into(), "b".into()]);
        format.empty_is_null = false;
        format.delimiter = b'|';
    });
    assert_eq!(decode(&dataset, "1|2|3\n||\n").rows(), ["3|1", "|"]);
    assert_eq!(decode(&dataset, "1|2\n").rules(), ["1 ragged -"]);
    format(&mut dataset, |format| format.quote = None);
    assert_eq!(decode(&dataset, "\"1|2|3\"\n\"|\"\"|x\n").rows(), ["3\"|\"1", "x|\""]);
    format(&mut dataset, |format| format.quote = Some(b'\''));
    assert_eq!(decode(&dataset, "'1|''\n'|2|\"3\n").rows(), ["\"3|1|'\n"]);
}

/// A reject shows what the field holds, wherever in the chunk it stands.
#[test]
fn rejects_show_the_field() {
    let mut dataset = csv(b';', one(&["a integer", "b integer"]));
    format(&mut dataset, |format| format.header = CsvHeader::Given(vec!["a".into(), "b".into()]));
    let decoded = decode(&dataset, "x;1\n1;no value\n1;\"say \"\"no\"\"\"\n;\"\"\n2;3");
    assert_eq!(decoded.rules(), ["1 type t.a", "2 type t.b", "3 type t.b", "4 type t.b"]);
    let values: Vec<_> = decoded.rejects.iter().map(|reject| reject.value.as_deref()).collect();
    assert_eq!(values, [Some("x"), Some("no value"), Some("say \"no\""), Some("")]);
    assert_eq!(decoded.rows(), ["2|3"]);
}

/// Text that is not UTF-8 rejects its record, over however many lines.
#[test]
fn invalid_utf8_rejects_its_record() {
    let dataset = csv(b',', one(&["a varchar(40)", "b varchar(40)"]));
    let text = b"a,b\n1,ok\n2,\"two\nM\xfcnchen\n\xff\"\n3,\xe4\n4,\"\xc3\xa4\n\"\n";
    for chunk_bytes in [1, 1 << 20] {
        let decoded = decode_in(&dataset, text, chunk_bytes).unwrap();
        assert_eq!(decoded.rows(), ["1|ok", "4|ä\n"]);
        assert_eq!(decoded.rules(), ["3 utf8 -", "6 utf8 -"]);
        assert_eq!(decoded.rejects[0].byte, Some(9));
        assert_eq!((decoded.lines, decoded.records), (8, 4));
    }
}

/// Sensible delimited text is cut at record ends whatever its quotes hold, with one result for all sizes of chunks.
#[test]
fn chunks_are_cut_outside_quotes() {
    let dataset = csv(b',', one(&["a varchar(100)", "b varchar(100)", "c bigint"]));
    let mut text = "c,b,a\n".to_owned();
    for n in 0..3000 {
        let field = match n % 7 {
            0 => "\"line\none, \"\"two\"\"\r\n\n\"".to_owned(),
            1 => "\"\"".to_owned(),
            2 => "5\" x".to_owned(),
            3 => "\"\"\"\"\"\"".to_owned(),
            4 => format!("\"{}\"", "\"\"\n,".repeat(n % 20)),
            5 => String::new(),
            _ => "plain".to_owned(),
        };
        text.extend([&n.to_string(), ",", &field, ",", &field, "\n"]);
    }
    let expected = decode(&dataset, &text);
    assert_eq!((expected.records, expected.rejects.len()), (3000, 0));
    assert_eq!(expected.rows()[7].split('|').next(), Some("line\none, \"two\"\r\n\n"));
    for chunk_bytes in [1, 13, 64, 1000, 10_000, 65_537, 100_000] {
        assert_eq!(decode_in(&dataset, text.as_bytes(), chunk_bytes).unwrap(), expected, "{chunk_bytes}");
    }
}
