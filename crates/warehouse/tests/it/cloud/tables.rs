//! What is Redshift's own: schemas, migrations under its rules, what is left behind, guards.

use std::sync::Arc;

use lakehand_domain::fault::chain;
use lakehand_domain::id::{FamilyId, LedgerId, Nonce};
use lakehand_domain::port::warehouse::{
    CommitOutcome, MigrateOutcome, QueryWarehouse, TakeOutcome, Warehouse, WarehouseError,
};
use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, Distribution, OnRewrite};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, StagedLoad};
use lakehand_redshift_standin::{Fault, Rule};
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleRow, Site, expected_rows};

use super::world::{World, tested};

fn upsert() -> Contest {
    Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) }
}

fn load(object: u32) -> SampleLoad {
    let row = |key: i64| SampleRow { key, version: Some(i64::from(object)), passes: key != 3 };
    SampleLoad { object, version: 1_000, generation: 1, rows: (1..4).map(row).collect() }
}

fn column(name: &str, column_type: &str) -> ColumnShape {
    ColumnShape { name: name.to_owned(), column_type: ColumnType::parse(column_type).unwrap(), required: false }
}

async fn site(world: &World, name: &str) -> Site {
    let warehouse = world.warehouse(name).await;
    Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), name, &upsert()).await
}

async fn migrate(site: &Site) -> MigrateOutcome {
    let fence = site.take().await;
    site.tested.warehouse.migrate(&fence, &site.shape).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_warehouses_share_a_database_by_their_prefixes() {
    let world = World::new().await;
    let mut sites = Vec::new();
    for prefix in ["", "team_"] {
        let warehouse =
            world.warehouse_with(&format!("prefix {prefix}"), |o| o.schema_prefix = prefix.to_owned()).await;
        let mut tested = tested(&warehouse);
        if prefix == "team_" {
            tested.view = |table| format!("\"team_{}\".\"{}\"", table.dataset, table.name);
            tested.rows = |table| format!("\"team_{}\".\"{}__rows\"", table.dataset, table.name);
        }
        let site = Site::open(Arc::new(tested), Arc::clone(&world.parts), "prefixed", &upsert()).await;
        site.put_in_force().await;
        sites.push(site);
    }
    sites[0].deliver(&[load(1)]).await;
    sites[1].deliver(&[load(2)]).await;
    sites[0].assert_is(&expected_rows(&sites[0], &upsert(), &[load(1)])).await;
    sites[1].assert_is(&expected_rows(&sites[1], &upsert(), &[load(2)])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_taken_are_refused() {
    let world = World::new().await;
    let site = site(&world, "taken").await;
    world.operate("CREATE SCHEMA IF NOT EXISTS taken").await;
    world.operate("CREATE TABLE taken.flats (theirs INTEGER)").await;
    let MigrateOutcome::Refused { message } = migrate(&site).await else { panic!("it is theirs") };
    assert!(message.contains("taken.flats") && message.contains("schema prefix"), "{message}");
    world.operate("DROP TABLE taken.flats").await;
    // A schema that was made before, with its grants, is welcome.
    assert_eq!(migrate(&site).await, MigrateOutcome::InForce);
    let mut reserved = site.shape.clone();
    reserved.tables[0].dataset = lakehand_domain::id::DatasetId::new("lakehand");
    let fence = site.take().await;
    let outcome = site.tested.warehouse.migrate(&fence, &reserved).await.unwrap();
    assert!(matches!(outcome, MigrateOutcome::Refused { .. }), "{outcome:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_dies_on_the_way_is_finished_by_the_next() {
    let world = World::new().await;
    let mut site = site(&world, "dying").await;
    site.put_in_force().await;
    site.deliver(&[load(1)]).await;
    // Wider texts, a wider number, a new column and another contest at once.
    let table = &mut site.shape.tables[0];
    table.columns[2].column_type = ColumnType::parse("varchar(40)").unwrap();
    table.columns.push(column("rooms", "smallint"));
    table.contest = Contest::Append { on_rewrite: OnRewrite::Replace };
    site.shape.definitions[0].fingerprint = lakehand_domain::id::Fingerprint::new("second");
    for fault in [Fault::FailBeforeCommit, Fault::AbortBeforeCommit, Fault::LoseAnswer] {
        for script in ["/widen", "lakehand/migrate/dying/"] {
            world.standin.faults().set(vec![Rule::new(fault.clone()).matching(script).times(1)]);
            let fence = site.take().await;
            drop(site.tested.warehouse.migrate(&fence, &site.shape).await);
        }
    }
    world.standin.faults().clear();
    assert_eq!(migrate(&site).await, MigrateOutcome::InForce);
    let contest = site.shape.tables[0].contest.clone();
    site.assert_is(&expected_rows(&site, &contest, &[load(1)])).await;
    site.deliver(&[load(2)]).await;
    site.assert_is(&expected_rows(&site, &contest, &[load(1), load(2)])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_was_made_narrower_is_made_wide_again() {
    let world = World::new().await;
    let site = site(&world, "narrow").await;
    site.put_in_force().await;
    // As a process leaves it that was frozen in the middle of an older migration, and went on.
    world.operate("DROP TABLE narrow.flats__rows").await;
    let mut narrow = site.shape.clone();
    narrow.tables[0].columns[2].column_type = ColumnType::parse("varchar(3)").unwrap();
    world.operate(&site.tested.warehouse.ddl(&narrow)[1]).await;
    let staging = site.tested.warehouse.stage(&site.shape, &Nonce::new("n"), &[site.manifest(&load(1))]).await.unwrap();
    let request = |fence| CommitRequest {
        fence,
        batch: format!("batch of {}", staging.name),
        definition: site.shape.definitions[0].clone(),
        loads: vec![StagedLoad {
            manifest: Arc::clone(&staging.manifests[0]),
            staging: staging.name.clone(),
            as_written: false,
        }],
        now: Timestamp::from_micros(0),
    };
    let error = site.tested.warehouse.commit(&site.shape, &request(site.take().await)).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Conflict { .. }), "{}", chain(&error));
    let outcome = site.tested.warehouse.commit(&site.shape, &request(site.take().await)).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { batches: 1 });
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_cannot_grow_in_place_is_copied() {
    let world = World::new().await;
    let mut site = site(&world, "fixed").await;
    site.put_in_force().await;
    // As Redshift's own choice of encodings, or an operator's, leaves it.
    world.operate("DROP TABLE fixed.flats__rows").await;
    let create = site.tested.warehouse.ddl(&site.shape)[1].replace("VARCHAR(20)", "VARCHAR(20) ENCODE TEXT255");
    world.operate(&create).await;
    site.deliver(&[load(1)]).await;
    site.shape.tables[0].columns[2].column_type = ColumnType::parse("varchar(40)").unwrap();
    site.shape.definitions[0].fingerprint = lakehand_domain::id::Fingerprint::new("second");
    assert_eq!(migrate(&site).await, MigrateOutcome::InForce);
    let api = world.api().await;
    let migrated = api.list_statements().statement_name("lakehand/migrate/fixed/").send().await.unwrap();
    let mut copied = 0;
    for statement in migrated.statements() {
        let told = api.describe_statement().id(statement.id()).send().await.unwrap();
        let copies = |sql: &str| sql.starts_with("INSERT INTO \"fixed\".\"_rebuilt_flats\"");
        copied += told.sub_statements().iter().filter(|part| part.query_string().is_some_and(copies)).count();
    }
    assert_eq!(copied, 1);
    site.deliver(&[load(2)]).await;
    site.assert_is(&expected_rows(&site, &upsert(), &[load(1), load(2)])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_laid_out_as_their_definition_says() {
    let world = World::new().await;
    let mut site = site(&world, "laid_out").await;
    site.shape.tables[0].layout.distribution = Distribution::Key("listing_id".to_owned());
    site.shape.tables[0].layout.sort_key = vec!["last_modified".to_owned(), "listing_id".to_owned()];
    site.put_in_force().await;
    site.deliver(&[load(1)]).await;
    // Without a change of the fingerprint another layout changes nothing, and is no obstacle.
    site.shape.tables[0].layout.distribution = Distribution::All;
    site.deliver(&[load(2)]).await;
    assert_eq!(migrate(&site).await, MigrateOutcome::InForce);
    site.assert_is(&expected_rows(&site, &upsert(), &[load(1), load(2)])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_a_definition_drops_keeps_its_rows_until_they_are_replaced() {
    let world = World::new().await;
    let site = site(&world, "dropped").await;
    site.put_in_force().await;
    site.deliver(&[load(1), load(2)]).await;
    let mut shape = site.shape.clone();
    shape.definitions[0].fingerprint = lakehand_domain::id::Fingerprint::new("second");
    shape.tables[0].name = "houses".to_owned();
    let fence = site.take().await;
    assert_eq!(site.tested.warehouse.migrate(&fence, &shape).await.unwrap(), MigrateOutcome::InForce);
    let mut manifest = Arc::unwrap_or_clone(site.manifest(&SampleLoad { generation: 2, rows: vec![], ..load(2) }));
    manifest.fingerprint = lakehand_domain::id::Fingerprint::new("second");
    manifest.tables[0].table = "houses".to_owned();
    let staging = site.tested.warehouse.stage(&shape, &Nonce::new("s"), &[Arc::new(manifest)]).await.unwrap();
    let request = CommitRequest {
        fence: site.take().await,
        batch: "b".to_owned(),
        definition: shape.definitions[0].clone(),
        loads: vec![StagedLoad {
            manifest: Arc::clone(&staging.manifests[0]),
            staging: staging.name,
            as_written: false,
        }],
        now: Timestamp::from_micros(0),
    };
    let outcome = site.tested.warehouse.commit(&shape, &request).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Committed { batches: 2 });
    site.assert_is(&expected_rows(&site, &upsert(), &[load(1)])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_raised_erasure_epoch_sends_older_manifests_back() {
    let world = World::new().await;
    let site = site(&world, "erased").await;
    site.put_in_force().await;
    let staging = site.tested.warehouse.stage(&site.shape, &Nonce::new("s"), &[site.manifest(&load(1))]).await.unwrap();
    let request = |fence| CommitRequest {
        fence,
        batch: "b".to_owned(),
        definition: site.shape.definitions[0].clone(),
        loads: vec![StagedLoad {
            manifest: Arc::clone(&staging.manifests[0]),
            staging: staging.name.clone(),
            as_written: false,
        }],
        now: Timestamp::from_micros(0),
    };
    let before = site.take().await;
    world.operate("UPDATE lakehand.fence_erased SET erasure_epoch = 3").await;
    for fence in [before, site.take().await] {
        let outcome = site.tested.warehouse.commit(&site.shape, &request(fence)).await.unwrap();
        let told = match &outcome {
            CommitOutcome::Refused { message } => message.contains('3'),
            CommitOutcome::FenceLost => true,
            CommitOutcome::Committed { .. } => false,
        };
        assert!(told, "{outcome:?}");
    }
    assert_eq!(site.take().await.batches, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guard_itself_sees_what_changed_since_it_was_looked_at() {
    let world = World::new().await;
    let site = site(&world, "guarded").await;
    site.put_in_force().await;
    site.deliver(&[load(9)]).await;
    let changes = [
        "UPDATE lakehand.fence_guarded SET erasure_epoch = erasure_epoch + 1",
        "UPDATE lakehand.fence_guarded SET in_force = '[]'",
        "INSERT INTO lakehand.markers_guarded SELECT 'ENTRY', dataset, object, version_order, 5, load_id, fingerprint, \
         \"rows\", rejects, scopes, batch, \"at\" FROM lakehand.markers_guarded",
    ];
    for (number, change) in changes.iter().enumerate() {
        let manifest = site.manifest(&load(1));
        let name = Nonce::new(format!("g{number}"));
        let staging = site.tested.warehouse.stage(&site.shape, &name, &[Arc::clone(&manifest)]).await.unwrap();
        let request = CommitRequest {
            fence: site.take().await,
            batch: format!("guarded {number}"),
            definition: site.shape.definitions[0].clone(),
            loads: vec![StagedLoad { manifest: Arc::clone(&manifest), staging: staging.name, as_written: false }],
            now: Timestamp::from_micros(0),
        };
        // The state is looked at, then changed by somebody who does not ask the fence, then the batch is sent.
        world.standin.faults().set(vec![Rule::new(Fault::SlowCommit { millis: 1_500 }).matching("/prepare").times(1)]);
        let mut commit = Box::pin(site.tested.warehouse.commit(&site.shape, &request));
        while world.standin.faults().total() == 0 {
            assert!(futures::poll!(&mut commit).is_pending());
            tokio::task::yield_now().await;
        }
        world.operate(&change.replace("ENTRY", manifest.entry.as_str())).await;
        let outcome = commit.await.unwrap();
        assert!(matches!(&outcome, CommitOutcome::Refused { message } if !message.is_empty()), "{change}: {outcome:?}");
        world.standin.faults().clear();
        world.operate("UPDATE lakehand.fence_guarded SET erasure_epoch = 0").await;
        let definitions = serde_json::to_string(&site.shape.definitions).unwrap();
        world.operate(&format!("UPDATE lakehand.fence_guarded SET in_force = '{definitions}'")).await;
        world.operate("DELETE FROM lakehand.markers_guarded WHERE generation = 5").await;
    }
    site.assert_is(&expected_rows(&site, &upsert(), &[load(9)])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_pass_zero_and_nothing_else() {
    let world = World::new().await;
    let warehouse = world.warehouse("guards").await;
    let guard = |amiss: &str| {
        format!(
            "SELECT CAST(LEFT('0!amiss', 1 + CAST(LEAST(guard.amiss, 9) AS INTEGER)) AS INTEGER) FROM (SELECT {amiss} AS amiss) AS guard"
        )
    };
    let count = |rows: u32| format!("(SELECT COUNT(*) FROM pg_namespace WHERE {rows} > 0) * {rows}");
    for amiss in 0..12 {
        let passed = warehouse.query(&guard(&count(amiss)), 1).await;
        assert_eq!(passed.is_ok(), amiss == 0, "{amiss}: {passed:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_of_a_family_nobody_ensured_is_denied() {
    let world = World::new().await;
    let warehouse = world.warehouse("nobody").await;
    let error =
        warehouse.take_fence(&FamilyId::new("nobody"), &Nonce::new("n"), &LedgerId::new("l")).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Denied { operation: "take_fence", .. }), "{error:?}");
    // A second family shows up in the view of all markers, also where the process died before it made the view.
    warehouse.ensure(&FamilyId::new("one")).await.unwrap();
    world.standin.faults().set(vec![Rule::new(Fault::FailBeforeCommit).matching("/view")]);
    warehouse.ensure(&FamilyId::new("two")).await.unwrap();
    world.standin.faults().clear();
    warehouse.ensure(&FamilyId::new("two")).await.unwrap();
    world.operate("INSERT INTO lakehand.markers_two VALUES ('e','d','s3://b/k','o',1,'l','f','{}',0,'{}','b','1970-01-01T00:00:00Z')").await;
    let answer = warehouse.query("SELECT family, entry FROM lakehand.markers", 9).await.unwrap();
    assert_eq!(answer.rows, vec![["two", "e"].map(|text| Some(text.to_owned())).to_vec()]);
    let outcome = warehouse.take_fence(&FamilyId::new("two"), &Nonce::new("n"), &LedgerId::new("l")).await.unwrap();
    assert!(matches!(outcome, TakeOutcome::Taken(_)), "{outcome:?}");
    world.end().await;
}
