//! Starts and supervises the daemon's tasks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::fault::chain;
use lakehand_domain::port::landing_watch::LandingWatch;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::intake::IntakeSettings;
use lakehand_pipeline::loading::LoadingSettings;
use lakehand_pipeline::observe::Observer;
use lakehand_pipeline::ports::Ports;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::backlog;
use crate::board::Board;
use crate::deadline::{Deadlines, with_deadlines};
use crate::drain;
use crate::freshness;
use crate::in_flight::InFlight;
use crate::intake::{self, Until};
use crate::landing::{self, LandingSettings};
use crate::letters;
use crate::loading::LoadingTask;
use crate::loading::pause::PauseWindows;
use crate::report::RunReport;
use crate::shutdown::{Signals, shut_down};
use crate::snapshot::{Phase, Snapshot};
use crate::supervisor::{TaskKind, Tasks, kept_alive};
use crate::sweeper::{self, SweeperSettings};

/// Files in work are published this often.
const PUBLISH: Duration = Duration::from_millis(250);

/// The queue is asked for its depth at every so many of these.
const DEPTH_EVERY: u32 = 20;

/// How the daemon goes about its work.
#[derive(Debug, Clone)]
pub struct DaemonSettings {
    /// From the queue to the lake.
    pub intake: IntakeSettings,
    /// From the landing to the queue.
    pub landing: LandingSettings,
    /// From the lake to the warehouse.
    pub loading: LoadingSettings,
    /// When nothing is loaded, by the clock.
    pub pause: PauseWindows,
    /// How often the ledger is asked since when the oldest file waits to be loaded; `None`, and in a run that drains: never.
    pub backlog: Option<Duration>,
    /// Finding what was abandoned, and deleting what is dead.
    pub sweeper: SweeperSettings,
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// Once it is told to stop, what is in work has this long to come to its end; the rest is given back.
    pub drain_deadline: Duration,
    /// A drain ends, and reports what it waits for, when nothing has come to its end for this long.
    pub drain_patience: Duration,
}

impl Default for DaemonSettings {
    fn default() -> Self {
        Self {
            intake: IntakeSettings::default(),
            landing: LandingSettings::default(),
            loading: LoadingSettings::default(),
            pause: PauseWindows::default(),
            backlog: Some(Duration::from_secs(30)),
            sweeper: SweeperSettings::default(),
            deadlines: Deadlines::default(),
            drain_deadline: Duration::from_secs(30),
            drain_patience: Duration::from_mins(3),
        }
    }
}

/// When a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Never: only by its shutdown token.
    Forever,
    /// Once the landing was swept, the queue is empty, all that is written is loaded and all letters are sent; or when
    /// what is left cannot go on by itself.
    Drain,
}

/// Why a run could not go on. Work in the middle is safe: leases and visibility run out, and others go on with it.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A task panicked or ended without being told to: a defect of lakehand.
    #[error("task {task} ended without being told to: {message}")]
    Task {
        /// Which.
        task: String,
        /// What it said.
        message: String,
    },
}

/// The daemon, not running yet.
#[derive(Debug)]
pub struct Daemon {
    ports: Ports,
    settings: DaemonSettings,
    watch: Option<Box<dyn LandingWatch>>,
    snapshot: watch::Sender<Snapshot>,
}

impl Daemon {
    /// A daemon over these ports. Deadlines are put around them here. `watch` notices objects that no service sends
    /// events for.
    pub fn new(ports: Ports, settings: DaemonSettings, watch: Option<Box<dyn LandingWatch>>) -> Self {
        let ports = with_deadlines(ports, settings.deadlines);
        Self { ports, settings, watch, snapshot: watch::Sender::new(Snapshot::default()) }
    }

    /// Its state, published at every change.
    pub fn snapshot(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// What a run is made of.
    pub(crate) fn apart(self) -> (Ports, DaemonSettings, Arc<Board>) {
        let Self { ports, settings, snapshot, .. } = self;
        let datasets = ports.catalog.iter().map(|dataset| &dataset.id);
        let board = Arc::new(Board::new(Arc::clone(&ports.clock), snapshot, datasets));
        (ports, settings, board)
    }

    /// Runs until `shutdown` is cancelled, or in [`Mode::Drain`] until there is nothing left to do. Then takes nothing
    /// new, lets what is in work come to its end within the deadline, gives back the rest, and reports.
    pub async fn run(mut self, mode: Mode, shutdown: CancellationToken) -> Result<RunReport, DaemonError> {
        let (watch, (ports, settings, board)) = (self.watch.take(), self.apart());
        let in_flight = Arc::new(InFlight::new(Arc::clone(&ports.clock), Arc::clone(&board) as Arc<dyn Observer>));
        let run = Run { ports, settings, board, in_flight };
        let signals = Signals::default();
        let mut tasks = Tasks::default();
        let drained = run.start(&mut tasks, &signals, watch, mode);
        run.board.phase(Phase::Running);

        let (failure, mut unfinished) = tokio::select! {
            biased;
            () = shutdown.cancelled() => (None, Vec::new()),
            Some(ended) = tasks.ended() => (Some(unasked(ended)), Vec::new()),
            unfinished = drain::until_done(&run, drained), if mode == Mode::Drain => (None, unfinished),
        };
        let (given_back, failure) = shut_down(&run, &mut tasks, &signals, failure).await;
        unfinished.extend(given_back);
        if let Some(failure) = failure {
            return Err(failure);
        }
        let state = run.board.state();
        Ok(RunReport { started: state.started, ended: run.ports.clock.now(), tally: state.tally, unfinished })
    }
}

pub(crate) fn unasked(ended: Result<TaskKind, DaemonError>) -> DaemonError {
    let error = match ended {
        Ok(kind) => DaemonError::Task { task: kind.to_string(), message: "it returned".to_owned() },
        Err(error) => error,
    };
    tracing::error!(error = chain(&error), "the daemon cannot go on");
    error
}

/// A daemon that runs.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) ports: Ports,
    pub(crate) settings: DaemonSettings,
    pub(crate) board: Arc<Board>,
    pub(crate) in_flight: Arc<InFlight>,
}

impl Run {
    /// Starts all tasks. The answer counts how often intake found the queue empty.
    fn start(
        &self,
        tasks: &mut Tasks,
        signals: &Signals,
        watch: Option<Box<dyn LandingWatch>>,
        mode: Mode,
    ) -> watch::Receiver<u64> {
        let (empty, drained) = watch::channel(0);
        tasks.spawn(TaskKind::Publisher, publish(self.clone(), signals.over.clone()));
        tasks.spawn(TaskKind::Intake, take_in(self.clone(), signals.clone(), mode, empty));
        for dataset in self.ports.catalog.iter() {
            self.start_loading(tasks, signals, dataset, mode);
        }
        let (run, stop) = (self.clone(), signals.stop.clone());
        self.keep_alive(tasks, TaskKind::Sweeper, signals, move || {
            let (run, stop) = (run.clone(), stop.clone());
            async move { sweeper::run(&run.ports, &run.settings.sweeper, &run.board, &stop).await }
        });
        if !freshness::expected(&self.ports).is_empty() {
            let (run, stop) = (self.clone(), signals.stop.clone());
            self.keep_alive(tasks, TaskKind::Freshness, signals, move || {
                let (run, stop) = (run.clone(), stop.clone());
                async move { freshness::run(&run.ports, &run.board, &stop).await }
            });
        }
        if mode == Mode::Drain {
            // The drain lists the landing and sends the letters itself, so as to know that both are done.
            return drained;
        }
        if let Some(every) = self.settings.backlog {
            let (run, stop) = (self.clone(), signals.stop.clone());
            self.keep_alive(tasks, TaskKind::Backlog, signals, move || {
                let (run, stop) = (run.clone(), stop.clone());
                async move { backlog::run(&run.ports, &run.board, every, &stop).await }
            });
        }
        let (run, stop) = (self.clone(), signals.stop.clone());
        self.keep_alive(tasks, TaskKind::Letters, signals, move || {
            let (run, stop) = (run.clone(), stop.clone());
            async move { letters::run(&run.ports, &run.board, &stop).await }
        });
        let (run, stop, mut watch) = (self.clone(), signals.stop.clone(), watch);
        self.keep_alive(tasks, TaskKind::Landing, signals, move || {
            // Begun anew after a panic it goes without its watch: listings find what lands.
            let (run, stop, watch) = (run.clone(), stop.clone(), watch.take());
            async move { landing::run(&run.ports, &run.settings.landing, watch, run.board.as_ref(), &stop).await }
        });
        drained
    }

    pub(crate) fn start_loading(&self, tasks: &mut Tasks, signals: &Signals, dataset: &Arc<Dataset>, mode: Mode) {
        let mut settings = self.settings.loading.clone();
        if mode == Mode::Drain {
            settings.linger = Duration::ZERO;
        }
        let (run, dataset, signals) = (self.clone(), Arc::clone(dataset), signals.clone());
        let kind = TaskKind::Loading(dataset.id.clone());
        self.keep_alive(tasks, kind, &signals.clone(), move || {
            let task = LoadingTask {
                ports: run.ports.clone(),
                settings: settings.clone(),
                windows: run.settings.pause.clone(),
                dataset: Arc::clone(&dataset),
                board: Arc::clone(&run.board),
                stop: signals.stop.clone(),
                abort: signals.abort.clone(),
            };
            task.run()
        });
    }

    fn keep_alive<F, T>(&self, tasks: &mut Tasks, kind: TaskKind, signals: &Signals, begin: F)
    where
        F: FnMut() -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let alive = kept_alive(kind.clone(), Arc::clone(&self.ports.clock), signals.stop.clone(), begin);
        tasks.spawn(kind, alive);
    }

    /// Whether nothing has come to its end for longer than a drain waits, and nothing is in work here that may take
    /// long. A pass of a family that failed before is not waited for like that: each may end in the same failure; nor a
    /// message that is only looked at, and hidden again because its file is another's.
    pub(crate) fn is_out_of_patience(&self) -> bool {
        let is_worked_on = self.in_flight.files().iter().any(|file| file.stage > Stage::Claim);
        if is_worked_on || self.board.is_loading() {
            self.board.progress();
            return false;
        }
        self.ports.clock.now().since(self.board.last_progress()) > self.settings.drain_patience
    }
}

/// Intake, until it is stopped. While draining it tells each time that it found the queue empty, and goes on: loading
/// may send something back.
async fn take_in(run: Run, signals: Signals, mode: Mode, empty: watch::Sender<u64>) {
    let until = if mode == Mode::Drain { Until::Drained } else { Until::Stopped };
    let tokens = intake::Signals { stop: signals.stop.clone(), abort: signals.abort };
    while !signals.stop.is_cancelled() {
        let observer = Arc::clone(&run.in_flight) as Arc<dyn Observer>;
        let (ports, settings) = (run.ports.clone(), run.settings.intake.clone());
        let report = intake::run(ports, settings, observer, tokens.clone(), until).await;
        if report.drained {
            empty.send_modify(|count| *count += 1);
        }
    }
}

/// Publishes what nobody tells of by itself: which files are in work, and how many messages there are.
pub(crate) async fn publish(run: Run, over: CancellationToken) {
    let mut looks = 0_u32;
    loop {
        run.board.working(run.in_flight.files(), run.in_flight.oldest_message());
        if looks.is_multiple_of(DEPTH_EVERY)
            && let Ok(depth) = run.ports.queue.depth().await
        {
            run.board.queue_depth(depth);
        }
        looks = looks.wrapping_add(1);
        tokio::select! {
            biased;
            () = over.cancelled() => return,
            () = run.ports.clock.sleep(PUBLISH) => {}
        }
    }
}
