//! Calls end by themselves before their deadlines, and what was given up is stopped.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_redshiftdata::types::StatusString;
use lakehand_daemon::{Deadlines, patient_warehouse};
use lakehand_domain::fault::chain;
use lakehand_domain::id::Nonce;
use lakehand_domain::port::warehouse::Warehouse;
use lakehand_domain::shape::{Contest, OnRewrite};
use lakehand_redshift_standin::{Fault, Rule};
use lakehand_testkit::conformance::warehouse::{Site, expected_rows};
use lakehand_warehouse::redshift::RedshiftOptions;

use super::world::{World, tested};
use crate::faults::{attempt, loads};

const SECOND: Duration = Duration::from_secs(1);

fn append() -> Contest {
    Contest::Append { on_rewrite: OnRewrite::Replace }
}

/// As a daemon has it, whose deadlines are far shorter than the statements.
fn patient(inner: impl Warehouse + 'static) -> Arc<dyn Warehouse> {
    patient_warehouse(Arc::new(inner), Deadlines { warehouse: SECOND, rows: SECOND, ..Deadlines::default() })
}

fn slow(name: &str, seconds: u64) -> Rule {
    Rule::new(Fault::SlowCommit { millis: seconds * 1_000 }).matching(name).times(1)
}

/// How each statement whose name begins so stands, the newest first.
async fn states(world: &World, name: &str) -> Vec<String> {
    let sent = world.api().await.list_statements().statement_name(name).status(StatusString::All).send().await.unwrap();
    sent.statements().iter().map(|statement| statement.status().unwrap().as_str().to_owned()).collect()
}

async fn world() -> (World, Site) {
    let world = World::new().await;
    let warehouse = world.warehouse("patient").await;
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "deadlines", &append()).await;
    site.put_in_force().await;
    (world, site)
}

/// Looks are short, so that a call is seldom given up while a request is on its way.
fn hurried(options: &mut RedshiftOptions) {
    options.wait = SECOND;
    options.max_active_statements = 1;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_may_take_as_long_as_a_statement_may() {
    let (world, site) = world().await;
    let inner = world.warehouse_with("slow", |options| options.statement_timeout = 60 * SECOND).await;
    let warehouse = patient((*inner).clone());
    world.standin.faults().set(vec![slow("lakehand/stage/", 4), slow("/batch", 3)]);
    attempt(warehouse.as_ref(), &site, &loads()[0], "slow").await.unwrap();
    assert_eq!(world.standin.faults().total(), 2);
    site.assert_is(&expected_rows(&site, &append(), &loads()[..1])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_stopped_by_its_own_deadline() {
    let (world, site) = world().await;
    let inner = world
        .warehouse_with("short", |options| {
            hurried(options);
            options.statement_timeout = 3 * SECOND;
            options.short_statement_timeout = 2 * SECOND;
        })
        .await;
    let warehouse = patient((*inner).clone());
    for (name, limit) in [("lakehand/ping", "within 2 s"), ("lakehand/stage/", "within 3 s")] {
        world.standin.faults().set(vec![slow(name, 60)]);
        let error = match name {
            "lakehand/ping" => warehouse.ping().await.unwrap_err(),
            _ => attempt(warehouse.as_ref(), &site, &loads()[0], "late").await.unwrap_err(),
        };
        assert!(chain(&error).contains(limit), "{}", chain(&error));
        assert_eq!(states(&world, name).await[0], "ABORTED", "{name}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_is_stopped_and_keeps_its_place_until_then() {
    let (world, site) = world().await;
    let inner = world.warehouse_with("given up", hurried).await;
    let warehouse = patient((*inner).clone());
    // The first requests to stop it fail, as many as the SDK repeats.
    let broken = Fault::Refuse { code: "InternalServerException".to_owned(), message: "again".to_owned(), status: 500 };
    world.standin.faults().set(vec![slow("lakehand/stage/", 60), Rule::new(broken).of("CancelStatement").times(3)]);
    let loads = loads();
    let attempted = attempt(warehouse.as_ref(), &site, &loads[0], "given_up");
    assert!(tokio::time::timeout(4 * SECOND, attempted).await.is_err());
    assert_eq!(states(&world, "lakehand/stage/").await[0], "STARTED");
    // There is one place: who comes next waits until the statement has ended.
    warehouse.ping().await.unwrap();
    assert_eq!(states(&world, "lakehand/stage/").await[0], "ABORTED");
    assert_eq!(world.standin.faults().total(), 4);
    world.standin.faults().clear();
    // Nothing of it is there, and the next attempt has its way.
    assert!(!warehouse.stagings(&site.shape.family).await.unwrap().is_empty(), "its list of files");
    warehouse.drop_staging(&Nonce::new("given_up")).await.unwrap();
    attempt(warehouse.as_ref(), &site, &loads[0], "again").await.unwrap();
    site.assert_is(&expected_rows(&site, &append(), &loads[..1])).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_rest_nothing_goes_on_not_even_what_was_being_sent() {
    let (world, _site) = world().await;
    let inner = world.warehouse_with("resting", |options| options.wait = 3 * SECOND).await;
    let warehouse = patient((*inner).clone());
    world.standin.faults().set(vec![slow("lakehand/ping", 60)]);
    // Its request is not answered yet: nobody knows the statement by its id.
    assert!(tokio::time::timeout(SECOND, warehouse.ping()).await.is_err());
    assert_eq!(states(&world, "lakehand/ping").await[0], "STARTED");
    warehouse.come_to_rest().await;
    assert_eq!(states(&world, "lakehand/ping").await[0], "ABORTED");
    world.end().await;
}
