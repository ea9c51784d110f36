//! Names, keys, versions and partitions of tables.

use super::{GOOD, assert_changes, problems_of};

#[test]
fn a_hundred_tables_are_enough() {
    let more = |tables: usize| {
        let table = |n: usize| format!("[tables.more_{n}]\nmode = \"append\"\ncolumns.id = {{ type = \"bigint\" }}\n");
        problems_of(&format!("{GOOD}{}", (0..tables).map(table).collect::<String>()))
    };
    assert_eq!(more(98), "");
    assert_eq!(more(99), "5: tables: there are 101 tables; at most 100 are allowed");
}

#[test]
fn names_are_small_and_free() {
    assert_changes(&[
        (
            r#"name = "d""#,
            r#"name = "Berlin-Flats""#,
            r#"1: name: "Berlin-Flats" is not a name for a dataset: use small letters, digits and _, a letter first; for example berlin_flats"#,
        ),
        (r#"name = "d""#, r#"name = "lakehand""#, r#"1: name: the name "lakehand" is reserved; choose another name"#),
        (
            r#"name = "d""#,
            r#"name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#,
            "1: name: the name has 61 characters; at most 60 are allowed",
        ),
        (
            r#"name = "d""#,
            r#"name = "9a""#,
            r#"1: name: "9a" is not a name for a dataset: use small letters, digits and _, a letter first"#,
        ),
        (
            "[tables.cores]",
            "[tables.t__rows]",
            r#"19: tables.t__rows: the name "t__rows" is taken: <table>__rows holds all rows of a table; choose another name"#,
        ),
        (
            "[tables.cores]",
            "[tables.Cores]",
            r#"19: tables.Cores: "Cores" is not a name for a table: use small letters, digits and _, a letter first; for example cores"#,
        ),
        (
            "born = {",
            "_born = {",
            "12: tables.t.columns._born: names that begin with _ belong to lakehand's own columns; leave the underscore off\n17: tables.t.columns.link.hash_of: there is no column \"born\" in table \"t\"; did you mean _born?",
        ),
        (
            "price = {",
            "realEstatePrice = {",
            r#"13: tables.t.columns.realEstatePrice: "realEstatePrice" is not a name for a column: use small letters, digits and _, a letter first; for example real_estate_price"#,
        ),
        ("price = {", "xmin = {", r#"13: tables.t.columns.xmin: the name "xmin" is reserved; choose another name"#),
    ]);
}

#[test]
fn replace_needs_a_scope_that_names_say() {
    let replace = r#"mode = "append""#;
    assert_changes(&[
        (replace, "mode = \"replace\"\nscope = [\"day\"]", ""),
        (replace, "mode = \"replace\"\nscope = []", ""),
        (
            replace,
            "mode = \"replace\"",
            "20: tables.cores.scope: is missing: replace needs it; name the captures that say which rows a file replaces, or write [] where each file replaces all",
        ),
        (
            replace,
            "mode = \"replace\"\nscope = [\"dya\", \"day\", \"day\"]",
            "21: tables.cores.scope: \"in/*_{day}.json\" does not capture {dya}; did you mean day?\n21: tables.cores.scope: \"day\" stands here twice",
        ),
        (
            replace,
            "mode = \"replace\"\nscope = []\nrun = \"day\"",
            "22: tables.cores.run: needs run_files: nothing else says when all files of a run are there; name the capture that says how many they are, or leave run out: then each file is a run",
        ),
        (
            replace,
            "mode = \"replace\"\nscope = []\nrun_files = \"day\"",
            "22: tables.cores.run_files: needs run: it says whose files are counted; name the capture that names the run",
        ),
        (
            replace,
            "mode = \"replace\"\nscope = []\nrun = \"day\"\nrun_files = \"day\"",
            "23: tables.cores.run_files: is the capture that names the run",
        ),
        (
            replace,
            "mode = \"replace\"\nscope = []\nrun = \"day\"\nrun_files = \"of\"",
            "23: tables.cores.run_files: \"in/*_{day}.json\" does not capture {of}; every pattern of source.objects must",
        ),
        (
            replace,
            "mode = \"append\"\nscope = [\"day\"]\nrun = \"day\"\nrun_files = \"day\"",
            "21: tables.cores.scope: is only for replace, and mode is append; remove it, or set mode = \"replace\"\n22: tables.cores.run: is only for replace, and mode is append; remove it, or set mode = \"replace\"\n23: tables.cores.run_files: is only for replace, and mode is append; remove it, or set mode = \"replace\"",
        ),
        (
            replace,
            "mode = \"replace\"\nscope = []\nkey = [\"serial\"]",
            "22: tables.cores.key: is only for upsert, and mode is replace; remove it, or set mode = \"upsert\"",
        ),
    ]);
    let of_run = GOOD.replace("in/*_{day}.json", "in/{day}/{run}_{n}_of_{all}.json");
    let with = |scope: &str| {
        let mode = format!("mode = \"replace\"\nscope = {scope}\nrun = \"run\"\nrun_files = \"all\"");
        problems_of(&of_run.replace(replace, &mode))
    };
    assert_eq!(with(r#"["day"]"#), "");
    assert_eq!(
        with(r#"["day", "run"]"#),
        "21: tables.cores.scope: \"run\" names the run, so that each run would be a scope of its own"
    );
}

#[test]
fn upsert_needs_a_key_that_names_rows() {
    assert_changes(&[
        (
            "key = [\"id\"]\n",
            "\n",
            "6: tables.t.key: is missing: upsert needs it; name the columns that make a row unique",
        ),
        (r#"["id"]"#, "[]", "7: tables.t.key: names no columns"),
        (r#"["id"]"#, r#"["ID"]"#, r#"7: tables.t.key: there is no column "ID" in this table; did you mean id?"#),
        (r#"["id"]"#, r#"["id", "id"]"#, r#"7: tables.t.key: "id" stands here twice"#),
        (
            r#"["id"]"#,
            r#"["name"]"#,
            r#"7: tables.t.key: key column "name" must be required; add required = true to it, or set rows_without_key = "skip""#,
        ),
        (
            r#"["id"]"#,
            r#"["more", "score"]"#,
            "7: tables.t.key: \"more\" is json, whose values cannot be compared for being the same\n7: tables.t.key: \"score\" is double, whose values cannot be compared for being the same",
        ),
        (r#"key = ["id"]"#, "key = [\"link\"]\nrows_without_key = \"skip\"", ""),
        (
            r#"key = ["id"]"#,
            "key = [\"twice\"]\nrows_without_key = \"skip\"",
            r#"7: tables.t.key: "twice" is double, whose values cannot be compared for being the same"#,
        ),
        (r#"key = ["id"]"#, r#"key = "id""#, r#"7: tables.t.key: must be a list in brackets, and is the text "id""#),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\nrows_without_key = \"drop\"",
            r#"8: tables.t.rows_without_key: must be "reject" or "skip", and is the text "drop""#,
        ),
        (
            r#"rows = "cores[]""#,
            "rows = \"cores[]\"\nkey = [\"serial\"]\nversion = \"serial\"\nrows_without_key = \"skip\"",
            "22: tables.cores.key: is only for upsert, and mode is append; remove it, or set mode = \"upsert\"\n23: tables.cores.version: is only for upsert, and mode is append; remove it, or set mode = \"upsert\"\n24: tables.cores.rows_without_key: is only for upsert, and mode is append; remove it, or set mode = \"upsert\"",
        ),
        (
            r#"mode = "append""#,
            r#"mode = "insert""#,
            r#"20: tables.cores.mode: must be "append" or "upsert" or "replace", and is the text "insert""#,
        ),
        ("mode = \"append\"\n", "\n", "19: tables.cores.mode: is missing"),
    ]);
}

#[test]
fn versions_have_an_order() {
    assert_changes(&[
        (r#"key = ["id"]"#, "key = [\"id\"]\nversion = \"at\"", ""),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\nversion = \"att\"",
            r#"8: tables.t.version: there is no column "att" in this table; did you mean at?"#,
        ),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\nversion = \"more\"",
            r#"8: tables.t.version: "more" is json, which has no order; use a number, text, date or time"#,
        ),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\nversion = \"ok\"",
            r#"8: tables.t.version: "ok" is boolean, which has no order; use a number, text, date or time"#,
        ),
    ]);
}

#[test]
fn partitions_have_a_fitting_grain() {
    assert_changes(&[
        (r#"key = ["id"]"#, "key = [\"id\"]\npartition_by = [\"day(at)\", \"month(born)\", \"name\"]", ""),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\npartition_by = [\"at\"]",
            r#"8: tables.t.partition_by: would make a folder of every instant of "at"; use day(at)"#,
        ),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\npartition_by = [\"day(name)\", \"hour(born)\", \"week(at)\", \"day(at\", \"score\", \"nam\"]",
            "8: tables.t.partition_by: \"name\" is varchar(20), and only dates and times have years, months, days and hours\n8: tables.t.partition_by: \"born\" is a date and has no hour\n8: tables.t.partition_by: \"week(at)\" is not a column, or year(column), month(…), day(…), hour(…)\n8: tables.t.partition_by: \"day(at\" is not a column, or year(column), month(…), day(…), hour(…)\n8: tables.t.partition_by: \"score\" is double, which cannot place rows\n8: tables.t.partition_by: there is no column \"nam\" in this table; did you mean name?",
        ),
        (
            r#"key = ["id"]"#,
            "key = [\"id\"]\npartition_by = [\"day(at)\", \"month(at)\"]",
            r#"8: tables.t.partition_by: "at" places rows already"#,
        ),
    ]);
}

#[test]
fn rows_are_one_list_of_the_record() {
    assert_changes(&[
        (
            r#""cores[]""#,
            r#""cores""#,
            r#"21: tables.cores.rows: must be the path of a list, ending in [] as in cores[], and is "cores""#,
        ),
        (
            r#""cores[]""#,
            r#""a[].b[]""#,
            "21: tables.cores.rows: must be the path of one list in the record, such as cores[] or a.b[]",
        ),
        (r#""cores[]""#, r#""[]""#, r#"21: tables.cores.rows: "" is not a path such as a.b.c: a key is empty"#),
        (r#""cores[]""#, r#""a.b[]""#, ""),
        (
            r#""cores[]""#,
            r#""$.a[]""#,
            "21: tables.cores.rows: must be the path of one list in the record, such as cores[] or a.b[]",
        ),
        (r#"format = "jsonl""#, r#"format = "csv""#, "21: tables.cores.rows: is not for csv: its lines have no lists"),
    ]);
}

#[test]
fn what_is_empty_is_said() {
    assert_changes(&[
        (
            r#"columns.serial = { type = "varchar(20)" }"#,
            "columns = {}",
            "22: tables.cores.columns: there are no columns",
        ),
        (r#"columns.serial = { type = "varchar(20)" }"#, "", "19: tables.cores.columns: is missing"),
    ]);
}

#[test]
fn redshift_lays_rows_out_by_columns_that_are_there() {
    let at = r#"key = ["id"]"#;
    let with = |layout: &str| format!("{at}\nredshift = {{ {layout} }}");
    let refused = [
        (
            r#"dist_key = "ids""#,
            r#"8: tables.t.redshift.dist_key: there is no column "ids" in this table; did you mean id?"#,
        ),
        (
            r#"dist_style = "key""#,
            "8: tables.t.redshift.dist_style: is key, and no key is named; name a column in dist_key",
        ),
        (
            r#"dist_style = "all", dist_key = "id""#,
            r#"8: tables.t.redshift.dist_key: is only for dist_style key; remove it, or set dist_style = "key""#,
        ),
        (r#"sort_key = ["id", "id"]"#, r#"8: tables.t.redshift.sort_key: "id" stands here twice"#),
        (
            r#"sort_key = ["more"], json = "super""#,
            r#"8: tables.t.redshift.sort_key: "more" is json kept as super, by which rows cannot be placed"#,
        ),
    ];
    for (layout, expected) in refused {
        assert_changes(&[(at, &with(layout), expected)]);
    }
    for layout in [
        "",
        r#"dist_style = "even", json = "super""#,
        r#"dist_style = "key", dist_key = "id", sort_key = ["at", "more"]"#,
        r#"dist_style = "auto", json = "varchar""#,
    ] {
        assert_changes(&[(at, &with(layout), "")]);
    }
}
