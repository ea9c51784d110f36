//! Calls fail, answers are lost, statements are forgotten or stopped: the end is the same.

use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::fault::{Effect, Fault as _, chain};
use lakehand_domain::id::{LedgerId, Nonce};
use lakehand_domain::port::warehouse::{Warehouse, WarehouseError};
use lakehand_domain::shape::Contest;
use lakehand_redshift_standin::{Fault, Rule};
use lakehand_testkit::conformance::warehouse::{Site, expected_rows};
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use lakehand_testkit::faulty::warehouse::FaultyWarehouse;

use super::world::{World, tested};
use crate::faults::{attempt, loads};

fn upsert() -> Contest {
    Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) }
}

/// Brings all loads in, beginning anew after every failure, and gives how many there were.
async fn bring_in(warehouse: &dyn Warehouse, site: &Site, label: &str) -> u32 {
    let mut failures = 0;
    for (place, load) in loads().iter().enumerate() {
        while let Err(error) = attempt(warehouse, site, load, &format!("{label}_{place}_{failures}")).await {
            failures += 1;
            assert!(failures < 4, "{label}: {}", chain(&error));
        }
    }
    failures
}

async fn assert_whole(site: &Site, label: &str) {
    site.assert_is(&expected_rows(site, &upsert(), &loads())).await;
    assert_eq!(site.take().await.batches, 3, "{label}");
    // What a failure left behind is found by its name, and goes.
    for name in site.tested.warehouse.stagings(&site.shape.family).await.unwrap() {
        site.tested.warehouse.drop_staging(&name).await.unwrap();
    }
    assert!(site.tested.warehouse.stagings(&site.shape.family).await.unwrap().is_empty(), "{label}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_third_call_may_fail_or_lose_its_answer() {
    let world = World::new().await;
    let inner = world.warehouse("faults").await;
    let tested = Arc::new(tested(&inner));
    let mut number = 1;
    loop {
        let fate = if number % 2 == 0 { Fate::FailsBefore } else { Fate::FailsAfter };
        let site =
            Site::open(Arc::clone(&tested), Arc::clone(&world.parts), &format!("sweep_{number}"), &upsert()).await;
        let plan = Arc::new(FaultPlan::new().with(number, fate));
        let warehouse = FaultyWarehouse::new(Arc::clone(&inner), Arc::clone(&plan));
        let failures = bring_in(&warehouse, &site, &format!("s{number}")).await;
        assert_eq!(failures, u32::from(number <= plan.calls()));
        assert_whole(&site, &format!("call {number}, {fate:?}")).await;
        if number > plan.calls() {
            break;
        }
        // Not a divisor of the number of calls of a load, so that every kind of call is met.
        number += 3;
    }
    assert!(number > 27, "the sweep reached every load");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_may_fail_be_stopped_or_lose_its_answer() {
    let world = World::new().await;
    let asked = world.warehouse("faults").await;
    let tested = Arc::new(tested(&asked));
    let kinds = [Fault::FailAfterCommit, Fault::LoseAnswer, Fault::FailBeforeCommit, Fault::AbortBeforeCommit];
    let mut reached = 0;
    for number in 0.. {
        let kind = kinds[number % kinds.len()].clone();
        let label = format!("n{number}");
        let site = Site::open(Arc::clone(&tested), Arc::clone(&world.parts), &label, &upsert()).await;
        // The SDK does not help: what is lost is lost.
        let warehouse = world.warehouse_trying(&format!("faults {number}"), 1, |_| {}).await;
        // Only what runs statements: looks and results that fail are another test's.
        let rule = Rule::new(kind.clone()).matching("lakehand/").after(number as u64).times(1);
        world.standin.faults().set(vec![rule]);
        let failures = bring_in(warehouse.as_ref(), &site, &label).await;
        let fired = world.standin.faults().total();
        world.standin.faults().clear();
        assert!(u64::from(failures) <= fired, "{label} {kind:?}");
        assert_whole(&site, &format!("statement {number}, {kind:?}")).await;
        if fired == 0 {
            break;
        }
        reached = number;
    }
    assert!(reached > 25, "the sweep reached {reached} statements only");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_asked_for_again_by_its_token() {
    let world = World::new().await;
    let warehouse = world.warehouse("tokens").await;
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "tokens", &upsert()).await;
    site.put_in_force().await;
    // Every request of any kind loses its answer once: the SDK sends it again, and the statement does not run twice.
    for operation in ["ExecuteStatement", "BatchExecuteStatement", "DescribeStatement", "GetStatementResult"] {
        world.standin.faults().add(Rule::new(Fault::LoseAnswer).of(operation).share(0.3));
    }
    site.deliver(&loads()[..2]).await;
    let before = site.take().await.token;
    site.take().await;
    let after = site.take().await.token;
    world.standin.faults().clear();
    assert_eq!(after.0, before.0 + 2, "a fence that was taken once is raised once");
    site.deliver(&loads()[2..]).await;
    assert_whole_of(&site).await;
    world.end().await;
}

async fn assert_whole_of(site: &Site) {
    site.assert_is(&expected_rows(site, &upsert(), &loads())).await;
    assert_eq!(site.take().await.batches, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_the_service_has_forgotten_may_have_come_to_anything() {
    let world = World::new().await;
    // Statements are looked at, so that they can be forgotten before.
    let warehouse = world.warehouse_with("forgotten", |options| options.wait = Duration::ZERO).await;
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "forgotten", &upsert()).await;
    site.put_in_force().await;
    world.standin.faults().set(vec![Rule::new(Fault::Expire).matching("lakehand/take/").times(1)]);
    let (owner, ledger) = (Nonce::new("owner"), LedgerId::new("the ledger"));
    let error = site.tested.warehouse.take_fence(&site.shape.family, &owner, &ledger).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Unavailable { effect: Effect::Unknown, .. }), "{error:?}");
    // A look that fails says nothing of the statement.
    let look =
        Fault::Refuse { code: "InternalServerException".to_owned(), message: "try again".to_owned(), status: 500 };
    world.standin.faults().set(vec![Rule::new(look).of("DescribeStatement").times(7)]);
    site.deliver(&loads()[..2]).await;
    world.standin.faults().clear();
    site.deliver(&loads()[2..]).await;
    assert_whole_of(&site).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_is_stopped() {
    let world = World::new().await;
    let warehouse = world.warehouse("patient").await;
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "stopped", &upsert()).await;
    site.put_in_force().await;
    let hurried = world
        .warehouse_with("hurried", |options| {
            options.wait = Duration::from_secs(1);
            options.statement_timeout = Duration::from_secs(2);
        })
        .await;
    world.standin.faults().set(vec![Rule::new(Fault::SlowCommit { millis: 60_000 }).matching("/batch").times(1)]);
    let error = attempt(hurried.as_ref(), &site, &loads()[0], "late").await.unwrap_err();
    assert_eq!(error.effect(), Effect::Unknown, "{error:?}");
    assert!(chain(&error).contains("within 2 s"), "{}", chain(&error));
    assert_eq!(world.standin.faults().total(), 1);
    world.standin.faults().clear();
    // It was stopped, and did not happen; nobody waits for it.
    assert_eq!(site.take().await.batches, 0);
    bring_in(hurried.as_ref(), &site, "again").await;
    assert_whole(&site, "stopped").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_paused_or_closed_warehouse_says_so() {
    let world = World::new().await;
    let warehouse = world.warehouse("refused").await;
    let site = Site::open(Arc::new(tested(&warehouse)), Arc::clone(&world.parts), "refused", &upsert()).await;
    site.put_in_force().await;
    let refuse =
        |code: &str, message: &str| Fault::Refuse { code: code.to_owned(), message: message.to_owned(), status: 400 };
    // The SDK waits and asks again.
    world.standin.faults().set(vec![Rule::new(Fault::Throttle).times(2)]);
    site.deliver(&loads()[..1]).await;
    let ask = async |fault: Fault| {
        world.standin.faults().set(vec![Rule::new(fault)]);
        let error = warehouse.ping().await.unwrap_err();
        world.standin.faults().clear();
        error
    };
    let error = ask(Fault::Throttle).await;
    assert!(matches!(error, WarehouseError::Unavailable { .. }), "{error:?}");
    let error =
        ask(refuse("ActiveStatementsExceededException", "Active statements exceeded the allowed quota (200)")).await;
    assert!(matches!(error, WarehouseError::Unavailable { .. }), "{error:?}");
    let error = ask(refuse("ValidationException", "Redshift cluster analytics is paused")).await;
    assert!(matches!(error, WarehouseError::Unavailable { effect: Effect::NotApplied, .. }), "{error:?}");
    assert!(chain(&error).contains("is paused"), "{}", chain(&error));
    let error = ask(refuse("AccessDeniedException", "not authorized to perform redshift-data:ExecuteStatement")).await;
    assert!(matches!(error, WarehouseError::Denied { .. }), "{error:?}");
    site.deliver(&loads()[1..]).await;
    world.end().await;
}
