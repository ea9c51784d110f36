use lakehand_domain::object::ObjectUri;

use super::*;
use crate::check::check_definition;
use crate::problem::DefinitionFile;

const DEFINITION: &str = r#"
name = "rents"
[source]
objects = ["in/rents_{day}.jsonl"]
format = "jsonl"
[tables.offers]
mode = "upsert"
key = ["id"]
version = "seen"
where = "rent > 0"
partition_by = ["day(seen)"]
[tables.offers.columns]
id = { type = "bigint", required = true }
rent = { type = "decimal(12,2)", from = "price.value", min = 0, null_if = ["?"] }
seen = { type = "timestamptz", zone = "Europe/Berlin", format = "%Y-%m-%d %H:%M" }
day = { type = "date", capture = "day" }
"#;

fn fingerprint_at(text: &str, landing: &str, identity: &str) -> String {
    let file = DefinitionFile { path: "rents.toml".to_owned(), text: text.to_owned() };
    let landing = ObjectUri::parse(landing).unwrap();
    match check_definition(&file, &landing, &TransformIdentity(identity.to_owned())) {
        Ok(dataset) => dataset.fingerprint.as_str().to_owned(),
        Err(problems) => panic!("{problems:#?}"),
    }
}

fn fingerprint(text: &str) -> String {
    fingerprint_at(text, "s3://landing", "1")
}

#[test]
fn it_never_changes_by_accident() {
    // If this fails, every dataset in every warehouse is about to be migrated: change what is hashed only on purpose.
    assert_eq!(fingerprint(DEFINITION), "c13c60a3a95e7ef720ce2d2de32027bd");
}

#[test]
fn scopes_and_runs_are_of_it() {
    let table = |keys: &str| {
        let text = format!(
            "name = \"d\"\n[source]\nobjects = [\"in/{{day}}/{{run}}_{{n}}_{{all}}.jsonl\"]\nformat = \"jsonl\"\n[tables.t]\n{keys}\ncolumns.x = {{ type = \"bigint\" }}\n"
        );
        (fingerprint(&text), fingerprint(&text.replace("in/{day}", "in/x_{day}")))
    };
    let all = [
        "mode = \"append\"",
        "mode = \"replace\"\nscope = []",
        "mode = \"replace\"\nscope = [\"day\"]",
        "mode = \"replace\"\nscope = [\"day\", \"n\"]",
        "mode = \"replace\"\nscope = [\"day\"]\nrun = \"run\"\nrun_files = \"all\"",
        "mode = \"replace\"\nscope = [\"day\"]\nrun = \"run\"\nrun_files = \"n\"",
    ];
    let mut seen = std::collections::BTreeSet::new();
    for (at, keys) in all.into_iter().enumerate() {
        let (one, renamed) = table(keys);
        // How names are taken apart counts where they say something.
        assert_eq!(one != renamed, at > 1, "{keys}");
        assert!(seen.insert(one), "{keys}");
    }
}

#[test]
fn what_does_not_decide_rows_leaves_it_alone() {
    let same = fingerprint(DEFINITION);
    for (from, to) in [
        ("name =", "# A comment.\n\n  name  ="),
        ("name = \"rents\"", "description = \"Rents\"\nname = 'rents'"),
        ("{ type = \"bigint\", required = true }", "{ required = true, type = \"BIGINT\" }"),
        ("min = 0, null_if = [\"?\"]", "null_if = ['?'], min = \"0\", trim = false"),
        ("decimal(12,2)", "decimal( 12, 2 )"),
        ("in/rents_{day}", "s3://elsewhere/deep/rents_{day}"),
        (
            "format = \"jsonl\"\n",
            "format = \"jsonl\"\nafter_load = \"delete\"\non_rewrite = \"replace\"\nmax_line_bytes = \"16MiB\"\n",
        ),
        ("[tables.offers]", "[quality]\nmax_rejects = \"5.00%\"\n[tables.offers]"),
        ("[tables.offers]", "[quality]\nfreshness = \"3h\"\n[tables.offers]"),
        ("id = { type = \"bigint\", required = true }", "id.type = \"bigint\"\nid.required = true"),
        ("rent > 0", "  rent > 0 "),
        (
            "[tables.offers.columns]",
            "redshift = { dist_key = \"id\", sort_key = [\"seen\"], json = \"super\" }\n[tables.offers.columns]",
        ),
    ] {
        let changed = DEFINITION.replacen(from, to, 1);
        assert_ne!(changed, DEFINITION, "{from}");
        assert_eq!(fingerprint(&changed), same, "{to}");
    }
    assert_eq!(fingerprint_at(DEFINITION, "file:///data", "1"), same);
}

#[test]
fn what_decides_rows_or_bytes_changes_it() {
    let mut seen = vec![fingerprint(DEFINITION), fingerprint_at(DEFINITION, "s3://landing", "2")];
    for (from, to) in [
        ("rents\"", "rent\""),
        ("name =", "revision = 2\nname ="),
        ("rents_{day}.jsonl", "rents_{day}_*.jsonl"),
        ("decimal(12,2)", "decimal(12,3)"),
        ("price.value", "price.amount"),
        ("min = 0", "min = 1"),
        ("null_if = [\"?\"]", "null_if = [\"-\"]"),
        ("[\"day(seen)\"]", "[\"month(seen)\"]"),
        ("rent > 0", "rent > 1"),
        ("version = \"seen\"\n", ""),
        ("Europe/Berlin", "Europe/Paris"),
        ("format = \"jsonl\"\n", "format = \"jsonl\"\non_rewrite = \"ignore\"\n"),
        ("format = \"jsonl\"\n", "format = \"jsonl\"\nrecords = \"data\"\n"),
        ("format = \"jsonl\"\n", "format = \"jsonl\"\nmax_line_bytes = \"1MB\"\n"),
        ("[tables.offers]", "[quality]\nmax_rejects = \"4%\"\n[tables.offers]"),
        ("[tables.offers]", "[quality]\nmax_rejects = [\"5%\", 1000]\n[tables.offers]"),
        ("[tables.offers]", "[quality]\nmax_rejects = [1001, \"5%\"]\n[tables.offers]"),
        ("[tables.offers]", "[checks.rent]\nsql = \"SELECT _record FROM offers WHERE rent > 9\"\n[tables.offers]"),
        ("[tables.offers]", "[checks.rent]\nsql = \"SELECT _record FROM offers WHERE rent > 8\"\n[tables.offers]"),
        ("[tables.offers]", "[quality]\nunknown_fields = \"reject\"\n[tables.offers]"),
        ("[tables.offers]", "[quality]\nunknown_fields = \"rescue\"\n[tables.offers]"),
        ("[tables.offers]", "[quality]\nmax_partitions = 9\n[tables.offers]"),
        ("[tables.offers]", "[encoding]\nzstd_level = 1\n[tables.offers]"),
        ("[tables.offers]", "[tables.other]\nmode = \"append\"\ncolumns.x = { type = \"date\" }\n[tables.offers]"),
        ("day = {", "day_ = {"),
        ("id = { type = \"bigint\", required = true }\nrent", "rent"),
    ] {
        let mut changed = DEFINITION.replacen(from, to, 1);
        if to == "rent" {
            changed.push_str("id = { type = \"bigint\", required = true }\n");
        }
        let fingerprint = fingerprint(&changed);
        assert!(!seen.contains(&fingerprint), "{from} to {to}");
        seen.push(fingerprint);
    }
}

#[test]
fn canonical_json_is_sorted_and_without_what_is_nothing() {
    let value = json!({ "b": [1, null, {}], "a": { "z": false, "y": [], "x": {} }, "c": { "\"": "é\n", "d": 0 } });
    let mut text = String::new();
    write_canonical(&value, &mut text);
    assert_eq!(text, r#"{"b":[1,null,{}],"c":{"\"":"é\n","d":0}}"#);
}
