//! The end of a run, in phases with deadlines: take nothing new; let what is in work come to its end; give back the
//! rest; tell the letters.

use std::time::Duration;

use lakehand_domain::fault::chain;
use lakehand_domain::timestamp::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::daemon::{DaemonError, Run};
use crate::letters;
use crate::report::Unfinished;
use crate::snapshot::Phase;
use crate::supervisor::Tasks;

/// What is still waited for is logged this often.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// Giving back takes a call or two for each message; what has not ended after this long is dropped, and its leases run
/// out.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// The last letters of a run may take this long; the next run, or another replica, sends the others.
const LETTERS: Duration = Duration::from_secs(10);

/// What the warehouse still does for calls that were dropped may take this long to be stopped; what is left then ends by
/// itself.
const REST: Duration = Duration::from_secs(25);

/// How tasks are told to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    /// Nothing new is begun.
    pub(crate) stop: CancellationToken,
    /// What is in work is given back.
    pub(crate) abort: CancellationToken,
    /// The published state is not updated any more.
    pub(crate) over: CancellationToken,
}

/// Ends a run.
pub(crate) async fn shut_down(
    run: &Run,
    tasks: &mut Tasks,
    signals: &Signals,
    mut failure: Option<DaemonError>,
) -> (Vec<Unfinished>, Option<DaemonError>) {
    let mut unfinished = Vec::new();
    run.board.phase(Phase::Draining);
    signals.stop.cancel();
    let deadline = run.ports.clock.now().plus(run.settings.drain_deadline);
    if !wait(run, tasks, deadline, &mut failure).await {
        run.board.phase(Phase::GivingBack);
        let messages = run.in_flight.messages();
        if messages > 0 {
            unfinished.push(Unfinished {
                dataset: None,
                count: messages as u64,
                message: "messages were given back before they came to their end; they come again".to_owned(),
            });
        }
        signals.abort.cancel();
        let deadline = run.ports.clock.now().plus(GIVE_BACK);
        wait(run, tasks, deadline, &mut failure).await;
    }
    tokio::select! {
        biased;
        told = letters::tell_all_once(&run.ports) => {
            if let Err(error) = told {
                tracing::warn!(error = chain(&error), "dead letters wait for the next run");
                unfinished.push(Unfinished { dataset: None, count: 0, message: format!("dead letters wait: {}", chain(&error)) });
            }
        }
        () = run.ports.clock.sleep(LETTERS) => {
            unfinished.push(Unfinished { dataset: None, count: 0, message: "dead letters wait for the next run".to_owned() });
        }
    }
    signals.over.cancel();
    tasks.abort().await;
    tokio::select! {
        biased;
        () = run.ports.warehouse.come_to_rest() => {}
        () = run.ports.clock.sleep(REST) => tracing::warn!("the warehouse still works on what was given up"),
    }
    run.board.phase(Phase::Stopped);
    (unfinished, failure)
}

/// Waits for the tasks that have work under way; whether they ended in time.
async fn wait(run: &Run, tasks: &mut Tasks, deadline: Timestamp, failure: &mut Option<DaemonError>) -> bool {
    loop {
        let waited_for: Vec<String> = tasks.running().filter(|kind| kind.has_work()).map(ToString::to_string).collect();
        if waited_for.is_empty() {
            return true;
        }
        let left = deadline.since(run.ports.clock.now());
        if left.is_zero() {
            return false;
        }
        tokio::select! {
            biased;
            Some(ended) = tasks.ended() => {
                if let Err(error) = ended {
                    tracing::error!(error = chain(&error), "a task failed while it was to end");
                    failure.get_or_insert(error);
                }
            }
            () = run.ports.clock.sleep(left.min(SAID_EVERY)) => {
                tracing::info!(
                    waited_for = waited_for.join(", "),
                    messages = run.in_flight.messages(),
                    seconds_left = left.as_secs(),
                    "still in work"
                );
            }
        }
    }
}
