//! The workers of one transform: each encodes what waits to be encoded, else puts batches in order, else takes the next
//! chunk through decoding and deriving. Encoding first is what bounds memory.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use lakehand_dataset::transformer::{PartSink, TransformError};

use super::lane::EncodeTask;
use super::ordered::{Ordered, Outcome};
use crate::derive::Batch;

/// Batches that may be on their way at once, for each worker.
const AHEAD: usize = 3;

/// Makes batches of chunks; one for each worker.
pub(crate) trait Feed {
    /// The next batch, of any number that was not given out yet; `None` once there are no more.
    fn next(&mut self) -> Result<Option<Batch>, TransformError>;
}

struct State {
    /// Batches whose turn has not come.
    waiting: BTreeMap<u64, Batch>,
    /// The number of the next batch to be put in order.
    next: u64,
    /// Chunks being decoded.
    reading: usize,
    /// Whether the source has given its last chunk.
    exhausted: bool,
    /// Whether a worker is in the ordered stage.
    ordering: bool,
    /// Whether the last row groups were closed.
    flushed: bool,
    tasks: VecDeque<EncodeTask>,
    failure: Option<TransformError>,
}

struct Shared<'a> {
    state: Mutex<State>,
    changed: Condvar,
    ordered: Mutex<Ordered>,
    sink: &'a dyn PartSink,
    cancelled: &'a (dyn Fn() -> bool + Sync),
    ahead: usize,
}

enum Turn {
    Encode(EncodeTask),
    Order(Batch),
    Flush,
    Read,
    Leave,
}

/// Runs to the end. `feed` makes the feed of one worker.
pub(crate) fn run<F: Feed>(
    threads: NonZeroUsize,
    ordered: Ordered,
    sink: &dyn PartSink,
    cancelled: &(dyn Fn() -> bool + Sync),
    feed: impl Fn() -> F + Sync,
) -> Result<Outcome, TransformError> {
    let shared = Shared {
        state: Mutex::new(State {
            waiting: BTreeMap::new(),
            next: 0,
            reading: 0,
            exhausted: false,
            ordering: false,
            flushed: false,
            tasks: VecDeque::new(),
            failure: None,
        }),
        changed: Condvar::new(),
        ordered: Mutex::new(ordered),
        sink,
        cancelled,
        ahead: AHEAD * threads.get(),
    };
    let worker = || shared.guarded(|| shared.work(&mut feed()));
    thread::scope(|scope| {
        for number in 1..threads.get() {
            let spawned = thread::Builder::new().name(format!("transform-{number}")).spawn_scoped(scope, worker);
            // Fewer workers than asked for do the same work.
            if let Err(error) = spawned {
                tracing::warn!(error = %error, "a transform worker could not be started");
                break;
            }
        }
        worker();
    });
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failure) = state.failure {
        return Err(failure);
    }
    shared.ordered.into_inner().unwrap_or_else(PoisonError::into_inner).finish()
}

impl Shared<'_> {
    /// Runs a worker so that a panic in it fails the transform and nothing else.
    fn guarded(&self, work: impl FnOnce() -> Result<(), TransformError>) {
        let failure = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error,
            Err(panic) => {
                TransformError::Engine { what: "a transform worker panicked".to_owned(), source: said(&*panic).into() }
            }
        };
        let mut state = self.lock();
        // Once a source has failed, other workers hear from it that they are cancelled, perhaps before the reason is here.
        match &state.failure {
            None | Some(TransformError::Cancelled) => state.failure = Some(failure),
            Some(_) => {}
        }
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, feed: &mut impl Feed) -> Result<(), TransformError> {
        loop {
            match self.turn() {
                Turn::Leave => return Ok(()),
                Turn::Encode(task) => {
                    if (self.cancelled)() {
                        return Err(TransformError::Cancelled);
                    }
                    task.run(self.sink)?;
                }
                Turn::Order(batch) => {
                    let mut tasks = Vec::new();
                    let mut ordered = self.ordered.lock().unwrap_or_else(PoisonError::into_inner);
                    ordered.absorb(batch, self.sink, &mut tasks)?;
                    drop(ordered);
                    let mut state = self.lock();
                    state.next += 1;
                    state.ordering = false;
                    state.tasks.extend(tasks);
                    drop(state);
                    self.changed.notify_all();
                }
                Turn::Flush => {
                    let mut tasks = Vec::new();
                    self.ordered.lock().unwrap_or_else(PoisonError::into_inner).flush(self.sink, &mut tasks)?;
                    let mut state = self.lock();
                    state.ordering = false;
                    state.tasks.extend(tasks);
                    drop(state);
                    self.changed.notify_all();
                }
                Turn::Read => {
                    if (self.cancelled)() {
                        return Err(TransformError::Cancelled);
                    }
                    let batch = feed.next()?;
                    let mut state = self.lock();
                    state.reading -= 1;
                    match batch {
                        Some(batch) => {
                            state.waiting.insert(batch.number, batch);
                        }
                        None => state.exhausted = true,
                    }
                    drop(state);
                    self.changed.notify_all();
                }
            }
        }
    }

    /// What to do next; waits while there is nothing.
    fn turn(&self) -> Turn {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return Turn::Leave;
            }
            if let Some(task) = state.tasks.pop_front() {
                return Turn::Encode(task);
            }
            if !state.ordering {
                let next = state.next;
                if let Some(batch) = state.waiting.remove(&next) {
                    state.ordering = true;
                    return Turn::Order(batch);
                }
                if state.exhausted && state.reading == 0 {
                    if !state.waiting.is_empty() {
                        // A batch would be lost, so this is no end.
                        let what = format!("put batch {next} in order");
                        state.failure = Some(TransformError::Engine { what, source: "the source skipped it".into() });
                        self.changed.notify_all();
                        return Turn::Leave;
                    }
                    if state.flushed {
                        return Turn::Leave;
                    }
                    state.flushed = true;
                    state.ordering = true;
                    return Turn::Flush;
                }
            }
            if !state.exhausted && state.reading + state.waiting.len() < self.ahead {
                state.reading += 1;
                return Turn::Read;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it said nothing".to_owned())
}
