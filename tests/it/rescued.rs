//! What no column declares is kept, in the lake and in the table that people read, from the day on which the definition says
//! so, and in every format.

use serde_json::Value;

use crate::harness::{Site, text};

const PEOPLE: &str = r#"
name = "people"
[source]
objects = ["people_*.jsonl"]
format = "jsonl"
[quality]
max_rejects = "50%"
[tables.people]
mode = "upsert"
key = ["id"]
[tables.people.columns]
id = { type = "bigint", required = true }
email = { type = "varchar(64)", from = "contact.email", mask = "sha256" }
[tables.posts]
mode = "append"
rows = "posts[]"
columns.title = { type = "varchar(20)" }
"#;

fn rescuing(definition: &str) -> String {
    definition.replace("[quality]", "[quality]\nunknown_fields = \"rescue\"")
}

fn rescued(site: &Site, table: &str, order: &str) -> Vec<String> {
    let rows = site.query(&format!("SELECT _rescued FROM {table} ORDER BY {order}"));
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

#[test]
fn a_dataset_begins_to_rescue_and_a_column_is_added() {
    let site = Site::new(&[PEOPLE]);
    site.land("people_1.jsonl", "{\"id\":1,\"nick\":\"a\"}\n{\"id\":2,\"nick\":\"b\"}\n");
    assert_eq!(site.drain(), 0);
    std::fs::write(site.path("datasets/d0.toml"), rescuing(PEOPLE)).expect("a definition");
    let output = site.run(&["check", "--against-warehouse", "--output", "json"]);
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let changes = told["warehouse"][0]["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 2, "{told:#}");
    for change in changes {
        let step = &change["step"];
        assert_eq!((step["step"].as_str(), step["column"].as_str()), (Some("add"), Some("_rescued")), "{change}");
    }
    let sample = concat!(
        "{\"id\":2,\"nick\":\"bb\",\"contact\":{\"email\":\"secret@b.de\",\"fax\":[7, 8]},",
        "\"posts\":[{\"title\":\"x\",\"likes\":3},{\"title\":\"y\"}]}\n",
        "{\"id\":3,\"contact\":{\"email\":\"secret@c.de\"}}\n",
        "{\"id\":4,\"u\":1,\"u\":2,\"contact\":{\"email\":\"secret@d.de\"}}\n",
    );
    site.land("people_2.jsonl", sample);
    assert_eq!(site.drain(), 0);
    assert_eq!(
        rescued(&site, "people_people", "id"),
        ["null", "{\"nick\":\"bb\",\"contact\":{\"fax\":[7, 8]}}", "null"],
        "the first file is as it was, the newer row won, and what is masked is not kept"
    );
    assert_eq!(rescued(&site, "people_posts", "title"), ["{\"likes\":3}", "null"]);
    let rejects = site.json(&["rejects", "--list"]);
    let reject = &rejects["rejects"][0];
    assert_eq!((&reject["rule"], &reject["column"]), (&"duplicate_key".into(), &"people._rescued".into()), "{rejects}");
    assert!(!rejects.to_string().contains("secret"), "{rejects}");

    let shown = site.json(&["preview", "people", site.path("landing/people_2.jsonl").to_str().expect("a path")]);
    let first = &shown["tables"][0]["first"][0];
    assert_eq!(first["_rescued"], "{\"nick\":\"bb\",\"contact\":{\"fax\":[7, 8]}}", "{shown:#}");
    let output = site.run(&["preview", "people", site.path("landing/people_2.jsonl").to_str().expect("a path")]);
    assert!(text(&output).contains("\"nick\":\"bb\""), "people see it too: {}", text(&output));
    for (warehouse, column) in [("sqlite", "_rescued"), ("redshift", "\"_rescued\" VARCHAR(65535)")] {
        let ddl = shown["ddl"][warehouse].to_string().replace("\\\"", "\"");
        assert!(ddl.contains(column), "{warehouse}: {ddl}");
    }
    let parsed = rescuing(PEOPLE).replacen("key = [\"id\"]", "key = [\"id\"]\nredshift.json = \"super\"", 1);
    std::fs::write(site.path("datasets/d0.toml"), parsed).expect("a definition");
    let shown = site.json(&["preview", "people", site.path("landing/people_2.jsonl").to_str().expect("a path")]);
    let ddl = shown["ddl"]["redshift"].to_string().replace("\\\"", "\"");
    assert!(ddl.contains("\"_rescued\" SUPER"), "{ddl}");
}

#[test]
fn files_of_other_formats_are_rescued_too() {
    let csv = rescuing(
        "name = \"prices\"\n[source]\nobjects = [\"prices_*.csv\"]\nformat = \"csv\"\n[quality]\nmax_rejects = 0\n\
         [tables.prices]\nmode = \"append\"\ncolumns.id = { type = \"bigint\" }\n",
    );
    let parquet = rescuing(
        "name = \"typed\"\n[source]\nobjects = [\"typed_*.parquet\"]\nformat = \"parquet\"\n[quality]\nmax_rejects = 0\n\
         [tables.typed]\nmode = \"append\"\ncolumns.i32 = { type = \"integer\" }\n",
    );
    let site = Site::new(&[&csv, &parquet]);
    site.land("prices_1.csv", "note,id,by\n\"a \"\"b\"\"\",1,x\n,2,\n");
    let types = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/transform/src/source/tests/files/types_zstd.parquet");
    site.land("typed_1.parquet", std::fs::read(types).expect("a file"));
    assert_eq!(site.drain(), 0);
    assert_eq!(rescued(&site, "prices_prices", "id"), ["{\"note\":\"a \\\"b\\\"\",\"by\":\"x\"}", "null"]);
    let typed = rescued(&site, "typed_typed", "i32");
    let of_row: Vec<Option<Value>> = typed.iter().map(|text| serde_json::from_str(text).ok()).collect();
    assert_eq!(of_row.iter().flatten().filter(|value| !value.is_null()).count(), 2, "{typed:?}");
    assert!(typed.iter().any(|text| text.contains("\"dec\":-1.05") && !text.contains("i32")), "{typed:?}");
}
