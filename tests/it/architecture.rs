//! The rules of `ARCHITECTURE.md` that can be read off the tree: who may depend on whom, who may name what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the worker lies in the workspace").to_owned()
}

/// Each crate's dependencies (build and test ones left out), by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let mut crates = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let names = package["dependencies"].as_array().expect("dependencies").iter();
        let normal = names.filter(|dependency| dependency["kind"].is_null());
        let normal = normal.map(|dependency| dependency["name"].as_str().expect("a name").to_owned()).collect();
        crates.insert(package["name"].as_str().expect("a name").to_owned(), normal);
    }
    crates
}

pub(crate) fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = ["worker", "crates", "tests", "localstack"].map(|folder| root().join(folder)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("readable source");
                found.push((path.strip_prefix(root()).expect("below the root").to_owned(), text));
            }
        }
    }
    found
}

#[test]
fn arrows_point_inward() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("lakehand-domain", &[] as &[&str]),
        ("lakehand-dataset", &["domain"]),
        ("lakehand-transform", &["domain", "dataset"]),
        ("lakehand-operations", &["domain", "dataset"]),
        ("lakehand-pipeline", &["domain", "dataset"]),
        ("lakehand-daemon", &["domain", "dataset", "pipeline"]),
        ("lakehand-aws", &["domain"]),
        ("lakehand-console", &[]),
        ("lakehand-sqlite", &["domain"]),
        ("lakehand-queue", &["domain", "sqlite", "aws"]),
        ("lakehand-store", &["domain", "aws"]),
        ("lakehand-ledger", &["domain", "sqlite", "aws"]),
        ("lakehand-warehouse", &["domain", "sqlite", "aws"]),
        ("lakehand-redshift-standin", &[]),
        ("lakehand-testkit", &["domain"]),
        ("lakehand-simulation", &[]),
    ]);
    let crates = dependencies();
    for (name, uses) in &crates {
        let Some(allowed) = allowed.get(name.as_str()) else {
            assert_eq!(name, "lakehand", "a crate without a place in the architecture");
            continue;
        };
        for used in uses.iter().filter_map(|used| used.strip_prefix("lakehand-")) {
            assert!(allowed.contains(&used), "{name} may not depend on lakehand-{used}");
        }
    }
    assert_eq!(crates.len(), allowed.len() + 1, "every crate of the architecture is there");
}

#[test]
fn outside_crates_stay_behind_their_door() {
    let doors: [(&str, &[&str]); 15] = [
        ("polars", &["lakehand-transform"]),
        ("polars-parquet", &["lakehand-transform"]),
        ("rusqlite", &["lakehand-sqlite", "lakehand-queue", "lakehand-ledger", "lakehand-warehouse"]),
        ("notify", &["lakehand-store"]),
        ("aws-config", &["lakehand-aws", "lakehand-redshift-standin"]),
        ("aws-sdk-dynamodb", &["lakehand-ledger"]),
        ("aws-sdk-redshiftdata", &["lakehand-warehouse"]),
        ("aws-sdk-s3", &["lakehand-store", "lakehand-redshift-standin"]),
        ("aws-sdk-sqs", &["lakehand-queue"]),
        ("axum", &["lakehand-console", "lakehand-redshift-standin"]),
        ("parquet", &["lakehand-redshift-standin"]),
        ("clap", &["lakehand", "lakehand-redshift-standin"]),
        ("config", &["lakehand"]),
        ("tracing-subscriber", &["lakehand", "lakehand-redshift-standin"]),
        ("sqlparser", &["lakehand-dataset", "lakehand-redshift-standin"]),
    ];
    let crates = dependencies();
    for (outside, may) in doors {
        for (name, uses) in &crates {
            assert!(!uses.contains(outside) || may.contains(&name.as_str()), "{name} may not depend on {outside}");
        }
    }
    for io in ["tokio", "rusqlite", "tracing"] {
        assert!(!crates["lakehand-domain"].contains(io), "the domain does no I/O and has no runtime: {io}");
    }
    let adapters = ["lakehand-aws", "lakehand-queue", "lakehand-store", "lakehand-ledger", "lakehand-warehouse"];
    for (name, uses) in &crates {
        let aws = uses.iter().find(|used| used.starts_with("aws-"));
        let may = adapters.contains(&name.as_str()) || name == "lakehand-redshift-standin";
        assert!(aws.is_none() || may, "{name} may not depend on {aws:?}");
    }
}

#[test]
fn only_compose_names_backends() {
    let backends = [
        "SqliteQueue",
        "SqliteLedger",
        "SqliteWarehouse",
        "FileStore",
        "FolderWatch",
        "SqsQueue",
        "S3Store",
        "DynamoLedger",
        "RedshiftWarehouse",
    ];
    for (path, text) in sources() {
        let shown = path.display().to_string();
        let adapter = ["crates/queue", "crates/ledger", "crates/store", "crates/warehouse", "crates/testkit"];
        let test = shown.contains("tests/") || shown.contains("/tests") || shown.ends_with("tests.rs");
        if test || adapter.iter().any(|folder| shown.starts_with(folder)) || shown.starts_with("worker/src/compose") {
            continue;
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for backend in backends {
            assert!(!code.contains(backend), "{shown} names {backend}: only worker/src/compose.rs may");
        }
    }
}

#[test]
fn the_loops_are_their_calls_in_order() {
    let text = |path: &str| std::fs::read_to_string(root().join(path)).expect("the file is there");
    let in_order = |path: &str, calls: &[&str]| {
        let text = text(path);
        let mut at = 0;
        for call in calls {
            let found = text[at..].find(call).unwrap_or_else(|| panic!("{path}: no {call} after byte {at}"));
            at += found + call.len();
        }
    };
    let intake = ["event::", "claim::", "read::", "transform::", "write::", "settle::"];
    in_order("crates/pipeline/src/process.rs", &intake);
    in_order("crates/pipeline/src/loading.rs", &["gather::", "stage::", "commit::", "finish::"]);
}

#[test]
fn files_are_small_and_named_for_what_they_do() {
    for (path, text) in sources() {
        let shown = path.display().to_string();
        let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        assert!(
            !["util", "utils", "common", "helper", "helpers", "shared", "misc"].contains(&name),
            "{shown}: a name that says nothing"
        );
        let lines = text.lines().count();
        let tests = name == "tests" || shown.contains("/tests/") || shown.starts_with("tests/");
        assert!(lines <= if tests { 750 } else { 400 }, "{shown} has {lines} lines");
    }
}

#[test]
fn every_deliberate_bug_can_still_be_made() {
    let mutants = root().join("tests/simulation/mutants");
    let mut applied = 0;
    for entry in std::fs::read_dir(mutants).expect("the folder of mutants") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let mut command = Command::new("patch");
        command.args(["--dry-run", "--strip=1", "--forward", "--force", "--input"]).arg(&path).current_dir(root());
        let output = command.output().expect("patch runs");
        assert!(output.status.success(), "{}: {}", path.display(), crate::harness::text(&output));
        applied += 1;
    }
    assert!(applied > 10, "{applied} mutants");
}
