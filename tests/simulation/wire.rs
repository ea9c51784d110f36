//! Between a process and a service: each call takes its time, and meets its fate.

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lakehand_domain::fault::Effect;
use lakehand_domain::timestamp::Timestamp;
use tokio::task::JoinSet;

use crate::process::Process;
use crate::random::Random;
use crate::timeline::{Slot, Timeline};

/// How often each thing goes wrong: once in so many calls; 0: never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Faults {
    /// A call fails, and did not happen.
    pub(crate) before: u64,
    /// A call happens, and its answer is lost; or it did not, and nobody knows.
    pub(crate) after: u64,
    /// A call is given up, and happens later.
    pub(crate) late: u64,
    /// A call takes longer than a lease.
    pub(crate) slow: u64,
    /// The process dies at a call.
    pub(crate) die: u64,
    /// The process freezes at a call for longer than a lease.
    pub(crate) freeze: u64,
    /// A transaction of the warehouse is slow in its middle.
    pub(crate) slow_step: u64,
    /// A transaction of the warehouse is ended in its middle.
    pub(crate) abort: u64,
    /// A call is refused.
    pub(crate) denied: u64,
}

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Queue,
    Letters,
    Ledger,
    Landing,
    Lake,
    Warehouse,
}

/// A service is away for a while: every call of it meets this fate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) port: Port,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
    pub(crate) fate: Fate,
}

/// What is told of a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The service cannot be reached, is throttled, or failed.
    Unavailable(Effect),
    /// It refuses, or is full: an operator has to act.
    Denied,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Works,
    FailsBefore,
    /// It is refused, as where a permission is missing or a disk is full.
    Denied,
    /// Nobody knows whether it happened; it did not.
    FailsUnknown,
    FailsAfter,
    Late,
    Slow,
    DiesBefore,
    DiesAfter,
    FreezesBefore,
    FreezesAfter,
}

/// What all wires of a world share.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) timeline: Arc<Timeline>,
    faults: Faults,
    /// What is away, and from when until when.
    pub(crate) outages: Vec<(Timestamp, Timestamp, Outage)>,
    /// From here on everything works.
    calm_at: Timestamp,
    calls: AtomicU64,
    seed: u64,
    /// The fates of calls, instead of those that would be drawn.
    pub(crate) fates: Option<BTreeMap<u64, Fate>>,
    /// The call of this number meets this fate, whatever was drawn.
    pub(crate) forced: Option<(u64, Fate)>,
    /// What went wrong so far.
    met: Mutex<BTreeMap<u64, Fate>>,
    /// The names of all calls so far, where they are wanted.
    pub(crate) names: Option<Mutex<Vec<&'static str>>>,
    /// Whether transfers take longer than a lease.
    pub(crate) is_long: bool,
    /// Raised when all that is under way comes to nothing.
    epoch: AtomicU64,
    /// What services do for longer than an instant.
    work: Mutex<JoinSet<()>>,
    died: Mutex<Vec<Arc<Process>>>,
}

impl Network {
    pub(crate) fn new(timeline: Arc<Timeline>, seed: u64, faults: Faults, calm_at: Timestamp) -> Self {
        Self {
            timeline,
            faults,
            outages: Vec::new(),
            calm_at,
            calls: AtomicU64::new(0),
            seed,
            fates: None,
            forced: None,
            met: Mutex::default(),
            names: None,
            is_long: false,
            epoch: AtomicU64::new(0),
            work: Mutex::default(),
            died: Mutex::default(),
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Whether things go wrong still.
    pub(crate) fn faults(&self) -> Faults {
        if self.timeline.now() < self.calm_at { self.faults } else { Faults::default() }
    }

    /// What is under way comes to nothing from here on.
    pub(crate) fn cut(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Those that died since the last time.
    pub(crate) fn take_dead(&self) -> Vec<Arc<Process>> {
        std::mem::take(&mut self.died.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn kill(&self, process: &Arc<Process>) {
        if process.die() {
            self.timeline.trace(|| format!("{} DIES", process.name));
            self.died.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(process));
        }
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(work);
    }

    /// What went wrong, by the number of the call.
    pub(crate) fn met(&self) -> BTreeMap<u64, Fate> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What meets every call of a port that is away.
    pub(crate) fn outage(&self, port: Port) -> Option<Fate> {
        let now = self.timeline.now();
        let is_now = |(from, until, outage): &&(Timestamp, Timestamp, Outage)| {
            outage.port == port && *from <= now && now < *until
        };
        self.outages.iter().find(is_now).map(|(_, _, outage)| outage.fate)
    }

    fn fate(&self, number: u64, port: Port) -> Fate {
        let forced = self.forced.filter(|(at, _)| *at == number).map(|(_, fate)| fate);
        let fate = forced.unwrap_or_else(|| match &self.fates {
            Some(fates) => fates.get(&number).copied().unwrap_or(Fate::Works),
            None => self.outage(port).unwrap_or_else(|| draw(self.seed, number, self.faults())),
        });
        if fate != Fate::Works {
            self.met.lock().unwrap_or_else(PoisonError::into_inner).insert(number, fate);
        }
        fate
    }
}

/// The fate of a call is a function of its number, so that taking one away leaves the others as they are.
fn draw(seed: u64, number: u64, faults: Faults) -> Fate {
    if faults == Faults::default() {
        return Fate::Works;
    }
    let random = &mut Random::new(seed ^ number.wrapping_mul(0xA076_1D64_78BD_642F));
    if random.once_in(faults.before) {
        Fate::FailsBefore
    } else if random.once_in(faults.after) {
        *random.pick(&[Fate::FailsUnknown, Fate::FailsAfter, Fate::FailsAfter])
    } else if random.once_in(faults.late) {
        Fate::Late
    } else if random.once_in(faults.slow) {
        Fate::Slow
    } else if random.once_in(faults.die) {
        *random.pick(&[Fate::DiesBefore, Fate::DiesAfter])
    } else if random.once_in(faults.freeze) {
        *random.pick(&[Fate::FreezesBefore, Fate::FreezesAfter])
    } else if random.once_in(faults.denied) {
        Fate::Denied
    } else {
        Fate::Works
    }
}

/// One process's way to the services.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) network: Arc<Network>,
    pub(crate) process: Arc<Process>,
    pub(crate) port: Port,
}

/// When a call happens, and how its answer goes.
struct Course {
    happens: Option<Timestamp>,
    /// The answer is lost: this is told instead, and when.
    instead: Option<(Timestamp, Broken)>,
    dies: bool,
    answer: Duration,
}

fn latency(random: &mut Random) -> Duration {
    if random.once_in(24) { random.millis(50, 800) } else { random.millis(1, 12) }
}

impl Wire {
    /// What comes of a call whose effect is at one instant.
    pub(crate) async fn call<T, E>(
        &self,
        name: &'static str,
        detail: impl FnOnce() -> String,
        happen: impl FnOnce() -> Result<T, E> + Send + 'static,
        broken: impl Fn(Broken) -> E + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let start = |tell: Tell<T, E>| Box::new(move || tell(happen())) as Box<dyn FnOnce() + Send>;
        self.begin(name, detail, start, broken).await
    }

    /// What comes of a call that the service works on for a while, whoever waits for it.
    pub(crate) async fn request<T, E>(
        &self,
        name: &'static str,
        detail: impl FnOnce() -> String,
        work: impl FnOnce() -> Pin<Box<dyn Future<Output = Result<T, E>> + Send>> + Send + 'static,
        broken: impl Fn(Broken) -> E + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let network = Arc::clone(&self.network);
        let start = move |tell: Tell<T, E>| {
            let run = move || {
                let work = work();
                network.spawn(async move { tell(work.await) });
            };
            Box::new(run) as Box<dyn FnOnce() + Send>
        };
        self.begin(name, detail, start, broken).await
    }

    /// `start` is given where to tell the answer, and gives what is to be done at the instant of the call.
    pub(crate) async fn begin<T, E>(
        &self,
        name: &'static str,
        detail: impl FnOnce() -> String,
        start: impl FnOnce(Tell<T, E>) -> Box<dyn FnOnce() + Send>,
        broken: impl Fn(Broken) -> E + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        if self.process.is_dead() {
            return pending().await;
        }
        let timeline = &self.network.timeline;
        let number = self.network.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(names) = &self.network.names {
            names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        }
        let fate = self.network.fate(number, self.port);
        timeline.trace(|| {
            let told = if fate == Fate::Works { String::new() } else { format!(" {fate:?}") };
            format!("{} #{number} {name} {}{told}", self.process.name, detail())
        });
        let Some(mut course) = self.course(fate) else { return pending().await };
        if self.network.is_long && matches!(name, "store.complete" | "store.open" | "warehouse.stage") {
            course.answer = timeline.draw(|random| random.millis(2_000, 25_000));
        }
        let slot = Slot::new();
        if let Some((at, what)) = course.instead {
            let (process, filled) = (Arc::clone(&self.process), slot.clone());
            let (error, again) = (broken(what), Arc::clone(timeline));
            timeline.at(at, move || process.deliver(&again, filled, Err(error)));
        }
        let Some(happens) = course.happens else { return slot.await };
        let tell: Tell<T, E> = if course.instead.is_some() || course.dies {
            Box::new(drop)
        } else {
            let (process, filled, timeline) = (Arc::clone(&self.process), slot.clone(), Arc::clone(timeline));
            Box::new(move |answer| {
                let again = Arc::clone(&timeline);
                timeline.after(course.answer, move || process.deliver(&again, filled, answer));
            })
        };
        let effect = start(tell);
        let (network, process, epoch) = (Arc::clone(&self.network), Arc::clone(&self.process), self.network.epoch());
        timeline.at(happens, move || {
            if network.epoch() == epoch {
                effect();
                if course.dies {
                    network.kill(&process);
                }
            }
        });
        slot.await
    }

    /// `None`: the process is dead.
    fn course(&self, fate: Fate) -> Option<Course> {
        let timeline = &self.network.timeline;
        // A process that is frozen sends nothing before it wakes.
        let now = timeline.now().max(self.process.frozen_until());
        let (request, answer, long) =
            timeline.draw(|random| (latency(random), latency(random), random.millis(4_000, 24_000)));
        let arrives = now.plus(request);
        let course = Course { happens: Some(arrives), instead: None, dies: false, answer };
        Some(match fate {
            Fate::Works => course,
            Fate::FailsBefore => {
                let instead = Some((arrives.plus(answer), Broken::Unavailable(Effect::NotApplied)));
                Course { happens: None, instead, ..course }
            }
            Fate::Denied => Course { happens: None, instead: Some((arrives.plus(answer), Broken::Denied)), ..course },
            Fate::FailsUnknown => {
                let instead = Some((arrives.plus(answer), Broken::Unavailable(Effect::Unknown)));
                Course { happens: None, instead, ..course }
            }
            Fate::FailsAfter => {
                Course { instead: Some((arrives.plus(answer), Broken::Unavailable(Effect::Unknown))), ..course }
            }
            Fate::Late => {
                let given_up = now.plus(long / 4);
                let instead = Some((given_up, Broken::Unavailable(Effect::Unknown)));
                Course { happens: Some(now.plus(long)), instead, ..course }
            }
            Fate::Slow => Course { answer: long, ..course },
            Fate::DiesBefore => {
                self.network.kill(&self.process);
                return None;
            }
            Fate::DiesAfter => Course { dies: true, ..course },
            Fate::FreezesBefore => {
                self.process.freeze(now.plus(long));
                Course { happens: Some(arrives.plus(long)), ..course }
            }
            Fate::FreezesAfter => {
                self.process.freeze(now.plus(long));
                course
            }
        })
    }
}

/// Where an answer goes.
pub(crate) type Tell<T, E> = Box<dyn FnOnce(Result<T, E>) + Send>;
