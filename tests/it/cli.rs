//! The program as a person or a script meets it: exit codes, messages, tables, and JSON that parses.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Site, text};

const OFFERS: &str = r#"
name = "offers"
[source]
objects = ["offers_{day}.csv"]
format = "csv"
[source.csv]
delimiter = ";"
[quality]
max_rejects = "50%"
[tables.offers]
mode = "upsert"
key = ["id"]
version = "seen"
[tables.offers.columns]
id = { type = "bigint", required = true }
rent = { type = "decimal(12,2)", extract = '^([0-9.]+) EUR$' }
seen = { type = "timestamptz", required = true }
day = { type = "varchar(20)", capture = "day" }
"#;

/// Five records: two of one id, one with a rent that is none.
const FIVE: &str = "id;rent;seen\n\
1;430 EUR;2022-01-25T08:00:00Z\n\
1;440.50 EUR;2022-01-26T08:00:00Z\n\
2;cheap;2022-01-25T08:00:00Z\n\
3;600 EUR;2022-01-25T08:00:00Z\n\
4;;2022-01-25T08:00:00Z\n";

fn loaded() -> Site {
    let site = Site::new(&[OFFERS]);
    site.land("offers_mon.csv", FIVE);
    assert_eq!(site.drain(), 0);
    site
}

fn lines(output: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(output);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn a_wrong_command_line_is_told_apart_from_wrong_settings() {
    let site = Site::new(&[OFFERS]);
    for (arguments, code) in [
        (&["frobnicate"] as &[&str], 2),
        (&["run", "--sideways"], 2),
        (&["loads", "--since", "soon"], 2),
        (&["check", "--set", "intake.concurrency=none"], 64),
        (&["run", "--config", "nowhere.toml"], 64),
        (&["loads", "--set", "lake.url=gs://bucket/lake"], 64),
        (&["--help"], 0),
        (&["check"], 0),
    ] {
        let output = site.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
    }
    assert!(text(&site.run(&["--help"])).contains("64"), "the help names the exit codes");
}

#[test]
fn check_shows_what_is_in_effect_and_makes_nothing() {
    let site = Site::new(&[OFFERS]);
    let told = site.json(&["check", "--set", "intake.concurrency=3"]);
    assert_eq!(told["ok"], true, "{told:#}");
    let setting = |key: &str| {
        let all = told["settings"].as_array().expect("settings").iter();
        all.clone().find(|one| one["key"] == key).unwrap_or_else(|| panic!("no {key}: {told:#}")).clone()
    };
    assert_eq!(
        (&setting("intake.concurrency")["value"], &setting("intake.concurrency")["origin"]["from"]),
        (&"3".into(), &"flag".into())
    );
    assert_eq!(setting("intake.lease")["origin"]["from"], "file");
    assert_eq!(setting("loading.max_batch_entries")["origin"]["from"], "default");
    assert_eq!(told["datasets"][0]["dataset"], "offers");
    assert_eq!(told["backends"].as_array().map(Vec::len), Some(6));
    assert!(!site.path("state").try_exists().expect("a look"), "looking makes nothing");
    let shown = text(&site.run(&["check"]));
    for said in ["intake.lease", "lakehand.toml:", "offers_{day}.csv", "will be made by the first run", "all is well"] {
        assert!(shown.contains(said), "no {said:?} in\n{shown}");
    }
}

#[test]
fn check_tells_all_problems_of_settings_and_definitions_at_once() {
    let site = Site::new(&[&OFFERS.replace("bigint", "bignum")]);
    site.settings("[sweeper]\ninterval = \"soon\"\n");
    let output = site.run(&["check", "--set", "queue.url=sqs://me:hunter2@queue"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for part in [
        "3 problems",
        "sweeper.interval",
        "\"soon\"",
        "lakehand.toml:",
        "queue.url",
        "this build has sqlite://",
        "d0.toml:15",
        "bignum",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let told: Value = serde_json::from_slice(&site.run(&["check", "-o", "json"]).stdout).expect("JSON");
    assert_eq!(told["ok"], false);
    assert_eq!(told["settings_problems"][0]["key"], "sweeper.interval");
    assert_eq!(told["definition_problems"][0]["key_path"], "tables.offers.columns.id.type");
}

#[test]
fn an_expression_that_does_not_resolve_has_its_place_too() {
    let wrong = format!("{OFFERS}twice = {{ type = \"decimal(12,2)\", expr = \"rnet * 2\" }}\n");
    let output = Site::new(&[&wrong]).run(&["check"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("d0.toml:19: tables.offers.columns.twice.expr"), "{said}");
    assert!(said.contains("rnet"), "{said}");
}

#[test]
fn a_backend_that_cannot_be_reached_is_an_outside_failure() {
    let site = Site::new(&[OFFERS]);
    std::fs::write(site.path("notafolder"), "x").expect("a file");
    let output = site.run(&["check", "--set", "ledger.url=sqlite://./notafolder/ledger.sqlite"]);
    assert_eq!(output.status.code(), Some(70), "{}", text(&output));
    assert!(text(&output).contains("ledger sqlite://"), "{}", text(&output));
    let output = site.run(&["run", "--drain", "--set", "ledger.url=sqlite://./notafolder/ledger.sqlite"]);
    assert_eq!(output.status.code(), Some(70), "{}", text(&output));
}

#[test]
fn without_credentials_one_line_says_what_to_do() {
    let site = Site::new(&[OFFERS]);
    let on_aws =
        ["lake.url=s3://lake", "queue.url=sqs://q", "queue.dead_letters_url=sqs://q-dead", "aws.region=eu-central-1"];
    let run = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        for set in on_aws.iter().chain(&["ledger.url=dynamodb://l", "warehouse.url=redshift://group/dev"]) {
            command.args(["--set", set]);
        }
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", site.path("state"));
        command.output().expect("the program runs")
    };
    let output = run(&["check"]);
    assert_eq!(output.status.code(), Some(70), "{}", text(&output));
    let said = text(&output);
    for backend in ["lake s3://", "queue sqs://", "ledger dynamodb://", "warehouse redshift://"] {
        let told = said.lines().any(|line| line.starts_with(backend) && line.contains("no credentials for AWS: give"));
        assert!(told, "{backend} in\n{said}");
    }
    let output = run(&["run", "--drain"]);
    assert_eq!(output.status.code(), Some(70), "{}", text(&output));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.lines().count() == 1 && said.contains("no credentials for AWS: give"), "{said}");
}

#[test]
fn a_drain_reports_and_its_json_is_lines() {
    let site = Site::new(&[OFFERS]);
    site.land("offers_mon.csv", FIVE);
    site.land("offers_tue.csv", "id;rent;seen\nx;1 EUR;2022-01-25T08:00:00Z\n");
    let output = site.run(&["run", "--drain", "-o", "json"]);
    assert_eq!(output.status.code(), Some(1), "a file was set aside: {}", text(&output));
    let told = lines(&output.stdout);
    assert_eq!((told[0]["event"].as_str(), told[1]["event"].as_str()), (Some("started"), Some("ended")));
    assert_eq!(told[1]["files"]["loaded"], 1, "{:#}", told[1]);
    assert_eq!(told[1]["set_aside"]["too_many_rejects"], 1);
    assert_eq!((&told[1]["records"], &told[1]["rejected"]), (&6.into(), &2.into()));
    assert_eq!(told[1]["rows_loaded"]["offers"]["offers"], 4);

    let again = site.run(&["run", "--drain"]);
    let said = text(&again);
    for part in ["files", "loaded", "records", "rejected", "message"] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
}

#[test]
fn loads_lists_filters_and_counts() {
    let site = Site::new(&[OFFERS]);
    let none = site.run(&["loads"]);
    assert_eq!(none.status.code(), Some(0));
    assert!(text(&none).contains("nothing was processed"), "{}", text(&none));
    site.land("offers_mon.csv", FIVE);
    assert_eq!(site.drain(), 0);
    site.land("offers_tue.csv", "id;rent;seen\nx;1 EUR;2022-01-25T08:00:00Z\n");
    assert_eq!(site.drain(), 1);
    let all = site.json(&["loads"]);
    let states: Vec<&str> =
        all["loads"].as_array().expect("loads").iter().filter_map(|load| load["state"].as_str()).collect();
    assert_eq!(states, ["set_aside", "loaded"], "the newest first: {all:#}");
    assert_eq!(all["loads"][1]["records"], 5);
    assert_eq!(all["loads"][1]["rejects"], 1);
    assert_eq!(all["loads"][1]["rows"]["offers"], 4);
    let one = site.json(&["loads", "--state", "loaded", "--dataset", "offers", "--since", "1h", "--limit", "1"]);
    assert_eq!(one["loads"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["loads"][0]["state"], "loaded");
    let shown = text(&site.run(&["loads"]));
    for part in ["offers_mon.csv", "too_many_rejects", "offers: 2 files"] {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
    assert_eq!(site.json(&["loads", "--since", "2999-01-01"])["loads"], Value::Array(Vec::new()));
}

#[test]
fn explain_accounts_for_every_record_and_shows_where_all_lies() {
    let site = loaded();
    let told = site.json(&["explain", "offers_mon.csv"]);
    assert_eq!(told["adds_up"], true, "{told:#}");
    assert_eq!(told["routing"]["captures"]["day"], "mon");
    let generation = &told["versions"][0]["generations"][0];
    assert_eq!((&generation["state"], &generation["live"]), (&"loaded".into(), &true.into()));
    let table = &generation["tables"][0];
    assert_eq!((&table["records"], &table["rejected"], &table["other"]), (&5.into(), &1.into(), &0.into()));
    assert_eq!((&table["standing"]["visible"], &table["standing"]["lost"]), (&3.into(), &1.into()), "{table:#}");
    let manifest = generation["summary"]["manifest"].as_str().expect("a manifest");
    assert!(std::fs::exists(manifest.strip_prefix("file://").expect("a file")).expect("a look"), "{manifest}");

    // The same file by its path from here, below the landing, and as a URI.
    let path = site.path("landing/offers_mon.csv");
    let uri = format!("file://{}", path.display());
    for name in ["landing/offers_mon.csv", path.to_str().expect("UTF-8"), &uri] {
        assert_eq!(site.json(&["explain", name])["object"], uri.as_str(), "{name}");
    }
    let shown = text(&site.run(&["explain", "offers_mon.csv"]));
    assert!(shown.contains("5 records read = 3 visible + 1 deduplicated + 1 rejected: adds up"), "{shown}");
}

#[test]
fn explain_says_why_a_file_was_never_taken() {
    let site = loaded();
    let absent = site.run(&["explain", "offers_wed.csv"]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(text(&absent).contains("never seen"), "{}", text(&absent));
    site.land("Offers_wed.csv", FIVE);
    site.land("offers_wed.csv.part", FIVE);
    for (name, why) in
        [("Offers_wed.csv", "small and capital letters differ"), ("offers_wed.csv.part", "and then the name goes on")]
    {
        let shown = text(&site.run(&["explain", name]));
        assert!(shown.contains("none claims it") && shown.contains(why), "{name}:\n{shown}");
        assert!(shown.contains("add a pattern"), "{name}:\n{shown}");
    }
}

#[test]
fn preview_shows_rows_rejects_and_ddl_and_writes_nothing() {
    let site = Site::new(&[OFFERS]);
    let file = site.path("offers_mon.csv");
    std::fs::write(&file, FIVE).expect("a file");
    let told = site.json(&["preview", "offers", "offers_mon.csv", "--rows", "2"]);
    assert_eq!(
        (&told["records"], &told["rejected"], &told["accepted"]),
        (&5.into(), &1.into(), &true.into()),
        "{told:#}"
    );
    let table = &told["tables"][0];
    assert_eq!(table["table"], "offers");
    assert_eq!(table["rows"], 4);
    assert_eq!(table["first"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["rejects"][0]["line"], 4);
    assert_eq!(told["rejects"][0]["value"], "cheap");
    assert_eq!(told["rejects"][0]["column"], "offers.rent");
    for (warehouse, words) in [("sqlite", "CREATE VIEW"), ("redshift", "WITH NO SCHEMA BINDING")] {
        let statements = told["ddl"][warehouse].as_array().unwrap();
        assert!(statements.iter().any(|statement| statement.as_str().unwrap().contains(words)), "{statements:?}");
    }
    assert!(!site.path("state").try_exists().expect("a look"), "a preview writes nothing");
    assert_eq!(std::fs::read_dir(site.path("lake")).expect("a lake").count(), 0);

    let shown = text(&site.run(&["preview", "datasets/d0.toml", "offers_mon.csv"]));
    for part in ["440.50", "cheap", "offers.rent", "CREATE"] {
        assert!(shown.contains(part), "no {part:?} in\n{shown}");
    }
    assert_eq!(site.run(&["preview", "ofers", "offers_mon.csv"]).status.code(), Some(2), "no such dataset");
    assert_eq!(site.run(&["preview", "offers", "nowhere.csv"]).status.code(), Some(70), "no such file");
    std::fs::write(&file, "id;rent;seen\nx;1 EUR;2022-01-25T08:00:00Z\n").expect("a file");
    assert_eq!(site.run(&["preview", "offers", "offers_mon.csv"]).status.code(), Some(1), "it would be set aside");
}

#[test]
fn what_infer_prints_is_a_definition_that_checks_and_previews() {
    let site = Site::new(&[]);
    std::fs::write(site.path("people.jsonl"), "{\"id\":1,\"name\":\"Zoë\"}\n{\"id\":2,\"name\":null}\n")
        .expect("a file");
    let output = site.run(&["infer", "people.jsonl", "--name", "people"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    std::fs::write(site.path("datasets/people.toml"), &output.stdout).expect("a definition");
    let checked = site.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{}{}", text(&checked), text(&output));
    let told = site.json(&["preview", "people", "people.jsonl"]);
    assert_eq!((&told["records"], &told["rejected"]), (&2.into(), &0.into()), "{told:#}");
}

#[test]
fn the_schema_is_json_schema() {
    let site = Site::new(&[]);
    let schema: Value = serde_json::from_slice(&site.run(&["schema"]).stdout).expect("JSON");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(schema["type"], "object");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the daemon is another process: only real time waits for it")]
fn sigterm_drains_and_what_was_landed_is_whole() {
    let site = Site::new(&[OFFERS]);
    let mut child =
        site.command(&["run", "-o", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a daemon");
    site.land("offers_mon.csv", FIVE);
    let in_time = (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        site.run(&["loads", "-o", "json", "--state", "loaded"]).stdout.windows(14).any(|part| part == b"offers_mon.csv")
    });
    assert!(in_time, "the file is loaded within half a minute");
    assert!(child.try_wait().expect("a look").is_none(), "the daemon goes on");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SIGTERM: draining"), "{}", text(&output));
    let told = lines(&output.stdout);
    assert_eq!(told.last().expect("a report")["files"]["loaded"], 1);
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let site = loaded();
    let mut child = site.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a command");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("an end");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(output.stderr.is_empty(), "{}", text(&output));
}

#[test]
fn the_definition_of_the_readme_checks() {
    let readme = include_str!("../../README.md");
    let start = readme.find("```toml\n").expect("the README shows a definition") + "```toml\n".len();
    let end = start + readme[start..].find("```").expect("it ends");
    let site = Site::new(&[&readme[start..end]]);
    let output = site.run(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn the_demo_runs_where_it_is_called_and_tells_what_it_did() {
    let site = Site::new(&[OFFERS]);
    let output = site.run(&["demo", "--files", "9"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    for part in [
        "8 files loaded, 1 set aside, 1 known before",
        "Second run: 1 message in, 1 file loaded, 0 set aside",
        "rent_per_sqm",
        "  lake        lakehand-demo/lake/berlin_flats",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{}", text(&output));
    }
    assert_eq!(site.run(&["demo", "--folder", "datasets"]).status.code(), Some(70), "a folder of others is left alone");
}

#[test]
fn check_refuses_what_redshift_would_not_take_in_one_transaction() {
    let table = |at: u32| {
        format!(
            "[tables.t{at}]\nmode = \"upsert\"\nkey = [\"id\"]\n[tables.t{at}.columns]\n\
             id = {{ type = \"bigint\", required = true }}\n"
        )
    };
    let tables = (0..30).map(table).collect::<String>();
    let site =
        Site::new(&[&format!("name = \"wide\"\n[source]\nobjects = [\"*.jsonl\"]\nformat = \"jsonl\"\n{tables}")]);
    let mut command = site.command(&["check", "--set", "lake.url=s3://lake", "--set", "aws.region=eu-central-1"]);
    // Nobody listens there: what the definitions are is told all the same.
    command.args(["--set", "warehouse.url=redshift://group/dev", "--set", "aws.endpoint_url=http://127.0.0.1:1"]);
    command.env("AWS_ACCESS_KEY_ID", "none").env("AWS_SECRET_ACCESS_KEY", "none");
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("a batch of dataset wide would be"), "{}", text(&output));
}
