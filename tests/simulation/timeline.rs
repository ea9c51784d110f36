//! Virtual time: everything that takes time is an event, and one event happens after the other.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::clock::Clock;
use lakehand_domain::timestamp::Timestamp;

use crate::process::Process;
use crate::random::Random;

/// What happens at an instant.
type Event = Box<dyn FnOnce() + Send>;

/// The one time of a simulated world, and the chance in it.
pub(crate) struct Timeline {
    inner: Mutex<Inner>,
}

struct Inner {
    now: Timestamp,
    made: u64,
    events: BTreeMap<(Timestamp, u64), Event>,
    random: Random,
    trace: Option<Vec<String>>,
    is_over: bool,
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timeline at {}", self.now())
    }
}

impl Timeline {
    pub(crate) fn new(start: Timestamp, random: Random, traced: bool) -> Self {
        let trace = traced.then(Vec::new);
        let inner = Inner { now: start, made: 0, events: BTreeMap::new(), random, trace, is_over: false };
        Self { inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner().now
    }

    /// Draws. The closure must not come back to the timeline.
    pub(crate) fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.inner().random)
    }

    /// Lets something happen at `at`, or now where that is over.
    pub(crate) fn at(&self, at: Timestamp, event: impl FnOnce() + Send + 'static) {
        let mut inner = self.inner();
        if inner.is_over {
            return;
        }
        inner.made += 1;
        let key = (at.max(inner.now), inner.made);
        inner.events.insert(key, Box::new(event));
    }

    pub(crate) fn after(&self, delay: Duration, event: impl FnOnce() + Send + 'static) {
        self.at(self.now().plus(delay), event);
    }

    /// Goes on to the next event. The caller lets it happen.
    pub(crate) fn next(&self) -> Option<Event> {
        let mut inner = self.inner();
        let ((at, _), event) = inner.events.pop_first()?;
        inner.now = at;
        Some(event)
    }

    /// Nothing happens any more: what was to happen holds the world, which holds this.
    pub(crate) fn end(&self) {
        let mut inner = self.inner();
        inner.is_over = true;
        let events = std::mem::take(&mut inner.events);
        drop(inner);
        drop(events);
    }

    /// Writes a line of the trace, where there is one.
    pub(crate) fn trace(&self, line: impl FnOnce() -> String) {
        let mut inner = self.inner();
        let now = inner.now;
        if let Some(trace) = &mut inner.trace {
            trace.push(format!("{now} {}", line()));
        }
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        self.inner().trace.take().unwrap_or_default()
    }
}

/// A value that comes later.
#[derive(Debug)]
pub(crate) struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Slot<T> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }

    pub(crate) fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    pub(crate) fn fill(&self, value: T) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 = Some(value);
        if let Some(waker) = held.1.take() {
            waker.wake();
        }
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = held.0.take() {
            return Poll::Ready(value);
        }
        held.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Time as the services have it.
#[derive(Debug, Clone)]
pub(crate) struct ServerClock(pub(crate) Arc<Timeline>);

#[async_trait]
impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    async fn sleep(&self, duration: Duration) {
        let slot = Slot::new();
        let filled = slot.clone();
        self.0.after(duration, move || filled.fill(()));
        slot.await;
    }
}

/// Time as one process has it: its clock differs a little, and it sleeps on while it is frozen.
#[derive(Debug, Clone)]
pub(crate) struct ProcessClock {
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) process: Arc<Process>,
}

/// How often the daemon publishes its state, which nobody looks at here.
const PUBLISH: Duration = Duration::from_millis(250);
/// How often it does instead.
const SELDOM: Duration = Duration::from_secs(20);

#[async_trait]
impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.timeline.now().micros() + self.process.skew())
    }

    async fn sleep(&self, duration: Duration) {
        let duration = if duration == PUBLISH { SELDOM } else { duration };
        let slot = Slot::new();
        let (filled, process, timeline) = (slot.clone(), Arc::clone(&self.process), Arc::clone(&self.timeline));
        self.timeline.after(duration, move || process.deliver(&timeline, filled, ()));
        slot.await;
    }
}
