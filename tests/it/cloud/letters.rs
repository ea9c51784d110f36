//! Dead letters replayed after a fix.

use std::time::Duration;

use serde_json::Value;

use super::deliveries::ORDERS;
use super::world::World;
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
