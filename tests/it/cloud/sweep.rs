//! What nobody names any more goes from the lake, and nothing else does.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;

use super::deliveries::ORDERS;
use super::world::{Places, World, pause};
use crate::harness::text;

/// Longer than a lease of these worlds, and short enough to be waited for.
const GRACE: &str = "8s";

const LINES: &str = concat!(
    r#"{"id":1,"amount":"1.00","placed":"2026-11-21T08:00:00Z","customer":{"name":"x"}}"#,
    "\n",
    r#"{"id":2,"amount":"2.00","placed":"2026-11-21T08:00:00Z","customer":{"name":"y"}}"#,
);

/// A replica that froze between its parts and the ledger's word for them, and woke when its load was over, leaves parts of
/// a load that nobody names; one that died in the middle leaves uploads that nobody completes; a replay leaves the
/// generation before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_nobody_names_are_never_live_and_are_swept() {
    let settings = [
        ("LAKEHAND__SWEEPER__INTERVAL", "500ms"),
        ("LAKEHAND__SWEEPER__LAKE_INTERVAL", "1s"),
        ("LAKEHAND__SWEEPER__PART_GRACE", GRACE),
    ];
    let world = World::at(Places::of_all(), &settings, &[ORDERS]).await;
    let worker = world.worker();
    world.put("orders_1.jsonl", LINES.as_bytes()).await;
    world.until_settled(1, Duration::from_mins(1)).await;
    let first: BTreeSet<String> = world.lake_objects().await.into_keys().collect();
    let part = first.iter().find(|key| key.ends_with(".parquet")).expect("a part").clone();
    let bytes = world.lake_bytes(&part).await;
    let (folder, name) = part.rsplit_once('/').expect("a folder");
    let stray = format!("{folder}/{}{}", "0123456789abcdef".repeat(2), name.get(32..).expect("its number"));
    let foreign = format!("{folder}/readme.parquet");
    for key in [&stray, &foreign] {
        let body = ByteStream::from(bytes.clone());
        world.s3.put_object().bucket(world.lake()).key(key).body(body).send().await.expect("it is put");
    }
    let upload = format!("{folder}/{}-1.parquet", "0123456789abcdef".repeat(2));
    world.s3.create_multipart_upload().bucket(world.lake()).key(&upload).send().await.expect("it is begun");
    let asked = world.run(&["replay", "orders_1.jsonl"]);
    assert!(asked.status.success(), "{}", text(&asked));

    let swept = tokio::time::timeout(Duration::from_mins(2), async {
        loop {
            let there: BTreeSet<String> = world.lake_objects().await.into_keys().collect();
            let uploads = world.s3.list_multipart_uploads().bucket(world.lake()).send().await.expect("uploads");
            let dead = there.intersection(&first).count() + usize::from(there.contains(&stray));
            if dead == 0 && uploads.uploads().is_empty() {
                return there;
            }
            pause(Duration::from_millis(500)).await;
        }
    });
    let there = swept.await.unwrap_or_else(|_| panic!("not swept\n{}", world.logs()));
    assert!(there.contains(&foreign), "what is not ours is left alone: {there:?}");
    assert_eq!(world.live_rows().await.into_values().collect::<Vec<_>>(), [2], "what is live is whole");
    assert_eq!(world.number("SELECT count(*) FROM orders.orders").await, 2);
    let generations = world.query("SELECT generation FROM lakehand.markers").await;
    assert_eq!(generations, [["2"]]);
    worker.stop();
}
