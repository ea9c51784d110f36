//! What a batch costs: requests, which an account has few of, and how long the fence is held.

use std::sync::Arc;

use lakehand_domain::id::{LedgerId, Nonce};
use lakehand_domain::port::warehouse::{CommitOutcome, TakeOutcome};
use lakehand_domain::shape::{Contest, OnRewrite};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};
use lakehand_redshift_standin::{Fault, Rule};
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleRow, Site};

use super::world::{World, tested};

const OPERATIONS: [&str; 4] = ["ExecuteStatement", "BatchExecuteStatement", "DescribeStatement", "GetStatementResult"];

fn load(object: u32, generation: u32) -> SampleLoad {
    let row = SampleRow { key: i64::from(object % 400), version: Some(i64::from(object)), passes: true };
    SampleLoad { object, version: 1_000, generation, rows: vec![row] }
}

/// Requests of a whole pass over these loads, as the loading loop makes them, and the statements and seconds of its
/// transaction.
async fn pass(world: &World, site: &Site, name: &str, loads: &[SampleLoad]) -> (u64, usize, f64) {
    let warehouse = &site.tested.warehouse;
    let family = &site.shape.family;
    let manifests: Vec<_> = loads.iter().map(|load| site.manifest(load)).collect();
    let entries: Vec<_> = manifests.iter().map(|manifest| manifest.entry.clone()).collect();
    world
        .standin
        .faults()
        .set(OPERATIONS.iter().map(|operation| Rule::new(Fault::SlowAnswer { millis: 0 }).of(*operation)).collect());
    warehouse.markers(family, &entries).await.unwrap();
    let staging = warehouse.stage(&site.shape, &Nonce::new(name), &manifests).await.unwrap();
    let taken = warehouse.take_fence(family, &Nonce::new(name), &LedgerId::new("the ledger")).await.unwrap();
    let TakeOutcome::Taken(fence) = taken else { panic!("{taken:?}") };
    warehouse.markers(family, &entries).await.unwrap();
    let staged = |manifest: &Arc<_>| StagedLoad {
        manifest: Arc::clone(manifest),
        staging: staging.name.clone(),
        as_written: false,
    };
    let request = CommitRequest {
        fence,
        batch: name.to_owned(),
        definition: site.shape.definitions[0].clone(),
        loads: staging.manifests.iter().map(staged).collect(),
        now: Timestamp::from_micros(0),
    };
    let outcome = warehouse.commit(&site.shape, &request).await.unwrap();
    assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}");
    warehouse.drop_staging(&staging.name).await.unwrap();
    let fired = world.standin.faults().fired();
    let counts: Vec<String> =
        OPERATIONS.iter().zip(&fired).map(|(operation, fired)| format!("{operation} {}", fired.fired)).collect();
    let requests = world.standin.faults().total();
    world.standin.faults().clear();
    let api = world.api().await;
    let sent =
        api.list_statements().statement_name(format!("lakehand/commit/{family}/{name}/batch")).send().await.unwrap();
    let batch = api.describe_statement().id(sent.statements()[0].id()).send().await.unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let held = batch.duration() as f64 / 1e9;
    let statements = batch.sub_statements().len();
    println!(
        "{name}: {} loads, {requests} requests ({}), {statements} statements in the transaction, fence held {held:.3} s",
        loads.len(),
        counts.join(", ")
    );
    (requests, statements, held)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_of_five_hundred_loads_costs_few_requests() {
    let world = World::new().await;
    let warehouse = world.warehouse("cost").await;
    let upsert = Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) };
    for (family, contest) in [("upsert", upsert), ("append", Contest::Append { on_rewrite: OnRewrite::Replace })] {
        let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), family, &contest).await;
        site.put_in_force().await;
        let first: Vec<SampleLoad> = (0..500).map(|object| load(object, 1)).collect();
        let (requests, statements, _) = pass(&world, &site, &format!("{family}_first"), &first).await;
        // Two looks at markers, stage, take, commit (look, prepare, transaction), drop: each one to send and those to read.
        assert!(requests <= 16, "{requests}");
        assert!(statements <= 7, "{statements}");
        let again: Vec<SampleLoad> = (0..500).map(|object| load(object, 2)).collect();
        let (requests, statements, _) = pass(&world, &site, &format!("{family}_again"), &again).await;
        assert!(requests <= 16, "{requests}");
        assert!(statements <= 9, "{statements}");
    }
    world.end().await;
}
