//! Rejected records: seen, exported, and loaded after a fix by one replay.

use crate::harness::{Site, text};

const PRICES: &str = r#"
name = "prices"
[source]
objects = ["prices_*.jsonl"]
format = "jsonl"
[quality]
max_rejects = "90%"
[tables.prices]
mode = "append"
[tables.prices.columns]
id = { type = "bigint", required = true }
price = { type = "decimal(6,2)" }
name = { type = "varchar(4)" }
"#;

fn site() -> Site {
    let site = Site::new(&[PRICES]);
    site.land(
        "prices_1.jsonl",
        "{\"id\":1,\"price\":\"1.234\"}\n{\"id\":2,\"price\":\"1.23\"}\n{\"id\":3,\"price\":\"x\"}\n",
    );
    site.land("prices_2.jsonl", "{\"id\":4,\"name\":\"zu lang\"}\nno record\n{\"id\":5}\n");
    site.land("prices_3.jsonl", "{\"id\":6}\n");
    assert_eq!(site.drain(), 0);
    site
}

#[test]
fn rejects_are_counted_listed_and_exported() {
    let site = site();
    let groups = site.json(&["rejects"]);
    let counts: Vec<(&str, u64, u64)> = groups
        .as_array()
        .expect("groups")
        .iter()
        .map(|group| {
            let number = |key: &str| group[key].as_u64().expect("a number");
            (group["rule"].as_str().expect("a rule"), number("records"), number("files"))
        })
        .collect();
    assert_eq!(
        counts,
        [("length prices.name", 1, 1), ("precision prices.price", 1, 1), ("syntax", 1, 1), ("type prices.price", 1, 1)]
    );
    let listed = text(&site.run(&["rejects", "--list"]));
    assert!(listed.contains("1 precision prices.price: "), "{listed}");
    assert!(listed.contains(r#"{"id":1,"price":"1.234"}"#), "{listed}");
    assert!(listed.contains("2 syntax: "), "{listed}");
    let one = site.json(&["rejects", "prices_2.jsonl", "--column", "name"]);
    assert_eq!(one["rejects"].as_array().map(Vec::len), Some(1), "{one}");
    assert_eq!(one["rejects"][0]["line"], 1);
    let few = site.json(&["rejects", "--list", "--limit", "2"]);
    assert_eq!((few["rejects"].as_array().map(Vec::len), &few["more"]), (Some(2), &true.into()));

    let out = site.run(&["rejects", "--export", "out.jsonl"]);
    assert!(out.status.success(), "{}", text(&out));
    let exported = std::fs::read_to_string(site.path("out.jsonl")).expect("the export");
    assert_eq!(exported.lines().count(), 4);
    assert!(exported.contains("prices_1.jsonl"), "{exported}");
}

#[test]
fn after_a_fix_one_replay_loads_the_files_with_rejects_anew() {
    let site = site();
    std::fs::write(site.path("datasets/d0.toml"), PRICES.replace("varchar(4)", "varchar(40)")).expect("a definition");
    let would = site.json(&["replay", "--with-rejects", "--dry-run"]);
    assert_eq!(would["would_ask_for"].as_array().map(Vec::len), Some(2), "{would}");
    let asked = site.json(&["replay", "--with-rejects"]);
    assert_eq!(asked["asked_for"], 2);
    assert_eq!(site.drain(), 0);
    let groups = text(&site.run(&["rejects"]));
    assert!(!groups.contains("length"), "{groups}");
    let rows = site.query("SELECT id, name FROM prices_prices ORDER BY id");
    let ids: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(ids, ["2", "4", "5", "6"], "each row once");
    let none = site.json(&["replay", "--older-definition", "--dataset", "prices", "--dry-run"]);
    assert_eq!(
        none["would_ask_for"].as_array().map(Vec::len),
        Some(1),
        "the file without rejects is of the older one: {none}"
    );
    let unknown = site.run(&["replay", "--dataset", "nothing"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown));
}
