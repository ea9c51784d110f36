//! A definition that changes while files flow, with old and new replicas side by side.

use std::time::Duration;

use super::deliveries::{ORDERS, land, sample};
use super::world::{World, pause};

const FILES: u64 = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_replicas_end_with_one_live_load_an_entry() {
    let world = World::new(&[ORDERS]).await;
    let orders: Vec<u64> = (0..FILES).filter(|number| number % 5 != 4).collect();
    let good = orders.iter().filter(|number| sample(**number).is_good).count() as u64;
    let rows: u64 = orders.iter().map(|number| sample(*number).rows).sum();
    let changed = ORDERS.replace(
        "[tables.orders.columns]",
        "[tables.orders.columns]\nnote = { type = \"varchar(20)\", from = \"note\", default = \"none\" }",
    );
    world.define("newer", &[&changed]);

    let old = world.worker();
    land_orders(&world, &orders[..orders.len() / 2]).await;
    while world.states().get("loaded").copied().unwrap_or(0) < 5 {
        pause(Duration::from_millis(100)).await;
    }
    let newer = world.worker_by(&world.endpoints, &["--set", "datasets.folder=newer"]);
    land_orders(&world, &orders[orders.len() / 2..]).await;
    world.until_settled(orders.len() as u64, Duration::from_mins(2)).await;

    let count = async |sql: &str| u64::try_from(world.number(sql).await).expect("a count");
    assert_eq!(count("SELECT count(*) FROM orders.orders").await, rows);
    assert_eq!(count("SELECT count(DISTINCT order_id) FROM orders.orders").await, rows);
    assert_eq!(count("SELECT count(DISTINCT entry) FROM lakehand.markers").await, good);
    assert_eq!(count("SELECT count(*) FROM lakehand.markers").await, good, "one live load an entry");
    old.stop();

    // A redelivery changes nothing.
    let before = world.query("SELECT entry, load_id FROM lakehand.markers ORDER BY entry").await;
    for number in &orders[..10] {
        world.deliver(&sample(*number).key).await;
    }
    world.until_settled(orders.len() as u64, Duration::from_mins(1)).await;
    assert_eq!(world.query("SELECT entry, load_id FROM lakehand.markers ORDER BY entry").await, before);

    // A replay brings all to the new definition.
    let uris: Vec<String> = orders
        .iter()
        .filter(|number| sample(**number).is_good)
        .map(|number| format!("s3://{}/{}", world.landing(), sample(*number).key))
        .collect();
    let mut arguments = vec!["--set", "datasets.folder=newer", "replay"];
    arguments.extend(uris.iter().map(String::as_str));
    let replayed = world.run(&arguments);
    assert!(replayed.status.success(), "{}", crate::harness::text(&replayed));
    pause(Duration::from_secs(1)).await;
    world.until_settled(orders.len() as u64, Duration::from_mins(2)).await;
    for _ in 0..60 {
        if count("SELECT count(DISTINCT fingerprint) FROM lakehand.markers").await == 1 {
            break;
        }
        pause(Duration::from_millis(500)).await;
    }
    assert_eq!(count("SELECT count(DISTINCT fingerprint) FROM lakehand.markers").await, 1);
    assert_eq!(count("SELECT count(*) FROM orders.orders WHERE note = 'none'").await, rows);
    newer.stop();
}

async fn land_orders(world: &World, numbers: &[u64]) {
    for number in numbers {
        land(world, *number..*number + 1, "definitions").await;
    }
}
