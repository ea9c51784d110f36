//! Every call of a load fails in turn, before it happened and after, and the end is the same.

use std::sync::Arc;

use lakehand_domain::id::{LedgerId, Nonce};
use lakehand_domain::port::row_reader::PartReader;
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, QueryWarehouse, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::Contest;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};
use lakehand_testkit::conformance::warehouse::{MemoryParts, SampleLoad, SampleRow, Site, Tested, expected_rows};
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use lakehand_testkit::faulty::warehouse::FaultyWarehouse;
use lakehand_warehouse::sqlite::SqliteWarehouse;

/// Loads that rival each other, the last a replay.
pub(crate) fn loads() -> Vec<SampleLoad> {
    let row = |key, version| SampleRow { key, version, passes: key != 3 };
    let load = |object, generation, rows| SampleLoad { object, version: 1_000, generation, rows };
    vec![
        load(1, 1, vec![row(1, Some(1)), row(2, None)]),
        load(2, 1, vec![row(1, Some(2)), row(3, Some(1))]),
        load(2, 2, vec![row(2, Some(2)), row(3, Some(1))]),
    ]
}

/// One try to bring a load in, as the loading loop does it: after any failure it begins anew and looks.
pub(crate) async fn attempt(
    warehouse: &dyn Warehouse,
    site: &Site,
    load: &SampleLoad,
    nonce: &str,
) -> Result<(), WarehouseError> {
    let shape = &site.shape;
    warehouse.ensure(&shape.family).await?;
    let manifest = site.manifest(load);
    let staging = warehouse.stage(shape, &Nonce::new(nonce), &[Arc::clone(&manifest)]).await?;
    let taken = warehouse.take_fence(&shape.family, &Nonce::new(nonce), &LedgerId::new("the ledger")).await?;
    let TakeOutcome::Taken(fence) = taken else { panic!("{taken:?}") };
    let outcome = warehouse.migrate(&fence, shape).await?;
    assert_eq!(outcome, MigrateOutcome::InForce);
    let markers = warehouse.markers(&shape.family, std::slice::from_ref(&manifest.entry)).await?;
    if markers.iter().all(|marker| marker.generation < manifest.generation) {
        let request = CommitRequest {
            fence,
            batch: nonce.to_owned(),
            definition: shape.definitions[0].clone(),
            loads: vec![StagedLoad {
                manifest: Arc::clone(&manifest),
                staging: staging.name.clone(),
                as_written: false,
            }],
            now: Timestamp::from_micros(0),
        };
        let outcome = warehouse.commit(shape, &request).await?;
        assert!(matches!(outcome, CommitOutcome::Committed { .. }), "{outcome:?}");
    }
    warehouse.standing(shape, &manifest.load_id).await?;
    for name in warehouse.stagings(&shape.family).await? {
        warehouse.drop_staging(&name).await?;
    }
    warehouse.ping().await
}

#[tokio::test]
async fn every_call_may_fail_or_lose_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Arc::new(MemoryParts::default());
    let file = folder.path().join("warehouse.db");
    let inner = Arc::new(SqliteWarehouse::open(&file, Arc::clone(&parts) as Arc<dyn PartReader>).unwrap());
    let tested = Arc::new(Tested {
        warehouse: Arc::clone(&inner) as Arc<dyn Warehouse>,
        query: Arc::clone(&inner) as Arc<dyn QueryWarehouse>,
        view: SqliteWarehouse::view_name,
        rows: SqliteWarehouse::rows_name,
        keep: Box::new(()),
    });
    let contest = Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) };
    let mut sweeps = 0;
    let mut number = 0;
    loop {
        number += 1;
        let mut calls = 0;
        for fate in [Fate::FailsBefore, Fate::FailsAfter] {
            sweeps += 1;
            let site = Site::open(Arc::clone(&tested), Arc::clone(&parts), &format!("sweep_{sweeps}"), &contest).await;
            let plan = Arc::new(FaultPlan::new().with(number, fate));
            let warehouse = FaultyWarehouse::new(Arc::clone(&inner), Arc::clone(&plan));
            let mut failures = 0;
            for (place, load) in loads().iter().enumerate() {
                while attempt(&warehouse, &site, load, &format!("{sweeps}_{place}_{failures}")).await.is_err() {
                    failures += 1;
                    assert!(failures < 3, "one fault makes one failure");
                }
            }
            assert_eq!(failures, u32::from(number <= plan.calls()));
            calls = plan.calls();
            site.assert_is(&expected_rows(&site, &contest, &loads())).await;
            assert_eq!(site.take().await.batches, 3, "call {number} ({:?}), {fate:?}", plan.names().last());
            assert!(inner.stagings(&site.shape.family).await.unwrap().is_empty());
        }
        if number > calls {
            break;
        }
    }
    assert!(number > 27, "the sweep reached every call");
}
