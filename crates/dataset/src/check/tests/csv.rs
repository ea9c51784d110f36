//! Delimited files, and what one unreadable place leaves of the rest.

use super::{changed, problems_of};

/// The problems of a csv definition with this in its sections `[source]` and `[tables.t.columns]`.
fn csv(source: &str, columns: &str) -> String {
    problems_of(&format!(
        "name = \"d\"\n[tables.t]\nmode = \"append\"\n[tables.t.columns]\na = {{ type = \"date\" }}\n{columns}\n[source]\nobjects = [\"a_{{day}}\", \"b\"]\nformat = \"csv\"\n{source}\n"
    ))
}

#[test]
fn delimited_text_is_described_byte_by_byte() {
    for (source, columns, expected) in [
        (
            "csv = { delimiter = \"\\t\", quote = \"\", empty_is_null = false }",
            "b = { type = \"date\", from = \"x.y \\\"z\" }",
            "",
        ),
        ("csv.names = [\"a\", \"x\"]", "b = { type = \"date\", from = \"x\" }", ""),
        (
            "csv.delimiter = \"||\"",
            "",
            "10: source.csv.delimiter: must be one ASCII character other than a line end, and is \"||\"",
        ),
        (
            "csv.quote = \"é\"",
            "",
            "10: source.csv.quote: must be one ASCII character other than a line end, and is \"é\"",
        ),
        ("csv = { delimiter = \"'\", quote = \"'\" }", "", "10: source.csv.quote: must differ from the delimiter"),
        ("csv.delimiter = \"\\\"\"", "", "10: source.csv.quote: must differ from the delimiter"),
        (
            "csv.names = [\"a\", \"b\", \"a\", \"\"]",
            "c = { type = \"date\", from = \"\" }\nb_ = { type = \"date\" }",
            "6: tables.t.columns.c.from: source.csv.names has no \"\"\n\
             7: tables.t.columns.b_.from: source.csv.names has no \"b_\"; did you mean \"b\"?\n\
             11: source.csv.names: \"a\" stands here twice\n\
             11: source.csv.names: a name is empty",
        ),
        (
            "csv.names = []",
            "",
            "5: tables.t.columns.a.from: source.csv.names has no \"a\"\n\
             10: source.csv.names: names no fields; leave it out if the files have a header line, or set header = false",
        ),
        ("csv = { escape = \"\\\\\", comment = \"#\" }\nencoding = \"latin-1\"", "", ""),
        ("csv = { names = [\"a\"], header = true }", "", ""),
        (
            "csv.header = false",
            "b = { type = \"date\", from = \"2\" }\nc = { type = \"date\", from = \"02\" }",
            "5: tables.t.columns.a.from: is \"a\", and the files have no header line; write the number of the field, the \
             first being \"1\", or give source.csv.names\n\
             7: tables.t.columns.c.from: is \"02\", and the files have no header line; write the number of the field, the \
             first being \"1\", or give source.csv.names",
        ),
        ("csv = { escape = \",\" }", "", "10: source.csv.escape: must differ from the delimiter"),
        (
            "csv = { escape = \"\\\\\", quote = \"\" }",
            "",
            "10: source.csv.escape: is for what stands in quotes, and quote is empty",
        ),
        ("csv.comment = \"\\\"\"", "", "10: source.csv.comment: must differ from the quote"),
        ("binary = \"text\"", "", "10: source.binary: is only for parquet and avro"),
        ("max_block_bytes = \"1MB\"", "", "10: source.max_block_bytes: is only for parquet and avro"),
        ("records = \"a\"", "", "10: source.records: is not for csv: a line is the record"),
        ("", "b = { type = \"date\", from = \"\" }", "6: tables.t.columns.b.from: is empty"),
        (
            "",
            "b = { type = \"date\", capture = \"day\" }",
            "6: tables.t.columns.b.capture: \"b\" does not capture {day}; every pattern of source.objects must",
        ),
    ] {
        assert_eq!(csv(source, columns), expected, "{source} {columns}");
    }
}

#[test]
fn what_cannot_be_read_is_not_called_unknown() {
    // The column is there, though broken: the key, the hash and the expression that name it are not at fault.
    let broken = "11: tables.t.columns.score: must be a table, and is the text \"double\"";
    let found = changed(
        "at = { type = \"timestamptz\" }\nborn = { type = \"date\" }\nprice = { type = \"decimal(8,2)\" }\nscore = { type = \"double\" }",
        "score = \"double\"\nborn = { type = \"date\" }",
    );
    assert_eq!(found, broken);
    assert_eq!(
        changed("id = { type = \"bigint\", required = true }", "id = [\"bigint\"]"),
        "9: tables.t.columns.id: must be a table, and is a list"
    );
    assert_eq!(
        changed("\"in/*_{day}.json\"", "\"{day\", 5"),
        "3: source.objects: \"{day\" is not a pattern of objects: a { is not closed\n\
         3: source.objects: must be a text in quotes, and is the integer 5"
    );
    // Nothing can be said of keys while the columns are gone.
    let columns = "[tables.t.columns]\nid = { type = \"bigint\", required = true }";
    assert_eq!(
        changed(columns, "[tables.t.column]\nid = { type = \"bigint\", required = true }"),
        "8: tables.t.column: unknown key; did you mean columns?"
    );
}

#[test]
fn a_capture_is_not_missing_where_a_pattern_could_not_be_read() {
    let found =
        changed("objects = [\"in/*_{day}.json\"]\nformat = \"jsonl\"", "objects = [\"{b\"]\nformat = \"jsonl\"");
    assert_eq!(found, "3: source.objects: \"{b\" is not a pattern of objects: a { is not closed");
}

#[test]
fn an_expression_is_no_key_of_rows_that_are_skipped() {
    let text = "name = \"d\"\n[source]\nobjects = [\"a\"]\nformat = \"jsonl\"\n[tables.t]\nmode = \"upsert\"\nkey = [\"k\"]\nrows_without_key = \"skip\"\n[tables.t.columns]\na = { type = \"bigint\" }\nk = { type = \"bigint\", expr = \"a + 1\", required = true }\n";
    assert_eq!(
        problems_of(text),
        "7: tables.t.key: \"k\" is an expression, which is not known yet when rows are skipped; use a field, a capture \
         or a hash, or leave rows_without_key out"
    );
    assert_eq!(problems_of(&text.replace("rows_without_key = \"skip\"\n", "")), "");
}
