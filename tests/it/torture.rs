//! Two daemons on one queue and one ledger, every message doubled, `kill -9` at random moments: the lake must end byte
//! for byte, and the warehouse row for row, as in a calm run.
//!
//! `LAKEHAND_TORTURE_ROUNDS` says how often; `make torture-local` says 50.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::object::ObjectUri;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::queue::Queue;

use crate::harness::{BINARY, Site};

const FLATS: &str = include_str!("../../deploy/datasets/berlin_flats.toml");

#[expect(clippy::disallowed_methods, reason = "a test is told by its caller how long to go on")]
fn rounds() -> u64 {
    std::env::var("LAKEHAND_TORTURE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Numbers that look random; the same for the same round, so that a failing round can be run again.
fn dice(round: u64, throw: u64, sides: u64) -> u64 {
    let hash = blake3::hash(format!("torture/{round}/{throw}").as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight bytes")) % sides
}

/// Every file of the landing, twice, in an order of its own.
fn deliver_twice(site: &Site, landing: &Path, round: u64) {
    let mut names: Vec<_> = std::fs::read_dir(landing)
        .expect("a landing")
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| [path.clone(), path])
        .collect();
    names.sort_by_key(|path| blake3::hash(format!("{round}/{}", path.display()).as_bytes()).to_hex().to_string());
    std::fs::create_dir_all(site.path("state")).expect("a state folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let clock = Arc::new(lakehand_daemon::SystemClock);
        let queue = lakehand_queue::sqlite::SqliteQueue::open(
            &site.path("state/queue.sqlite"),
            "arrivals",
            lakehand_queue::sqlite::QueueOptions::default(),
            clock,
        )
        .expect("a queue");
        for path in names {
            let uri = ObjectUri::parse(&format!("file://{}", path.display())).expect("a URI");
            let message = OwnMessage::new(vec![ObjectEvent { uri, cause: Cause::Arrived }]);
            queue.send(&message.body(), Duration::ZERO).await.expect("a message sent");
        }
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the moments of the kills are real time")]
fn killed_at_random_it_ends_as_if_undisturbed() {
    let calm = Site::new(&[FLATS]);
    let landing = calm.path("landing");
    let sample = Command::new(BINARY)
        .args(["sample", "--files", "10", "--lines", "60", "--corrupt", "7", "--folder"])
        .arg(&landing)
        .status()
        .expect("the sample is made");
    assert!(sample.success());
    assert_eq!(calm.drain(), 1, "one file is corrupt");
    let (lake, rows) = (calm.lake(), calm.warehouse());
    assert!(rows.values().map(Vec::len).sum::<usize>() > 500, "there is something to compare");

    let mut kills = 0;
    for round in 0..rounds() {
        let site = Site::on(&landing, &[FLATS]);
        deliver_twice(&site, &landing, round);
        for throw in 0..4 {
            let mut daemons = [site.start(&["run"]), site.start(&["run", "--drain"])];
            std::thread::sleep(Duration::from_millis(20 + dice(round, throw, 1_800)));
            for daemon in &mut daemons {
                daemon.kill().expect("kill -9");
                daemon.wait().expect("it is dead");
                kills += 1;
            }
        }
        site.drain();
        assert_eq!(site.lake(), lake, "round {round}: the lake");
        assert_eq!(site.warehouse(), rows, "round {round}: the warehouse");
        let states = site.json(&["loads", "--limit", "100"]);
        let loaded = states["loads"].as_array().expect("loads").iter().filter(|load| load["state"] == "loaded");
        assert_eq!(loaded.count(), 9, "round {round}: {states}");
    }
    println!("{} rounds, {kills} kills: lake and warehouse as in the calm run", rounds());
}
