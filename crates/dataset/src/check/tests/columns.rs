//! Types, origins and rules of columns.

use super::assert_changes;

#[test]
fn types_are_checked_and_suggested() {
    assert_changes(&[
        (r#""date""#, r#""dat""#, r#"12: tables.t.columns.born.type: "dat" is not a type; did you mean date?"#),
        (r#""date""#, r#""timestamptz ""#, ""),
        (
            r#""date""#,
            r#""int""#,
            r#"12: tables.t.columns.born.type: "int" is not a type; did you mean integer, or bigint where numbers may be above 2,147,483,647?"#,
        ),
        (
            r#""date""#,
            r#""string""#,
            r#"12: tables.t.columns.born.type: "string" is not a type; did you mean varchar(n), n in bytes, at most 65535?"#,
        ),
        (
            r#""decimal(8,2)""#,
            r#""decimal(8,9)""#,
            r#"13: tables.t.columns.price.type: "decimal(8,9)" is not a type; decimal(p,s) takes p from 1 to 38 and s from 0 to p"#,
        ),
        (
            r#""varchar(20)""#,
            r#""varchar""#,
            r#"10: tables.t.columns.name.type: "varchar" is not a type; did you mean varchar(n), n in bytes, at most 65535?"#,
        ),
        (
            r#""varchar(20)""#,
            r#""varchar(70000)""#,
            r#"10: tables.t.columns.name.type: "varchar(70000)" is not a type; varchar(n) takes n from 1 to 65535 bytes"#,
        ),
        (
            r#""date""#,
            r#""blob""#,
            r#"12: tables.t.columns.born.type: "blob" is not a type: use boolean, smallint, integer, bigint, real, double, decimal(p,s), varchar(n), date, timestamp, timestamptz or json"#,
        ),
        (r#""date""#, "3", "12: tables.t.columns.born.type: must be a text in quotes, and is the integer 3"),
        (r#"{ type = "date" }"#, r#"{ from = "b" }"#, "12: tables.t.columns.born.type: is missing"),
        (r#"{ type = "date" }"#, r#""date""#, r#"12: tables.t.columns.born: must be a table, and is the text "date""#),
    ]);
}

#[test]
fn a_column_has_one_origin() {
    assert_changes(&[
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", from = "a", capture = "day" }"#,
            "12: tables.t.columns.born: has 2 origins: from, capture; keep one of them",
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", from = "a..b" }"#,
            r#"12: tables.t.columns.born.from: "a..b" is not a path such as a.b.c: a key is empty"#,
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", from = "@" }"#,
            r#"12: tables.t.columns.born.from: @ is the element of a list, and this table has no rows = "list[]""#,
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", from = "$.a" }"#,
            r#"12: tables.t.columns.born.from: $. is only for tables with rows; every path here is from the record; write "a""#,
        ),
        (r#"{ type = "date" }"#, r#"{ type = "date", from = "name" }"#, ""),
        (
            r#"columns.serial = { type = "varchar(20)" }"#,
            "columns.serial = { type = \"varchar(20)\", from = \"@\" }\ncolumns.id = { type = \"bigint\", from = \"$.id\" }",
            "",
        ),
        (r#"{ type = "date" }"#, r#"{ type = "date", capture = "day" }"#, ""),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", capture = "days" }"#,
            r#"12: tables.t.columns.born.capture: "in/*_{day}.json" does not capture {days}; did you mean day?"#,
        ),
        (
            r#"{ type = "json" }"#,
            r#"{ type = "json", capture = "day" }"#,
            "16: tables.t.columns.more.capture: a part of a name is no json; use varchar(n)",
        ),
        ("{day}", "{date}", ""),
    ]);
}

#[test]
fn hashes_are_of_fields_that_exist() {
    assert_changes(&[
        (
            r#"["name", "born"]"#,
            r#"["name", "bron"]"#,
            r#"17: tables.t.columns.link.hash_of: there is no column "bron" in table "t"; did you mean born?"#,
        ),
        (r#"["name", "born"]"#, "[]", "17: tables.t.columns.link.hash_of: names no columns"),
        (
            r#"["name", "born"]"#,
            r#"["name", "name"]"#,
            r#"17: tables.t.columns.link.hash_of: "name" stands here twice"#,
        ),
        (
            r#"["name", "born"]"#,
            r#"["twice"]"#,
            r#"17: tables.t.columns.link.hash_of: "twice" is an expression, and hashes are made before those"#,
        ),
        (
            r#"["name", "born"]"#,
            r#"["link"]"#,
            r#"17: tables.t.columns.link.hash_of: "link" is a hash itself; name the columns it is made of"#,
        ),
        (
            r#"["name", "born"]"#,
            r#"["cores.serial"]"#,
            r#"17: tables.t.columns.link.hash_of: "cores" has many rows a record, so that "cores.serial" is no single value"#,
        ),
        (
            r#"["name", "born"]"#,
            r#"["core.serial"]"#,
            r#"17: tables.t.columns.link.hash_of: there is no table "core"; did you mean cores?"#,
        ),
        (
            r#"columns.serial = { type = "varchar(20)" }"#,
            r#"columns.serial = { type = "varchar(32)", hash_of = ["t.name", "t.nam"] }"#,
            r#"22: tables.cores.columns.serial.hash_of: there is no column "nam" in table "t"; did you mean name?"#,
        ),
        (
            r#""bigint", hash_of"#,
            r#""varchar(31)", hash_of"#,
            "17: tables.t.columns.link.hash_of: a hash is a bigint, or a varchar(32) or longer, not varchar(31)",
        ),
        (r#""bigint", hash_of"#, r#""varchar(32)", hash_of"#, ""),
        (
            r#""bigint", hash_of"#,
            r#""integer", hash_of"#,
            "17: tables.t.columns.link.hash_of: a hash is a bigint, or a varchar(32) or longer, not integer",
        ),
        (
            r#""bigint", hash_of"#,
            r#""bigint", trim = true, min = 1, default = 2, hash_of"#,
            "17: tables.t.columns.link.trim: is not for hashes\n17: tables.t.columns.link.min: is not for hashes\n17: tables.t.columns.link.default: is not for hashes",
        ),
    ]);
}

#[test]
fn rules_fit_the_type() {
    assert_changes(&[
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", trim = true, null_if = ["-", 0, 1.50, true, 2024-01-01], min = 2020-01-01, max = "2030-01-01", one_of = [2024-01-01], default = 2024-01-01 }"#,
            "",
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", min = 2030-01-01, max = 2020-01-01 }"#,
            "12: tables.t.columns.born.min: 2030-01-01 is above max, 2020-01-01: no value could pass",
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", default = "yesterday" }"#,
            r#"12: tables.t.columns.born.default: "yesterday" is not a date: write it as 2026-11-21"#,
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", default = 1999-01-01, min = 2000-01-01, one_of = [2001-01-01] }"#,
            "12: tables.t.columns.born.default: 1999-01-01 is outside min and max, so that it would be rejected\n12: tables.t.columns.born.default: \"1999-01-01\" is none of one_of, so that it would be rejected",
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", one_of = [] }"#,
            "12: tables.t.columns.born.one_of: is empty, so that every value would be rejected",
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", matches = "^2" }"#,
            "12: tables.t.columns.born.matches: is only for varchar; this column is date",
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", zone = "Europe/Berlin" }"#,
            "12: tables.t.columns.born.zone: is only for timestamptz; this column is date",
        ),
        (
            r#"{ type = "varchar(20)" }"#,
            r#"{ type = "varchar(20)", min = 3, matches = "[", format = "%Y" }"#,
            "10: tables.t.columns.name.min: is only for numbers, dates and times; this column is varchar(20)\n10: tables.t.columns.name.matches: \"[\" is not a regular expression: unclosed character class\n10: tables.t.columns.name.format: is only for date, timestamp and timestamptz; this column is varchar(20)",
        ),
        (
            r#"{ type = "varchar(20)" }"#,
            r#"{ type = "varchar(20)", matches = "^a", default = "b" }"#,
            r#"10: tables.t.columns.name.default: "b" does not match, so that it would be rejected"#,
        ),
        (
            r#"{ type = "varchar(20)" }"#,
            r#"{ type = "varchar(20)", extract = "a(b)", map = { b = "c" }, one_of = ["c", "a text that is too long"] }"#,
            r#"10: tables.t.columns.name.one_of: "a text that is too long" has 23 bytes and does not fit varchar(20)"#,
        ),
        (
            r#"{ type = "varchar(20)" }"#,
            r#"{ type = "varchar(20)", extract = "ab" }"#,
            r#"10: tables.t.columns.name.extract: "ab" has 0 groups, and needs exactly one, which is the value; put parentheses around the part that is the value"#,
        ),
        (
            r#"{ type = "varchar(20)" }"#,
            r#"{ type = "varchar(20)", extract = "(a)(b)" }"#,
            r#"10: tables.t.columns.name.extract: "(a)(b)" has 2 groups, and needs exactly one, which is the value; write (?:…) for groups that are not the value"#,
        ),
        (
            r#"{ type = "varchar(20)" }"#,
            r#"{ type = "varchar(20)", map = {} }"#,
            "10: tables.t.columns.name.map: is empty, so that every value would be rejected",
        ),
        (
            r#"{ type = "boolean" }"#,
            r#"{ type = "boolean", map = { ja = true, nein = false, vielleicht = "maybe" } }"#,
            r#"15: tables.t.columns.ok.map.vielleicht: "maybe" is not a boolean: write true or false"#,
        ),
        (
            r#"{ type = "boolean" }"#,
            r#"{ type = "boolean", min = false }"#,
            "15: tables.t.columns.ok.min: is only for numbers, dates and times; this column is boolean",
        ),
        (
            r#"{ type = "decimal(8,2)" }"#,
            r#"{ type = "decimal(8,2)", min = 0, max = 1_000_000.00 }"#,
            r#"13: tables.t.columns.price.max: "1000000.00" is not a decimal(8,2)"#,
        ),
        (
            r#"{ type = "decimal(8,2)" }"#,
            r#"{ type = "decimal(8,2)", min = 0.001 }"#,
            r#"13: tables.t.columns.price.min: "0.001" is not a decimal(8,2)"#,
        ),
        (
            r#"{ type = "double" }"#,
            r#"{ type = "double", min = -1.5, one_of = [1] }"#,
            "14: tables.t.columns.score.one_of: is not for json, real and double; this column is double",
        ),
        (r#"{ type = "json" }"#, r#"{ type = "json", null_if = ["-"], default = "{}", required = true }"#, ""),
        (
            r#"{ type = "json" }"#,
            r#"{ type = "json", trim = true, default = "{", one_of = ["1"] }"#,
            "16: tables.t.columns.more.trim: is not for json, which is kept as it came; this column is json\n16: tables.t.columns.more.default: \"{\" is not json: EOF while parsing an object at line 1 column 1\n16: tables.t.columns.more.one_of: is not for json, real and double; this column is json",
        ),
        (
            r#"{ type = "varchar(20)" }"#,
            r#"{ type = "varchar(20)", min_length = 21 }"#,
            "10: tables.t.columns.name.min_length: 21 characters have more bytes than varchar(20) holds: no text could pass",
        ),
        (r#"{ type = "varchar(20)" }"#, r#"{ type = "varchar(20)", min_length = 20 }"#, ""),
        (r#"expr = "score * 2""#, r#"expr = "score * 0.123456789012345", required = true"#, ""),
        (
            r#"expr = "score * 2""#,
            r#"expr = "score * 0.12345678901234567890""#,
            "18: tables.t.columns.twice.expr: 0.12345678901234567890 has 20 digits, more than are kept of a number with a point; write CAST('0.12345678901234567890' AS DECIMAL(38,20))",
        ),
        (r#"expr = "score * 2""#, r#"expr = "score * 2", required = true, min = 0, default = 1"#, ""),
        (
            r#"expr = "score * 2""#,
            r#"expr = "score * 2", trim = true"#,
            "18: tables.t.columns.twice.trim: is not for expressions: it is about texts before they are typed",
        ),
        (
            r#"{ type = "bigint", required = true }"#,
            r#"{ type = "bigint", required = "yes" }"#,
            r#"9: tables.t.columns.id.required: must be true or false, without quotes, and is the text "yes""#,
        ),
    ]);
}

#[test]
fn formats_and_zones_say_a_whole_time() {
    assert_changes(&[
        (r#"{ type = "date" }"#, r#"{ type = "date", format = "%d.%m.%Y" }"#, ""),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", format = "%Q" }"#,
            r#"12: tables.t.columns.born.format: "%Q" is not in strftime notation; for example %d.%m.%Y or %Y-%m-%dT%H:%M:%S%.f%:z"#,
        ),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", format = "%m/%Y" }"#,
            r#"12: tables.t.columns.born.format: "%m/%Y" does not give a whole date: year, month and day"#,
        ),
        (r#"{ type = "date" }"#, r#"{ type = "date", format = "%d.%m.%Y %H:%M" }"#, ""),
        (
            r#"{ type = "date" }"#,
            r#"{ type = "date", format = "%Y-%m-%dT%H:%M:%S%z" }"#,
            r#"12: tables.t.columns.born.format: "%Y-%m-%dT%H:%M:%S%z" gives a time with its zone, of which a date would lose both; declare the column as timestamptz"#,
        ),
        (
            r#"{ type = "timestamptz" }"#,
            r#"{ type = "timestamp", format = "%Y-%m-%d %H:%M:%S.%f" }"#,
            r#"11: tables.t.columns.at.format: "%Y-%m-%d %H:%M:%S.%f" has %f, which counts nanoseconds, so that .5 would be five of them; write %.f for a point and any digits, %3f or %6f for so many digits"#,
        ),
        (
            r#"{ type = "timestamptz" }"#,
            r#"{ type = "timestamptz", format = "%Y-%m-%d %H:%M:%S %Z", zone = "Europe/Berlin" }"#,
            r#"11: tables.t.columns.at.format: "%Y-%m-%d %H:%M:%S %Z" has %Z, the name of a zone, which says no offset that can be relied on; write %z for offsets such as +0100, or the name as it stands and zone = "Europe/Berlin""#,
        ),
        (
            r#"{ type = "timestamptz" }"#,
            r#"{ type = "timestamptz", format = "%Y-%m-%d %H:%M:%S,%3f CET", zone = "Europe/Berlin" }"#,
            "",
        ),
        (r#"{ type = "timestamptz" }"#, r#"{ type = "timestamptz", format = "%Y-%m-%dT%H:%M:%S%z" }"#, ""),
        (
            r#"{ type = "timestamptz" }"#,
            r#"{ type = "timestamptz", format = "%Y-%m-%dT%H:%M:%S" }"#,
            r#"11: tables.t.columns.at.format: "%Y-%m-%dT%H:%M:%S" gives no zone; add %z to it, or say zone = "Europe/Berlin""#,
        ),
        (
            r#"{ type = "timestamptz" }"#,
            r#"{ type = "timestamptz", format = "%Y-%m-%dT%H:%M:%S", zone = "Europe/Berlin" }"#,
            "",
        ),
        (
            r#"{ type = "timestamptz" }"#,
            r#"{ type = "timestamptz", format = "%Y", zone = "Europe/Berlni" }"#,
            "11: tables.t.columns.at.format: \"%Y\" does not give a whole date and time: year, month, day, hour and minute\n11: tables.t.columns.at.zone: \"Europe/Berlni\" is not an IANA time zone; did you mean Europe/Berlin?",
        ),
        (
            r#"{ type = "timestamptz" }"#,
            r#"{ type = "timestamp", format = "%d.%m.%Y" }"#,
            r#"11: tables.t.columns.at.format: "%d.%m.%Y" does not give a whole date and time: year, month, day, hour and minute"#,
        ),
    ]);
}
