//! Dead letters replayed after a fix.

use std::time::Duration;

use super::deliveries::ORDERS;
use super::world::World;

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
    world.until_settled(4, Duration::from_secs(60)).await;
    assert_eq!(world.states().get("set_aside"), Some(&3));
    worker.stop();

    // Nothing changes in a dry run, nor while the definition is as it was.
    world.define("fixed", &[ORDERS]);
    let told = world.json(&["run", "--replay-dead-letters", "--dry-run"]);
    assert_eq!(told["letters"].as_array().map(Vec::len), Some(3), "{told}");
    let told = world.json(&["--set", "datasets.folder=fixed", "run", "--replay-dead-letters", "--limit", "1"]);
    assert_eq!(told["letters"].as_array().map(Vec::len), Some(1), "{told}");
    let told = world.json(&["--set", "datasets.folder=fixed", "run", "--replay-dead-letters"]);
    assert_eq!(told["letters"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(world.states().get("loaded"), Some(&4), "{}", world.logs());
    assert_eq!(world.number("SELECT count(*) FROM orders.orders").await, 4);
    assert!(world.letters().await.is_empty(), "no letter is left");
}
