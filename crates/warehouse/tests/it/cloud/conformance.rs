//! Redshift passes the port's suite, and ends as the reference model says for loads made at random.

use std::cell::Cell;
use std::sync::Arc;

use lakehand_redshift_standin::Isolation;
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleParts, Site, expected_rows, warehouse_suite_on};
use proptest::test_runner::{Config, TestRunner};

use super::world::{World, tested};
use crate::conformance::{a_contest, some_batches};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_passes_the_suite() {
    let world = World::new().await;
    let warehouse = world.warehouse("suite").await;
    let parts = Arc::clone(&world.parts) as Arc<dyn SampleParts>;
    warehouse_suite_on("suite", tested(&warehouse), parts, 6).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_passes_the_suite_with_parts_elsewhere() {
    let world = World::on("MINISTACK", |_| {}).await;
    let warehouse = world.warehouse("suite").await;
    let parts = Arc::clone(&world.parts) as Arc<dyn SampleParts>;
    warehouse_suite_on("suite", tested(&warehouse), parts, 1).await;
    world.end().await;
}

#[test]
fn any_loads_in_any_order_and_batches_end_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // As older clusters are; the suite runs as new ones are.
    let world = runtime.block_on(World::with(|options| options.isolation = Isolation::Serializable));
    let warehouse = runtime.block_on(world.warehouse("model"));
    let tested = Arc::new(tested(&warehouse));
    let mut runner = TestRunner::new(Config { cases: 16, max_shrink_iters: 32, ..Config::default() });
    let made = Cell::new(0);
    runner
        .run(&(a_contest(), some_batches()), |(contest, loads)| {
            made.set(made.get() + 1);
            runtime.block_on(async {
                let dataset = format!("random_{}", made.get());
                let site = Site::open(Arc::clone(&tested), Arc::clone(&world.parts), &dataset, &contest).await;
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
    runtime.block_on(world.end());
}
