//! Pausing and resuming from the command line, and by the clock.

use crate::harness::{LINES, Site, text};

#[test]
fn loading_is_paused_for_all_processes_and_resumed() {
    let site = Site::new(&[LINES]);
    let output = site.run(&["pause"]);
    assert_eq!(output.status.code(), Some(2), "there is no ledger yet: {}", text(&output));
    site.land("lines_1.csv", "id\n1\n");
    assert_eq!(site.drain(), 0);

    for (arguments, code, said) in [
        (&["pause", "--for", "soon"] as &[&str], 2, "--for \"soon\""),
        (&["pause", "--dataset", "nobody"], 2, "there are: lines"),
        (&["resume", "--dataset", "lines"], 0, "loading of lines is not paused"),
        (&["pause"], 0, "loading is paused until lakehand resume; files go on being written"),
        (&["resume", "--dataset", "lines"], 0, "loading of lines is paused until lakehand resume"),
    ] {
        let output = site.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(said), "{arguments:?}: {}", text(&output));
    }
    site.land("lines_2.csv", "id\n2\n");
    let output = site.run(&["run", "--drain"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("loading is paused until lakehand resume"), "{}", text(&output));
    assert_eq!(site.query("SELECT count(*) FROM lines_lines"), [["1"]]);

    assert_eq!(site.json(&["resume"])["paused"], false);
    let told = site.json(&["pause", "--dataset", "lines", "--for", "1h"]);
    assert_eq!((&told["paused"], &told["dataset"]), (&true.into(), &"lines".into()), "{told:#}");
    assert!(told["until"].as_str().is_some_and(|until| until.ends_with('Z')), "{told:#}");
    assert_eq!(site.json(&["resume", "--dataset", "lines"])["paused"], false);
    assert_eq!(site.drain(), 0);
    assert_eq!(site.query("SELECT count(*) FROM lines_lines"), [["2"]]);
}

#[test]
fn windows_are_settings_and_wrong_ones_are_named() {
    let site = Site::new(&[LINES]);
    site.land("lines_1.csv", "id\n1\n");
    let settings = std::fs::read_to_string(site.path("lakehand.toml")).expect("settings");
    let with = |pause: &str| {
        let text = settings.replace("[loading]\n", &format!("[loading]\npause = {pause}\n"));
        std::fs::write(site.path("lakehand.toml"), text).expect("settings");
    };
    with(r#"["* 25 * * *"]"#);
    let output = site.run(&["check"]);
    assert_eq!(output.status.code(), Some(64), "{}", text(&output));
    assert!(text(&output).contains("* 25 * * *") && text(&output).contains("loading.pause"), "{}", text(&output));
    with(r#"["* 0-11 * * *", "* 12-23 * * *"]"#);
    let told = site.json(&["check"]);
    let settings = told["settings"].as_array().expect("settings");
    let pause = settings.iter().find(|one| one["key"] == "loading.pause").expect("the setting");
    assert_eq!(pause["value"], "* 0-11 * * *; * 12-23 * * *");
    let output = site.run(&["run", "--drain"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("in the minutes of loading.pause"), "{}", text(&output));
    let output = site.run(&["run", "--drain", "--set", "loading.pause="]);
    assert_eq!(output.status.code(), Some(0), "a flag has the last word: {}", text(&output));
}

#[test]
fn how_the_landing_is_listed_is_a_setting() {
    let site = Site::new(&[LINES]);
    site.land("lines_1.csv", "id\n1\n");
    assert_eq!(site.run(&["run", "--drain", "--set", "listing.enabled=false"]).status.code(), Some(0));
    assert_eq!(site.json(&["loads"])["loads"].as_array().map(Vec::len), Some(0), "nothing told of it");
    let new = ["--set", "listing.reach=new", "--set", "listing.settle_time=0s"];
    let history = [&["run", "--drain", "--set", "listing.history=true"], &new[..]].concat();
    assert_eq!(site.run(&history).status.code(), Some(0));
    assert_eq!(site.query("SELECT count(*) FROM lines_lines"), [["1"]]);
    for (setting, said) in [
        ("listing.reach=some", "one of all, new"),
        ("listing.enabled=perhaps", "true or false"),
        ("listing.max_pages=0", "whole number"),
    ] {
        let output = site.run(&["check", "--set", setting]);
        assert_eq!(output.status.code(), Some(64), "{setting}: {}", text(&output));
        assert!(text(&output).contains(said), "{setting}: {}", text(&output));
    }
    let overlap = [
        &["check", "--set", "listing.overlap=1s", "--set", "listing.reach=new"] as &[&str],
        &["--set", "listing.settle_time=1m"],
    ]
    .concat();
    let output = site.run(&overlap);
    assert!(text(&output).contains("listing.overlap"), "{}", text(&output));
}
