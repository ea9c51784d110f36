//! Which calls fail, and how. One plan may serve several wrapped ports, so that a sweep can number every call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How one call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It works.
    Works,
    /// It fails, and did not happen.
    FailsBefore,
    /// It happens, and its answer is lost.
    FailsAfter,
}

/// Decides the fate of each call by its number, counted from 1 over all ports that share the plan.
#[derive(Debug, Default)]
pub struct FaultPlan {
    calls: AtomicU64,
    fates: Mutex<Vec<(u64, Fate)>>,
    names: Mutex<Vec<&'static str>>,
}

impl FaultPlan {
    /// A plan in which everything works until told otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `number`-th call meets this fate.
    #[must_use]
    pub fn with(self, number: u64, fate: Fate) -> Self {
        self.fates.lock().unwrap_or_else(PoisonError::into_inner).push((number, fate));
        self
    }

    /// Counts a call and gives its fate. `name` is `port.method`.
    pub fn next(&self, name: &'static str) -> Fate {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.names.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        let fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
        fates.iter().find(|(at, _)| *at == number).map_or(Fate::Works, |(_, fate)| *fate)
    }

    /// How many calls there were.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// The names of all calls so far, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
