//! A process that is killed at any instruction leaves whole batches or nothing, and whoever comes next finishes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use lakehand_domain::port::row_reader::PartReader;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_domain::shape::Contest;
use lakehand_testkit::conformance::warehouse::{MemoryParts, SampleLoad, SampleRow, Site, Tested, expected_rows};
use lakehand_warehouse::sqlite::SqliteWarehouse;

const FILE: &str = "LAKEHAND_TEST_FILE";

fn contest() -> Contest {
    Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) }
}

/// Objects whose rows rival each other, each then replayed.
fn loads() -> Vec<SampleLoad> {
    let load = |number: u32, generation: u32| SampleLoad {
        object: number,
        version: 1_000 + number % 3,
        generation,
        rows: (0..200)
            .map(|row| SampleRow {
                key: (i64::from(number) * 61 + row * 7) % 400,
                version: (row % 5 != 0).then_some((row * 13 + i64::from(number * generation)) % 17),
                passes: row % 11 != 0,
            })
            .collect(),
    };
    (0..12).flat_map(|number| [load(number, 1), load(number, 2)]).collect()
}

async fn site(file: &Path) -> Site {
    let parts = Arc::new(MemoryParts::default());
    let warehouse = Arc::new(SqliteWarehouse::open(file, Arc::clone(&parts) as Arc<dyn PartReader>).unwrap());
    let tested = Tested {
        warehouse: Arc::clone(&warehouse) as Arc<dyn Warehouse>,
        query: warehouse as Arc<dyn QueryWarehouse>,
        view: SqliteWarehouse::view_name,
        rows: SqliteWarehouse::rows_name,
        keep: Box::new(()),
    };
    let site = Site::open(Arc::new(tested), parts, "killed", &contest()).await;
    // What a killed process staged is found by its name and swept; nobody else works here now.
    let warehouse = &site.tested.warehouse;
    for name in warehouse.stagings(&site.shape.family).await.unwrap() {
        warehouse.drop_staging(&name).await.unwrap();
    }
    assert!(warehouse.stagings(&site.shape.family).await.unwrap().is_empty());
    site.put_in_force().await;
    site
}

/// The process that is killed: not a test by itself.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn child() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let site = site(Path::new(&file)).await;
    println!("open");
    for load in loads() {
        site.deliver(std::slice::from_ref(&load)).await;
        println!("delivered");
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_batches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    for lines in [1, 2, 4, 3, 5] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child", "--ignored", "--nocapture"])
            .env(FILE, &file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let said = |line: &String| line.ends_with("open") || line.ends_with("delivered");
        let seen = output.lines().map_while(Result::ok).filter(said).take(lines).count();
        // The child is in the middle of whatever comes next.
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, lines, "the child must be killed at work, not after it");
        let site = site(&file).await;
        let done = site.take().await.batches;
        assert!(done >= lines as u64 - 1, "what was answered is there");
        assert_eq!(site.dump().await.len() % 200, 0, "no load is there in part");
    }
    let site = site(&file).await;
    let markers_before = site.take().await.batches;
    for load in loads() {
        site.deliver(std::slice::from_ref(&load)).await;
    }
    assert!(site.take().await.batches >= markers_before);
    site.assert_is(&expected_rows(&site, &contest(), &loads())).await;
}
