//! JSON of any layout, and what is left of it where it is broken.

use lakehand_dataset::dataset::{Dataset, Format, JsonFormat};

use super::archive::{ZipFile, gzip, zip};
use crate::decode::tests::fixture::{Decoded, decode, decode_in, jsonl, one, unreadable};

fn json(list: &[&str]) -> Dataset {
    let mut dataset = jsonl(one(&["id bigint", "t varchar(40)", "deep bigint a.b"]));
    dataset.source.format = Format::Json(JsonFormat { list: list.iter().map(|key| (*key).to_owned()).collect() });
    dataset
}

/// In chunks of every size the same.
fn all(dataset: &Dataset, text: &str) -> Decoded {
    let expected = decode(dataset, text);
    for chunk_bytes in [1, 3, 10, 100] {
        assert_eq!(decode_in(dataset, text.as_bytes(), chunk_bytes).unwrap(), expected, "{text}");
    }
    expected
}

#[test]
fn documents_are_found_in_every_layout() {
    let dataset = json(&[]);
    let rows = ["1|a [,]{}\"|7", "2|NULL|NULL", "3|NULL|NULL"];
    let one_document = "{\"id\":1,\"t\":\"a [,]{}\\\"\",\"a\":{\"b\":7}}";
    for text in [
        format!("[{one_document},{{\"id\":2}},{{\"id\":3}}]"),
        format!("[\n{one_document},\n{{\"id\":2}},\n{{\"id\":3}}\n]\n"),
        format!("\u{feff} {one_document} {{\"id\":2}}\n\n\t{{\"id\":3}}"),
        format!("{one_document}{{\"id\":2}}[{{\"id\":3}}]"),
        format!("[]\r\n[{one_document}]\r\n[{{\"id\":2}}, {{\"id\":3}}]"),
        "[\n  {\n    \"id\": 1,\n    \"t\": \"a [,]{}\\\"\",\n    \"a\": {\n      \"b\": 7\n    }\n  },\n  {\"id\":\n2\n},\n  {\n    \"id\": 3\n  }\n]"
            .to_owned(),
    ] {
        let decoded = all(&dataset, &text);
        assert_eq!(decoded.rows(), rows, "{text}");
        assert_eq!((decoded.records, decoded.lines), (3, 3), "{text}");
        assert!(decoded.rejects.is_empty());
    }
    assert_eq!(all(&dataset, " [ ] ").records, 0);
    let archive = zip(&[ZipFile::new("a.json", b"[{\"id\":1}]"), ZipFile::new("b.json", b"{\n\"id\":2}")]);
    assert_eq!(decode(&dataset, &archive).rows(), ["1|NULL|NULL", "2|NULL|NULL"]);
    assert_eq!(decode(&dataset, gzip(b"[{\"id\":1}]")).rows(), ["1|NULL|NULL"]);
}

#[test]
fn lists_at_a_path_are_read_as_they_pass() {
    let dataset = json(&["data", "items"]);
    let text = "{\"meta\":{\"items\":[1,{\"data\":[]}]},\n \"d\\u0061ta\":{\"n\":2,\"items\":[\n{\"id\":1},\n{\"id\":2}],\"more\":null},\"last\":\"]\"}";
    let decoded = all(&dataset, text);
    assert_eq!(decoded.rows(), ["1|NULL|NULL", "2|NULL|NULL"]);
    let several = all(&dataset, "{\"data\":{\"items\":[{\"id\":1}]}}\n{\"data\":{\"items\":[{\"id\":\"x\"}]}}");
    assert_eq!(several.rows(), ["1|NULL|NULL"]);
    assert_eq!(several.rules(), ["2 type t.id"]);
    assert_eq!(all(&dataset, "{\"data\":{\"items\":null}}").records, 0);

    let mut record = json(&["items"]);
    record.source.records = Some(lakehand_dataset::path::FieldPath::key("record"));
    assert_eq!(all(&record, "{\"items\":[{\"record\":{\"id\":5}}]}").rows(), ["5|NULL|NULL"]);

    for (text, expected) in [
        ("[{\"data\":{\"items\":[]}}]", "is a list at its top, and source.records leads to data.items[] of an object"),
        ("{\"data\":{\"other\":[]}}", "has no list data.items[], where source.records says"),
        ("{\"data\":[]}", "has no object at \"data\""),
        ("{\"data\":{\"items\":{}}}", "has no list at \"items\""),
        ("{\"data\":{\"items\":[]},\"data\":{}}", "has the key \"data\" twice"),
        ("{\"data\":{\"items\":[]}", "is cut off within an object"),
        ("{\"data\":{\"items\":[{}", "is cut off within a list"),
        ("{\"data\" {\"items\":[]}}", "has no colon behind the key \"data\""),
        ("{\"x\":tru,\"data\":{\"items\":[]}}", "has a value before here that is no JSON"),
        ("{data:{}}", "has no key in quotes"),
        ("{\"data\":{\"items\":[]} \"x\":1}", "has no comma and no end of the object"),
    ] {
        let message = unreadable(decode_in(&dataset, text.as_bytes(), 100));
        assert!(message.contains(expected), "{text}: {message}");
    }
}

/// A broken element is rejected with its place where the layout tells the next one; otherwise the file says where.
#[test]
fn broken_elements_are_rejects_where_the_next_can_be_told() {
    let dataset = json(&[]);
    // Wrong within its brackets: always a reject, whatever the layout.
    let decoded =
        all(&dataset, "[{\"id\":1},{\"id\":tru},{\"id\":NaN},5,{\"id\":2,\"id\":2},{\"id\":\"\\ud800\"},,{\"id\":3},]");
    assert_eq!(
        decoded.rules(),
        ["1 syntax -", "1 syntax -", "1 syntax -", "1 duplicate_key id", "1 utf8 t.id", "1 syntax -", "1 syntax -"]
    );
    assert_eq!(decoded.rows(), ["1|NULL|NULL", "3|NULL|NULL"]);
    assert_eq!(decoded.records, 9);

    // Brackets and quotes that do not match: with a document a line, or indented, the others are read.
    for broken in ["{\"id\":2,\"t\":\"open},", "{\"id\":[2},", "{\"id\":{\"x\":2},", "{\"id\":2]],"] {
        let text = format!("[\n{{\"id\":1}},\n{broken}\n{{\"id\":3}},\n{{\"id\":4}}\n]\n");
        let decoded = all(&dataset, &text);
        assert_eq!(decoded.rules(), ["3 syntax -"], "{text}");
        assert_eq!(decoded.rejects[0].raw, broken.trim_end_matches(','));
        assert_eq!(decoded.rejects[0].record, 2);
        assert_eq!(decoded.rows(), ["1|NULL|NULL", "3|NULL|NULL", "4|NULL|NULL"], "{text}");
        let last = format!("[\n{{\"id\":1}},\n{}\n]\n", broken.trim_end_matches(','));
        if !broken.contains("{\"x\"") {
            assert_eq!(all(&dataset, &last).rules(), ["3 syntax -"], "{last}");
        }
    }
    let indented = "[\n  {\n    \"id\": 1,\n    \"a\": {\n      \"b\": 1\n  },\n  {\n    \"id\": 2,\n    \"t\": \"x\n  },\n  {\n    \"id\": 3\n  }\n]";
    let decoded = all(&dataset, indented);
    assert_eq!(decoded.rules(), ["2 syntax -", "7 syntax -"]);
    assert_eq!(decoded.rows(), ["3|NULL|NULL"]);

    for (text, expected) in [
        ("[{\"id\":1},{\"id\":[2},{\"id\":3}]", "is broken in line 1, within the document that begins in line 1"),
        (
            "[{\"id\":1}\n{\"id\":2}]",
            "has no comma and no end of the list where one should be (line 2, byte 1, after 1",
        ),
        ("[{\"id\":1},\n{\"id\":2}", "is cut off within a list; deliver the file again (line 2, byte 9, after 2"),
        ("[{\"id\":1},\n{\"id\":2", "is cut off within the document that begins in line 2"),
        ("[\n{\n\"id\":1,\n\"l\":[\n{\n\"x\":1\n},\n{\n\"x\":]}\n]\n},\n{\n\"id\":2\n}\n]", "cannot be told"),
        ("id,t\n1,2\n", "is no JSON document (line 1, byte 1, after 0 documents)"),
        ("{\"id\":1} trailing", "is no JSON document (line 1, byte 10, after 1 documents)"),
        (" \n", "holds no JSON document"),
    ] {
        let message = unreadable(decode_in(&dataset, text.as_bytes(), 100));
        assert!(message.contains(expected), "{text}: {message}");
    }
}

/// Of a document beyond the limit only the beginning is held, and the others are read.
#[test]
fn long_documents_are_rejected_alone() {
    let mut dataset = json(&[]);
    dataset.source.max_line_bytes = 1000;
    let long = format!("{{\"id\":2,\"t\":\"{}\"}}", "x".repeat(300_000));
    let decoded = all(&dataset, &format!("[{{\"id\":1}},{long},{{\"id\":3}}]"));
    assert_eq!(decoded.rules(), ["1 line_too_long -"]);
    let reject = &decoded.rejects[0];
    assert_eq!((reject.record, reject.raw.len(), reject.raw_cut), (2, 1000, true));
    assert!(
        reject.message.starts_with("the record has 300015 bytes, more than the 1000 allowed"),
        "{}",
        reject.message
    );
    assert_eq!(decoded.rows(), ["1|NULL|NULL", "3|NULL|NULL"]);
}

/// A list of a million elements passes through a few buffers.
#[test]
fn endless_lists_are_not_held() {
    let dataset = json(&[]);
    let text = format!("[{}]", vec!["{\"id\":123456789}"; 1_000_000].join(","));
    let content = lakehand_dataset::transformer::Content::Bytes(text.into());
    let source = crate::source::open(&content, &dataset).unwrap();
    let (mut documents, mut chunks) = (0, 0);
    while let Some(chunk) = source.next(Vec::new()).unwrap() {
        assert!(chunk.bytes.capacity() <= 5 << 20, "{}", chunk.bytes.capacity());
        documents += chunk.places.unwrap().len();
        chunks += 1;
    }
    assert_eq!((documents, chunks), (1_000_000, 16));
}

/// A document is quarantined as it stood in the file, over however many lines.
#[test]
fn raw_documents_have_their_line_ends() {
    let dataset = json(&[]);
    let bad = "{\n    \"id\": \"x\",\r\n\n    \"t\": null\n  }";
    let broken = "{\n    \"id\": 3,\n\n    \"t\": \"open\n  }";
    let text = format!("[\n  {{\n    \"id\": 1\n  }},\n  {bad},\n  {broken},\n  {{\n    \"id\": 4\n  }}\n]");
    let decoded = all(&dataset, &text);
    assert_eq!(decoded.rules(), ["5 type t.id", "10 syntax -"]);
    assert_eq!(decoded.rejects[0].raw, bad);
    assert_eq!(decoded.rejects[1].raw, broken);
    assert_eq!(decoded.rows(), ["1|NULL|NULL", "4|NULL|NULL"]);
    assert!(decoded.rejects.iter().all(|reject| !reject.raw_cut && reject.raw_base64.is_none()));
}

/// What is said of an element of a list is said of a record, for it is no line.
#[test]
fn elements_are_called_records() {
    let mut dataset = json(&[]);
    dataset.source.max_line_bytes = 20;
    let decoded = all(&dataset, "[5, [1,2], \"a\", {\"id\": tru}]");
    let told: Vec<_> = decoded.rejects.iter().map(|r| (r.message.as_str(), r.value.as_deref().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("the record is not a JSON object", "5"),
            ("the record is not a JSON object", "[1,2]"),
            ("the record is not a JSON object", "\"a\""),
            ("this is no JSON value", "tru"),
        ]
    );
}
