//! A warehouse that takes no rows for a reason of its own: no file is at fault, nothing is set aside, and once it is
//! mended everything is loaded.

use std::time::Duration;

use lakehand_redshift_standin::{Fault, Rule};

use super::deliveries::{ORDERS, STOCK, assert_all_is_in, land, sample};
use super::world::{World, pause};

const FILES: u64 = 24;

/// Files land while the warehouse is as `break_it` leaves it, which the worker says in these words.
async fn nothing_is_set_aside(break_it: impl AsyncFnOnce(&World), says: &str, mend_it: impl AsyncFnOnce(&World)) {
    let world = World::new(&[ORDERS, STOCK]).await;
    let worker = world.worker();
    // Some are loaded before, so that there is a load that is known to be good.
    land(&world, 0..8, "before").await;
    world.until_settled(8, Duration::from_mins(2)).await;
    let aside = world.states().get("set_aside").copied().unwrap_or(0);
    break_it(&world).await;
    land(&world, 8..FILES, "broken").await;
    let orders = (8..FILES).filter(|number| number % 5 != 4);
    let good = orders.filter(|number| sample(*number).is_good).count() as u64;
    let bad = (0..FILES).filter(|number| !sample(*number).is_good).count() as u64;
    for round in 0.. {
        let waiting = world.states().get("written").copied().unwrap_or(0);
        if waiting >= good && worker.log().contains(says) && round > 8 {
            break;
        }
        assert!(round < 120, "{says:?} is not said, {waiting} of {good} wait: {}", world.logs());
        pause(Duration::from_millis(500)).await;
    }
    let states = world.states();
    let now_aside = states.get("set_aside").copied().unwrap_or(0);
    assert!(now_aside >= aside && now_aside <= bad, "files are set aside: {states:?}\n{}", world.logs());
    mend_it(&world).await;
    world.until_settled(FILES, Duration::from_mins(2)).await;
    assert_all_is_in(&world, FILES, 0).await;
    worker.stop();
}

async fn fails_in_these_words(matching: &str, message: &str, says: &str) {
    let rule = Rule::new(Fault::Fail { message: message.to_owned() }).matching(matching);
    nothing_is_set_aside(
        async |world| world.standin().faults().set(vec![rule]),
        says,
        async |world| world.standin().faults().clear(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_grant_sets_nothing_aside() {
    let message = "ERROR: permission denied for schema lakehand";
    fails_in_these_words("COPY ", message, "permission denied").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_sets_nothing_aside() {
    let message = "ERROR: Disk Full\n  Detail: \n  error:  Disk Full\n  code:      1016\n  context:   node: 0";
    fails_in_these_words("COPY ", message, "Disk Full").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_table_sets_nothing_aside() {
    nothing_is_set_aside(
        async |world| drop(world.query("ALTER TABLE orders.orders__rows RENAME TO kept").await),
        "does not exist",
        async |world| drop(world.query("ALTER TABLE orders.kept RENAME TO orders__rows").await),
    )
    .await;
}
