//! Where everything that happens is written down for others to see: counts, health, and who is to be woken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{Entry, LoadSummary, SetAsideKind};
use lakehand_domain::id::{DatasetId, FamilyId, MessageId};
use lakehand_domain::message::Message;
use lakehand_domain::port::queue::QueueDepth;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::loading::{LoadObserver, LoadedEntry};
use lakehand_pipeline::observe::{FileInWork, LeaseKind, Observer};
use lakehand_pipeline::settle::Fate;
use tokio::sync::{Notify, Semaphore, watch};

use crate::chores::Chore;
use crate::in_flight::FileNow;
use crate::landing::{ListingObserver, SweepReport};
use crate::measures::Measures;
use crate::report::Tally;
use crate::snapshot::{FamilyHealth, FamilyState, ListingHealth, Phase, Snapshot, WorkingFile};
use crate::sweeper::SweepHealth;

/// A pass that finds nothing is over sooner.
const LONG_PASS: Duration = Duration::from_secs(1);

/// Looks on at intake and loading, and publishes what it sees.
#[derive(Debug)]
pub(crate) struct Board {
    clock: Arc<dyn Clock>,
    snapshot: watch::Sender<Snapshot>,
    wakes: BTreeMap<DatasetId, Arc<Notify>>,
    turns: Mutex<BTreeMap<FamilyId, Arc<Semaphore>>>,
}

impl Board {
    pub(crate) fn new<'a>(
        clock: Arc<dyn Clock>,
        snapshot: watch::Sender<Snapshot>,
        datasets: impl Iterator<Item = &'a DatasetId>,
    ) -> Self {
        let now = clock.now();
        let datasets: Vec<&DatasetId> = datasets.collect();
        snapshot.send_modify(|state| {
            state.started = now;
            state.tally.last_progress = now;
            state.families = datasets.iter().map(|id| ((*id).clone(), FamilyHealth::default())).collect();
        });
        let wakes = datasets.into_iter().map(|id| (id.clone(), Arc::new(Notify::new()))).collect();
        Self { clock, snapshot, wakes, turns: Mutex::default() }
    }

    /// Of the datasets of a family one at a time loads: one permit.
    pub(crate) fn turn(&self, family: &FamilyId) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(turns.entry(family.clone()).or_insert_with(|| Arc::new(Semaphore::new(1))))
    }

    /// Notified when this process has written something of the dataset.
    pub(crate) fn wake(&self, dataset: &DatasetId) -> Arc<Notify> {
        self.wakes.get(dataset).map_or_else(Arc::default, Arc::clone)
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.snapshot.send_modify(|state| state.phase = phase);
    }

    pub(crate) fn state(&self) -> Snapshot {
        self.snapshot.borrow().clone()
    }

    /// Whether a pass of a family that goes well is under way, and was long enough to have found something to load.
    pub(crate) fn is_loading(&self) -> bool {
        let now = self.clock.now();
        let is_long = |since: Timestamp| now.since(since) > LONG_PASS;
        let state = self.snapshot.borrow();
        let mut families = state.families.values();
        families.any(|family| family.state == FamilyState::Loading && family.loading_since.is_some_and(is_long))
    }

    /// Something that is done again and again went well, or did not: why.
    pub(crate) fn chore(&self, chore: Chore, outcome: Result<(), &str>) {
        let now = self.clock.now();
        self.snapshot.send_if_modified(|state| state.chores.went(chore, outcome, now));
    }

    pub(crate) fn swept(&self, change: impl FnOnce(&mut SweepHealth)) {
        let now = self.clock.now();
        self.snapshot.send_modify(|state| {
            change(&mut state.sweeps);
            state.sweeps.at = Some(now);
        });
    }

    /// Something goes on, though nothing has come to its end.
    pub(crate) fn progress(&self) {
        self.tally(true, |_| ());
    }

    pub(crate) fn last_progress(&self) -> Timestamp {
        self.snapshot.borrow().tally.last_progress
    }

    pub(crate) fn family(&self, dataset: &DatasetId, change: impl FnOnce(&mut FamilyHealth)) {
        self.snapshot.send_modify(|state| change(state.families.entry(dataset.clone()).or_default()));
    }

    pub(crate) fn queue_depth(&self, depth: QueueDepth) {
        self.snapshot.send_if_modified(|state| state.queue.replace(depth) != Some(depth));
    }

    pub(crate) fn working(&self, files: Vec<FileNow>, oldest_message: Option<Timestamp>) {
        let working: Vec<WorkingFile> = files
            .into_iter()
            .map(|file| WorkingFile {
                object: file.object.to_string(),
                dataset: file.dataset,
                bytes: file.bytes,
                stage: file.stage.as_str(),
                since: file.since,
            })
            .collect();
        self.snapshot.send_if_modified(|state| {
            let changed = state.working != working || state.measures.oldest_message != oldest_message;
            state.working = working;
            state.measures.oldest_message = oldest_message;
            changed
        });
    }

    fn tally(&self, progress: bool, change: impl FnOnce(&mut Tally)) {
        let now = self.clock.now();
        self.snapshot.send_modify(|state| {
            change(&mut state.tally);
            if progress {
                state.tally.last_progress = now;
            }
        });
    }

    pub(crate) fn measure(&self, change: impl FnOnce(&mut Measures)) {
        self.snapshot.send_modify(|state| change(&mut state.measures));
    }

    fn set_aside(&self, kind: SetAsideKind, summary: Option<&LoadSummary>) {
        self.tally(true, |tally| {
            *tally.set_aside.entry(kind).or_default() += 1;
            count(tally, summary);
        });
    }
}

fn count(tally: &mut Tally, summary: Option<&LoadSummary>) {
    if let Some(summary) = summary {
        tally.records += summary.records;
        tally.rejects.merge(&summary.rejects);
    }
}

impl Observer for Board {
    fn message_received(&self, message: &Message) {
        self.tally(false, |tally| tally.messages += 1);
        self.measure(|measures| measures.received(message.received_at.since(message.sent_at)));
    }

    fn file_left(&self, stage: Stage, took: Duration) {
        self.measure(|measures| measures.stage(stage, took));
    }

    fn lease_lost(&self, lease: LeaseKind) {
        self.measure(|measures| measures.lost(lease));
    }

    fn record_ended(&self, _: &MessageId, file: Option<FileInWork<'_>>, fate: &Fate) {
        if matches!(fate, Fate::Written { .. } | Fate::SetAside { .. } | Fate::Done { .. }) {
            self.chore(Chore::Intake, Ok(()));
        }
        if let Fate::Written { summary, .. } = fate {
            self.measure(|measures| measures.bytes_written += summary.bytes);
        }
        if matches!(fate, Fate::Written { .. } | Fate::SetAside { .. }) {
            let bytes = file.and_then(|file| file.bytes).unwrap_or(0);
            self.measure(|measures| measures.bytes_read += bytes);
        }
        match fate {
            Fate::Ignored { what } => self.tally(true, |tally| tally.ignore(what)),
            Fate::Written { dataset, summary, .. } => {
                self.tally(true, |tally| {
                    tally.written += 1;
                    count(tally, Some(summary));
                });
                if let Some(wake) = self.wakes.get(dataset) {
                    wake.notify_one();
                }
            }
            Fate::SetAside { reason, summary, .. } => self.set_aside(reason.kind, summary.as_deref()),
            Fate::Letter { reason, .. } => self.set_aside(reason.kind, None),
            Fate::Done { .. } => self.tally(true, |tally| tally.done_before += 1),
            Fate::Later { error: Some(_), .. } => self.tally(false, |tally| tally.retried += 1),
            Fate::Later { error: None, .. } | Fate::Released => {}
        }
    }

    fn outside_failed(&self, error: &str) {
        self.chore(Chore::Intake, Err(error));
    }

    fn queue_told(&self, error: Option<&str>) {
        self.chore(Chore::Settle, error.map_or(Ok(()), Err));
    }

    fn prolonged(&self, lease: LeaseKind, error: Option<&str>) {
        self.chore(Chore::of_lease(lease), error.map_or(Ok(()), Err));
    }

    fn queue_answered(&self, error: Option<&str>) {
        self.snapshot.send_if_modified(|state| {
            let changed = state.queue_error.as_deref() != error;
            if changed {
                state.queue_error = error.map(str::to_owned);
            }
            changed
        });
    }
}

impl ListingObserver for Board {
    fn listed(&self, told: Result<&SweepReport, &str>) {
        let at = self.clock.now();
        self.snapshot.send_modify(|state| {
            let before = state.listing.take().unwrap_or_default();
            state.listing = Some(match told {
                Ok(report) => ListingHealth { at, error: None, report: *report },
                Err(error) => ListingHealth { at, error: Some(error.to_owned()), ..before },
            });
        });
    }
}

impl LoadObserver for Board {
    fn loaded(&self, dataset: &DatasetId, entry: &LoadedEntry) {
        self.tally(true, |tally| {
            tally.loaded += 1;
            let tables = tally.rows.entry(dataset.clone()).or_default();
            for (table, rows) in &entry.rows {
                *tables.entry(table.clone()).or_default() += rows;
            }
        });
        let now = self.clock.now();
        self.family(dataset, |family| family.last_loaded = Some(now));
    }

    fn refused(&self, _: &Entry, _: &str) {
        self.set_aside(SetAsideKind::RefusedByWarehouse, None);
    }

    fn sent_back(&self, _: &Entry, _: &str) {
        self.tally(true, |tally| tally.sent_back += 1);
    }

    fn stage_left(&self, stage: Stage, took: Duration) {
        self.measure(|measures| measures.stage(stage, took));
    }

    fn batch_loaded(&self, files: u64, took: Duration) {
        self.measure(|measures| measures.batch(files, took));
    }
}
