//! What a running worker says of itself in numbers, and in lines for machines.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{LINES, Site};
use crate::http::{Running, ask, free_address};

/// Numbers as they are written, by name and labels.
type Numbers = BTreeMap<String, String>;

/// The numbers, and the kinds by name.
fn numbers(address: &str) -> Option<(Numbers, BTreeMap<String, String>)> {
    let (_, body) = ask(address, "/metrics")?;
    let (mut numbers, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    for line in body.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a kind");
            kinds.insert(name.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let (name, number) = line.rsplit_once(' ').expect("a name and a number");
            numbers.insert(name.to_owned(), number.to_owned());
        }
    }
    Some((numbers, kinds))
}

fn number(told: &Numbers, name: &str) -> u64 {
    told[name].parse().expect("a whole number")
}

#[expect(clippy::disallowed_methods, reason = "the worker lives in real time")]
fn until(address: &str, what: impl Fn(&Numbers) -> bool) -> Numbers {
    let begun = Instant::now();
    loop {
        let told = numbers(address).map(|(numbers, _)| numbers);
        assert!(begun.elapsed() < Duration::from_mins(1), "it never came so far: {told:#?}");
        if let Some(told) = told.filter(&what) {
            return told;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn everything_that_is_to_be_watched_is_a_number() {
    let site = Site::new(&[LINES]);
    let address = free_address();
    site.settings(&format!("[http]\nlisten = \"{address}\"\n"));
    // Written, and kept from being loaded: it waits when the worker begins.
    site.run(&["run", "--drain"]);
    assert_eq!(site.run(&["pause"]).status.code(), Some(0));
    site.land("lines_1.csv", "id\n1\n2\n");
    site.run(&["run", "--drain"]);
    let worker = Running(site.start(&["run"]));
    let waiting = until(&address, |told| told.contains_key("lakehand_oldest_unloaded_age_seconds{dataset=\"lines\"}"));
    assert!(number(&waiting, "lakehand_oldest_unloaded_age_seconds{dataset=\"lines\"}") < 600, "{waiting:#?}");

    site.land("lines_2.csv", "id\n4\n5\n");
    let written = until(&address, |told| number(told, "lakehand_files_written_total") > 0);
    assert_eq!(written["lakehand_bytes_read_total"], "7");
    assert!(number(&written, "lakehand_bytes_written_total") > 100, "{written:#?}");
    assert_eq!(written["lakehand_message_age_seconds_count"], "1");
    for stage in ["claim", "read", "transform", "write"] {
        assert_eq!(written[&format!("lakehand_stage_seconds_count{{stage=\"{stage}\"}}")], "1", "{stage}");
    }
    assert_eq!(site.run(&["resume"]).status.code(), Some(0));
    let loaded = until(&address, |told| number(told, "lakehand_files_loaded_total") >= 2);
    let batches = loaded["lakehand_load_batch_files_count"].as_str();
    assert!(["1", "2"].contains(&batches), "{loaded:#?}");
    assert_eq!(loaded["lakehand_load_batch_files_sum"], "2");
    assert_eq!(loaded["lakehand_load_batch_seconds_count"], batches);
    for stage in ["gather", "stage", "commit", "finish"] {
        assert_eq!(loaded[&format!("lakehand_stage_seconds_count{{stage=\"{stage}\"}}")], batches, "{stage}");
    }
    // These are there before anything is wrong, so that an alarm can be set on them.
    for name in ["lakehand_lease_losses_total{lease=\"message\"}", "lakehand_lease_losses_total{lease=\"entry\"}"] {
        assert_eq!(loaded[name], "0");
    }
    for what in ["intake", "settle", "visibility", "leases", "letters", "sweep_claims", "sweep_stagings", "sweep_lake"]
    {
        assert_eq!(loaded[&format!("lakehand_failures_in_a_row{{what=\"{what}\"}}")], "0");
    }
    // Whether this process sweeps, or the one that drained before it did, is up to the lease of sweeping.
    assert!(loaded.contains_key("lakehand_swept_pages_total"), "{loaded:#?}");
    assert_eq!(loaded["lakehand_swept_objects_total"], "0", "all of it is young");
    assert_eq!(loaded["lakehand_rows_loaded_total{dataset=\"lines\",table=\"lines\"}"], "4");
    for name in [
        "lakehand_retries_total",
        "lakehand_files_in_work",
        "lakehand_oldest_message_age_seconds",
        "lakehand_queue_messages{state=\"in_flight\"}",
    ] {
        assert!(loaded.contains_key(name), "no {name} in {loaded:#?}");
    }
    let (numbers, kinds) = numbers(&address).expect("an answer");
    for name in numbers.keys().filter(|name| name.contains("_bucket{")) {
        assert_eq!(kinds[name.split("_bucket").next().expect("a name")], "histogram");
    }
    drop(worker);
}

#[test]
fn every_line_about_a_message_names_it_also_at_the_highest_level() {
    let site = Site::new(&[LINES]);
    site.land("lines_1.csv", "id\n1\n");
    site.land("lines_2.csv", "id\n1,2\n3,4\n");
    site.land("lines_3.csv", b"\x1f\x8b\x08 torn");
    let spans = |level: &str| {
        let output = site.run(&["--log-format", "json", "--log", level, "run", "--drain"]);
        let lines = String::from_utf8(output.stderr).expect("text");
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["target"] == "lakehand_pipeline::settle").collect::<Vec<_>>()
    };
    let lines = spans("info");
    assert!(lines.len() >= 3, "{lines:#?}");
    for line in &lines {
        assert_eq!(line["span"]["name"], "message", "{line:#}");
        assert!(line["span"]["message.id"].as_str().is_some_and(|id| !id.is_empty()), "{line:#}");
    }
    site.land("lines_4.csv", b"\x1f\x8b\x08 torn too");
    let lines = spans("warn");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0]["span"]["message.id"].is_string(), "{lines:#?}");
}
