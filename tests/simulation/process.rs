//! One run of a worker process, which may die or freeze at any call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lakehand_domain::timestamp::Timestamp;

use crate::timeline::{Slot, Timeline};

/// One run of a worker process.
#[derive(Debug)]
pub(crate) struct Process {
    /// Which replica it is a run of.
    pub(crate) replica: usize,
    /// Its name, which is its worker's.
    pub(crate) name: String,
    /// By how many microseconds its clock is ahead.
    skew: i64,
    life: Mutex<Life>,
}

#[derive(Debug, Default)]
struct Life {
    dead: bool,
    frozen_until: Timestamp,
}

impl Process {
    pub(crate) fn new(replica: usize, name: String, skew: i64) -> Self {
        Self { replica, name, skew, life: Mutex::default() }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn skew(&self) -> i64 {
        self.skew
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.life().dead
    }

    /// From here on nothing of it goes on. Gives whether it lived.
    pub(crate) fn die(&self) -> bool {
        !std::mem::replace(&mut self.life().dead, true)
    }

    /// Nothing of it goes on until then; what it asked for happens meanwhile.
    pub(crate) fn freeze(&self, until: Timestamp) {
        let mut life = self.life();
        life.frozen_until = life.frozen_until.max(until);
    }

    pub(crate) fn frozen_until(&self) -> Timestamp {
        self.life().frozen_until
    }

    /// Gives it an answer once it can take one.
    pub(crate) fn deliver<T: Send + 'static>(self: &Arc<Self>, timeline: &Arc<Timeline>, slot: Slot<T>, value: T) {
        if self.is_dead() {
            return;
        }
        let thaws = self.frozen_until();
        if thaws <= timeline.now() {
            slot.fill(value);
            return;
        }
        // All that waits for it comes in any order when it wakes.
        let jitter = timeline.draw(|random| Duration::from_micros(random.between(1, 5_000)));
        let (process, again) = (Arc::clone(self), Arc::clone(timeline));
        timeline.at(thaws.plus(jitter), move || process.deliver(&again, slot, value));
    }
}
