//! A worker that is frozen past its leases, whose work another takes over and finishes, and that then wakes.

use std::time::Duration;

use super::deliveries::{ORDERS, STOCK, assert_all_is_in, land};
use super::world::{World, pause};

const FILES: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_zombie_writes_is_refused() {
    let world = World::new(&[ORDERS, STOCK]).await;
    let landing = land(&world, 0..FILES, "zombie");
    let mut zombie = None;
    let freezing = async {
        // In the middle of its work.
        let worker = world.worker();
        while world.states().values().sum::<u64>() < 5 {
            pause(Duration::from_millis(50)).await;
        }
        worker.signal("STOP");
        zombie = Some(worker);
    };
    tokio::join!(landing, freezing);
    let zombie = zombie.expect("a frozen worker");
    // Past every lease and visibility another brings everything to its end.
    let other = world.worker();
    world.until_settled(FILES, Duration::from_secs(120)).await;
    assert_all_is_in(&world, FILES).await;
    let before =
        (world.query("SELECT load_id, generation FROM lakehand.markers ORDER BY load_id").await, world.states());
    let parts = world.lake_objects().await;

    zombie.signal("CONT");
    pause(Duration::from_secs(4)).await;
    assert_all_is_in(&world, FILES).await;
    let after =
        (world.query("SELECT load_id, generation FROM lakehand.markers ORDER BY load_id").await, world.states());
    assert_eq!(before, after, "ledger and warehouse are as they were");
    // What it still uploads is the same bytes under the same names.
    let late = world.lake_objects().await;
    let strays: Vec<_> = late.keys().filter(|key| !parts.contains_key(*key) && key.ends_with(".parquet")).collect();
    assert!(strays.is_empty(), "{strays:?}");
    let log = zombie.stop();
    assert!(
        log.contains("lost") || log.contains("failed") || log.contains("given back"),
        "it woke in the middle:\n{log}"
    );
    other.stop();
}
