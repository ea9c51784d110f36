//! Several loaders at once: of one family they take turns, of two families they do not wait for each other.

use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::clock::Clock as _;
use lakehand_domain::fault::chain;
use lakehand_domain::id::{LedgerId, Nonce};
use lakehand_domain::port::warehouse::{CommitOutcome, QueryWarehouse, TakeOutcome, Warehouse, WarehouseError};
use lakehand_domain::shape::{Contest, OnRewrite};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};
use lakehand_redshift_standin::{Fault, Isolation, Rule};
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleRow, Site, expected_rows};
use lakehand_testkit::real_clock::RealClock;

use super::world::{World, tested};

fn upsert() -> Contest {
    Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) }
}

fn load(object: u32) -> SampleLoad {
    let row = |key: u32| SampleRow { key: i64::from(key), version: Some(i64::from(object)), passes: true };
    SampleLoad { object, version: 1_000, generation: 1, rows: (0..5).map(|at| row((object + at) % 7)).collect() }
}

/// Loads one object as the loading loop does: after whatever was in the way it waits, takes the fence anew, and looks.
async fn bring_in(warehouse: &dyn Warehouse, site: &Site, object: u32) -> Result<u32, WarehouseError> {
    let family = &site.shape.family;
    let manifest = site.manifest(&load(object));
    let mut attempts = 0;
    let name = Nonce::new(format!("{family}_o{object}"));
    let staging = warehouse.stage(&site.shape, &name, &[Arc::clone(&manifest)]).await?;
    loop {
        attempts += 1;
        assert!(attempts < 60, "object {object} of {family} never gets its turn");
        let owner = Nonce::new(format!("{family}_{object}_{attempts}"));
        let taken = warehouse.take_fence(family, &owner, &LedgerId::new("the ledger")).await;
        let outcome = match taken {
            Ok(TakeOutcome::Taken(fence)) => {
                let markers = warehouse.markers(family, std::slice::from_ref(&manifest.entry)).await?;
                if !markers.is_empty() {
                    break;
                }
                let request = CommitRequest {
                    fence,
                    batch: owner.to_string(),
                    definition: site.shape.definitions[0].clone(),
                    loads: vec![StagedLoad {
                        manifest: Arc::clone(&manifest),
                        staging: staging.name.clone(),
                        as_written: false,
                    }],
                    now: Timestamp::from_micros(0),
                };
                warehouse.commit(&site.shape, &request).await
            }
            Ok(TakeOutcome::OtherLedger { .. }) => panic!("there is one ledger"),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(CommitOutcome::Committed { .. }) => break,
            Ok(CommitOutcome::FenceLost) | Err(WarehouseError::Conflict { .. }) => {}
            Ok(refused @ CommitOutcome::Refused { .. }) => panic!("{refused:?}"),
            Err(error) => return Err(error),
        }
        RealClock.sleep(Duration::from_millis(u64::from(attempts * 37 + object * 53) % 400)).await;
    }
    warehouse.drop_staging(&staging.name).await?;
    Ok(attempts)
}

async fn four_loaders_of_two_families(isolation: Isolation) {
    let world = World::with(|options| options.isolation = isolation).await;
    let mut sites = Vec::new();
    for (name, contest) in [("north", upsert()), ("south", Contest::Append { on_rewrite: OnRewrite::Replace })] {
        let warehouse = world.warehouse(name).await;
        let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), name, &contest).await;
        site.put_in_force().await;
        sites.push((site, contest));
    }
    let loader = async |family: usize, number: u32| {
        let warehouse = world.warehouse(&format!("loader {family} {number}")).await;
        for object in (1..=8).filter(|object| object % 2 == number) {
            if let Err(error) = bring_in(warehouse.as_ref(), &sites[family].0, object).await {
                panic!("{}", chain(&error));
            }
        }
    };
    tokio::join!(loader(0, 0), loader(0, 1), loader(1, 0), loader(1, 1));
    let loads: Vec<SampleLoad> = (1..=8).map(load).collect();
    for (site, contest) in &sites {
        assert_eq!(site.take().await.batches, 8);
        site.assert_is(&expected_rows(site, contest, &loads)).await;
    }
    // People see the markers of both.
    let warehouse = world.warehouse("reader").await;
    let sql = "SELECT family, count(*) FROM lakehand.markers GROUP BY family ORDER BY family";
    let answer = warehouse.query(sql, 9).await.unwrap();
    let line = |family: &str| vec![Some(family.to_owned()), Some("8".to_owned())];
    assert_eq!(answer.rows, vec![line("north"), line("south")]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaders_take_turns_under_snapshot_isolation() {
    Box::pin(four_loaders_of_two_families(Isolation::Snapshot)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loaders_take_turns_under_serializable_isolation() {
    Box::pin(four_loaders_of_two_families(Isolation::Serializable)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_does_not_wait_for_another_that_commits() {
    let world = World::new().await;
    let warehouse = world.warehouse("both").await;
    let open = async |name: &str| {
        let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), name, &upsert()).await;
        site.put_in_force().await;
        site
    };
    let (slow, quick) = (open("slow").await, open("quick").await);
    let hold = Duration::from_secs(20);
    let millis = u64::try_from(hold.as_millis()).unwrap();
    world
        .standin
        .faults()
        .set(vec![Rule::new(Fault::SlowCommit { millis }).matching("lakehand/commit/slow/").after(2)]);
    let begun = RealClock.now();
    let mut held = Box::pin(bring_in(warehouse.as_ref(), &slow, 1));
    let mut done = 0;
    while world.standin.faults().total() == 0 {
        assert!(futures::poll!(&mut held).is_pending());
        RealClock.sleep(Duration::from_millis(10)).await;
    }
    // The slow family's transaction holds its locks, and the quick one loads.
    for object in 1..=3 {
        tokio::select! {
            outcome = bring_in(warehouse.as_ref(), &quick, object) => { outcome.unwrap(); done += 1; }
            _ = &mut held => panic!("the slow commit is over before"),
        }
    }
    assert_eq!(done, 3);
    assert!(RealClock.now().since(begun) < hold, "the machine is too slow for this test");
    // Who takes the slow family's fence waits for the transaction in doubt, and then sees it.
    let fence = tokio::join!(slow.take(), &mut held).0;
    assert_eq!(fence.batches, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_wakes_up_late_changes_nothing() {
    let world = World::new().await;
    let warehouse = world.warehouse("late").await;
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "late", &upsert()).await;
    site.put_in_force().await;
    let manifest = site.manifest(&load(1));
    let staging = warehouse.stage(&site.shape, &Nonce::new("late"), &[Arc::clone(&manifest)]).await.unwrap();
    let request = |batch: &str, fence| CommitRequest {
        fence,
        batch: batch.to_owned(),
        definition: site.shape.definitions[0].clone(),
        loads: vec![StagedLoad { manifest: Arc::clone(&manifest), staging: staging.name.clone(), as_written: false }],
        now: Timestamp::from_micros(0),
    };
    // It has read all that it needs, and sleeps before its transaction: the stand-in refuses it, which is as good.
    let sleeping = request("sleeping", site.take().await);
    let refuse = Fault::Refuse { code: "InternalServerException".to_owned(), message: "later".to_owned(), status: 500 };
    world.standin.faults().set(vec![Rule::new(refuse).matching("/sleeping/batch")]);
    warehouse.commit(&site.shape, &sleeping).await.unwrap_err();
    world.standin.faults().clear();
    // Meanwhile another has done the work.
    let outcome = warehouse.commit(&site.shape, &request("awake", site.take().await)).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { batches: 1 });
    assert_eq!(warehouse.commit(&site.shape, &sleeping).await.unwrap(), CommitOutcome::FenceLost);
    site.assert_is(&expected_rows(&site, &upsert(), &[load(1)])).await;
    // What it had laid out is found and dropped.
    let left = warehouse.stagings(&site.shape.family).await.unwrap();
    assert_eq!(left.len(), 2, "the staging, and the tables of the batch that slept: {left:?}");
    for name in left {
        warehouse.drop_staging(&name).await.unwrap();
    }
    assert!(warehouse.stagings(&site.shape.family).await.unwrap().is_empty());
    world.end().await;
}
