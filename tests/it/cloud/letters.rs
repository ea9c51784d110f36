//! Dead letters replayed after a fix.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use lakehand_aws::AwsOptions;
use lakehand_testkit::services;
use serde_json::{Value, json};

use super::deliveries::ORDERS;
use super::world::{Endpoints, World};
use crate::harness::text;

/// The last of the JSON lines that a replay prints.
fn replayed(world: &World, arguments: &[&str]) -> Value {
    let output = world.run(&[arguments, &["--output", "json"]].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = said.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", text(&output)))
}

const LINE: &str = r#"{"id":1,"amount":"1.00","placed":"2026-11-21T08:00:00Z","customer":{"name":"x"}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_replayed_by_a_flag_after_a_fix() {
    let strict = ORDERS.replace("varchar(40)", "varchar(1)").replace("max_rejects = \"20%\"", "max_rejects = \"0%\"");
    let world = World::new(&[&strict]).await;
    let worker = world.worker();
    for number in 0..3 {
        let line = LINE.replace("\"id\":1", &format!("\"id\":{number}")).replace("\"x\"", "\"xy\"");
        world.put(&format!("orders_{number}.jsonl"), line.into_bytes()).await;
    }
    world.put("orders_9.jsonl", LINE.as_bytes().to_vec()).await;
    world.until_settled(4, Duration::from_mins(1)).await;
    assert_eq!(world.states().get("set_aside"), Some(&3));
    worker.stop();

    // Nothing changes in a dry run, nor while the definition is as it was.
    world.define("fixed", &[ORDERS]);
    let told = replayed(&world, &["run", "--replay-dead-letters", "--dry-run"]);
    assert_eq!(told["letters"], 3, "{told}");
    let told = replayed(&world, &["--set", "datasets.folder=fixed", "run", "--replay-dead-letters", "--limit", "1"]);
    assert_eq!((&told["letters"], &told["ok"]), (&1.into(), &true.into()), "{told}");
    let told = replayed(&world, &["--set", "datasets.folder=fixed", "run", "--replay-dead-letters"]);
    assert_eq!((&told["letters"], &told["ok"]), (&2.into(), &true.into()), "{told}");
    assert_eq!(world.states().get("loaded"), Some(&4), "{}", world.logs());
    assert_eq!(world.number("SELECT count(*) FROM orders.orders").await, 4);
    assert!(world.letters().await.is_empty(), "no letter is left");
}

/// The queues of a world, on localstack, which alone of the emulators can move letters by itself.
async fn on_localstack(world: &World) -> (Endpoints, aws_sdk_sqs::Client) {
    let url = services::emulator("LOCALSTACK");
    let (region, endpoint_url) = (Some("eu-central-1".to_owned()), Some(url.clone()));
    let sqs = aws_sdk_sqs::Client::new(
        &lakehand_aws::connect(&AwsOptions { region, endpoint_url, ..AwsOptions::default() }).await,
    );
    let name = format!("arrivals-{}", world.suffix);
    let dead = sqs.create_queue().queue_name(format!("{name}-dead")).send().await.expect("a queue of letters");
    let arn = QueueAttributeName::QueueArn;
    let dead = sqs.get_queue_attributes().queue_url(dead.queue_url().expect("a URL")).attribute_names(arn.clone());
    let dead = dead.send().await.expect("attributes").attributes.and_then(|mut all| all.remove(&arn)).expect("its ARN");
    let policy = json!({ "deadLetterTargetArn": dead, "maxReceiveCount": 1_000 }).to_string();
    let queue = sqs.create_queue().queue_name(&name).attributes(QueueAttributeName::RedrivePolicy, policy);
    queue.send().await.expect("a queue");
    (Endpoints { sqs: url, ..world.endpoints.clone() }, sqs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_letters_are_moved_back_by_the_service_and_loaded() {
    let strict = ORDERS.replace("varchar(40)", "varchar(1)").replace("max_rejects = \"20%\"", "max_rejects = \"0%\"");
    let mut world = World::new(&[&strict]).await;
    let (endpoints, sqs) = on_localstack(&world).await;
    let (others, landing) = (std::mem::replace(&mut world.endpoints, endpoints), world.landing());
    world.sqs = sqs;
    for number in 0..3 {
        let line = LINE.replace("\"id\":1", &format!("\"id\":{number}")).replace("\"x\"", "\"xy\"");
        world.put(&format!("orders_{number}.jsonl"), line.into_bytes()).await;
        let object = json!({ "uri": format!("s3://{landing}/orders_{number}.jsonl") });
        world.send(&json!({ "lakehand_event": 1, "objects": [object] }).to_string()).await;
    }
    let worker = world.worker();
    world.until_settled(3, Duration::from_mins(1)).await;
    assert_eq!(world.states().get("set_aside"), Some(&3));
    worker.stop();

    let output = world.run(&["run", "--redrive-all", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let told: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    assert_eq!((&told["event"], &told["state"], &told["moved"]), (&"redriven".into(), &"completed".into(), &3.into()));
    assert_eq!(world.depth().await, 3, "they are messages again");
    world.define("fixed", &[ORDERS]);
    let worker = world.worker_by(&world.endpoints, &["--set", "datasets.folder=fixed"]);
    world.until_settled(3, Duration::from_mins(1)).await;
    worker.stop();
    assert_eq!(world.states().get("loaded"), Some(&3), "{}", world.logs());
    assert_eq!(world.number("SELECT count(*) FROM orders.orders").await, 3);
    assert!(world.letters().await.is_empty(), "no letter is left");

    // A service that cannot says so, and what can be done instead.
    let output = world.command_by(&others, &["run", "--redrive-all"]).output().expect("the program runs");
    assert_ne!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("replay the dead letters instead"), "{}", text(&output));
}
