//! A warehouse that is away, one that was restored from an older state, and one that belongs to another ledger.

use std::time::Duration;

use super::deliveries::{ORDERS, STOCK, assert_all_is_in, land, sample};
use super::world::{World, pause};

const FILES: u64 = 60;

/// Files land all through an outage of this length; then the warehouse is back, and all is loaded in at most `batches`.
async fn outage(files: u64, length: Duration, batches: i64) {
    let world = World::new(&[ORDERS, STOCK]).await;
    world.pause_warehouse();
    let worker = world.worker();
    let slices = (length.as_secs() / 10).max(1);
    for slice in 0..slices {
        let (from, to) = (files * slice / slices, files * (slice + 1) / slices);
        land(&world, from..to, "outage").await;
        pause(length / u32::try_from(slices).expect("few slices")).await;
    }
    let good = (0..files).filter(|number| sample(*number).is_good).count() as u64;
    for round in 0.. {
        let states = world.states();
        if states.get("written") == Some(&good) && world.depth().await == 0 {
            break;
        }
        assert!(round < 240, "{states:?} of {good} good\n{}", world.logs());
        pause(Duration::from_millis(500)).await;
    }
    assert_eq!(world.states().get("loaded"), None, "nothing is loaded");
    world.resume_warehouse();
    world.until_settled(files, Duration::from_mins(15)).await;
    assert_all_is_in(&world, files, 0).await;
    let made = world.number("SELECT count(DISTINCT batch) FROM lakehand.markers").await;
    assert!(made <= batches, "{good} files in few large batches, not in {made}");
    worker.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_warehouse_is_away_the_queue_empties_into_the_lake() {
    outage(FILES, Duration::ZERO, 6).await;
}

/// As long as outages are: `cargo test -p lakehand --test it cloud::outage -- --ignored`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes eleven minutes"]
async fn a_warehouse_away_for_ten_minutes_under_load_is_caught_up_with_in_few_large_batches() {
    outage(1500, Duration::from_mins(10), 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restored_warehouse_lacks_is_loaded_again_once() {
    let mut world = World::new(&[ORDERS, STOCK]).await;
    let worker = world.worker();
    land(&world, 0..FILES / 2, "before").await;
    world.until_settled(FILES / 2, Duration::from_mins(2)).await;
    worker.stop();
    world.dump().await;

    let worker = world.worker();
    land(&world, FILES / 2..FILES, "after").await;
    world.until_settled(FILES, Duration::from_mins(2)).await;
    worker.stop();
    world.restore().await;
    assert!(world.number("SELECT count(*) FROM orders.orders__rows").await < 300, "it is the older state");

    let worker = world.worker();
    for round in 0.. {
        let missing = world.states().get("written").copied().unwrap_or(0);
        let marked = world.number("SELECT count(*) FROM lakehand.markers").await;
        let good = (0..FILES).filter(|number| sample(*number).is_good).count();
        if missing == 0 && usize::try_from(marked) == Ok(good) {
            break;
        }
        assert!(round < 120, "{marked} markers, {missing} written\n{}", world.logs());
        pause(Duration::from_millis(500)).await;
    }
    world.until_settled(FILES, Duration::from_mins(1)).await;
    assert_all_is_in(&world, FILES, 0).await;
    worker.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_ledger_is_refused() {
    let world = World::new(&[ORDERS]).await;
    let worker = world.worker();
    land(&world, 0..4, "first").await;
    world.until_settled(4, Duration::from_mins(1)).await;
    worker.stop();
    let ledger = format!("ledger.url=dynamodb://other-{}", world.suffix);
    let made = world.run(&["--set", &ledger, "provision"]);
    assert!(made.status.success(), "{}", crate::harness::text(&made));
    land(&world, 5..8, "second").await;
    let worker = world.worker_by(&world.endpoints, &["--set", &ledger]);
    for round in 0.. {
        let log = worker.log();
        if log.contains("belongs to ledger") {
            assert!(log.contains("name the warehouse and the ledger that belong together"), "{log}");
            break;
        }
        assert!(round < 120, "{log}");
        pause(Duration::from_millis(500)).await;
    }
    worker.stop();
}
