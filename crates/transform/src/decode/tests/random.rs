//! Anything at all: nothing panics, and what is right comes back as it was.

use proptest::prelude::*;

use super::fixture::{column, csv, decode, decode_in, jsonl, table};
use lakehand_dataset::dataset::Dataset;

fn json_dataset() -> Dataset {
    jsonl(vec![
        table(
            "t",
            None,
            vec![
                column("id bigint"),
                column("x double"),
                column("d decimal(20,5)"),
                column("t varchar(1000)"),
                column("b boolean"),
                column("j json"),
                column("deep varchar(1000) a.b.c"),
                column("at timestamptz"),
                column("day date"),
            ],
        ),
        table("l", Some("list"), vec![column("v varchar(100) @")]),
        table("m", Some("a.more"), vec![column("w integer"), column("whole json @")]),
    ])
}

/// Bytes that look enough like JSON to reach every corner.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"{\"id\":",
        b"\"t\":\"",
        b"\"list\":[",
        b"{\"a\":{\"more\":[{\"w\":1}",
        b"{\"a\":{\"b\":{\"c\":\"x\"}}}\n",
        b"\"at\":\"2024-01-01T00:00:00Z\"",
        b"\\u00",
        b"\\ud83d\\ude00",
        b"-1.5e3",
        b"123456789012345678901",
        b"}",
        b"]",
        b",",
        b":",
        b"\"",
        b"\n",
        b"\\",
        b"null",
        b"true",
        b"\xc3\xa4",
        b"\xff",
        b" ",
    ];
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn nearly_csv() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[b"\"", b"\"\"", b";", b"\n", b"\r\n", b"1", b"text", b"\xc3\xa4", b"\xff"];
    let piece = prop::sample::select(PIECES);
    prop::collection::vec(piece, 0..80).prop_map(|pieces| [b"a;b;c\n".to_vec(), pieces.concat()].concat())
}

/// A JSON text of a string, with escapes chosen by the bits of a number.
fn json_text(text: &str, mut bits: u64) -> String {
    let mut json = String::from("\"");
    for c in text.chars() {
        bits = bits.rotate_left(7).wrapping_add(0x9e37_79b9);
        match c {
            '"' | '\\' => json.extend(['\\', c]),
            c if bits.is_multiple_of(3) || c < ' ' => {
                let mut units = [0; 2];
                json.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
            }
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_lines_or_rejects(bytes in prop::collection::vec(any::<u8>(), 1..300), chunk in 1_usize..64) {
        for dataset in [json_dataset(), csv(b';', vec![table("t", None, vec![])])] {
            let whole = decode_in(&dataset, &bytes, 1 << 20);
            let cut = decode_in(&dataset, &bytes, chunk);
            match (whole, cut) {
                (Ok(whole), Ok(cut)) => prop_assert_eq!(whole, cut),
                (whole, cut) => prop_assert!(whole.is_err() && cut.is_err()),
            }
        }
    }

    #[test]
    fn nearly_json_is_lines_or_rejects(bytes in nearly_json(), chunk in 1_usize..64) {
        prop_assume!(!bytes.is_empty());
        let dataset = json_dataset();
        let (whole, cut) = (decode_in(&dataset, &bytes, 1 << 20), decode_in(&dataset, &bytes, chunk));
        let (whole, cut) = (whole.unwrap(), cut.unwrap());
        prop_assert_eq!(&whole, &cut);
        // serde_json is the judge of syntax; it refuses more only where text is no character.
        let text = String::from_utf8_lossy(&bytes);
        for (line, raw) in &whole.accepted {
            let valid = serde_json::from_str::<serde::de::IgnoredAny>(raw);
            prop_assert!(valid.is_ok(), "line {} of {}", line, text);
        }
        for reject in whole.rejects.iter().filter(|reject| reject.rule.name() == "syntax") {
            let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&reject.raw);
            prop_assert!(object.is_err(), "{:?}", reject);
        }
    }

    #[test]
    fn nearly_csv_is_records_or_rejects(bytes in nearly_csv(), chunk in 1_usize..64, max_line in 1_u64..200) {
        let mut dataset = csv(b';', vec![table("t", None, vec![column("a varchar(100)"), column("c varchar(100)")])]);
        dataset.tables[0].shape.columns[1].column_type = lakehand_domain::shape::ColumnType::Integer;
        dataset.source.max_line_bytes = max_line.max(7);
        let whole = decode_in(&dataset, &bytes, 1 << 20).unwrap();
        prop_assert_eq!(&whole, &decode_in(&dataset, &bytes, chunk).unwrap());
        prop_assert_eq!(whole.lines, memchr::memchr_iter(b'\n', &bytes).count() as u64 + u64::from(bytes.last() != Some(&b'\n')));
    }

    #[test]
    fn rows_come_back_as_they_were(
        id in any::<i64>(),
        x in any::<f64>().prop_filter("finite", |x| x.is_finite()),
        unscaled in -99_999_999_999_999_999_999_i128..=99_999_999_999_999_999_999,
        text in any::<String>(),
        b in any::<Option<bool>>(),
        bits in any::<u64>(),
        micros in -62_135_596_800_000_000_i64..253_402_300_799_999_999,
    ) {
        prop_assume!(text.len() <= 1000);
        let decimal = lakehand_domain::value::decimal_text(unscaled, 5);
        let at = lakehand_domain::timestamp::Timestamp::from_micros(micros).to_string();
        let b_json = b.map_or("null".to_owned(), |b| b.to_string());
        let line = format!(
            "{{\"t\":{}, \"id\":{id},\"x\":{x:?} ,\"d\":{decimal},\"b\":{b_json},\"at\":\"{at}\",\"list\":[{},null]}}",
            json_text(&text, bits), json_text(&text, bits >> 5),
        );
        let mut dataset = json_dataset();
        dataset.tables[1].shape.columns[0].column_type = lakehand_domain::shape::ColumnType::Varchar { bytes: 1000 };
        let decoded = decode(&dataset, &line);
        prop_assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
        let b_text = b.map_or("NULL".to_owned(), |b| b.to_string());
        let expected = [
            id.to_string(), format!("{x:?}"), decimal.clone(), text.clone(), b_text.clone(),
            "NULL".into(), "NULL".into(), micros.to_string(), "NULL".into(),
        ];
        prop_assert_eq!(&decoded.tables[0][0].2[..], &expected[..]);
        prop_assert_eq!(&decoded.tables[1][0].2[0], &text);

        let columns = ["id bigint", "x double", "d decimal(20,5)", "t varchar(1000)", "b boolean", "at timestamptz"];
        let dataset = csv(b',', vec![table("t", None, columns.iter().map(|text| column(text)).collect())]);
        let quoted = text.replace('"', "\"\"");
        let b_csv = b.map_or(String::new(), |b| b.to_string());
        let decoded = decode(&dataset, format!("at,t,b,d,x,id\n{at},\"{quoted}\",{b_csv},{decimal},\"{x:?}\",{id}"));
        prop_assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects);
        let expected = [id.to_string(), format!("{x:?}"), decimal, text, b_text, micros.to_string()];
        prop_assert_eq!(&decoded.tables[0][0].2[..], &expected[..]);
    }
}
