//! Everything that goes wrong while files land: workers killed, frozen and replaced, services that crash and come back,
//! calls that fail and answers that are lost.

use std::fmt;
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::timestamp::Timestamp;
use lakehand_redshift_standin::{Fault, Rule};
use lakehand_testkit::meddler::Meddler;
use lakehand_testkit::microburst::Microburst;
use lakehand_testkit::real_clock::RealClock;
use serde_json::{Value, json};

use super::own::Own;
use crate::cloud::world::{Endpoints, Worker, World, dice, pause};

/// How many workers there are.
const FLEET: usize = 3;

/// How often each thing went wrong.
#[derive(Debug, Default)]
pub(super) struct Figures {
    workers: u64,
    kills: u64,
    freezes: u64,
    stops: u64,
    /// Workers that gave up by themselves, and what each said last.
    given_up: Vec<String>,
    emulator: u64,
    postgres: u64,
    standin: u64,
    pauses: u64,
    outages: u64,
    weathers: u64,
    warehouse_faults: u64,
    queue_and_ledger_faults: u64,
    store_faults: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} workers: {} killed, {} frozen, {} stopped in order, {} gave up at their start; restarts: {} emulator, {} \
             PostgreSQL, {} Redshift; {} outages and {} pauses of the warehouse; {} weathers, in which faults fired: {} at \
             queue and ledger, {} at S3, {} at the warehouse",
            self.workers,
            self.kills,
            self.freezes,
            self.stops,
            self.given_up.len(),
            self.emulator,
            self.postgres,
            self.standin,
            self.outages,
            self.pauses,
            self.weathers,
            self.queue_and_ledger_faults,
            self.store_faults,
            self.warehouse_faults,
        )
    }
}

/// Longer than the lease of a loader that was killed, and a pass of loading after it.
const LULL: Duration = Duration::from_secs(20);

/// A worker, and what is being done to it.
struct Member {
    worker: Worker,
    newer: bool,
    state: Treatment,
}

enum Treatment {
    None,
    FrozenUntil(Timestamp),
    Stopping,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Kill,
    Freeze,
    Stop,
    CrashEmulator,
    CrashPostgres,
    RestartWarehouse,
    /// The warehouse's cluster is paused: it takes no statement.
    PauseCluster,
    /// Somebody pauses loading.
    PauseLoading,
    Calm,
    Weather,
}

const DECK: [(Deed, usize); 10] = [
    (Deed::Kill, 7),
    (Deed::Freeze, 4),
    (Deed::Stop, 2),
    (Deed::CrashEmulator, 1),
    (Deed::CrashPostgres, 1),
    (Deed::RestartWarehouse, 1),
    (Deed::PauseCluster, 1),
    (Deed::PauseLoading, 1),
    (Deed::Calm, 2),
    (Deed::Weather, 4),
];

/// Whoever makes the trouble.
pub(super) struct Trouble<'a> {
    pub(super) world: &'a mut World,
    own: &'a Own,
    seed: String,
    throws: u64,
    deck: Vec<Deed>,
    proxy: Microburst,
    meddler: Meddler,
    endpoints: Endpoints,
    fleet: Vec<Member>,
    newer: bool,
    pub(super) figures: Figures,
}

impl<'a> Trouble<'a> {
    /// Workers that reach their services through whatever can be told to fail.
    pub(super) async fn of(world: &'a mut World, own: &'a Own, seed: &str) -> Self {
        let proxy = Microburst::before(&world.endpoints.s3).await;
        let meddler = Meddler::before(&world.endpoints.s3).await;
        let endpoints = Endpoints {
            s3: meddler.url.clone(),
            sqs: proxy.url(),
            dynamodb: proxy.url(),
            redshift: world.endpoints.redshift.clone(),
        };
        let seed = format!("{seed}/trouble");
        let (fleet, figures) = (Vec::new(), Figures::default());
        let mut trouble = Self {
            world,
            own,
            seed,
            throws: 0,
            deck: Vec::new(),
            proxy,
            meddler,
            endpoints,
            fleet,
            newer: false,
            figures,
        };
        for _ in 0..FLEET {
            let member = trouble.hire();
            trouble.fleet.push(member);
        }
        trouble
    }

    fn dice(&mut self, sides: u64) -> u64 {
        self.throws += 1;
        dice(&self.seed, self.throws, sides)
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.dice(most - least))
    }

    fn hire(&mut self) -> Member {
        self.figures.workers += 1;
        let more: &[&str] = if self.newer { &["--set", "datasets.folder=newer"] } else { &[] };
        Member { worker: self.world.worker_by(&self.endpoints, more), newer: self.newer, state: Treatment::None }
    }

    /// Trouble until then. At half time a changed definition is deployed.
    pub(super) async fn until(&mut self, end: Timestamp) {
        let half = Timestamp::from_micros(i64::midpoint(RealClock.now().micros(), end.micros()));
        while RealClock.now() < end {
            let breath = self.millis(200, 1_400);
            pause(breath).await;
            self.newer |= RealClock.now() > half;
            self.tend();
            self.act().await;
            // What came is not asked for, and would fill the memory.
            drop(self.meddler.seen());
        }
    }

    /// Every kind of trouble comes as often as it lies in the deck, before the deck is shuffled anew. Between two decks
    /// there is a lull, or nothing would ever come to its end.
    async fn act(&mut self) {
        if self.deck.is_empty() {
            if self.figures.workers > FLEET as u64 {
                self.calm().await;
                pause(LULL).await;
            }
            self.deck = DECK.iter().flat_map(|(deed, times)| vec![*deed; *times]).collect();
        }
        let drawn = usize::try_from(self.dice(self.deck.len() as u64)).expect("a small number");
        let which = usize::try_from(self.dice(FLEET as u64)).expect("a small number");
        match self.deck.swap_remove(drawn) {
            Deed::Kill => {
                self.figures.kills += 1;
                self.fleet[which].worker.kill();
                self.fleet[which] = self.hire();
            }
            Deed::Freeze => self.freeze(which),
            Deed::Stop => self.stop(which),
            Deed::CrashEmulator => {
                self.figures.emulator += 1;
                self.crash("roto").await;
            }
            Deed::CrashPostgres => {
                self.figures.postgres += 1;
                self.crash("postgres").await;
            }
            Deed::RestartWarehouse => {
                self.figures.standin += 1;
                self.take_warehouse_faults();
                let away = self.millis(0, 1_500);
                self.world.restart_standin(away).await;
            }
            Deed::PauseCluster => {
                self.figures.outages += 1;
                self.take_warehouse_faults();
                self.world.pause_warehouse();
            }
            Deed::PauseLoading => {
                self.figures.pauses += 1;
                let paused = self.world.run(&["pause", "--for", "3s"]);
                assert!(paused.status.success(), "{}", crate::harness::text(&paused));
            }
            Deed::Calm => self.calm().await,
            Deed::Weather => self.weather().await,
        }
    }

    /// Longer than leases and visibilities last, or not.
    fn freeze(&mut self, which: usize) {
        let until = RealClock.now().plus(self.millis(1_000, 16_000));
        let member = &mut self.fleet[which];
        if matches!(member.state, Treatment::None) && member.worker.ended().is_none() {
            self.figures.freezes += 1;
            member.worker.signal("STOP");
            member.state = Treatment::FrozenUntil(until);
        }
    }

    fn stop(&mut self, which: usize) {
        let member = &mut self.fleet[which];
        if matches!(member.state, Treatment::None) && member.worker.ended().is_none() {
            self.figures.stops += 1;
            member.worker.signal("TERM");
            member.state = Treatment::Stopping;
        }
    }

    /// Wakes who was frozen long enough, replaces who has ended, and stops one who still has the old definition.
    fn tend(&mut self) {
        for at in 0..self.fleet.len() {
            let member = &mut self.fleet[at];
            if let Treatment::FrozenUntil(until) = member.state
                && RealClock.now() >= until
            {
                member.worker.signal("CONT");
                member.state = Treatment::None;
            }
            if let Some(status) = member.worker.ended() {
                if !matches!(member.state, Treatment::Stopping) {
                    let log = member.worker.log();
                    let said = log.lines().last().unwrap_or_default();
                    self.figures.given_up.push(format!("{status}: {said}"));
                }
                self.fleet[at] = self.hire();
            }
        }
        if let Some(old) = self.fleet.iter().position(|member| member.newer != self.newer) {
            self.stop(old);
        }
    }

    async fn crash(&mut self, name: &str) {
        self.own.crash(name);
        let away = self.millis(0, 2_500);
        pause(away).await;
        self.own.start_again(name);
    }

    /// Calls fail, and answers are lost, at some services or at all.
    async fn weather(&mut self) {
        self.calm().await;
        self.figures.weathers += 1;
        let where_to = self.dice(7) + 1;
        let much = self.dice(3) + 1;
        let share = |hundredths: u64| f64::from(u32::try_from(hundredths * much).unwrap_or(100)) / 100.0;
        if where_to & 1 != 0 {
            // The answer is cut off after the call has happened.
            let lost = |service: &str, operation: &str, share: f64| json!({"service": service, "operation": operation, "probability": share, "response": {"abort_bytes": 1}});
            let rules = json!([
                lost("dynamodb", "PutItem", share(5)),
                lost("dynamodb", "UpdateItem", share(5)),
                lost("sqs", "DeleteMessageBatch", share(6)),
                lost("sqs", "ChangeMessageVisibilityBatch", share(4)),
                lost("sqs", "SendMessage", share(6)),
                lost("sqs", "ReceiveMessage", share(3)),
                {"service": "dynamodb", "probability": share(2), "error": {"code": "ProvisionedThroughputExceededException"}},
                {"service": "dynamodb", "probability": share(1), "error": {"code": "InternalServerError"}},
                {"service": "sqs", "probability": share(2), "reset": true}
            ]);
            self.proxy.only_rules(&rules.to_string()).await;
        }
        if where_to & 2 != 0 {
            let seed = self.dice(u64::MAX);
            self.meddler.fail_at_random(seed);
        }
        if where_to & 4 != 0 {
            self.world.standin().faults().set(vec![
                Rule::new(Fault::Throttle).share(share(3)),
                Rule::new(Fault::LoseRequest).share(share(2)),
                Rule::new(Fault::LoseAnswer).share(share(5)),
                Rule::new(Fault::FailBeforeCommit).share(share(3)),
                Rule::new(Fault::FailAfterCommit).share(share(5)),
                Rule::new(Fault::AbortBeforeCommit).share(share(1)),
                Rule::new(Fault::SlowCommit { millis: 700 }).share(share(2)),
                Rule::new(Fault::Expire).share(share(1)),
            ]);
        }
    }

    async fn calm(&mut self) {
        self.proxy.only_rules("[]").await;
        self.meddler.calm();
        self.take_warehouse_faults();
    }

    fn take_warehouse_faults(&mut self) {
        self.figures.warehouse_faults += self.world.standin().faults().total();
        self.world.standin().faults().clear();
    }

    /// Nothing goes wrong any more: every service answers, every worker runs.
    pub(super) async fn end(&mut self) {
        self.calm().await;
        let resumed = self.world.run(&["resume"]);
        assert!(resumed.status.success(), "{}", crate::harness::text(&resumed));
        for member in &mut self.fleet {
            if let Treatment::FrozenUntil(_) = member.state {
                member.worker.signal("CONT");
                member.state = Treatment::None;
            }
        }
        self.newer = true;
        while self.fleet.iter_mut().any(|member| !member.newer || member.worker.ended().is_some()) {
            self.tend();
            pause(Duration::from_millis(300)).await;
        }
        let stats: Value = serde_json::from_str(&self.proxy.stats().await).expect("figures of the proxy");
        self.figures.queue_and_ledger_faults = stats["requests"]["faulted"].as_u64().unwrap_or(0);
        self.figures.store_faults = self.meddler.chanced();
    }

    /// The last lines of those who work now.
    pub(super) fn logs(&self) -> String {
        let tail = |member: &Member| {
            let log = member.worker.log();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(25)..].join("\n")
        };
        self.fleet.iter().map(tail).collect::<Vec<_>>().join("\n---\n")
    }

    /// Workers end in order when they are told to. What those said that gave up.
    pub(super) fn dismiss(self) -> (Figures, Vec<String>) {
        for member in self.fleet {
            member.worker.stop();
        }
        let said = self.figures.given_up.clone();
        (self.figures, said)
    }
}
