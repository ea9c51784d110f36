//! Dead letters from the command line: looked at, replayed after a fix, and told of again where there was none.

use serde_json::Value;

use crate::harness::{Site, text};

const STRICT: &str = r#"
name = "offers"
[source]
objects = ["offers_{day}.csv"]
format = "csv"
[quality]
max_rejects = "10%"
[tables.offers]
mode = "append"
[tables.offers.columns]
id = { type = "bigint", required = true }
"#;

/// Half of its records are rejected.
const HALF: &str = "id\n1\nx\n";

/// Three files set aside: two of the dataset, one that cannot be read.
fn set_aside() -> Site {
    let site = Site::new(&[STRICT]);
    site.land("offers_mon.csv", HALF);
    site.land("offers_tue.csv", HALF);
    site.land("offers_wed.csv", b"\x1f\x8b\x08\x00torn");
    assert_eq!(site.drain(), 1);
    site
}

fn replay(site: &Site, more: &[&str]) -> (i32, Vec<Value>, Value) {
    let arguments = [&["run", "--replay-dead-letters", "--output", "json"], more].concat();
    let output = site.run(&arguments);
    let lines: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let letters = lines.iter().filter(|line| line["event"] == "letter").cloned().collect();
    let told = lines.last().cloned().unwrap_or_else(|| panic!("{}", text(&output)));
    (output.status.code().unwrap_or(-1), letters, told)
}

#[test]
fn letters_are_looked_at_mended_and_replayed() {
    let site = set_aside();
    let (code, letters, told) = replay(&site, &["--dry-run"]);
    assert_eq!((code, letters.len(), &told["dry_run"]), (0, 3, &Value::Bool(true)), "{told:#}");
    assert!(letters.iter().all(|letter| letter["outcome"] == "would_replay"), "{letters:#?}");

    let mended = STRICT.replace("10%", "50%");
    std::fs::write(site.path("datasets/d0.toml"), mended).expect("a definition");
    let only = ["--dataset", "offers", "--reason", "too-many-rejects", "--since", "1h"];
    let (code, letters, told) = replay(&site, &only);
    assert_eq!((code, letters.len()), (0, 2), "{told:#}");
    assert_eq!((&told["outcomes"]["loaded"], &told["not_selected"]), (&2.into(), &1.into()), "{told:#}");
    assert_eq!(letters[0]["dataset"], "offers");
    assert!(letters[0]["object"].as_str().is_some_and(|object| object.starts_with("file://")), "{letters:#?}");
    assert_eq!(site.query("SELECT id FROM offers_offers ORDER BY 1"), [["1"], ["1"]]);

    let output = site.run(&["run", "--replay-dead-letters"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["offers_wed.csv", "set aside again", "unreadable", "1 letter: 1 set aside again"] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    let (_, letters, told) = replay(&site, &["--dry-run"]);
    assert_eq!(letters.len(), 1, "it is told of again, once: {told:#}");
}

#[test]
fn what_cannot_be_selected_is_said() {
    let site = Site::new(&[STRICT]);
    for (arguments, said) in [
        (&["--reason", "bad luck"] as &[&str], "too_many_rejects"),
        (&["--dataset", "flats"], "there are: offers"),
        (&["--since", "soon"], "--since \"soon\""),
        (&["--until", "later"], "--until \"later\""),
        (&["--since", "1h", "--until", "2h"], "is not before"),
        (&["--limit", "0"], "--limit"),
        (&["--drain"], "cannot be used with"),
    ] {
        let output = site.run(&[&["run", "--replay-dead-letters"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(said), "{arguments:?}: {}", text(&output));
    }
    let which: [&[&str]; 6] = [
        &["--dataset", "offers"],
        &["--since", "1h"],
        &["--until", "1h"],
        &["--reason", "gone"],
        &["--limit", "3"],
        &["--dry-run"],
    ];
    for flag in which {
        let output = site.run(&[&["run"], flag].concat());
        assert_eq!(output.status.code(), Some(2), "{flag:?}: {}", text(&output));
        assert!(text(&output).contains("--replay-dead-letters"), "{flag:?}: {}", text(&output));
        // Alone each of these changes everything there is: that a flag which narrows it goes unheard must not be.
        for other in ["--drain", "--redrive-all"] {
            let output = site.run(&[&["run", other], flag].concat());
            assert_eq!(output.status.code(), Some(2), "{other} {flag:?}: {}", text(&output));
            assert!(text(&output).contains("cannot be used with"), "{other} {flag:?}: {}", text(&output));
        }
    }
    let output = site.run(&["run", "--redrive-all"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("--replay-dead-letters"), "{}", text(&output));
}
