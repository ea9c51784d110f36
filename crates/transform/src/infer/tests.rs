//! Definitions inferred from samples load those samples without a reject.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use lakehand_dataset::check::check_definition;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::problem::DefinitionFile;
use lakehand_dataset::transformer::{TransformInput, Transformer, Verdict};
use lakehand_domain::id::LoadId;
use lakehand_domain::object::{ObjectUri, Order};

use super::*;
use crate::engine::Engine;
use crate::preview::{Preview, preview};

/// Infers, checks and loads; the definition and what came of the sample.
fn loaded(sample: impl AsRef<[u8]>, file_name: &str) -> (String, Preview) {
    let content = Content::Bytes(Bytes::copy_from_slice(sample.as_ref()));
    let text = infer(&content, file_name).unwrap();
    let landing = ObjectUri::parse("file:///landing").unwrap();
    let file = DefinitionFile { path: "d.toml".to_owned(), text: text.clone() };
    let dataset = check_definition(&file, &landing, &TransformIdentity("test".to_owned()))
        .unwrap_or_else(|problems| panic!("{problems:#?}\n{text}"));
    let engine = Engine::with_threads(NonZeroUsize::MIN);
    assert!(engine.check(&dataset).is_empty());
    let input = TransformInput {
        dataset: Arc::new(dataset),
        captures: BTreeMap::new(),
        load_id: LoadId::new("0123456789abcdef0123456789abcdef"),
        object: landing.join(file_name),
        order: Order::from_text("o"),
        content,
    };
    let preview = preview(&engine, &input, 3).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    assert!(preview.rejects.is_empty(), "{:#?}\n{text}", preview.rejects);
    assert_eq!(preview.verdict, Verdict::Accepted);
    (text, preview)
}

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let start = format!("{name} = ");
    text.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{name} is not in\n{text}"))
}

#[test]
fn json_lines_are_flattened_and_typed() {
    let sample = r#"
{"data":{"listingId":12345678901,"title":"Schöne \"Wohnung\"","price":{"baseRent":715.5,"currency":"EUR"},"lift":true,"lastModified":"2017-07-14T14:20:06Z","tags":["a"],"rooms":2,"contact":{"email":"a@b.de"},"zip":"01067","floors":null,"free":"21.11.2026"}}
{"data":{"listingId":12345678902,"title":"Ä","price":{"baseRent":1715.19,"currency":"EUR"},"lift":false,"lastModified":"2017-07-14T14:20:06.5+02:00","tags":[],"rooms":2.5,"contact":{"email":"c@d.de"},"zip":"10115","cores":[{"id":1},{"id":2}],"free":"NO_INFORMATION"}}
{"data":{"listingId":3,"title":"","price":null,"lift":"true","lastModified":"2026-01-01T00:00:00Z","rooms":3,"contact":{},"zip":"10115"}}
not json
"#;
    let sample = sample.trim_start().replace("not json\n", "");
    let (text, preview) = loaded(&sample, "flats_2017-07-14.jsonl.gz");
    assert!(text.contains("records = \"data\""), "{text}");
    assert!(text.contains("objects = [\"flats_*.jsonl.gz\"]"), "{text}");
    assert!(text.contains("mode = \"upsert\"\nkey = [\"listing_id\"]"), "{text}");
    assert!(text.contains("version = \"last_modified\""), "{text}");
    for (name, rest) in [
        ("listing_id", "{ type = \"bigint\", from = \"listingId\", required = true }"),
        ("title", "{ type = \"varchar(50)\", from = \"title\", required = true }"),
        ("price_base_rent", "{ type = \"decimal(8,2)\", from = \"price.baseRent\" }"),
        ("lift", "{ type = \"boolean\", from = \"lift\", required = true }"),
        ("last_modified", "{ type = \"timestamptz\", from = \"lastModified\", required = true }"),
        ("tags", "{ type = \"json\", from = \"tags\" }"),
        ("rooms", "{ type = \"decimal(4,1)\", from = \"rooms\", required = true }"),
        (
            "contact_email",
            "{ type = \"varchar(10)\", from = \"contact.email\" }  # personal? leave it out, or mask it, unless it is needed",
        ),
        ("zip", "{ type = \"varchar(10)\", from = \"zip\", required = true }"),
        (
            "floors",
            "{ type = \"varchar(255)\", from = \"floors\" }  # never has a value in the sample: its type is a guess",
        ),
        ("free", "{ type = \"date\", from = \"free\", format = \"%d.%m.%Y\", null_if = [\"NO_INFORMATION\"] }"),
    ] {
        assert_eq!(line(&text, name), format!("{name} = {rest}"));
    }
    assert!(line(&text, "cores").contains("rows = \"cores[]\""), "{text}");
    assert_eq!((preview.records, preview.tables[0].rows), (3, 3));
    let row = &preview.tables[0].first[1];
    assert_eq!(row[0].as_deref(), Some("12345678902"));
    assert!(
        row.contains(&Some("1715.19".to_owned())) && row.contains(&Some("2017-07-14T12:20:06.500Z".to_owned())),
        "{row:?}"
    );
}

#[test]
fn delimited_text_is_recognised() {
    let sample = "id;Preis;offered at;active;note\r\n\
                  1;430 EUR;2022-01-25 10:00:00;true;\"a;b\"\r\n\
                  2;1.234,00;2022-01-26 10:00:00.25;false;\r\n\
                  3;;2022-01-27 10:00:00;true;\"two\nlines \"\"here\"\"\"\r\n";
    let (text, preview) = loaded(sample, "rent_offers_2022-01-25.csv");
    assert!(text.contains("name = \"rent_offers\"") && text.contains("delimiter = \";\""), "{text}");
    assert_eq!(line(&text, "id"), "id = { type = \"smallint\", from = \"id\", required = true }");
    assert_eq!(line(&text, "preis"), "preis = { type = \"varchar(20)\", from = \"Preis\" }");
    assert_eq!(
        line(&text, "offered_at"),
        "offered_at = { type = \"timestamp\", from = \"offered at\", required = true }"
    );
    assert_eq!(line(&text, "active"), "active = { type = \"boolean\", from = \"active\", required = true }");
    assert_eq!(preview.tables[0].first[2][4].as_deref(), Some("two\nlines \"here\""));
    assert_eq!(preview.tables[0].first[1][2].as_deref(), Some("2022-01-26T10:00:00.250"));
}

#[test]
fn delimited_text_without_a_header_gets_names() {
    let (text, preview) = loaded("1\t2026-11-21\tx\n2\t2026-11-22\ty\n", "rows.tsv");
    assert!(text.contains("names = [\"c1\", \"c2\", \"c3\"]") && text.contains("format = \"tsv\""), "{text}");
    assert!(text.contains("mode = \"append\""));
    assert_eq!(line(&text, "c2"), "c2 = { type = \"date\", from = \"c2\", required = true }");
    assert_eq!(preview.tables[0].rows, 2);
}

#[test]
fn awkward_names_and_values_still_load() {
    let sample = concat!(
        "{\"a.b\":1,\"a\":{\"b\":2},\"A_B\":3,\"_load_id\":4,\"oid\":5,\"x y\":1e3,\"big\":123456789012345678901234567890,",
        "\"deep\":{\"k\":{\"l\":{\"m\":1.25}}},\"mixed\":1,\"list\":[1,{\"a\":2}],\"empty\":{}}\n",
        "{\"mixed\":\"x\",\"list\":null,\"f\":1.0,\"frac\":0.1234567890123456789,\"flag\":\"false\"}\n",
    );
    let (text, _) = loaded(sample, "odd.jsonl");
    assert!(line(&text, "a_b").contains("from = \"\\\"a.b\\\"\""), "{text}");
    assert!(line(&text, "a_b_2").contains("from = \"a.b\""), "{text}");
    assert!(line(&text, "x_oid").contains("from = \"oid\""), "{text}");
    assert!(line(&text, "deep_k_l_m").contains("decimal(5,2)"), "{text}");
    assert!(line(&text, "big").contains("varchar(50)") && line(&text, "big").contains("stay exact"), "{text}");
    assert!(line(&text, "flag").contains("boolean"), "{text}");
    assert!(line(&text, "empty").contains("json"), "{text}");
}

#[test]
fn what_is_no_sample_says_so() {
    let error = |bytes: &[u8]| infer(&Content::Bytes(Bytes::copy_from_slice(bytes)), "x.json").unwrap_err().to_string();
    assert!(error(b"[1,2]").contains("has no JSON object in it"));
    assert!(error(b"\n\n").contains("no records"));
    assert!(error(b"{broken").contains("is cut off"));
}

/// Lists, documents and lists within documents are found.
#[test]
fn json_of_any_layout_is_inferred() {
    let (text, preview) = loaded("[\n{\"id\": 1},\n{\"id\": 2}\n]", "a.json");
    assert!(text.contains("format = \"json\"\non_rewrite"), "{text}");
    assert_eq!(preview.records, 2);
    let (text, preview) = loaded("{\n  \"id\": 1,\n  \"name\": \"x\"\n}\n", "a.json");
    assert!(text.contains("format = \"json\""), "{text}");
    assert_eq!(preview.records, 1);
    let response = "{\"page\": 1, \"data\": {\"errors\": [{\"e\": 1}], \"items\": [{\"node\": {\"id\": 1}}, {\"node\": {\"id\": 2}}]}}";
    let (text, preview) = loaded(response, "a.json");
    // A document on one line is a line of JSON too, which is read as such.
    assert!(text.contains("format = \"jsonl\""), "{text}");
    assert_eq!(preview.records, 1);
    let (text, preview) = loaded(response.replace(", ", ",\n"), "a.json");
    assert!(text.contains("# The records are the elements of this list.\nrecords = \"data.items[].node\""), "{text}");
    assert_eq!(preview.records, 2);
}

#[test]
fn encodings_and_tabs_are_inferred() {
    let (text, preview) = loaded(b"id\tname\n1\tgr\xf6\xdfer\n2\t5 \x80\n", "a.tsv");
    assert!(text.contains("format = \"tsv\"\n# It is no UTF-8"), "{text}");
    assert!(text.contains("encoding = \"windows-1252\"") && !text.contains("delimiter ="), "{text}");
    assert_eq!(preview.tables[0].first[0][1].as_deref(), Some("größer"));
    let (text, _) = loaded(b"id;name\n1;\x81\n2;x\n", "a.csv");
    assert!(text.contains("encoding = \"latin-1\""), "{text}");
    let wide: Vec<u8> = "id,name\n1,ä\n2,ö\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (text, _) = loaded(&wide, "a.csv");
    assert!(text.contains("encoding = \"utf-16be\""), "{text}");
    let (text, _) = loaded([&[0xfe, 0xff][..], &wide].concat(), "a.csv");
    assert!(!text.contains("encoding ="), "{text}");
    let (_, preview) = loaded("id,name\r1,a\r2,b\r", "a.csv");
    assert_eq!(preview.records, 2);
}

#[test]
fn parquet_and_avro_are_inferred() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/tests/files");
    for (file, format) in [("types_zstd.parquet", "parquet"), ("types_snappy.avro", "avro")] {
        let (text, preview) = loaded(std::fs::read(folder.join(file)).unwrap(), file);
        assert!(text.contains(&format!("format = \"{format}\"")), "{text}");
        assert_eq!(preview.records, 3);
        assert!(line(&text, "d").contains("type = \"date\""), "{text}");
        assert!(line(&text, "us").contains("type = \"timestamptz\""), "{text}");
        assert!(line(&text, "dec").contains("type = \"decimal("), "{text}");
        assert!(line(&text, "list").contains("type = \"json\""), "{text}");
    }
}

/// What spans days, and is always there, places rows; what it gives is as many partitions as a file may have.
#[test]
fn partitions_are_proposed() {
    let sample = |days: &[&str]| -> String {
        let line = |(id, day): (usize, &&str)| {
            format!(
                "{{\"id\":{id},\"birth_date\":\"19{}0-01-01\",\"updated_at\":\"{day}T01:00:00Z\",\"sold\":\"{day}\",\"paid\":null}}\n",
                id + 1
            )
        };
        days.iter().enumerate().map(line).collect()
    };
    for (days, expected) in [
        (&["2026-11-20", "2026-11-22"][..], "partition_by = [\"day(sold)\"]"),
        (&["2025-11-20", "2026-11-22"][..], "partition_by = [\"month(sold)\"]"),
        (&["1990-11-20", "2026-11-22"][..], "partition_by = [\"year(sold)\"]"),
    ] {
        let (text, preview) = loaded(sample(days), "sales.jsonl");
        assert!(text.contains(expected), "{text}");
        assert_eq!(preview.tables[0].partitions.len(), 2);
    }
    let (text, _) = loaded(sample(&["2026-11-20", "2026-11-20"]), "sales.jsonl");
    assert!(!text.contains("partition_by"), "{text}");
    let (text, _) = loaded(sample(&["2026-11-20"]), "sales_2026-11-20.jsonl");
    assert!(text.contains("# partition_by = [\"day\"]"), "{text}");
    let (text, _) = loaded("day;n\n21.11.2026;1\n22.11.2026;2\n", "a.csv");
    assert!(text.contains("partition_by = [\"day(day)\"]"), "{text}");
}

/// What no varchar holds loads all the same.
#[test]
fn long_texts_and_envelopes_load() {
    let long = "x".repeat(70_000);
    let (text, preview) = loaded(format!("{{\"id\":1,\"t\":\"{long}\"}}\n{{\"id\":2,\"t\":\"y\"}}\n"), "a.jsonl");
    assert!(line(&text, "t").contains("type = \"json\"") && text.contains("redshift.json = \"super\""), "{text}");
    assert_eq!(preview.tables[0].first[1][1].as_deref(), Some("\"y\""));
    let (text, preview) = loaded(format!("id,t\n1,{long}\n2,y\n"), "a.csv");
    assert!(text.contains("\n# t = { type = \"varchar(65535)\"") && text.contains("left out"), "{text}");
    assert_eq!(preview.tables[0].rows, 2);

    let response = r#"{"data":{"items":[{"id":1,"x":2},{"id":2,"x":3}]},"n":2}"#;
    let (text, preview) = loaded(response, "a.json");
    assert!(text.contains("records = \"data.items[]\"") && text.contains("format = \"json\""), "{text}");
    assert_eq!(preview.records, 2);
    let (text, _) = loaded(response, "a.jsonl");
    assert!(text.contains("format = \"jsonl\""), "{text}");
    let record = r#"{"id":1,"name":"x","place":"y","cores":[{"s":1},{"s":2}]}"#;
    let (text, preview) = loaded(record, "a.json");
    assert!(text.contains("format = \"jsonl\"") && preview.records == 1, "{text}");
}
