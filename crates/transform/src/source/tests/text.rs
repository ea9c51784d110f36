//! The same text in every encoding and with every line end.

use lakehand_dataset::dataset::{Charset, CsvFormat, CsvHeader, Dataset, Format};

use super::archive::gzip;
use crate::decode::tests::fixture::{csv, decode, decode_in, jsonl, one, unreadable};

fn utf16(text: &str, big: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

fn single_bytes(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

fn declared(mut dataset: Dataset, charset: Charset) -> Dataset {
    dataset.source.charset = Some(charset);
    dataset
}

#[test]
fn every_encoding_gives_the_same_records() {
    let text = "id;name\n1;größer\n\n2;\"ä\nö\"\nx;ü\n";
    let dataset = csv(b';', one(&["id bigint", "name varchar(40)"]));
    let expected = decode(&dataset, text);
    assert_eq!(expected.rules(), ["6 type t.id"]);
    assert_eq!(expected.rows(), ["1|größer", "2|ä\nö"]);
    let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes[..]].concat();
    let cases: [(Option<Charset>, Vec<u8>); 9] = [
        (None, marked(&[0xff, 0xfe], utf16(text, false))),
        (None, marked(&[0xfe, 0xff], utf16(text, true))),
        (None, gzip(&marked(&[0xff, 0xfe], utf16(text, false)))),
        (Some(Charset::Utf16Le), utf16(text, false)),
        (Some(Charset::Utf16Be), utf16(text, true)),
        (Some(Charset::Utf16Le), marked(&[0xff, 0xfe], utf16(text, false))),
        (Some(Charset::Latin1), single_bytes(text)),
        (Some(Charset::Windows1252), single_bytes(text)),
        // A byte order mark is believed before the definition.
        (Some(Charset::Latin1), marked(&[0xef, 0xbb, 0xbf], text.into())),
    ];
    for (charset, bytes) in cases {
        let mut dataset = dataset.clone();
        dataset.source.charset = charset;
        for chunk_bytes in [1, 7, 1 << 20] {
            assert_eq!(decode_in(&dataset, &bytes, chunk_bytes).unwrap(), expected, "{charset:?}");
        }
    }
}

/// A text longer than any buffer is not parted in the middle of a character.
#[test]
fn long_texts_stay_whole() {
    let text: String =
        (0..30_000).map(|n| format!("{{\"id\":{n},\"t\":\"größer 😀 {n}\"}}\n")).collect::<Vec<_>>().concat();
    let dataset = jsonl(one(&["id bigint", "t varchar(40)"]));
    let expected = decode(&dataset, &text);
    assert_eq!((expected.records, expected.rejects.len()), (30_000, 0));
    let dataset = declared(dataset, Charset::Utf16Be);
    assert_eq!(decode_in(&dataset, &utf16(&text, true), 10_000).unwrap(), expected);
}

/// Bytes that mean nothing in the encoding cost their line alone.
#[test]
fn invalid_bytes_reject_their_line() {
    let dataset = declared(csv(b';', one(&["id bigint", "name varchar(40)"])), Charset::Windows1252);
    let decoded = decode(&dataset, b"id;name\n1;ok \x80\n2;\x81\n3;\"a\n\x9d\"\n4;\xe4\n");
    assert_eq!(decoded.rows(), ["1|ok €", "4|ä"]);
    assert_eq!(decoded.rules(), ["3 utf8 -", "4 utf8 -"]);
    assert_eq!(decoded.rejects[0].message, "the line is not valid Windows-1252");
    assert_eq!(decoded.rejects[0].byte, Some(3));

    let dataset = declared(jsonl(one(&["id bigint", "t varchar(40)"])), Charset::Utf16Le);
    let mut bytes = utf16("{\"id\":1}\n{\"id\":2,\"t\":\"", false);
    bytes.extend([0x3d, 0xd8]);
    bytes.extend(utf16("\"}\n{\"id\":3}\n", false));
    let decoded = decode(&dataset, &bytes);
    assert_eq!(decoded.rules(), ["2 utf8 -"]);
    assert_eq!(decoded.rejects[0].message, "the line is not valid UTF-16LE");
    assert_eq!(decoded.rows(), ["1|NULL", "3|NULL"]);
    bytes.push(b'x');
    assert_eq!(decode(&dataset, &bytes).rules(), ["2 utf8 -", "4 utf8 -"]);
}

/// Lines end with line feeds, with both, or with carriage returns alone; within quotes either is text.
#[test]
fn every_line_end_is_one() {
    let dataset = csv(b',', one(&["id bigint", "t varchar(40)"]));
    let returns = "id,t\r1,a\r2,\"b\rc\"\r\r3,\"d\"\"\r\"\rx,y\r4,e";
    for chunk_bytes in [1, 5, 1 << 20] {
        let decoded = decode_in(&dataset, returns.as_bytes(), chunk_bytes).unwrap();
        assert_eq!(decoded.rows(), ["1|a", "2|b\rc", "3|d\"\r", "4|e"]);
        assert_eq!(decoded.rules(), ["8 type t.id"]);
        assert_eq!((decoded.lines, decoded.records), (9, 5));
    }
    let feeds = returns.replace('\r', "\n");
    assert_eq!(decode(&dataset, &feeds).rules(), ["8 type t.id"]);
    let both = returns.replace('\r', "\r\n");
    assert_eq!(decode(&dataset, &both).rules(), ["8 type t.id"]);
    assert_eq!(decode(&dataset, &both).rows()[1], "2|b\r\nc");
    // Where lines end with line feeds, a carriage return is part of the text.
    assert_eq!(decode(&dataset, "id,t\n1,a\rb\n").rows(), ["1|a\rb"]);
    let json = jsonl(one(&["id bigint"]));
    assert_eq!(decode(&json, "{\"id\":1}\r{\"id\":2}\r\rbroken\r").rules(), ["4 syntax -"]);
    assert!(unreadable(decode_in(&dataset, b"id,t\r1,a\n2,b\r3,c", 100)).contains("carriage returns alone"));
}

fn format(dataset: &mut Dataset, change: impl FnOnce(&mut CsvFormat)) {
    match &mut dataset.source.format {
        Format::Csv(format) => change(format),
        _ => panic!("not delimited"),
    }
}

/// Columns by their number, headers that are passed over, escapes and comments.
#[test]
fn delimited_text_has_dialects() {
    let mut dataset = csv(b',', one(&["b varchar(20) \"2\"", "a varchar(20) \"1\""]));
    format(&mut dataset, |format| format.header = CsvHeader::Numbered);
    let decoded = decode(&dataset, "\n1,2,3\n4,\"5\n6\",7\n8,9\n");
    assert_eq!(decoded.rows(), ["2|1", "5\n6|4"]);
    assert_eq!(decoded.rules(), ["5 ragged -"]);
    assert!(unreadable(decode_in(&dataset, b"1\n", 100)).contains("has no column \"2\"; its header has \"1\""));

    let mut dataset = csv(b',', one(&["b varchar(20)", "a varchar(20)"]));
    format(&mut dataset, |format| format.header = CsvHeader::Replaced(vec!["a".into(), "b".into()]));
    assert_eq!(decode(&dataset, "x,y\n1,2\n").rows(), ["2|1"]);

    format(&mut dataset, |format| {
        format.header = CsvHeader::Names;
        format.escape = Some(b'\\');
        format.comment = Some(b'#');
    });
    let text = "# made by \"hand\na,b\n1,\"say \\\"no\\\", and\n#more\"\n#2,\"x\n\"\\\\\",\"C:\\new\"\n\"a\"\"b\",\\\"c\n3,4 #5\n# \u{ff}\n#";
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for chunk_bytes in [1, 9, 40, 1 << 20] {
        let decoded = decode_in(&dataset, &bytes, chunk_bytes).unwrap();
        assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
        assert_eq!(decoded.rows(), ["say \"no\", and\n#more|1", "C:\\new|\\", "\\\"c|a\"b", "4 #5|3"]);
        assert_eq!((decoded.lines, decoded.records), (10, 4));
    }
    let message = unreadable(decode_in(&dataset, b"b,a,b\n", 100));
    assert!(message.contains("has the column \"b\" more than once, as its fields 1 and 3"), "{message}");
}

/// A line feed within quotes ends no line, however early it stands.
#[test]
fn a_line_feed_in_quotes_says_nothing_of_line_ends() {
    let dataset = csv(b',', one(&["a bigint", "b varchar(9)"]));
    let decoded = decode(&dataset, "a,b\r1,\"p\nq\"\r3,y\r");
    assert_eq!(decoded.rows(), ["1|p\nq", "3|y"]);
    let decoded = decode(&dataset, "\"b\n\",a,\"b\"\r\"\"\"\n\",1,z\r");
    assert_eq!(decoded.rows(), ["1|z"]);
    assert_eq!(decode(&dataset, "a,b\n1,\"p\rq\"\n").rows(), ["1|p\rq"]);
}

/// What no text begins with is refused as what it is, as far as it is known.
#[test]
fn bytes_that_are_no_text_are_refused() {
    let plain = jsonl(one(&["id bigint"]));
    for (first, expected) in [
        (&b"\x02\x21\x4c\x18rest of it"[..], "is a legacy lz4 file, which lakehand does not read; deliver jsonl"),
        (b"\x5d\x00\x00\x80\x00rest", "is a lzma file"),
        (b"\x1f\x9d\x90rest", "is a compress file"),
        (b"%PDF-1.7\n", "is a PDF file"),
        (b"\x13\x48{\"id\":1}\n", "is no jsonl by its first bytes, 13 48 7b 22 69 64 22 3a, which no text begins with"),
        (b"MZ\x90\x00\x03\x00", "is no jsonl by its first bytes, 4d 5a 90 00 03 00,"),
    ] {
        let message = unreadable(decode_in(&plain, first, 100));
        assert!(message.starts_with(expected), "{message}");
    }
    // What a definition names is text to it, and so is what stands further on.
    let mut hive = csv(1, one(&["id bigint", "t varchar(9)"]));
    assert_eq!(decode(&hive, "t\u{1}id\nx\u{1}1\n").rows(), ["1|x"]);
    format(&mut hive, |format| format.header = CsvHeader::Given(vec!["id".into(), "t".into()]));
    assert_eq!(decode(&hive, "\u{1}\u{1}\n1\u{1}\n").rules(), ["1 ragged -"]);
    assert_eq!(
        decode(&csv(b',', one(&["a varchar(40)"])), "a\nbehind sixteen bytes\nx\u{2}\u{3}y\n").rows()[1],
        "x\u{2}\u{3}y"
    );
}
