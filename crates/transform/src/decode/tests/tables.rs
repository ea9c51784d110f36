//! Several tables from one record: lists, keys, hashes, captures.

use std::collections::BTreeMap;

use bytes::Bytes;
use lakehand_dataset::dataset::{ColumnRef, Dataset, Origin, Table, UnknownFields};
use lakehand_dataset::path::FieldPath;
use lakehand_dataset::transformer::{Content, TransformError};
use lakehand_domain::shape::Contest;

use super::fixture::{Decoded, column, csv, decode, decode_content, jsonl, plan, table, unreadable};
use crate::decode::Plan;
use crate::mask::MaskKeys;

fn hash_of(inputs: &[(usize, usize)]) -> Origin {
    Origin::Hash(inputs.iter().map(|&(table, column)| ColumnRef { table, column }).collect())
}

fn keyed(mut table: Table, key: &str) -> Table {
    table.shape.contest = Contest::Upsert { key: vec![key.to_owned()], version: None };
    table.skip_without_key = true;
    table
}

fn with_capture(dataset: &Dataset, text: &str, value: &str) -> Result<Decoded, TransformError> {
    let captures = BTreeMap::from([("day".to_owned(), value.to_owned())]);
    decode_content(dataset, &Content::Bytes(Bytes::copy_from_slice(text.as_bytes())), &captures, 1 << 20)
}

/// The record may sit inside the document.
#[test]
fn records_sit_where_the_definition_says() {
    let mut dataset = jsonl(vec![table("t", None, vec![column("id bigint"), column("city varchar(9) a.city")])]);
    dataset.source.records = Some(FieldPath::parse("data.record").unwrap());
    let text = concat!(
        r#"{"meta":{"id":5},"data":{"record":{"id":1,"a":{"city":"Berlin"}},"more":[]},"id":6}"#,
        "\n",
        r#"{"meta":1}"#,
        "\n",
        r#"{"data":null}"#,
        "\n",
        r#"{"data":{"record":[1]}}"#,
        "\n",
        r#"{"data":{"record":null}}"#,
        "\n",
        r#"{"data":{"record":{"id":2},"record":{"id":3}}}"#,
        "\n",
        r#"{"data":7}"#,
        "\n"
    );
    let decoded = decode(&dataset, text);
    assert_eq!(decoded.rows(), ["1|Berlin"]);
    assert_eq!(
        decoded.rules(),
        [
            "2 type data.record",
            "3 type data.record",
            "4 type data.record",
            "5 type data.record",
            "6 duplicate_key data.record",
            "7 type data"
        ]
    );
}

/// One record, three tables; a record is taken whole or not at all.
#[test]
fn lists_become_rows() {
    let dataset = jsonl(vec![
        table("launch", None, vec![column("id varchar(9)"), column("all json cores")]),
        table(
            "cores",
            Some("cores"),
            vec![
                column("launch varchar(9) $.id").required(),
                column("serial varchar(9) core.serial").required(),
                column("flight integer"),
            ],
        ),
        table("ships", Some("a.ships"), vec![column("ship varchar(9) @"), column("launch varchar(9) $.id")]),
    ]);
    let text = concat!(
        r#"{"id":"a","cores":[{"core":{"serial":"B1"},"flight":3},{"flight":null,"core":{"serial":"B2"}}],"a":{"ships":["x",null,5]}}"#,
        "\n",
        r#"{"id":"b"}"#,
        "\n",
        r#"{"id":"c","cores":null,"a":{"ships":[]}}"#,
        "\n",
        r#"{"id":"d","cores":[{"core":{"serial":"B1"}},{"core":{}}],"a":{"ships":["lost"]}}"#,
        "\n",
        r#"{"id":"e","cores":{"core":1}}"#,
        "\n",
        r#"{"id":"f","cores":"x"}"#,
        "\n",
        r#"{"id":"g","cores":[1]}"#,
        "\n",
        r#"{"id":"h","cores":[{"flight":1,"flight":2}]}"#,
        "\n",
        r#"{"id":"i","cores":[],"cores":[]}"#,
        "\n",
        r#"{"cores":[]}"#,
        "\n",
        r#"{"cores":[{"core":{"serial":"B9"}}]}"#,
        "\n",
        r#"{"id":"l","cores":[{"core":{"serial":"B7"}}]}"#
    );
    let decoded = decode(&dataset, text);
    let row = |line: u64, element: i32, values: &[&str]| {
        (line, element, values.iter().map(|&value| value.to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(decoded.tables[0].iter().map(|row| row.2[0].as_str()).collect::<Vec<_>>(), ["a", "b", "c", "NULL", "l"]);
    assert_eq!(decoded.tables[0][4].2[1], r#"[{"core":{"serial":"B7"}}]"#);
    assert_eq!(
        decoded.tables[1],
        [row(1, 1, &["a", "B1", "3"]), row(1, 2, &["a", "B2", "NULL"]), row(12, 1, &["l", "B7", "NULL"])]
    );
    assert_eq!(decoded.tables[2], [row(1, 1, &["x", "a"]), row(1, 2, &["NULL", "a"]), row(1, 3, &["5", "a"])]);
    assert_eq!(
        decoded.rules(),
        [
            "4 required cores.serial",
            "5 type cores",
            "6 type cores",
            "7 type cores[]",
            "8 duplicate_key cores[].flight",
            "9 duplicate_key cores",
            "11 required cores.launch"
        ]
    );
}

/// The same list may make several tables, and elements may hold what is taken whole.
#[test]
fn a_list_may_make_two_tables() {
    let dataset = jsonl(vec![
        table("one", Some("l"), vec![column("v integer a")]),
        table("two", Some("l"), vec![column("whole json @"), column("v integer a")]),
    ]);
    let decoded = decode(&dataset, "{\"l\":[{\"a\":1},{\"a\": 2 }]}\n{\"l\":[{\"a\":\"x\"}]}");
    assert_eq!(decoded.rows(), ["1", "2"]);
    assert_eq!(
        decoded.tables[1].iter().map(|row| row.2.join("|")).collect::<Vec<_>>(),
        ["{\"a\":1}|1", "{\"a\": 2 }|2"]
    );
    assert_eq!(decoded.rules(), ["2 type one.v"]);
}

/// Keys made by hashing tie tables together; a table whose key is null has no row.
#[test]
fn hashes_tie_tables() {
    let address = || {
        vec![
            column("id bigint").required().from(hash_of(&[(1, 1), (1, 2)])),
            column("postcode varchar(9) a.postcode"),
            column("quarter varchar(90) a.quarter"),
            column("area decimal(8,2) a.area").required(),
        ]
    };
    let flats = table(
        "flats",
        None,
        vec![
            column("id bigint"),
            column("address_id bigint").from(hash_of(&[(1, 1), (1, 2)])),
            column("text varchar(32)").from(hash_of(&[(0, 0)])),
        ],
    );
    let dataset = jsonl(vec![flats, keyed(table("address", None, address()), "id")]);
    let text = concat!(
        r#"{"id":1,"a":{"postcode":"10115","quarter":"Mitte","area":1.5}}"#,
        "\n",
        r#"{"id":2,"a":{"quarter":"Mitte","postcode":"10\u0031\u00315","area":1.50}}"#,
        "\n",
        r#"{"a":{"area":"not a number, and no matter"}}"#,
        "\n",
        r#"{"id":4,"a":{"postcode":"10115"}}"#,
        "\n",
        r#"{"id":5,"a":{"postcode":[]}}"#,
        "\n"
    );
    let decoded = decode(&dataset, text);
    let (flats, addresses) = (&decoded.tables[0], &decoded.tables[1]);
    assert_eq!(flats.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(flats[0].2[1], flats[1].2[1], "the value counts and not how it is escaped");
    assert_eq!((flats[2].2[1].as_str(), flats[2].2[2].as_str()), ("NULL", "NULL"));
    assert_eq!(flats[0].2[2].len(), 32);
    assert_ne!(flats[0].2[2], flats[1].2[2]);
    assert_eq!(addresses.iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(addresses[0].2[0], flats[0].2[1]);
    assert_eq!(addresses[0].2, addresses[1].2);
    assert_eq!(decoded.rules(), ["4 required address.area", "5 type address.postcode"]);
}

/// Elements hash what is theirs and what is the record's, and are left out without a key.
#[test]
fn elements_have_keys() {
    let items = vec![
        column("id varchar(40)").required().from(hash_of(&[(0, 1)])),
        column("sku varchar(9)"),
        column("both bigint").from(hash_of(&[(0, 1), (0, 3)])),
        column("shop varchar(9) $.shop"),
        column("amount integer").required(),
    ];
    let dataset = jsonl(vec![keyed(table("items", Some("items"), items), "id")]);
    let decoded = decode(
        &dataset,
        "{\"shop\":\"s\",\"items\":[{\"sku\":\"a\",\"amount\":1},{\"amount\":null},{\"sku\":\"a\",\"amount\":2}]}\n\
         {\"shop\":\"r\",\"items\":[{\"sku\":\"a\",\"amount\":1}]}\n{\"items\":[{\"sku\":\"b\"}]}",
    );
    let rows = &decoded.tables[0];
    assert_eq!(rows.iter().map(|row| (row.0, row.1)).collect::<Vec<_>>(), [(1, 1), (1, 3), (2, 1)]);
    assert_eq!(rows[0].2[0], rows[2].2[0]);
    assert_eq!(rows[0].2[2], rows[1].2[2]);
    assert_ne!(rows[0].2[2], rows[2].2[2]);
    assert_eq!(decoded.rules(), ["3 required items.amount"]);
}

#[test]
fn captures_are_typed_once() {
    let capture = || column("day date").from(Origin::Capture("day".to_owned())).required();
    let dataset = jsonl(vec![
        table("t", None, vec![capture().with(|rules| rules.format = Some("%Y_%m_%d".to_owned())), column("id bigint")]),
        table(
            "l",
            Some("l"),
            vec![column("v integer @"), column("day varchar(10)").from(Origin::Capture("day".into()))],
        ),
    ]);
    let decoded = with_capture(&dataset, "{\"id\":1,\"l\":[7]}\n{\"id\":2}", "1970_01_03").unwrap();
    assert_eq!(decoded.rows(), ["2|1", "2|2"]);
    assert_eq!(decoded.tables[1][0].2, ["7", "1970_01_03"]);
    let message = unreadable(with_capture(&dataset, "{}", "1970_02_30"));
    assert!(message.contains("{day} is \"1970_02_30\", which as t.day does not exist"), "{message}");
    assert!(matches!(
        Plan::compile(&dataset, &BTreeMap::new(), &MaskKeys::default()),
        Err(TransformError::Engine { .. })
    ));

    let csv = csv(b',', vec![table("t", None, vec![column("a integer"), capture()])]);
    assert_eq!(with_capture(&csv, "a\n1\n", "1970-01-02").unwrap().rows(), ["1|1"]);
}

#[test]
fn expressions_are_left_to_others() {
    let dataset = jsonl(vec![table(
        "t",
        None,
        vec![column("a integer"), column("b integer").from(Origin::Expression("a + 1".into())).required()],
    )]);
    assert_eq!(decode(&dataset, "{\"a\":1}").rows(), ["1|-"]);
}

#[test]
fn unknown_fields_are_named() {
    let mut dataset = jsonl(vec![
        table("t", None, vec![column("id bigint"), column("city varchar(9) a.city"), column("j json")]),
        table("l", Some("list"), vec![column("v integer")]),
    ]);
    dataset.source.records = Some(FieldPath::parse("data").unwrap());
    dataset.quality.unknown_fields = UnknownFields::Reject;
    let lines = [
        (r#"{"wrapper":1,"data":{"id":1,"a":{"city":"x"},"j":{"any":[{"thing":1}]},"list":[{"v":1}]}}"#, None),
        (r#"{"data":{"id":1,"idd":2}}"#, Some("idd")),
        (r#"{"data":{"a":{"town":1}}}"#, Some("a.town")),
        (r#"{"data":{"list":[{"v":1},{"w":1}]}}"#, Some("list[].w")),
        (r#"{"data":{"a":{}}}"#, None),
    ];
    for (line, unknown) in lines {
        let decoded = decode(&dataset, line);
        let expected: Vec<String> = unknown.iter().map(|path| format!("1 unknown_field {path}")).collect();
        assert_eq!(decoded.rules(), expected, "{line}");
    }
}

/// What a check should have refused is a defect, and not the file's fault.
#[test]
fn defects_of_a_definition_are_no_fault_of_files() {
    let bad = [
        table("t", None, vec![column("a integer").with(|rules| rules.default = Some("x".into()))]),
        table("t", None, vec![column("a integer").with(|rules| rules.matches = Some("(".into()))]),
        table("t", None, vec![column("a timestamptz").with(|rules| rules.zone = Some("Mars/Olympus".into()))]),
        table("t", None, vec![column("a date").with(|rules| rules.format = Some("%Q".into()))]),
        table("t", None, vec![column("a integer").from(hash_of(&[(0, 0)]))]),
        table("t", None, vec![column("a bigint").from(hash_of(&[(3, 0)]))]),
        table("t", None, vec![column("b varchar(8)").from(hash_of(&[(0, 1)])), column("c integer")]),
    ];
    for table in bad {
        let compiled = Plan::compile(&jsonl(vec![table.clone()]), &BTreeMap::new(), &MaskKeys::default());
        assert!(matches!(compiled, Err(TransformError::Engine { .. })), "{table:?}");
    }
    let _ = plan(&jsonl(vec![]));
    assert!(
        Plan::compile(&csv(b',', vec![table("t", Some("l"), vec![])]), &BTreeMap::new(), &MaskKeys::default()).is_err()
    );
}

/// An element without a key gives no row, though it always has the part of its key that is the record's.
#[test]
fn elements_without_a_key_of_their_own_give_no_row() {
    let mut cores =
        table("cores", Some("cores"), vec![column("core varchar(9)"), column("launch varchar(9) $.id").required()]);
    cores.shape.contest = Contest::Upsert { key: vec!["core".to_owned(), "launch".to_owned()], version: None };
    cores.shape.columns.iter_mut().for_each(|column| column.required = true);
    cores.skip_without_key = true;
    let dataset = jsonl(vec![table("launch", None, vec![column("id varchar(9)")]), cores]);
    let text = concat!(
        r#"{"id":"a","cores":[{"core":"x"},{"core":null},{"core":"y"}]}"#,
        "\n",
        r#"{"id":"b","cores":[{"core":null}]}"#,
        "\n",
        r#"{"cores":[{"core":"z"}]}"#,
        "\n",
        r#"{"cores":[{"core":null}]}"#,
        "\n",
    );
    let decoded = decode(&dataset, text);
    let cores: Vec<_> = decoded.tables[1].iter().map(|(_, element, values)| (*element, values.join("|"))).collect();
    assert_eq!(cores, [(1, "x|a".to_owned()), (3, "y|a".to_owned())]);
    assert_eq!(decoded.rules(), ["3 required cores.launch"]);
    assert_eq!(decoded.rows(), ["a", "b", "NULL"]);
}
