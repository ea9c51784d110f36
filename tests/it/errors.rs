//! What goes wrong at night: each gets its own clear message and the right outcome in ledger, quarantine or dead
//! letters, and nothing is lost.

use std::io::Write;
use std::process::Command;

use serde_json::Value;

use crate::harness::{BINARY, Site, text};

const PEOPLE: &str = r#"
name = "people"
[source]
objects = ["people_*"]
format = "jsonl"
max_line_bytes = "1MB"
max_expansion = 100
[quality]
max_rejects = "50%"
[tables.people]
mode = "upsert"
key = ["id"]
[tables.people.columns]
id = { type = "bigint", required = true }
name = { type = "varchar(20)" }
score = { type = "decimal(6,2)" }
"#;

const PRICES: &str = r#"
name = "prices"
[source]
objects = ["prices_*.csv"]
format = "csv"
[tables.prices]
mode = "append"
[tables.prices.columns]
sku = { type = "varchar(10)", required = true }
price = { type = "decimal(8,2)", required = true }
"#;

fn load_of(site: &Site, name: &str) -> Value {
    let loads = site.json(&["loads", "--limit", "100"]);
    let found = loads["loads"]
        .as_array()
        .expect("loads")
        .iter()
        .find(|load| load["object"].as_str().is_some_and(|object| object.ends_with(name)));
    found.unwrap_or_else(|| panic!("{name} is not in the ledger: {loads:#}")).clone()
}

/// The file was set aside for this kind of reason, its message says all of this, and a dead letter tells of it.
fn set_aside(site: &Site, name: &str, kind: &str, says: &[&str]) {
    let load = load_of(site, name);
    assert_eq!((load["state"].as_str(), load["reason_kind"].as_str()), (Some("set_aside"), Some(kind)), "{load:#}");
    let reason = load["reason"].as_str().expect("a reason");
    for said in says {
        assert!(reason.contains(said), "{name}: {reason:?} does not say {said:?}");
    }
    let letters = dead_letters(site);
    let told = letters.iter().any(|letter| letter.contains(name) && letter.contains(kind));
    assert!(told, "no dead letter tells of {name}: {letters:?}");
}

fn dead_letters(site: &Site) -> Vec<String> {
    let connection = rusqlite::Connection::open(site.path("state/queue.sqlite")).expect("a queue");
    let mut bodies = connection.prepare("SELECT body FROM message").expect("messages");
    let rows = bodies.query_map([], |row| row.get::<_, String>(0)).expect("messages");
    rows.map(|row| row.expect("a body")).filter(|body| body.contains("lakehand_dead_letter")).collect()
}

fn quarantined(site: &Site, name: &str) -> Vec<Value> {
    let explained = site.json(&["explain", site.path("landing").join(name).to_str().expect("a path")]);
    let place = explained["versions"][0]["generations"][0]["summary"]["quarantine"].as_str().expect("a quarantine");
    let bytes = std::fs::read(place.strip_prefix("file://").expect("a file")).expect("the quarantine file");
    let lines = zstd::decode_all(bytes.as_slice()).expect("zstd");
    String::from_utf8(lines).expect("UTF-8").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_definition_with_three_mistakes_is_refused_with_three_places() {
    let wrong = PEOPLE.replace("varchar(20)", "varchar(200000)").replace("decimal(6,2)", "decimal(6,9)");
    let site = Site::new(&[&wrong.replace("[quality]", "[quality]\nmax_reject = 3")]);
    let output = site.run(&["check"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for place in [
        "d0.toml:9",
        "max_reject",
        "d0.toml:16",
        "tables.people.columns.name",
        "d0.toml:17",
        "tables.people.columns.score",
    ] {
        assert!(said.contains(place), "no {place} in: {said}");
    }
    assert_eq!(site.run(&["run", "--drain"]).status.code(), Some(64), "a daemon does not start on it");
}

#[test]
fn an_unknown_setting_is_refused_by_name() {
    let site = Site::new(&[PEOPLE]);
    site.settings("\n[intkae]\nlease = \"9s\"\n");
    let output = site.run(&["check"]);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("intkae"), "{}", text(&output));
}

#[test]
fn a_missing_column_sets_the_file_aside_and_says_which() {
    let site = Site::new(&[PRICES]);
    site.land("prices_1.csv", "sku,cost\na,1.00\n");
    site.land("prices_2.csv", "price,sku\n1.00,a\n");
    assert_eq!(site.drain(), 1);
    set_aside(&site, "prices_1.csv", "unreadable", &["price", "cost"]);
    assert_eq!(load_of(&site, "prices_2.csv")["state"], "loaded");
    assert_eq!(site.query("SELECT sku, price FROM prices_prices"), [["a".to_owned(), "1".to_owned()]]);
}

#[test]
fn torn_empty_and_swollen_files_are_set_aside_each_in_its_own_words() {
    let site = Site::new(&[PEOPLE]);
    let sample =
        Command::new(BINARY).args(["sample", "--files", "1", "--lines", "50", "--folder"]).arg(site.path("s")).status();
    assert!(sample.expect("a sample").success());
    let zip = std::fs::read_dir(site.path("s")).expect("a folder").next().expect("a zip").expect("a zip").path();
    let zip = std::fs::read(zip).expect("a zip");
    site.land("people_torn.zip", &zip[..zip.len() / 2]);
    site.land("people_empty.json", "");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..40 {
        gzip.write_all(&vec![b' '; 1 << 20]).expect("in memory");
    }
    let bomb = gzip.finish().expect("in memory");
    site.land("people_bomb.json.gz", &bomb);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{\"id\":1}\n{\"id\":2}\n").expect("in memory");
    let whole = gzip.finish().expect("in memory");
    site.land("people_cut.json.gz", &whole[..whole.len() - 6]);
    site.land("people_good.json.gz", &whole);
    assert_eq!(site.drain(), 1);
    set_aside(&site, "people_torn.zip", "unreadable", &["zip"]);
    set_aside(&site, "people_empty.json", "unreadable", &["empty"]);
    set_aside(&site, "people_bomb.json.gz", "unreadable", &["max_expansion"]);
    set_aside(&site, "people_cut.json.gz", "unreadable", &["gzip"]);
    assert_eq!(load_of(&site, "people_good.json.gz")["rows"]["people"], 2, "a good file beside them is loaded");
}

#[test]
fn bad_lines_are_rejected_by_line_with_rule_and_text_and_the_rest_is_loaded() {
    let site = Site::new(&[PEOPLE]);
    let mut bytes = Vec::new();
    bytes.extend_from_slice(b"{\"id\":1,\"name\":\"Zo\xc3\xab\",\"score\":1715.19}\n");
    bytes.extend_from_slice(b"{\"id\":2,\"name\":\"Stra\xdfe\"}\n");
    bytes.extend_from_slice(b"{\"id\":3,\"name\":\"");
    bytes.resize(bytes.len() + 100_000_000, b'x');
    bytes.extend_from_slice(b"\"}\n");
    bytes.extend_from_slice(b"\n{\"id\":\"4\",\"score\":2.345}\n{\"id\":5\n{\"id\":6}\n");
    bytes.extend_from_slice(b"{\"id\":7}\n{\"id\":8}\n{\"id\":9}\n");
    site.land("people_mixed.json", &bytes);
    assert_eq!(site.drain(), 0, "rejects below the limit are no failure");
    let found: Vec<_> = quarantined(&site, "people_mixed.json")
        .iter()
        .map(|reject| (reject["line"].as_u64().expect("a line"), reject["rule"].as_str().expect("a rule").to_owned()))
        .collect();
    let expected = [(2, "utf8"), (3, "line_too_long"), (5, "precision"), (6, "syntax")];
    assert_eq!(found, expected.map(|(line, rule)| (line, rule.to_owned())));
    let rejects = quarantined(&site, "people_mixed.json");
    assert_eq!(rejects[2]["column"], "people.score");
    assert_eq!(rejects[2]["value"], "2.345");
    let ids = site.query("SELECT group_concat(id) FROM (SELECT id FROM people_people ORDER BY id)");
    assert_eq!(ids, [["1,6,7,8,9".to_owned()]]);
    assert_eq!(site.query("SELECT name FROM people_people WHERE id = 1"), [["Zoë".to_owned()]]);
    let explained = site.json(&["explain", site.path("landing/people_mixed.json").to_str().expect("a path")]);
    assert_eq!(explained["adds_up"], true, "{explained:#}");
}

#[test]
fn too_many_rejects_set_the_file_aside_and_keep_its_rejects() {
    let site = Site::new(&[PEOPLE]);
    site.land("people_bad.json", "{\"id\":1}\nnonsense\nnonsense\nnonsense\n");
    assert_eq!(site.drain(), 1);
    set_aside(&site, "people_bad.json", "too_many_rejects", &["3", "4", "50%"]);
    assert_eq!(quarantined(&site, "people_bad.json").len(), 3);
    assert!(site.lake().keys().all(|name| !name.ends_with(".parquet")), "nothing of it became visible");
}

/// Runs the program without the rights of root, who may do everything: in a user namespace of its own.
fn powerless(site: &Site, before: &str, arguments: &str) -> std::process::Output {
    let mut command = Command::new("unshare");
    command.current_dir(site.path("")).args(["--user", "sh", "-c"]);
    command.arg(format!("{before} exec {BINARY} {arguments}"));
    command.output().expect("unshare of util-linux is there")
}

#[test]
fn a_folder_without_permission_is_named_and_nothing_is_set_aside() {
    let site = Site::new(&[PEOPLE]);
    site.land("people_1.json", "{\"id\":1}\n");
    let lake = site.path("lake");
    let allow = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&lake, mode).expect("the mode of the lake");
    };
    allow(0o500);
    let checked = powerless(&site, "", "check");
    let said = text(&checked);
    assert!(
        checked.status.code() != Some(0) && said.contains("lake") && said.to_lowercase().contains("permission"),
        "{said}"
    );
    let drained = powerless(&site, "", "--set shutdown.drain_patience=4s run --drain");
    assert_ne!(drained.status.code(), Some(0), "{}", text(&drained));
    allow(0o700);
    assert!(!site.json(&["loads"]).to_string().contains("set_aside"), "the file is not at fault");
    assert_eq!(site.drain(), 0, "it is loaded once the folder can be written");
    assert_eq!(load_of(&site, "people_1.json")["state"], "loaded");
}

#[test]
fn a_full_disk_is_waited_out_and_nothing_is_set_aside() {
    let site = Site::new(&[PEOPLE]);
    let line = |id: u64| format!("{{\"id\":{id},\"name\":\"{:x}\"}}", id * 7_919);
    site.land("people_1.json", (0..20_000).map(line).collect::<Vec<_>>().join("\n"));
    let lake = site.path("lake");
    let mut command = Command::new("unshare");
    command.current_dir(site.path("")).args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(format!(
        "mount -t tmpfs -o size=64k none {} && exec {BINARY} --set shutdown.drain_patience=4s run --drain",
        lake.display()
    ));
    let drained = command.output().expect("unshare of util-linux is there");
    let said = text(&drained);
    assert_eq!(drained.status.code(), Some(1), "{said}");
    assert!(said.contains("space"), "{said}");
    assert!(!site.json(&["loads"]).to_string().contains("set_aside"), "the file is not at fault");
    assert_eq!(site.drain(), 0, "it is loaded once there is room");
    assert_eq!(site.query("SELECT count(*) FROM people_people"), [["20000".to_owned()]]);
}

#[test]
fn lines_that_end_in_carriage_returns_alone_are_lines() {
    let site = Site::new(&[PRICES]);
    site.land("prices_1.csv", "sku,price\ra,1.00\r\"b, quoted\",2.00\rc,3.00\r");
    assert_eq!(site.drain(), 0);
    assert_eq!(load_of(&site, "prices_1.csv")["rows"]["prices"], 3);
}

#[test]
fn a_file_set_aside_by_a_wrong_definition_is_replayed_once_it_is_mended() {
    let site = Site::new(&[&PEOPLE.replace("type = \"bigint\"", "type = \"smallint\"")]);
    let landed = site.land("people_1.json", "{\"id\":40000}\n{\"id\":50000}\n");
    assert_eq!(site.drain(), 1);
    set_aside(&site, "people_1.json", "too_many_rejects", &["range people.id: 2"]);
    std::fs::write(site.path("datasets/d0.toml"), PEOPLE).expect("the mended definition");
    assert_eq!(site.drain(), 0, "nothing happens by itself");
    assert_eq!(load_of(&site, "people_1.json")["state"], "set_aside");
    assert_eq!(site.run(&["replay", landed.to_str().expect("a path")]).status.code(), Some(0));
    assert_eq!(site.drain(), 0);
    let load = load_of(&site, "people_1.json");
    assert_eq!((load["state"].as_str(), load["generation"].as_u64()), (Some("loaded"), Some(2)));
    assert_eq!(site.query("SELECT count(*) FROM people_people"), [["2".to_owned()]]);
}

#[test]
fn a_landing_that_is_missing_is_not_made() {
    let site = Site::new(&[PEOPLE]);
    std::fs::remove_dir(site.path("landing")).expect("an empty landing");
    for arguments in [&["check"] as &[&str], &["run", "--drain"]] {
        let output = site.run(arguments);
        assert_eq!(output.status.code(), Some(70), "{}", text(&output));
        assert!(text(&output).contains("landing.url"), "{}", text(&output));
    }
    assert!(!site.path("landing").try_exists().expect("a look"));
}

#[test]
fn a_folder_that_may_not_be_read_hides_no_other_file() {
    let site = Site::new(&[&PEOPLE.replace("people_*", "**/people_*")]);
    site.land("people_1.json", "{\"id\":1}\n");
    site.land("closed/people_2.json", "{\"id\":2}\n");
    let closed = site.path("landing/closed");
    let allow = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&closed, mode).expect("the mode of the folder");
    };
    allow(0o000);
    let drained = powerless(&site, "", "run --drain");
    allow(0o700);
    let said = text(&drained);
    assert_eq!(drained.status.code(), Some(0), "{said}");
    assert!(said.contains("closed") && said.contains("may not be read"), "{said}");
    assert_eq!(load_of(&site, "people_1.json")["state"], "loaded");
}

#[test]
fn a_file_with_a_time_in_the_future_is_taken() {
    let site = Site::new(&[PEOPLE]);
    site.settings("");
    let landed = site.land("people_1.json", "{\"id\":1}\n");
    let modified = std::fs::metadata(&landed).and_then(|metadata| metadata.modified()).expect("a time");
    let file = std::fs::File::options().write(true).open(&landed).expect("the file");
    file.set_modified(modified + std::time::Duration::from_hours(48)).expect("a time to come");
    assert_eq!(site.run(&["run", "--drain", "--set", "listing.settle_time=1s"]).status.code(), Some(0));
    assert_eq!(load_of(&site, "people_1.json")["state"], "loaded");
}
