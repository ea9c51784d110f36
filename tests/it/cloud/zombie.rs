//! A worker that is frozen past its leases in the middle of its work, which another takes over and finishes, and that then
//! wakes.

use std::fmt::Write;
use std::time::Duration;

use super::deliveries::{ORDERS, STOCK, assert_all_is_in, land};
use super::world::{World, pause};

const FILES: u64 = 40;

/// Large enough that a worker is in the middle of it for some seconds.
const BULK: &str = r#"
name = "bulk"
[source]
objects = ["bulk_*.jsonl"]
format = "jsonl"
[tables.bulk]
mode = "append"
[tables.bulk.columns]
id = { type = "bigint", required = true }
text = { type = "varchar(200)" }
twice = { type = "bigint", expr = "id * 2" }
"#;
const LINES: u64 = 400_000;
const MOST_BULKS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_zombie_writes_is_refused() {
    let world = World::new(&[ORDERS, STOCK, BULK]).await;
    let mut text = String::new();
    for id in 0..LINES {
        _ = writeln!(text, r#"{{"id":{id},"text":"row {id} of a large file"}}"#);
    }
    land(&world, 0..FILES, "zombie").await;
    let zombie = world.worker();
    // How long the middle of a large file lasts is up to the machine: there is another one for who came too late.
    let mut bulks = 0;
    loop {
        bulks += 1;
        assert!(bulks <= MOST_BULKS, "it was never seen in the middle of a large file\n{}", world.logs());
        let name = format!("bulk_{bulks}.jsonl");
        world.put(&name, text.clone().into_bytes()).await;
        let has_ended = || matches!(state_of(&world, &name).as_deref(), Some("written" | "loaded"));
        let is_claimed = || state_of(&world, &name).as_deref() == Some("claimed");
        for round in 0.. {
            if is_claimed() || has_ended() {
                break;
            }
            assert!(round < 100, "it does not begin with {name}\n{}", world.logs());
        }
        zombie.signal("STOP");
        if is_claimed() {
            break;
        }
        zombie.signal("CONT");
    }

    // Past every lease and visibility another brings everything to its end.
    let other = world.worker();
    world.until_settled(FILES + bulks, Duration::from_mins(3)).await;
    assert_everything(&world, bulks).await;
    let markers = "SELECT entry, load_id, generation, batch FROM lakehand.markers ORDER BY entry";
    let before = (world.query(markers).await, world.states());
    let parts = world.lake_objects().await;

    zombie.signal("CONT");
    for round in 0.. {
        let lost = ["another worker took the entry", "delivered again", "not prolonged in time"];
        if lost.iter().any(|said| zombie.log().contains(said)) {
            break;
        }
        assert!(round < 60, "it does not notice that its work is another's\n{}", zombie.log());
        pause(Duration::from_millis(500)).await;
    }
    pause(Duration::from_secs(3)).await;
    assert_everything(&world, bulks).await;
    assert_eq!((world.query(markers).await, world.states()), before, "ledger and warehouse are as they were");
    // What it still uploads is the same bytes under the same names.
    let late = world.lake_objects().await;
    let strays: Vec<_> = late.keys().filter(|key| !parts.contains_key(*key) && key.ends_with(".parquet")).collect();
    assert!(strays.is_empty(), "{strays:?}");
    zombie.stop();
    other.stop();
}

/// The state of the object of this name in the ledger, once it is there.
fn state_of(world: &World, name: &str) -> Option<String> {
    let told = world.json(&["loads", "--dataset", "bulk"]);
    let loads = told["loads"].as_array()?.iter();
    let mut states = loads.filter(|load| load["object"].as_str().is_some_and(|object| object.ends_with(name)));
    states.next()?["state"].as_str().map(str::to_owned)
}

async fn assert_everything(world: &World, bulks: u64) {
    let rows = i64::try_from(LINES * bulks).expect("a count");
    let ids = i64::try_from(LINES).expect("a count");
    assert_eq!(world.number("SELECT count(*) FROM bulk.bulk").await, rows);
    assert_eq!(world.number("SELECT count(DISTINCT id) FROM bulk.bulk").await, ids);
    assert_all_is_in(world, FILES, bulks).await;
}
