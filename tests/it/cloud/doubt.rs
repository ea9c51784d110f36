//! Calls that fail, and calls that happened and whose answers were lost, at every service at once.

use std::time::Duration;

use lakehand_redshift_standin::{Fault, Rule};
use lakehand_testkit::meddler::Meddler;
use lakehand_testkit::microburst::Microburst;
use serde_json::json;

use super::deliveries::{ORDERS, STOCK, assert_all_is_in, assert_letters, land};
use super::world::{Endpoints, World};

const FILES: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_lose_nothing_and_double_nothing() {
    let world = World::new(&[ORDERS, STOCK]).await;
    let proxy = Microburst::before(&world.endpoints.s3).await;
    // The answer is cut off after the call has happened.
    let lost = |service: &str, operation: &str, share: f64| json!({"service": service, "operation": operation, "probability": share, "response": {"abort_bytes": 1}});
    let rules = json!([
            lost("dynamodb", "PutItem", 0.08),
            lost("dynamodb", "UpdateItem", 0.08),
            lost("sqs", "DeleteMessageBatch", 0.1),
            lost("sqs", "SendMessage", 0.1),
            lost("sqs", "ReceiveMessage", 0.05),
            {"service": "dynamodb", "probability": 0.03, "error": {"code": "ProvisionedThroughputExceededException"}},
            {"service": "sqs", "probability": 0.03, "reset": true}
    ]);
    proxy.rules(&rules.to_string()).await;
    // microburst drops what HeadObject says of the size, and cannot lose an answer that has no body.
    let meddler = Meddler::before(&world.endpoints.s3).await;
    meddler.fail_at_random(7);
    world.standin().faults().set(vec![
        Rule::new(Fault::Throttle).share(0.05),
        Rule::new(Fault::LoseAnswer).share(0.1),
        Rule::new(Fault::FailBeforeCommit).share(0.05),
        Rule::new(Fault::FailAfterCommit).share(0.1),
        Rule::new(Fault::Expire).share(0.02),
    ]);
    let endpoints = Endpoints {
        s3: meddler.url.clone(),
        sqs: proxy.url(),
        dynamodb: proxy.url(),
        redshift: world.endpoints.redshift.clone(),
    };
    let workers = [world.worker_by(&endpoints, &[]), world.worker_by(&endpoints, &[])];
    land(&world, 0..FILES, "doubt").await;
    world.until_settled(FILES, Duration::from_mins(5)).await;
    let fired = serde_json::from_str::<serde_json::Value>(&proxy.fired().await).expect("a list");
    let fired = (fired.as_array().map_or(0, Vec::len), meddler.chanced(), world.standin().faults().total());
    world.standin().faults().clear();
    assert_all_is_in(&world, FILES, 0).await;
    assert_letters(&world, FILES).await;
    assert!(fired.0 > 20 && fired.1 > 20 && fired.2 > 3, "too few faults fired to say anything: {fired:?}");
    println!(
        "{FILES} files, faults fired: {} at queue and ledger, {} at S3, {} at the warehouse",
        fired.0, fired.1, fired.2
    );
    drop(workers);
}
