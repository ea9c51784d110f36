//! The real program on a cloud that breaks: workers are killed, frozen and replaced, services crash and come back, calls
//! fail and answers are lost, while files land, are rewritten, deleted and told of again. Then nothing goes wrong any
//! more, and what is there must be what a plain model says.
//!
//! `make torture MINUTES=10` goes on for longer than the seconds that it has among the other tests, `SEED=…` draws the same
//! files and trouble again, as far as real processes let it.

use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services;

use self::content::{FIRST, NOTES, ORDERS, STOCK, newer_orders};
use self::landing::Landing;
use self::own::Own;
use self::trouble::Trouble;
use super::world::{World, pause};

mod content;
mod landing;
mod model;
mod own;
mod trouble;

/// When nothing goes wrong any more, all must have come to its end within so long.
const PATIENCE: Duration = Duration::from_mins(4);

/// All sweeps often.
const SETTINGS: [(&str, &str); 6] = [
    ("LAKEHAND__LISTING__INTERVAL", "4s"),
    ("LAKEHAND__LISTING__SETTLE_TIME", "1s"),
    ("LAKEHAND__SWEEPER__LAKE_INTERVAL", "8s"),
    ("LAKEHAND__SWEEPER__PART_GRACE", "45s"),
    ("LAKEHAND__SWEEPER__STAGING_GRACE", "45s"),
    ("LAKEHAND__INTAKE__CONCURRENCY", "8"),
];

#[expect(clippy::disallowed_methods, reason = "a test is told by its caller how long to go on, and with which seed")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_breaks_all_is_in_once() {
    let seed = told("LAKEHAND_TORTURE_SEED").unwrap_or_else(services::suffix);
    let seconds = told("LAKEHAND_TORTURE_SECONDS").map_or(15, |text| text.parse().expect("seconds"));
    println!("torture for {seconds} s; again with make torture SEED={seed}");
    let own = Own::start();
    let mut world = World::at(own.places(), &SETTINGS, &[ORDERS, NOTES, FIRST, STOCK]).await;
    world.define("newer", &[&newer_orders(), NOTES, FIRST, STOCK]);
    let mut landing = Landing::of(&world, &seed).await;
    let mut trouble = Trouble::of(&mut world, &own, &seed).await;

    let began = RealClock.now();
    let end = began.plus(Duration::from_secs(seconds));
    tokio::join!(landing.until(end), trouble.until(end));
    trouble.end().await;
    let calm = RealClock.now();

    let mut told_at = calm;
    let open = loop {
        let open = model::unsettled(trouble.world, &landing).await;
        let waited = RealClock.now().since(calm);
        if open.is_empty() || waited > PATIENCE {
            break open;
        }
        if RealClock.now().since(told_at) > Duration::from_secs(20) {
            told_at = RealClock.now();
            println!(
                "{} not settled {waited:?} after the end of all trouble: {:?}",
                open.len(),
                &open[..open.len().min(3)]
            );
        }
        pause(Duration::from_millis(500)).await;
    };
    for (key, what) in open.iter().take(5) {
        let lines = trouble.world.logged(key);
        println!("{key}: {what}\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
    }
    assert!(open.is_empty(), "{} not settled after {PATIENCE:?}\n{}\nSEED={seed}", open.len(), trouble.logs());
    let drained = RealClock.now().since(calm);
    let mut letters = Vec::new();
    let mut silent = 0;
    while silent < 3 {
        let more = trouble.world.take_letters().await;
        silent = if more.is_empty() { silent + 1 } else { 0 };
        letters.extend(more);
        pause(Duration::from_millis(400)).await;
    }
    let (figures, given_up) = trouble.dismiss();
    let (versions, rows) = model::compare(&world, &landing, &letters).await;
    println!(
        "SEED={seed}: {} files in {} versions that landed and {versions} that were read, {} deliveries beside the \
         bucket's, {} letters, {rows} rows. {figures}. Drained after {drained:?}: as the model says.",
        landing.files(),
        landing.put.len(),
        landing.deliveries,
        letters.len(),
    );
    for said in given_up {
        println!("gave up at its start: {said}");
    }
}
