//! Syntax, keys and the sections around the tables.

use lakehand_domain::object::ObjectUri;

use super::{GOOD, assert_changes, problems_of};
use crate::check::check_definition;
use crate::dataset::{Origin, RESCUED};
use crate::fingerprint::TransformIdentity;
use crate::problem::DefinitionFile;

#[test]
fn unknown_keys_and_wrong_types_hide_nothing_else() {
    assert_changes(&[
        (
            r#"{ type = "date" }"#,
            r#"{ typ = "date", requierd = true, xyz = 1 }"#,
            "12: tables.t.columns.born.typ: unknown key; did you mean type?\n12: tables.t.columns.born.requierd: unknown key; did you mean required?\n12: tables.t.columns.born.xyz: unknown key; known here: type, from, capture, expr, hash_of, required, default, trim, null_if, extract, map, min, max, matches, one_of, format, zone, min_length, max_length, unique, mask, references, subject",
        ),
        (
            "born = { type = \"date\" }\nprice = { type = \"decimal(8,2)\" }",
            "born = { type = 5, min = \"x\" }\nprice = { type = \"decimal(8,2)\", max = true, from = [\"a\"] }\nx = 3",
            "12: tables.t.columns.born.type: must be a text in quotes, and is the integer 5\n13: tables.t.columns.price.max: \"true\" is not a decimal(8,2)\n13: tables.t.columns.price.from: must be a text in quotes, and is a list\n14: tables.t.columns.x: must be a table, and is the integer 3",
        ),
        (
            r#"format = "jsonl""#,
            "format = \"xml\"\nrecords = 1\nobject = []",
            "4: source.format: must be \"jsonl\" or \"json\" or \"csv\" or \"tsv\" or \"parquet\" or \"avro\", and is the text \"xml\"\n5: source.records: must be a text in quotes, and is the integer 1\n6: source.object: unknown key; did you mean objects?",
        ),
        ("[source]", "[sources]", "2: sources: unknown key; did you mean source?"),
        (r#"name = "d""#, r#"nme = "d""#, "1: nme: unknown key; did you mean name?"),
        (
            "[tables.cores]",
            "[checks.c]\nsql = \"x\"\n[tables.cores]",
            "20: checks.c.sql: is not SQL: expected: SELECT, VALUES, or a subquery in the query body, found: x at Line: 1, Column: 1",
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", references = ["x.y"] }"#,
            "12: tables.t.columns.born.references: must be a text in quotes, and is a list",
        ),
        (
            r#"name = "d""#,
            "name = 3\ndescription = \" \"\nrevision = \"1\"",
            "1: name: must be a text in quotes, and is the integer 3\n2: description: is empty; say what the dataset is, or leave it out\n3: revision: must be an integer, and is the text \"1\"",
        ),
    ]);
}

#[test]
fn broken_syntax_is_told_with_its_line() {
    assert_changes(&[
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date""#,
            "13: tables.t.columns.price: missing comma between key-value pairs, expected `,`\n14: tables.t.columns.score: missing comma between key-value pairs, expected `,`\n15: tables.t.columns.ok: missing comma between key-value pairs, expected `,`\n16: tables.t.columns.more: missing comma between key-value pairs, expected `,`\n17: tables.t.columns.link: missing comma between key-value pairs, expected `,`\n18: tables.t.columns.twice: missing comma between key-value pairs, expected `,`\n19: tables.cores: missing key for inline table element, expected `,`\n20: tables.cores.mode: missing comma between key-value pairs, expected `,`\n21: tables.cores.rows: missing comma between key-value pairs, expected `,`\n22: tables.cores.columns.serial: missing comma between key-value pairs, expected `,`",
        ),
        (
            r#"{ type = "date" }"#,
            "{ type = date }",
            "12: tables.t.columns.born: string values must be quoted, expected literal string",
        ),
        (r#"key = ["id"]"#, "key = [\"id\"]\nkey = [\"id\"]", "8: tables.t.key: duplicate key"),
        ("[tables.t]", "[tables.t", "5: tables.t: unclosed table, expected `]`"),
        (
            "{ type = \"date\" }\nprice = { type = \"decimal(8,2)\" }",
            "{ type = date }\nprice = { type = decimal(8,2), mni = 3 }\nz = { tpye = \"date\" }",
            "12: tables.t.columns.born: string values must be quoted, expected literal string\n13: tables.t.columns.price: string values must be quoted, expected literal string\n14: tables.t.columns.z.tpye: unknown key; did you mean type?",
        ),
    ]);
}

#[test]
fn sources_are_checked() {
    assert_changes(&[
        (r#"["in/*_{day}.json"]"#, "[]", "3: source.objects: names no objects"),
        (
            r#"["in/*_{day}.json"]"#,
            r#"["a/", "{b", "c", "c"]"#,
            "3: source.objects: \"a/\" is not a pattern of objects: it ends with a slash and so names no object; for all objects below it, end it with **\n3: source.objects: \"{b\" is not a pattern of objects: a { is not closed\n3: source.objects: \"c\" stands here twice",
        ),
        (r#""jsonl""#, "\"jsonl\"\nrecords = \"a.b\"", ""),
        (
            r#""jsonl""#,
            "\"jsonl\"\nrecords = \"$.a\"",
            "5: source.records: must be a path from the document, such as data, a.b or, for json, data.items[]",
        ),
        (
            r#""jsonl""#,
            "\"jsonl\"\nrecords = \"a..b\"",
            r#"5: source.records: "a..b" is not a path such as a.b.c: a key is empty"#,
        ),
        (r#""jsonl""#, "\"json\"\nrecords = \"data.items[].record\"\nencoding = \"utf-16le\"", ""),
        (r#""jsonl""#, "\"json\"\nrecords = \"[]\"", ""),
        (r#""jsonl""#, "\"avro\"\nrecords = \"a\"\nbinary = \"text\"\nmax_block_bytes = \"2GiB\"", ""),
        (
            r#""jsonl""#,
            "\"jsonl\"\nrecords = \"a[]\"",
            r#"5: source.records: names the elements of a list, which only json has; leave the [] out, or set format = "json" if the records are elements of one list"#,
        ),
        (
            r#""jsonl""#,
            "\"json\"\nrecords = \"a[].b[]\"",
            "5: source.records: must be a path from the document, such as data, a.b or, for json, data.items[]",
        ),
        (
            r#""jsonl""#,
            "\"parquet\"\nencoding = \"utf-8\"",
            "5: source.encoding: is for text; parquet and avro say themselves how text is encoded",
        ),
        (r#""jsonl""#, "\"jsonl\"\nafter_load = \"archive:s3://archive/done\"", ""),
        (
            r#""jsonl""#,
            "\"jsonl\"\nafter_load = \"archive:done\"",
            r#"5: source.after_load: "done" is not an object URI such as s3://bucket/key or file:///folder/file"#,
        ),
        (
            r#""jsonl""#,
            "\"jsonl\"\nafter_load = \"archive:file:///done\"",
            r#"5: source.after_load: "in/*_{day}.json" is in another kind of store than the archive file:///done"#,
        ),
        (r#""jsonl""#, "\"jsonl\"\nafter_load = \"tag\"", ""),
        (r#""jsonl""#, "\"jsonl\"\nafter_load = \"tag:team data=loaded by lakehand\"", ""),
        (
            r#""jsonl""#,
            "\"jsonl\"\nafter_load = \"tag:aws:x=y\"",
            r#"5: source.after_load: must be tag:KEY=VALUE with a key of 1 to 128 and a value of up to 256 letters, digits, blanks and + - . _ : / @, and is "tag:aws:x=y""#,
        ),
        (
            r#""jsonl""#,
            "\"jsonl\"\nafter_load = \"move\"",
            r#"5: source.after_load: must be "keep", "delete", "archive:URI", "tag" or "tag:KEY=VALUE", and is "move""#,
        ),
        (
            "objects = [\"in/*_{day}.json\"]\nformat = \"jsonl\"",
            "objects = [\"file:///in/*_{day}.json\"]\nformat = \"jsonl\"\nafter_load = \"tag\"",
            r#"5: source.after_load: files have no tags: use "keep", "delete" or "archive:URI""#,
        ),
        (
            r#""jsonl""#,
            "\"jsonl\"\non_rewrite = \"keep\"",
            r#"5: source.on_rewrite: must be "replace" or "append" or "ignore", and is the text "keep""#,
        ),
        (r#""jsonl""#, "\"jsonl\"\nmax_line_bytes = \"64 MB\"\nmax_expanded_bytes = 1000\nmax_expansion = 10", ""),
        (
            r#""jsonl""#,
            "\"jsonl\"\nmax_line_bytes = \"64 mb\"\nmax_expanded_bytes = 0\nmax_expansion = 0",
            "5: source.max_line_bytes: must be a size such as \"64MB\" (kB, MB, GB, KiB, MiB, GiB) or a number of bytes, and is the text \"64 mb\"\n6: source.max_expanded_bytes: must be a size such as \"64MB\" (kB, MB, GB, KiB, MiB, GiB) or a number of bytes, and is the integer 0\n7: source.max_expansion: must be from 1 to 4294967295, and is 0",
        ),
        (
            r#""jsonl""#,
            "\"jsonl\"\nmax_line_bytes = \"2GB\"",
            "5: source.max_line_bytes: must be at most 1GiB: a line is held in memory whole",
        ),
        (
            r#""jsonl""#,
            "\"jsonl\"\ncsv.delimiter = \";\"",
            r#"5: source.csv: is only for csv and tsv, and format is another; remove it, or set format = "csv""#,
        ),
        (
            "[tables.t]",
            "[quality]\nmax_rejects = \"five\"\nunknown_fields = \"keep\"\nmax_partitions = 0\n[encoding]\nzstd_level = 20\nrow_group_rows = 0\npart_bytes = \"1 TB\"\n[tables.t]",
            "6: quality.max_rejects: must be a share from \"0%\" to \"100%\" with at most two decimals, a number of records, or both as in [\"5%\", 1000], and is the text \"five\"\n7: quality.unknown_fields: must be \"ignore\" or \"reject\" or \"rescue\", and is the text \"keep\"\n8: quality.max_partitions: must be from 1 to 100000, and is 0\n10: encoding.zstd_level: must be from 1 to 19, and is 20\n11: encoding.row_group_rows: must be from 1 to 10000000, and is 0",
        ),
    ]);
}

/// Where unknown fields are rescued, each table has one column more, the last.
#[test]
fn rescued_fields_have_a_column() {
    let rescuing = GOOD.replacen("[tables.t]", "[quality]\nunknown_fields = \"rescue\"\n[tables.t]", 1);
    let file = DefinitionFile { path: "d.toml".to_owned(), text: rescuing.clone() };
    let landing = ObjectUri::parse("s3://landing").unwrap();
    let dataset = check_definition(&file, &landing, &TransformIdentity("t".to_owned())).unwrap();
    for table in &dataset.tables {
        let last = table.shape.columns.last().unwrap();
        assert_eq!(
            (last.name.as_str(), last.column_type.to_string().as_str(), last.required),
            (RESCUED, "json", false)
        );
        assert_eq!(table.columns.last().unwrap().origin, Origin::Rescued);
        assert_eq!(table.columns.len(), table.shape.columns.len());
    }
    let all_of_lists =
        rescuing.replacen("mode = \"upsert\"\nkey = [\"id\"]", "mode = \"append\"\nrows = \"list[]\"", 1);
    assert_eq!(
        problems_of(&all_of_lists),
        "6: quality.unknown_fields: every table is made of list elements, and what the record has beside them would be kept \
         nowhere; add a table without rows, name the list in source.records, or use \"ignore\""
    );
}
