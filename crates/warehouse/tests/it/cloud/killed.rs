//! A process that is killed at any instruction leaves whole batches or nothing, and whoever comes next finishes. The
//! statement that it was waiting for goes on without it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::clock::Clock as _;
use lakehand_domain::shape::Contest;
use lakehand_testkit::conformance::warehouse::{SampleLoad, SampleRow, Site, expected_rows};
use lakehand_testkit::real_clock::RealClock;

use super::world::{Place, World, tested};

const PLACE: &str = "LAKEHAND_TEST_PLACE";

fn contest() -> Contest {
    Contest::Upsert { key: vec!["listing_id".to_owned()], version: Some("last_modified".to_owned()) }
}

fn loads() -> Vec<SampleLoad> {
    let load = |number: u32, generation: u32| SampleLoad {
        object: number,
        version: 1_000 + number % 3,
        generation,
        rows: (0..50)
            .map(|row| SampleRow {
                key: (i64::from(number) * 61 + row * 7) % 100,
                version: (row % 5 != 0).then_some((row * 13 + i64::from(number * generation)) % 17),
                passes: row % 11 != 0,
            })
            .collect(),
    };
    (0..4).flat_map(|number| [load(number, 1), load(number, 2)]).collect()
}

async fn site(place: &Place, worker: &str) -> Site {
    let warehouse = place.warehouse(worker).await;
    let site = Site::open(Arc::new(tested(&warehouse)), place.parts(), "killed", &contest()).await;
    let warehouse = &site.tested.warehouse;
    for name in warehouse.stagings(&site.shape.family).await.unwrap() {
        warehouse.drop_staging(&name).await.unwrap();
    }
    site.put_in_force().await;
    site
}

/// The process that is killed: not a test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "run by the test below, in a process of its own"]
async fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Place::read(place.to_str().unwrap());
    let site = site(&place, &format!("child {}", std::process::id())).await;
    println!("open");
    for load in loads() {
        site.deliver(std::slice::from_ref(&load)).await;
        println!("delivered");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_whole_batches() {
    let world = World::new().await;
    let place = world.place();
    for (turn, lines) in [1_u32, 3, 2, 4].into_iter().enumerate() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "cloud::killed::child", "--ignored", "--nocapture"])
            .env(PLACE, place.written())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let told = tokio::task::spawn_blocking(move || {
            let said = |line: &String| line.ends_with("open") || line.ends_with("delivered");
            output.lines().map_while(Result::ok).filter(said).take(lines as usize).count()
        });
        let seen = told.await.unwrap();
        // The child is in the middle of whatever comes next, at another point each time.
        RealClock.sleep(Duration::from_millis(40 * turn as u64)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, lines as usize, "the child must be killed at work, not after it");
        let site = site(&place, &format!("after {turn}")).await;
        assert!(site.take().await.batches >= u64::from(lines) - 1, "what was answered is there");
        assert_eq!(site.dump().await.len() % 50, 0, "no load is there in part");
    }
    let site = site(&place, "last").await;
    for load in loads() {
        site.deliver(std::slice::from_ref(&load)).await;
    }
    site.assert_is(&expected_rows(&site, &contest(), &loads())).await;
    world.end().await;
}
