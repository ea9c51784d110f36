//! When a drain is done: nothing lies in the landing, the queue or the ledger that could still go on by itself.

use std::time::Duration;

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::entry::StateName;
use lakehand_domain::fault::chain;
use lakehand_domain::port::ledger::{EntryQuery, LedgerError};
use lakehand_domain::port::queue::QueueError;
use lakehand_pipeline::dead_letters::LettersError;
use tokio::sync::watch;

use crate::daemon::Run;
use crate::landing;
use crate::letters;
use crate::report::Unfinished;
use crate::snapshot::{FamilyHealth, FamilyState};
use crate::sweeper::{Asked, SweepError, ask_for_lapsed};

/// The pause between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// So many looks in a row must find nothing: what moves from one place to another between two questions is seen by the
/// next look. They are more where the ledger's lists lag.
const CALM: u32 = 2;

/// A family that failed this often in a row is not waited for.
const FAILURES: u32 = 5;

/// Entries that are counted at most; beyond it a report says so many.
const COUNTED: usize = 1_000;

/// Why files of another definition are not waited for.
const FOREIGN: &str = "files were written under another definition than this worker's, and wait for workers that have it; \
                       once it is given up they are transformed anew, if they can still be read";

/// Why a look could not see all.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("ask the queue how many messages there are")]
    Queue(#[from] QueueError),
    #[error("ask the ledger what is unfinished")]
    Ledger(#[from] LedgerError),
    #[error("send dead letters")]
    Letters(#[from] LettersError),
    #[error("ask for what was abandoned")]
    Sweep(#[from] SweepError),
}

/// What a look saw.
#[derive(Debug, Default)]
struct Seen {
    /// Goes on by itself.
    moving: Vec<Unfinished>,
    /// Does not.
    stuck: Vec<Unfinished>,
}

/// Returns once the drain is done, with what cannot go on by itself; or, when nothing has come to its end for longer
/// than the patience, with all that is unfinished. `drained` counts how often intake found the queue empty.
pub(crate) async fn until_done(run: &Run, mut drained: watch::Receiver<u64>) -> Vec<Unfinished> {
    let fresh = loop {
        let error = match landing::sweep_settled(&run.ports, &run.settings.landing).await {
            Ok(report) => break report.fresh,
            Err(error) => error,
        };
        tracing::warn!(error = chain(&error), "the landing could not be listed");
        if run.is_out_of_patience() {
            let message = format!("the landing could not be listed: {}", chain(&error));
            return vec![Unfinished { dataset: None, count: 0, message }];
        }
        run.ports.clock.sleep(run.settings.landing.retry).await;
    };
    let mut asked = Asked::default();
    let looks = CALM.saturating_add(looks_in(run.ports.ledger.lag()));
    let mut calm = 0_u32;
    let mut empty_before = *drained.borrow_and_update();
    loop {
        run.ports.clock.sleep(LOOK).await;
        match look(run, &mut asked).await {
            Ok(seen) if seen.moving.is_empty() => {
                calm += 1;
                if calm >= looks && *drained.borrow_and_update() > empty_before {
                    let written_to =
                        (fresh > 0).then(|| moving(None, fresh, "files in the landing are still written to"));
                    return seen.stuck.into_iter().chain(written_to).collect();
                }
            }
            Ok(seen) => {
                calm = 0;
                empty_before = *drained.borrow_and_update();
                if run.is_out_of_patience() {
                    return seen.stuck.into_iter().chain(seen.moving).collect();
                }
            }
            Err(error) => {
                calm = 0;
                tracing::debug!(error = chain(&error), "the drain cannot see what is unfinished");
                if run.is_out_of_patience() {
                    return vec![Unfinished { dataset: None, count: 0, message: chain(&error) }];
                }
            }
        }
    }
}

/// How many looks it takes to see nothing for so long.
fn looks_in(lag: Duration) -> u32 {
    u32::try_from(lag.as_millis().div_ceil(LOOK.as_millis())).unwrap_or(u32::MAX)
}

/// Looks in the order in which files move, so that what moves on meanwhile is seen further on; and at the queue once
/// more, since loading sends some back.
async fn look(run: &Run, asked: &mut Asked) -> Result<Seen, LookError> {
    let mut seen = Seen::default();
    if messages(run, &mut seen).await? {
        return Ok(seen);
    }
    // No message is there to bring these back.
    let lapsed = ask_for_lapsed(&run.ports, &run.settings.sweeper, Duration::ZERO, None, asked).await?;
    if lapsed > 0 {
        seen.moving.push(moving(None, lapsed, "files whose worker was lost are asked for again"));
        return Ok(seen);
    }
    for dataset in run.ports.catalog.iter() {
        let claimed = count(run, dataset, StateName::Claimed).await?;
        if claimed > 0 {
            seen.moving.push(moving(Some(dataset), claimed, "files are being worked on, or wait to be tried again"));
        }
        let (written, foreign) = written(run, dataset).await?;
        let health = run.board.state().families.get(&dataset.id).cloned().unwrap_or_default();
        // What the loader will do something about by itself is not in its count.
        let (written, foreign) = if foreign > health.foreign { (written + foreign, 0) } else { (written, foreign) };
        match why_stuck(&health) {
            Some(why) if written + foreign > 0 => seen.stuck.push(moving(Some(dataset), written + foreign, &why)),
            Some(_) => {}
            None => {
                if written > 0 {
                    seen.moving.push(moving(Some(dataset), written, &why_not_yet(&health)));
                }
                if foreign > 0 {
                    seen.stuck.push(moving(Some(dataset), foreign, FOREIGN));
                }
            }
        }
    }
    // Counting everything is dear: it is for the last looks alone.
    let counts = if seen.moving.is_empty() { run.ports.ledger.counts().await? } else { Vec::new() };
    for count in counts {
        let waits = matches!(count.state, StateName::Claimed | StateName::Written);
        if waits && run.ports.catalog.get(&count.dataset).is_none() {
            let message = format!("files are {}, and no definition of their dataset is there any more", count.state);
            seen.stuck.push(Unfinished { dataset: Some(count.dataset), count: count.entries, message });
        }
    }
    letters::tell_all_once(&run.ports).await?;
    messages(run, &mut seen).await?;
    Ok(seen)
}

async fn messages(run: &Run, seen: &mut Seen) -> Result<bool, LookError> {
    let depth = run.ports.queue.depth().await?;
    run.board.queue_depth(depth);
    let count = depth.total().max(run.in_flight.messages() as u64);
    if count > 0 {
        let text = format!(
            "messages are in the queue: {} ready, {} in work or waiting to be tried again, {} delayed",
            depth.visible, depth.in_flight, depth.delayed
        );
        seen.moving.push(moving(None, count, &text));
    }
    Ok(count > 0)
}

fn moving(dataset: Option<&Dataset>, count: u64, message: &str) -> Unfinished {
    Unfinished { dataset: dataset.map(|dataset| dataset.id.clone()), count, message: message.to_owned() }
}

async fn count(run: &Run, dataset: &Dataset, state: StateName) -> Result<u64, LookError> {
    let (ours, foreign) = by_definition(run, dataset, state).await?;
    Ok(ours + foreign)
}

/// Written files under our definition and under others.
async fn written(run: &Run, dataset: &Dataset) -> Result<(u64, u64), LookError> {
    by_definition(run, dataset, StateName::Written).await
}

async fn by_definition(run: &Run, dataset: &Dataset, state: StateName) -> Result<(u64, u64), LookError> {
    let mut query =
        EntryQuery { dataset: Some(dataset.id.clone()), state: Some(state), limit: COUNTED, ..EntryQuery::default() };
    let (mut ours, mut foreign) = (0, 0);
    loop {
        let page = run.ports.ledger.list(&query).await?;
        let of_ours = page.entries.iter().filter(|entry| entry.fingerprint == dataset.fingerprint).count();
        ours += of_ours;
        foreign += page.entries.len() - of_ours;
        match page.next {
            Some(next) if ours + foreign < COUNTED => query.after = Some(next),
            _ => return Ok((ours as u64, foreign as u64)),
        }
    }
}

/// What is written and goes on, as a drain says that runs out of patience.
pub(crate) fn why_not_yet(health: &FamilyHealth) -> String {
    match &health.last_error {
        Some(error) => format!("files are written and wait to be loaded, which failed last: {error}"),
        None if health.state == FamilyState::Elsewhere => {
            "files are written and wait for the replica that loads this dataset".to_owned()
        }
        None => "files are written and wait to be loaded".to_owned(),
    }
}

/// Why what is written will not be loaded soon.
pub(crate) fn why_stuck(health: &FamilyHealth) -> Option<String> {
    if let Some(why) = &health.paused {
        return Some(format!("files are written, and loading is paused {why}"));
    }
    let error = health.last_error.as_deref().unwrap_or("no reason was given");
    if health.state == FamilyState::StandingAside {
        return Some(format!("files are written and left to workers of the newer definition: {error}"));
    }
    if health.needs_operator || health.failures >= FAILURES {
        return Some(format!("files are written and cannot be loaded: {error}"));
    }
    None
}
