//! Replaying dead letters in place: a run whose queue is the dead-letter queue. A letter is taken from it, its file goes
//! through claim, read, transform, write and load as any other, and settle deletes the letter at the end. So a letter
//! is there until what it speaks of is written or loaded, or set aside anew, in which case another letter tells of it.
//!
//! What a letter may do is decided by claim, as ever: it begins the generation that it speaks of again, and nothing else.
//! An entry that has gone on since stays as it is.

mod follow;
mod held;
mod lines;
mod pass;
mod report;
mod selection;

use std::sync::Arc;

use lakehand_domain::entry::{Entry, EntryState};
use lakehand_domain::fault::chain;
use lakehand_domain::id::Generation;
use lakehand_domain::port::queue::Queue;
use lakehand_pipeline::observe::Observer;
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::daemon::{Daemon, DaemonError, Mode, Run, publish, unasked};
use crate::in_flight::InFlight;
use crate::intake::{self, Until};
use crate::report::RunReport;
use crate::shutdown::{Signals, shut_down};
use crate::snapshot::Phase;
use crate::supervisor::{TaskKind, Tasks};

use follow::until_over;
use lines::Lines;
use pass::{End, LetterPass, Outbox};
pub use report::{LetterLine, LetterOutcome, ReplayReport};
pub use selection::{LetterReason, LetterSelection};

impl Daemon {
    /// Replays the dead letters that are selected, and ends when each has come to its end, when nothing has for longer
    /// than the patience of a drain, or when `shutdown` is cancelled. Letters that are not selected are hidden while
    /// it lasts, and shown again at its end; should this process die, after half an hour.
    pub async fn replay_letters(
        self,
        selection: LetterSelection,
        shutdown: CancellationToken,
    ) -> Result<ReplayReport, DaemonError> {
        let (ports, settings, board) = self.apart();
        let pass = Arc::new(LetterPass::new(&ports, Arc::clone(&board) as Arc<dyn Observer>, selection, false));
        let in_flight = Arc::new(InFlight::new(Arc::clone(&ports.clock), Arc::clone(&pass) as Arc<dyn Observer>));
        let ports = Ports {
            queue: Arc::clone(&pass) as Arc<dyn Queue>,
            dead_letters: Arc::new(Outbox(Arc::clone(&pass))),
            ..ports
        };
        let run = Run { ports, settings, board, in_flight };
        let (mut tasks, signals) = (Tasks::default(), Signals::default());
        tasks.spawn(TaskKind::Publisher, publish(run.clone(), signals.over.clone()));
        tasks.spawn(TaskKind::Intake, take_letters(run.clone(), signals.clone()));
        for dataset in run.ports.catalog.iter() {
            run.start_loading(&mut tasks, &signals, dataset, Mode::Drain);
        }
        run.board.phase(Phase::Running);
        let failure = tokio::select! {
            biased;
            () = shutdown.cancelled() => {
                pass.cut_short("it was told to stop");
                None
            }
            Some(ended) = tasks.ended() => Some(unasked(ended)),
            () = until_over(&run, &pass) => None,
        };
        let (unfinished, failure) = shut_down(&run, &mut tasks, &signals, failure).await;
        if let Err(error) = follow::look(&run, &pass).await {
            tracing::warn!(error = chain(&error), "what became of the last letters is not known");
        }
        let state = run.board.state();
        let ended = run.ports.clock.now();
        let told = RunReport { started: state.started, ended, tally: state.tally, unfinished };
        let report = finish(&pass, told).await;
        failure.map_or(Ok(report), Err)
    }

    /// Says which dead letters are selected and what would become of each, and changes nothing: they are hidden while
    /// it looks, and shown again at its end.
    pub async fn look_at_letters(self, selection: LetterSelection, shutdown: CancellationToken) -> ReplayReport {
        let (ports, settings, board) = self.apart();
        let intake = &settings.intake;
        let pass = LetterPass::new(&ports, Arc::clone(&board) as Arc<dyn Observer>, selection, true);
        let looking = async {
            let mut failures = 0;
            while pass.end().is_none() {
                match pass.receive(10, intake.visibility, intake.drain_poll).await {
                    Ok(_) => failures = 0,
                    Err(error) => {
                        failures += 1;
                        tracing::warn!(failures, error = chain(&error), "the queue gives no letters");
                        let delay = intake.retry.delay(failures, ports.identity.worker().as_str());
                        if failures >= intake.max_attempts {
                            return pass.cut_short(&format!("the queue gives no letters: {}", chain(&error)));
                        }
                        ports.clock.sleep(delay).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => pass.cut_short("it was told to stop"),
            () = looking => {}
        }
        for letter in pass.lines(|lines| lines.taken()) {
            let outcome = match &letter.entry {
                None => LetterOutcome::WouldReplay,
                Some((entry, generation)) => match ports.ledger.get(entry).await {
                    Ok(entry) => would(&ports, settings.intake.skew, entry.as_ref(), *generation),
                    Err(error) => LetterOutcome::Failed { error: chain(&error) },
                },
            };
            pass.lines(|lines| lines.would(&letter.message, &outcome));
        }
        let (started, ended) = (board.state().started, ports.clock.now());
        finish(&pass, RunReport { started, ended, ..RunReport::default() }).await
    }
}

/// What claim would decide for a letter of this generation.
fn would(ports: &Ports, skew: std::time::Duration, entry: Option<&Entry>, generation: Generation) -> LetterOutcome {
    let Some(entry) = entry else { return LetterOutcome::WouldReplay };
    match &entry.state {
        EntryState::SetAside { .. } if entry.generation == generation => LetterOutcome::WouldReplay,
        EntryState::Claimed { lease: Some(_), .. } if !entry.is_lapsed(ports.clock.now(), skew) => {
            LetterOutcome::WouldWait
        }
        EntryState::Claimed { .. } => LetterOutcome::WouldReplay,
        EntryState::SetAside { .. } | EntryState::Written { .. } | EntryState::Loaded { .. } => {
            LetterOutcome::WouldGo(entry.state_name())
        }
    }
}

/// Intake from the dead-letter queue, once. Then it waits for its end as every task does.
async fn take_letters(run: Run, signals: Signals) {
    let tokens = intake::Signals { stop: signals.stop.clone(), abort: signals.abort };
    let observer = Arc::clone(&run.in_flight) as Arc<dyn Observer>;
    intake::run(run.ports, run.settings.intake, observer, tokens, Until::Drained).await;
    signals.stop.cancelled().await;
}

/// Shows what was hidden, and tells of the whole.
async fn finish(pass: &LetterPass, run: RunReport) -> ReplayReport {
    let hidden_elsewhere = pass.hidden_elsewhere().await;
    let hidden_until = pass.show_all().await;
    let (others, newer) = pass.passed_over();
    let cut_short = match pass.end() {
        Some(End::CutShort(why)) => Some(why),
        Some(End::Complete) | None => None,
    };
    let letters = pass.lines(|lines| lines.letters());
    let (lines, unlisted) = pass.lines(Lines::finish);
    ReplayReport { run, lines, letters, unlisted, others, newer, hidden_elsewhere, cut_short, hidden_until }
}
