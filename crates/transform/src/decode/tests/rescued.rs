//! What no column declares is kept, where the definition says so, and nothing else is kept with it.

use lakehand_dataset::dataset::{Dataset, Mask, Table, UnknownFields};
use lakehand_dataset::path::FieldPath;

use super::fixture::{column, csv, decode, decode_in, jsonl, one, table, unreadable};

/// The same dataset, its unknown fields rescued.
fn rescuing(mut dataset: Dataset) -> Dataset {
    dataset.quality.unknown_fields = UnknownFields::Rescue;
    dataset.tables = dataset.tables.into_iter().map(Table::with_rescued).collect();
    dataset
}

/// The last value of each row of a table.
fn rescued(dataset: &Dataset, text: &str, table: usize) -> Vec<String> {
    let decoded = decode(dataset, text);
    assert_eq!(decoded.rules(), [""; 0], "{text}");
    decoded.tables[table].iter().map(|(_, _, values)| values.last().unwrap().clone()).collect()
}

#[test]
fn fields_are_kept_where_they_stood() {
    let dataset = rescuing(jsonl(vec![table(
        "t",
        None,
        vec![column("id bigint"), column("city varchar(9) a.b.city"), column("whole json"), column("x json whole.x")],
    )]));
    for (line, expected) in [
        (r#"{"id":1}"#, "NULL"),
        (r#"{"id":1,"a":{"b":{"city":"x"}},"whole":{"any":1,"x":{"y":2}}}"#, "NULL"),
        (r#"{"u":1.50,"id":1,"v":null}"#, r#"{"u":1.50,"v":null}"#),
        (r#"{ "id" : 1 , "u" : [ 1, {"k":"ä\n"} ] }"#, r#"{"u" :[ 1, {"k":"ä\n"} ]}"#),
        (r#"{"a":{"b":{"city":"x","zip":7},"c":{}},"d":true}"#, r#"{"a":{"b":{"zip":7},"c":{}},"d":true}"#),
        (r#"{"d":1,"a":{"b":{"city":null}},"e":2}"#, r#"{"d":1,"e":2}"#),
        (r#"{"a":{"b":null,"c":{"a":{"b":1}}}}"#, r#"{"a":{"c":{"a":{"b":1}}}}"#),
        (r#"{"whole":{"x":{"a":1}},"ID":2}"#, r#"{"ID":2}"#),
    ] {
        assert_eq!(rescued(&dataset, line, 0), [expected], "{line}");
    }
    // What one record has is not the next one's, over a block and more.
    let line = |id: u32| {
        let more = if id.is_multiple_of(3) { format!(",\"u{id}\":\"\\u00e4{id}\"") } else { String::new() };
        format!("{{\"id\":{id}{more}}}\n")
    };
    let lines: String = (0..300).map(line).collect();
    let expected: Vec<_> = (0..300)
        .map(|id| if id % 3 == 0 { format!("{{\"u{id}\":\"\\u00e4{id}\"}}") } else { "NULL".to_owned() })
        .collect();
    assert_eq!(rescued(&dataset, &lines, 0), expected);
}

/// What means two things, or nothing, is no more kept than it is in a json column.
#[test]
fn what_cannot_be_kept_as_json_rejects() {
    let dataset = rescuing(jsonl(one(&["id bigint"])));
    let text = concat!(
        "{\"u\":1,\"u\":2}\n",
        "{\"u\":1,\"\\u0075\":2}\n",
        "{\"u\":{\"k\":1,\"k\":1}}\n",
        "{\"u\":\"\\ud800\"}\n",
        "{\"id\":1,\"u\":2}\n",
        "{\"id\":1,\"u\":02}\n",
        "{\"id\":x,\"u\":2}\n",
    );
    let decoded = decode(&dataset, text);
    assert_eq!(
        decoded.rules(),
        [
            "1 duplicate_key t._rescued",
            "2 duplicate_key t._rescued",
            "3 duplicate_key t._rescued",
            "4 utf8 t._rescued",
            "6 syntax -",
            "7 syntax -"
        ]
    );
    assert_eq!(decoded.rejects[0].value.as_deref(), Some(r#"{"u":1,"u":2}"#));
    assert_eq!(decoded.rows(), [r#"1|{"u":2}"#]);
}

/// Each table has what is unknown of its own rows: of the record, or of the element.
#[test]
fn elements_keep_what_is_theirs() {
    let mut dataset = rescuing(jsonl(vec![
        table("t", None, vec![column("id bigint")]),
        table("l", Some("a.list"), vec![column("v integer"), column("id bigint $.id")]),
        table("m", Some("a.list"), vec![column("w integer")]),
    ]));
    dataset.source.records = Some(FieldPath::parse("data").unwrap());
    let line = concat!(
        r#"{"wrapper":1,"data":{"id":1,"a":{"n":1,"list":[{"v":1},{"v":2,"x":{"y":1}},{"w":3,"z":[]}],"o":2},"p":3}}"#,
        "\n",
        r#"{"data":{"a":{"list":[{"q":1}]}}}"#,
    );
    assert_eq!(rescued(&dataset, line, 0), [r#"{"a":{"n":1,"o":2},"p":3}"#, "NULL"]);
    assert_eq!(rescued(&dataset, line, 1), ["NULL", r#"{"x":{"y":1}}"#, r#"{"z":[]}"#, r#"{"q":1}"#]);
    assert_eq!(rescued(&dataset, line, 1), rescued(&dataset, line, 2));
}

#[test]
fn what_is_masked_is_not_kept() {
    let dataset = rescuing(jsonl(vec![table(
        "t",
        None,
        vec![
            column("email varchar(64) c.email").with(|rules| rules.mask = Some(Mask::Sha256)),
            column("phone varchar(9) c.phone").with(|rules| rules.mask = Some(Mask::Drop)),
            column("id bigint"),
        ],
    )]));
    let line = r#"{"id":1,"c":{"email":"secret@a.b","phone":"secret","fax":"7"}}"#;
    assert_eq!(rescued(&dataset, line, 0), [r#"{"c":{"fax":"7"}}"#]);
    let refused = decode(&dataset, r#"{"id":1,"c":{"email":"secret@a.b","phone":"secret","u":1,"u":2}}"#);
    assert_eq!(refused.rules(), ["1 duplicate_key t._rescued"]);
    assert!(!format!("{:?}", refused.rejects).contains("secret"), "{:?}", refused.rejects);
}

#[test]
fn fields_of_delimited_text_are_kept_by_name() {
    let dataset = rescuing(csv(
        b';',
        vec![
            table("t", None, vec![column("id bigint"), column("b varchar(9)")]),
            table("s", None, vec![column("c varchar(9)")]),
        ],
    ));
    let text = "u;id;\"größe \"\"m\"\"\";b;c\r\n1;2;\"a \"\"b\"\";\r\n\";x;y\r\n;3;;x;y\r\n\"\";4;ä\\;x;y\r\n";
    let expected = [r#"{"u":"1","größe \"m\"":"a \"b\";\r\n"}"#, "NULL", r#"{"u":"","größe \"m\"":"ä\\"}"#];
    for (table, first) in ["2", "y"].iter().enumerate() {
        assert_eq!(rescued(&dataset, text, table), expected);
        assert_eq!(decode(&dataset, text).tables[table][0].2[0], *first);
    }
    let decoded = decode(&dataset, "id;b;c;u\n1;2;3;4;5\n1;2;3;\"4\n");
    assert_eq!(decoded.rules(), ["2 ragged -", "3 syntax -"]);
    let message = unreadable(decode_in(&dataset, b"id;b;c;u;u\n1;2;3;4;5\n", 100));
    assert!(message.contains("has the column \"u\" more than once"), "{message}");
    assert_eq!(rescued(&dataset, "id;b;c\n1;2;3\n", 0), ["NULL"]);
}
