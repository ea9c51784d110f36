//! The embedded warehouse passes the port's suite, and ends as the reference model says for loads made at random.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use lakehand_domain::port::row_reader::PartReader;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_domain::shape::{Contest, OnRewrite, Run};
use lakehand_testkit::conformance::warehouse::{
    MemoryParts, SampleLoad, SampleRow, Site, Tested, expected_rows, warehouse_suite,
};
use lakehand_warehouse::sqlite::SqliteWarehouse;
use proptest::prelude::*;
use proptest::test_runner::Config;

fn open(file: &Path, parts: Arc<dyn PartReader>, keep: tempfile::TempDir) -> Tested {
    let warehouse = Arc::new(SqliteWarehouse::open(file, parts).unwrap());
    Tested {
        warehouse: Arc::clone(&warehouse) as Arc<dyn Warehouse>,
        query: warehouse as Arc<dyn QueryWarehouse>,
        view: SqliteWarehouse::view_name,
        rows: SqliteWarehouse::rows_name,
        keep: Box::new(keep),
    }
}

fn open_new(parts: Arc<dyn PartReader>) -> Tested {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("warehouse.db");
    open(&file, parts, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_passes_the_suite() {
    warehouse_suite("suite", |parts| async { open_new(parts) }).await;
}

pub(crate) fn a_contest() -> impl Strategy<Value = Contest> {
    let key = || vec!["listing_id".to_owned()];
    let run = || Some(Run { capture: "run".to_owned(), files: "files".to_owned() });
    prop_oneof![
        Just(Contest::Upsert { key: key(), version: Some("last_modified".to_owned()) }),
        Just(Contest::Upsert { key: key(), version: None }),
        Just(Contest::Append { on_rewrite: OnRewrite::Replace }),
        Just(Contest::Append { on_rewrite: OnRewrite::Ignore }),
        Just(Contest::Append { on_rewrite: OnRewrite::Append }),
        Just(Contest::Replace { scope: vec!["day".to_owned()], run: None }),
        Just(Contest::Replace { scope: Vec::new(), run: None }),
        Just(Contest::Replace { scope: vec!["day".to_owned()], run: run() }),
        Just(Contest::Replace { scope: Vec::new(), run: run() }),
    ]
}

fn a_load() -> impl Strategy<Value = SampleLoad> {
    let row = (0..4_i64, proptest::option::of(0..3_i64), any::<bool>()).prop_map(|(key, version, passes)| SampleRow {
        key,
        version,
        passes,
    });
    // Files of two days, and of runs of one and of several files.
    let object = prop_oneof![0..3_u32, Just(11), Just(12), Just(101), Just(119)];
    (object, prop_oneof![Just(1_000_u32), Just(1_001), Just(2_000)], 1..4_u32, proptest::collection::vec(row, 0..5))
        .prop_map(|(object, version, generation, rows)| SampleLoad { object, version, generation, rows })
}

/// Loads of which no two have the same entry and generation, each with the batch it comes in.
pub(crate) fn some_batches() -> impl Strategy<Value = Vec<(SampleLoad, bool)>> {
    proptest::collection::vec((a_load(), any::<bool>()), 0..10).prop_map(|mut loads| {
        let mut seen = std::collections::BTreeSet::new();
        loads.retain(|(load, _)| seen.insert((load.object, load.version, load.generation)));
        loads
    })
}

#[test]
fn any_loads_in_any_order_and_batches_end_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let parts = Arc::new(MemoryParts::default());
    let tested = Arc::new(open_new(Arc::clone(&parts) as Arc<dyn PartReader>));
    let mut runner =
        proptest::test_runner::TestRunner::new(Config { cases: 96, max_shrink_iters: 64, ..Config::default() });
    let made = std::cell::Cell::new(0);
    runner
        .run(&(a_contest(), some_batches()), |(contest, loads)| {
            made.set(made.get() + 1);
            runtime.block_on(async {
                let dataset = format!("random_{}", made.get());
                let site = Site::open(Arc::clone(&tested), Arc::clone(&parts), &dataset, &contest).await;
                site.put_in_force().await;
                let mut batch = Vec::new();
                for (load, ends_batch) in &loads {
                    batch.push(load.clone());
                    if *ends_batch {
                        site.deliver(&std::mem::take(&mut batch)).await;
                    }
                }
                site.deliver(&batch).await;
                let all: Vec<SampleLoad> = loads.into_iter().map(|(load, _)| load).collect();
                site.assert_is(&expected_rows(&site, &contest, &all)).await;
            });
            Ok(())
        })
        .unwrap();
}
