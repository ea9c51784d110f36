//! A dataset of which nothing comes, as a running worker tells of it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Site, text};
use crate::http::{Running, ask, free_address};

const LINES: &str = r#"
name = "lines"
[source]
objects = ["lines_*.csv"]
format = "csv"
[quality]
freshness = "2s"
[tables.lines]
mode = "append"
[tables.lines.columns]
id = { type = "bigint", required = true }
"#;

/// What the worker says of the dataset once it is as fresh or stale as this.
#[expect(clippy::disallowed_methods, reason = "the worker lives in real time")]
fn until(address: &str, is_stale: bool) -> Value {
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(40), "it never said whether it is stale: {is_stale}");
        let told = ask(address, "/status").and_then(|(_, body)| serde_json::from_str::<Value>(&body).ok());
        if let Some(told) = told.filter(|told| told["loading"]["lines"]["freshness"]["stale"] == is_stale) {
            return told;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_does_not_come_is_told_by_a_worker_that_is_well() {
    let site = Site::new(&[LINES]);
    site.land("lines_1.csv", "id\n1\n");
    let address = free_address();
    site.settings(&format!("[http]\nlisten = \"{address}\"\n"));
    let worker = Running(site.start(&["run"]));
    let fresh = until(&address, false);
    assert_eq!(fresh["notices"], Value::Array(Vec::new()));
    let stale = until(&address, true);
    assert_eq!(stale["healthy"], true, "{stale:#}");
    let freshness = &stale["loading"]["lines"]["freshness"];
    assert_eq!((&freshness["loaded_ever"], &freshness["files_wait"]), (&true.into(), &false.into()), "{stale:#}");
    assert!(stale["notices"][0].as_str().is_some_and(|notice| notice.starts_with("lines is stale: ")), "{stale:#}");
    let (code, ready) = ask(&address, "/ready").expect("an answer");
    assert_eq!(code, 200, "{ready}");
    assert!(ready.starts_with("ready\nlines is stale: nothing was loaded since "), "{ready}");
    assert_eq!(ask(&address, "/live").expect("an answer").0, 200);
    let metrics = ask(&address, "/metrics").expect("an answer").1;
    assert!(metrics.contains("\nlakehand_dataset_stale{dataset=\"lines\"} 1\n"), "{metrics}");
    assert!(metrics.contains("\nlakehand_dataset_last_loaded_timestamp_seconds{dataset=\"lines\"} "), "{metrics}");
    let asked = site.run(&["ready"]);
    assert_eq!(asked.status.code(), Some(0), "{}", text(&asked));
    assert!(text(&asked).contains("lines is stale"), "{}", text(&asked));

    // It is fresh again as soon as something is loaded.
    site.land("lines_2.csv", "id\n2\n");
    assert_eq!(until(&address, false)["notices"], Value::Array(Vec::new()));
    drop(worker);
    assert_eq!(site.query("SELECT count(*) FROM lines_lines"), [["2"]]);
}
