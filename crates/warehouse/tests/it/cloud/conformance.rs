//! Redshift passes the port's suite, and ends as the reference model says for loads made at random.

use std::sync::Arc;

use lakehand_testkit::conformance::warehouse::{SampleParts, warehouse_suite_on};

use super::world::{World, tested};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redshift_passes_the_suite() {
    let world = World::new().await;
    let warehouse = world.warehouse("suite").await;
    let parts = Arc::clone(&world.parts) as Arc<dyn SampleParts>;
    warehouse_suite_on("suite", tested(&warehouse), parts, 4).await;
    world.end().await;
}
