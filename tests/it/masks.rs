//! Masks under a key of the settings: refused without the key, and with it no value in the clear anywhere.

use std::fs;
use std::path::Path;

use crate::harness::{Site, text};

const PEOPLE: &str = r#"
name = "people"
[source]
objects = ["people_*.jsonl"]
format = "jsonl"
[privacy]
mask_key = "k2026"
[quality]
max_rejects = "90%"
[tables.people]
mode = "append"
[tables.people.columns]
id = { type = "bigint", required = true }
email = { type = "varchar(80)", matches = "@", mask = "hmac" }
"#;

const SECRET: &str = "a secret that nobody is told";

/// Every file below a folder in which a text stands.
fn holding(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            holding(&path, text, found);
            continue;
        }
        let mut bytes = fs::read(&path).expect("a file");
        if path.extension().is_some_and(|extension| extension == "zst") {
            bytes = zstd::decode_all(bytes.as_slice()).expect("zstd");
        }
        if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn a_mask_needs_its_key_and_leaves_nothing_in_the_clear() {
    let site = Site::new(&[PEOPLE]);
    site.land("people_1.jsonl", "{\"id\":1,\"email\":\"ada@example.org\"}\n{\"id\":2,\"email\":\"nobody\"}\n");
    for arguments in [["check"].as_slice(), &["run", "--drain"]] {
        let output = site.run(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains("k2026") && text(&output).contains("privacy.keys_folder"), "{}", text(&output));
    }

    // As an orchestrator mounts it: the value in a file, a folder of its own beside it.
    fs::create_dir_all(site.path("keys/..data")).expect("a folder of keys");
    fs::write(site.path("keys/k2026"), format!("{SECRET}\n")).expect("a key");
    site.settings("[privacy]\nkeys_folder = \"./keys\"\n");
    let checked = site.run(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked));
    let drained = site.run(&["run", "--drain"]);
    assert_eq!(drained.status.code(), Some(0), "{}", text(&drained));
    for output in [&checked, &drained] {
        assert!(!text(output).contains(SECRET) && !text(output).contains("ada@example.org"), "{}", text(output));
    }

    let rows = site.query("SELECT id, email FROM people_people");
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0][1].starts_with("k2026:") && rows[0][1].len() == "k2026:".len() + 64, "{rows:?}");
    let mut found = Vec::new();
    for clear in ["ada@example.org", "nobody", SECRET] {
        holding(&site.path("lake"), clear, &mut found);
        holding(&site.path("state"), clear, &mut found);
    }
    assert!(found.is_empty(), "in the clear: {found:?}");

    fs::write(site.path("keys/k2026"), "\n").expect("a key");
    let empty = site.run(&["check"]);
    assert_eq!(empty.status.code(), Some(64), "{}", text(&empty));
    assert!(text(&empty).contains("k2026 is empty"), "{}", text(&empty));
}
