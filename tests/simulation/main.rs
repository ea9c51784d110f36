//! A deterministic simulation: the real daemon, pipeline, loading, letters and sweeper, over ports in memory, in a time
//! and with a chance that a seed decides.
//!
//! ```text
//! cargo test -p lakehand-simulation                    some seeds, every seed that ever failed, the crash sweep
//! cargo test -p lakehand-simulation -- --seed N        one world again, with what is left of it when it fails
//! cargo test -p lakehand-simulation -- --seeds N       so many worlds; --from M: from this seed on; --first: until one fails
//! cargo test -p lakehand-simulation -- --sweep         the crash sweep, with everything that can happen to a call
//! ```
//!
//! `--profile simulation` makes each of them ten times as fast. The environment's `LAKEHAND_SIMULATION_FROM` says
//! where the seeds begin, and `LAKEHAND_SIMULATION_SEEDS` how many there are. CI begins elsewhere each time, so that it sees
//! worlds that nobody has seen; its output names the seed that fails.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails by panicking")]
#![allow(clippy::print_stdout, reason = "it is a test that tells what it did")]

mod definitions;
mod judge;
mod model;
mod plan;
mod port;
mod process;
mod random;
mod shrink;
mod sweep;
mod timeline;
mod tiny;
mod wire;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plan::Plan;
use world::{CALM, ENDLESS, PANIC, Watch, run};

/// Worlds in an ordinary run of the tests, where nothing else is said.
const SEEDS: u64 = 2_000;
/// Every seed that ever failed, with what it found.
const FAILED: &str = include_str!("failed_seeds.txt");
/// Lines of a trace that are shown.
const SHOWN: usize = 1_500;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.to_string();
        PANIC.with_borrow_mut(|known| {
            known.get_or_insert(text);
        });
    }));
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let is_there = |name: &str| arguments.iter().any(|argument| argument == name);
    if is_there("--list") {
        return ExitCode::SUCCESS;
    }
    let passed = if let Some(seed) = value("--seed") {
        replay(seed)
    } else if is_there("--sweep") {
        swept(sweep::ALL)
    } else if let Some(seeds) = value("--seeds") {
        many(value("--from").unwrap_or(0), seeds, is_there("--first"))
    } else {
        let from = variable("LAKEHAND_SIMULATION_FROM").unwrap_or(0);
        let seeds = variable("LAKEHAND_SIMULATION_SEEDS").unwrap_or(SEEDS);
        repeatable() && failed_before() && swept(sweep::DEATHS) && many(from, seeds, false)
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn variable(name: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "no setting of the program: how many worlds a run of the tests makes"
    )]
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}, and is to be a number")))
}

/// One seed again; where it fails, what is left of it.
fn replay(seed: u64) -> bool {
    let plan = Plan::draw(seed);
    let ending = run(&plan, Watch::default());
    let Some(failure) = ending.failure else {
        println!("seed {seed} holds: {} calls, {:?} of its time", ending.calls, ending.lasted);
        return true;
    };
    println!("seed {seed} fails: {failure}\n");
    let (plan, ending) = shrink::shrink(&plan);
    let trace = &ending.trace;
    // What only waits from the calm on says the same again and again.
    let calm = trace.iter().position(|line| line.ends_with(CALM)).filter(|_| failure.starts_with(ENDLESS));
    let end = calm.map_or(trace.len(), |calm| trace.len().min(calm + SHOWN / 3));
    let skipped = end.saturating_sub(SHOWN);
    println!("what is left of it:\n{plan:#?}\n\nlines {skipped} to {end} of {}:", trace.len());
    for line in &trace[skipped..end] {
        println!("{line}");
    }
    println!("\nseed {seed} fails: {failure}");
    false
}

/// The same seed has the same trace, byte for byte.
fn repeatable() -> bool {
    let traced = |seed| run(&Plan::draw(seed), Watch { is_traced: true, ..Watch::default() }).trace;
    let differs = (0..40).find(|seed| {
        let (first, second) = (traced(*seed), traced(*seed));
        first.is_empty() || first != second
    });
    match differs {
        Some(seed) => println!("seed {seed} does not repeat itself"),
        None => println!("40 seeds repeat themselves, line for line"),
    }
    differs.is_none()
}

fn failed_before() -> bool {
    let seeds: Vec<u64> = FAILED
        .lines()
        .filter_map(|line| line.split('#').next())
        .filter(|seed| !seed.trim().is_empty())
        .map(|seed| seed.trim().parse().expect("failed_seeds.txt has a number in each line, and `#` before its story"))
        .collect();
    let again: Vec<&u64> =
        seeds.iter().filter(|seed| run(&Plan::draw(**seed), Watch::default()).failure.is_some()).collect();
    println!("{} seeds that failed once, {} fail again: {again:?}", seeds.len(), again.len());
    again.is_empty()
}

fn swept(fates: &[wire::Fate]) -> bool {
    let (points, failures) = sweep::sweep(fates);
    for failure in failures.iter().take(20) {
        println!("{failure}");
    }
    println!("the crash sweep: {points} points, {} fail", failures.len());
    failures.is_empty()
}

/// So many worlds, by all processors. `first`: only until one fails.
fn many(from: u64, seeds: u64, first: bool) -> bool {
    println!("{seeds} worlds from seed {from} on");
    let (next, calls) = (AtomicU64::new(from), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let failures: Mutex<Vec<(u64, String)>> = Mutex::default();
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= from + seeds {
                return;
            }
            let ending = run(&Plan::draw(seed), Watch::default());
            calls.fetch_add(ending.calls, Ordering::Relaxed);
            if let Some(failure) = ending.failure {
                println!("seed {seed}: {failure}");
                let mut failures = failures.lock().expect("no panic under the lock");
                failures.push((seed, failure));
                stop.store(first || failures.len() >= 50, Ordering::Relaxed);
            }
        }
    };
    sweep::parallel(work);
    let run = next.load(Ordering::Relaxed).min(from + seeds) - from;
    let mut failures = failures.into_inner().expect("no panic under the lock");
    failures.sort();
    println!("{run} worlds, {} fail, {} calls a world", failures.len(), calls.into_inner() / run.max(1));
    if let Some((seed, _)) = failures.first().filter(|_| !first) {
        replay(*seed);
        println!("again: make simulate SEED={seed}; once it is mended, add it to tests/simulation/failed_seeds.txt");
    }
    failures.is_empty()
}
