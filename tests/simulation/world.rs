//! A world made after a plan, and its story until the end.

mod story;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lakehand_daemon::{
    Daemon, DaemonError, DaemonSettings, IntakeSettings, LandingSettings, LoadingSettings, Mode, Reach, RunReport,
    SweeperSettings,
};
use lakehand_domain::backoff::Backoff;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::{LedgerId, WorkerId};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::{Identity, LakeRoot, Ports};
use lakehand_testkit::memory::ledger::{self, MemoryLedger};
use lakehand_testkit::memory::object_store::MemoryStore;
use lakehand_testkit::memory::queue::MemoryQueue;
use lakehand_testkit::memory::warehouse::{MemoryWarehouse, State};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::definitions::{LAKE, catalog, uri};
use crate::judge::Judge;
use crate::plan::{Plan, Step};
use crate::port::ledger::WiredLedger;
use crate::port::object_store::WiredStore;
use crate::port::queue::WiredQueue;
use crate::port::warehouse::{DrawnPace, WiredWarehouse};
use crate::process::Process;
use crate::random::Random;
use crate::timeline::{ProcessClock, ServerClock, Timeline};
use crate::tiny::{Tiny, TinyParts};
use crate::wire::{Fate, Network, Port, Wire};

/// When every world begins.
const START: i64 = 1_800_000_000_000_000;
/// After the calm begins it has this long to come to its end.
const PATIENCE: Duration = Duration::from_mins(20);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_secs(2);
/// The parts of a dead load are kept for this long: longer than any process freezes and any call takes.
const PART_GRACE: Duration = Duration::from_mins(2);
/// The lake is listed this often.
const LAKE_EVERY: Duration = Duration::from_secs(40);

/// How the failure of a world begins that does not come to its end.
pub(crate) const ENDLESS: &str = "it does not come to its end";
/// What the trace says when nothing goes wrong any more.
pub(crate) const CALM: &str = "== CALM";

thread_local! {
    /// What a panic on this thread said. One in a task is caught, and must not go unseen.
    pub(crate) static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// How a run is watched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watch {
    pub(crate) is_traced: bool,
    /// Whether the names of calls are wanted.
    pub(crate) is_named: bool,
    /// This call meets this fate.
    pub(crate) forced: Option<(u64, Fate)>,
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    pub(crate) failure: Option<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) names: Vec<&'static str>,
    pub(crate) calls: u64,
    /// What went wrong, by the number of the call.
    pub(crate) fates: BTreeMap<u64, Fate>,
    /// What readers of the warehouse see.
    pub(crate) visible: Vec<String>,
    /// How long it took, in the world's time.
    pub(crate) lasted: Duration,
}

pub(crate) struct World {
    plan: Plan,
    timeline: Arc<Timeline>,
    network: Arc<Network>,
    judge: Arc<Judge>,
    queue: Arc<MemoryQueue>,
    letters: Arc<MemoryQueue>,
    ledger: Arc<MemoryLedger>,
    landing: MemoryStore,
    lake: MemoryStore,
    warehouse: Arc<MemoryWarehouse>,
    running: Mutex<Running>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Running {
    started: u64,
    /// What each replica runs, under which definitions.
    replicas: BTreeMap<usize, Replica>,
    last_start: Timestamp,
    /// Replicas that run next until they find nothing left to do.
    drains: BTreeSet<usize>,
    /// The definitions to be in force, for those that start.
    revisions: Vec<usize>,
    /// All are stopped, and none is to start.
    is_closed: bool,
    /// The story has come to its end.
    is_over: bool,
    kept_ledger: Option<ledger::Held>,
    kept_warehouse: Option<State>,
}

struct Replica {
    process: Arc<Process>,
    stop: CancellationToken,
    revisions: Vec<usize>,
    is_draining: bool,
}

/// Runs a plan to its end, or to the first thing that should not be.
pub(crate) fn run(plan: &Plan, watch: Watch) -> Ending {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().event_interval(1 << 24).build();
    let runtime = runtime.expect("a runtime");
    PANIC.set(None);
    runtime.block_on(async {
        let world = World::new(plan, watch);
        world.to_the_end().await
    })
}

impl World {
    fn new(plan: &Plan, watch: Watch) -> Arc<Self> {
        let start = Timestamp::from_micros(START);
        let random = Random::new(plan.seed ^ 0x5EED);
        let timeline = Arc::new(Timeline::new(start, random, watch.is_traced));
        let calm_at = start.plus(Duration::from_millis(plan.calm_ms));
        let mut network = Network::new(Arc::clone(&timeline), plan.seed, plan.faults, calm_at);
        let at = |ms| start.plus(Duration::from_millis(ms));
        let outages = plan.outages.iter();
        network.outages = outages.map(|outage| (at(outage.from_ms), at(outage.until_ms), *outage)).collect();
        network.forced = watch.forced;
        network.fates.clone_from(&plan.fates);
        network.is_long = plan.is_long;
        network.names = watch.is_named.then(Mutex::default);
        let network = Arc::new(network);
        let clock: Arc<dyn Clock> = Arc::new(ServerClock(Arc::clone(&timeline)));
        let letters = Arc::new(MemoryQueue::new("letters", Arc::clone(&clock)));
        let queue = MemoryQueue::new("queue", Arc::clone(&clock)).with_dead_letters(10_000, Arc::clone(&letters));
        let (lag, drawn) = (plan.lag_ms, Arc::clone(&timeline));
        let lag = move || if lag == 0 { Duration::ZERO } else { drawn.draw(|random| random.millis(0, lag)) };
        let ledger = MemoryLedger::new(LedgerId::new("ledger"), Arc::clone(&clock))
            .lagging(Box::new(lag), Duration::from_millis(plan.lag_ms));
        let ledger = Arc::new(if plan.omits { ledger.omitting() } else { ledger });
        let landing = MemoryStore::new(Arc::clone(&clock), plan.versioned);
        let lake = MemoryStore::new(clock, false);
        let parts = TinyParts { lake: lake.clone(), network: Arc::clone(&network) };
        let pace = Box::new(DrawnPace(Arc::clone(&network)));
        let warehouse = Arc::new(MemoryWarehouse::new(plan.isolation, pace, Arc::new(parts)));
        let judge =
            Arc::new(Judge::new(plan, Arc::clone(&timeline), Arc::clone(&ledger), landing.clone(), lake.clone()));
        judge.watch(Arc::clone(&warehouse));
        let running = Running { revisions: vec![0; plan.datasets.len()], ..Running::default() };
        Arc::new(Self {
            plan: plan.clone(),
            timeline,
            network,
            judge,
            queue: Arc::new(queue),
            letters,
            ledger,
            landing,
            lake,
            warehouse,
            running: Mutex::new(running),
            tasks: Mutex::default(),
        })
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn to_the_end(self: Arc<Self>) -> Ending {
        for replica in 0..self.plan.replicas {
            let (world, delay) = (Arc::clone(&self), self.timeline.draw(|random| random.millis(0, 500)));
            self.timeline.after(delay, move || world.start(replica));
        }
        let start = self.timeline.now();
        for (at, step) in self.plan.steps.clone() {
            let world = Arc::clone(&self);
            self.timeline.at(start.plus(Duration::from_millis(at)), move || world.take(&step));
        }
        let calm = start.plus(Duration::from_millis(self.plan.calm_ms));
        let world = Arc::clone(&self);
        self.timeline.at(calm, move || {
            world.timeline.trace(|| CALM.to_owned());
            world.look(calm.plus(PATIENCE), 0);
        });
        let mut changes = 0;
        let mut is_over = false;
        while self.judge.failure().is_none() && !is_over {
            // Every task that can go on does, before time does.
            tokio::task::yield_now().await;
            if let Some(panic) = PANIC.take() {
                self.judge.fail(format!("a task panicked: {panic}"));
            }
            for process in self.network.take_dead() {
                self.lost(&process);
            }
            if self.warehouse.changes() != changes {
                changes = self.warehouse.changes();
                self.judge.committed();
            }
            match self.timeline.next() {
                Some(event) => event(),
                None => is_over = true,
            }
            is_over |= self.running().is_over;
        }
        let names =
            self.network.names.as_ref().map(|names| names.lock().map(|names| names.clone()).unwrap_or_default());
        self.timeline.end();
        Ending {
            failure: self.judge.failure(),
            trace: self.timeline.take_trace(),
            names: names.unwrap_or_default(),
            calls: self.network.calls(),
            fates: self.network.met(),
            visible: self.judge.visible(),
            lasted: self.timeline.now().since(start),
        }
    }

    /// Looks whether it has come to its end.
    fn look(self: &Arc<Self>, until: Timestamp, calm_looks: u32) {
        let waits = self.waits_for();
        if waits.is_none() && calm_looks >= 2 {
            let world = Arc::clone(self);
            let rest = if self.plan.is_swept { PART_GRACE + LAKE_EVERY * 6 } else { Duration::ZERO };
            self.timeline.after(rest, move || world.close());
            return;
        }
        if self.timeline.now() > until {
            self.judge.fail(format!("{ENDLESS}: {}", waits.unwrap_or_default()));
            return;
        }
        let (world, looks) = (Arc::clone(self), if waits.is_none() { calm_looks + 1 } else { 0 });
        self.timeline.after(LOOK, move || world.look(until, looks));
    }

    fn waits_for(&self) -> Option<String> {
        let running = self.running();
        let all_run = running.replicas.len() == self.plan.replicas
            && running.replicas.values().all(|replica| replica.revisions == running.revisions && !replica.is_draining);
        if !all_run {
            return Some("replicas are not all there".to_owned());
        }
        drop(running);
        self.judge.waits_for(&self.queue)
    }

    fn close(&self) {
        if let Some(waits) = self.waits_for() {
            self.judge.fail(format!("it goes on after its end: {waits}"));
        }
        self.judge.committed();
        self.judge.swept();
        self.running().is_over = true;
    }

    fn start(self: &Arc<Self>, replica: usize) {
        let mut running = self.running();
        if running.is_closed || running.replicas.contains_key(&replica) {
            return;
        }
        running.started += 1;
        running.last_start = self.timeline.now();
        let name = format!("r{replica}.{}", running.started);
        let skew = self.timeline.draw(|random| i64::try_from(random.below(800_000)).unwrap_or(0) - 400_000);
        let process = Arc::new(Process::new(replica, name.clone(), skew));
        let revisions = running.revisions.clone();
        self.timeline.trace(|| format!("{name} STARTS with definitions {revisions:?}"));
        let daemon = Daemon::new(self.ports(&process, &revisions), settings(&self.plan), None);
        let stop = CancellationToken::new();
        let (world, told, ended) = (Arc::clone(self), stop.clone(), Arc::clone(&process));
        let is_draining = running.drains.remove(&replica);
        running.replicas.insert(replica, Replica { process, stop, revisions, is_draining });
        drop(running);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(async move {
            let report = daemon.run(if is_draining { Mode::Drain } else { Mode::Forever }, told).await;
            world.ended(&ended, report);
        });
    }

    fn ports(&self, process: &Arc<Process>, revisions: &[usize]) -> Ports {
        let wire = |port| Wire { network: Arc::clone(&self.network), process: Arc::clone(process), port };
        let queue = |queue: &Arc<MemoryQueue>, is_letters| WiredQueue {
            wire: wire(if is_letters { Port::Letters } else { Port::Queue }),
            queue: Arc::clone(queue),
            judge: Arc::clone(&self.judge),
            is_letters,
        };
        let store = |store: &MemoryStore, port| WiredStore {
            wire: wire(port),
            store: store.clone(),
            judge: Arc::clone(&self.judge),
            is_lake: port == Port::Lake,
        };
        let ledger =
            WiredLedger { wire: wire(Port::Ledger), ledger: Arc::clone(&self.ledger), judge: Arc::clone(&self.judge) };
        Ports {
            clock: Arc::new(ProcessClock { timeline: Arc::clone(&self.timeline), process: Arc::clone(process) }),
            queue: Arc::new(queue(&self.queue, false)),
            dead_letters: Arc::new(queue(&self.letters, true)),
            ledger: Arc::new(ledger),
            landing: Arc::new(store(&self.landing, Port::Landing)),
            lake: Arc::new(store(&self.lake, Port::Lake)),
            transformer: Arc::new(Tiny),
            warehouse: Arc::new(WiredWarehouse {
                wire: wire(Port::Warehouse),
                warehouse: Arc::clone(&self.warehouse),
                judge: Arc::clone(&self.judge),
            }),
            catalog: catalog(&self.plan, revisions),
            lake_root: LakeRoot(uri(LAKE)),
            identity: Arc::new(Identity::new(WorkerId::new(process.name.clone()))),
        }
    }

    /// A process ended by itself.
    fn ended(self: &Arc<Self>, process: &Arc<Process>, report: Result<RunReport, DaemonError>) {
        if let Err(error) = report {
            self.judge.fail(format!("{} ended: {error}", process.name));
        }
        self.timeline.trace(|| format!("{} ENDS", process.name));
        process.die();
        self.lost(process);
    }

    /// A process is no more: another takes its place.
    fn lost(self: &Arc<Self>, process: &Arc<Process>) {
        let mut running = self.running();
        let is_ours = running.replicas.get(&process.replica).is_some_and(|known| known.process.name == process.name);
        if is_ours {
            running.replicas.remove(&process.replica);
            let delay = self.timeline.draw(|random| random.millis(100, 8_000));
            let (world, replica) = (Arc::clone(self), process.replica);
            self.timeline.after(delay, move || world.start(replica));
        }
    }
}

fn settings(plan: &Plan) -> DaemonSettings {
    let seconds = Duration::from_secs;
    let backoff = Backoff { first: Duration::from_millis(500), most: seconds(6) };
    DaemonSettings {
        intake: IntakeSettings {
            max_files: plan.max_files,
            max_transforms: 16,
            visibility: seconds(10),
            lease: seconds(8),
            skew: seconds(1),
            margin: seconds(2),
            poll: seconds(5),
            max_lapses: 10_000,
            retry: backoff,
            ..IntakeSettings::default()
        },
        landing: LandingSettings {
            reach: if plan.is_new { Reach::New { overlap: seconds(120), history: true } } else { Reach::All },
            interval: if plan.is_listed { seconds(20) } else { Duration::from_hours(10_000) },
            settle: seconds(1),
            page: 3,
            objects_per_message: 2,
            remember: seconds(60),
            retry: seconds(3),
            ..LandingSettings::default()
        },
        loading: LoadingSettings {
            max_batch_entries: plan.batch_entries,
            linger: Duration::from_millis(500),
            poll: seconds(5),
            look_anew: seconds(60),
            stand_aside: seconds(20),
            lease: seconds(8),
            concurrency: 4,
            attempts: 3,
            backoff,
            ask_again: seconds(15),
            ..LoadingSettings::default()
        },
        sweeper: SweeperSettings {
            every: seconds(15),
            claim_grace: seconds(5),
            skew: seconds(1),
            ask_again: seconds(20),
            lake_every: LAKE_EVERY,
            part_grace: PART_GRACE,
            forgets_loaded: None,
            page: 7,
            pages_per_second: 10,
            max_pages: 4,
            max_deletions: 20,
            remember: LAKE_EVERY,
            remembered: 5,
            staging_grace: seconds(60),
        },
        // It changes nothing, and would only make every world longer.
        backlog: None,
        drain_deadline: seconds(5),
        drain_patience: seconds(60),
        ..DaemonSettings::default()
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

/// What a step is called in the trace.
fn said(step: &Step) -> String {
    format!("== {step:?}")
}
