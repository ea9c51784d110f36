//! The loading task of one dataset: pass after pass, with backoff after failures and its health for all to see.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::fault::chain;
use lakehand_domain::id::digest;
use lakehand_domain::shape::DefinitionInForce;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::loading::{
    LoadError, LoadOutcome, Loader, LoadingSettings, Memory, Standing, load, remember_definition,
};
use lakehand_pipeline::ports::Ports;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::loading::pause::{PauseWindows, why_paused};
use crate::snapshot::FamilyState;

pub(crate) mod pause;

/// The task of one dataset.
#[derive(Debug)]
pub(crate) struct LoadingTask {
    pub(crate) ports: Ports,
    pub(crate) settings: LoadingSettings,
    pub(crate) windows: PauseWindows,
    pub(crate) dataset: Arc<Dataset>,
    pub(crate) board: Arc<Board>,
    /// No new pass begins.
    pub(crate) stop: CancellationToken,
    /// The pass under way is dropped where it is. The protocol bears it.
    pub(crate) abort: CancellationToken,
}

/// How one pass ended.
enum Pass {
    /// None was begun, for this reason.
    Paused(String),
    Done(Result<LoadOutcome, LoadError>),
    Elsewhere,
    Aborted,
}

impl LoadingTask {
    /// Loads until it is stopped.
    pub(crate) async fn run(self) {
        let started = self.ports.clock.now();
        let mut looked = started;
        let mut memory = Memory::default();
        // Also at the start: who never runs for long would never look.
        memory.look_anew(started.minus(self.settings.look_anew * 2));
        let mut failures = 0_u32;
        let mut idle_turns = 0_u32;
        let wake = self.board.wake(&self.dataset.id);
        while !self.stop.is_cancelled() {
            // Registered before the look, so that what is written meanwhile is not slept over.
            let written = wake.notified();
            if self.ports.clock.now().since(looked) > self.settings.look_anew {
                memory.look_anew(looked.minus(self.settings.look_anew));
                looked = self.ports.clock.now();
            }
            let pass = tokio::select! {
                biased;
                () = self.abort.cancelled() => Pass::Aborted,
                pass = self.pass(started, &mut memory) => pass,
            };
            let pause = match pass {
                Pass::Aborted => break,
                Pass::Paused(why) => {
                    self.paused(why);
                    // Neither the warehouse nor what waits for it was looked after meanwhile.
                    memory.doubt();
                    self.wait(self.settings.poll).await;
                    continue;
                }
                Pass::Elsewhere => {
                    self.board.family(&self.dataset.id, |family| family.state = FamilyState::Elsewhere);
                    memory.others_look(self.ports.clock.now().minus(self.settings.look_anew * 2));
                    Some(self.settings.lease / 3)
                }
                Pass::Done(Ok(outcome)) if !outcome.gathered && outcome.standing == Standing::InForce => {
                    // The next pass gathers, unless others took the fence from this one again and again.
                    idle_turns += 1;
                    (idle_turns > 1).then_some(self.settings.backoff.first)
                }
                Pass::Done(Ok(outcome)) => {
                    failures = 0;
                    // What is left without anything having been done is waited for, not spun on.
                    let idle = outcome.loaded + outcome.refused + outcome.sent_back + outcome.restored == 0;
                    idle_turns = if idle { idle_turns + 1 } else { 0 };
                    self.went_well(&outcome);
                    if let Standing::Retired { .. } = outcome.standing {
                        self.wait(self.settings.stand_aside).await;
                        continue;
                    }
                    (!outcome.more() || idle_turns > 1).then_some(self.settings.poll)
                }
                Pass::Done(Err(error)) => {
                    failures += 1;
                    self.failed(&error, failures);
                    // News do not help a family that fails.
                    let seed = format!("{}/{}", self.ports.identity.worker(), self.dataset.id);
                    self.wait(self.settings.backoff.delay(failures, &seed)).await;
                    continue;
                }
            };
            if let Some(pause) = pause {
                tokio::select! {
                    biased;
                    () = written => {}
                    () = self.wait(pause) => {}
                }
            }
        }
        if let Err(error) = self.ports.ledger.let_go(&self.lease_name(), self.ports.identity.worker()).await {
            tracing::debug!(error = chain(&error), "the loading lease is left to run out");
        }
        self.board.family(&self.dataset.id, |family| family.state = FamilyState::Stopped);
    }

    /// One pass under the lease of the dataset's definition, which is prolonged while the pass lasts.
    async fn pass(&self, started: Timestamp, memory: &mut Memory) -> Pass {
        match why_paused(&self.ports, &self.windows, &self.dataset.id).await {
            Ok(None) => self.board.family(&self.dataset.id, |family| family.paused = None),
            Ok(Some(why)) => return Pass::Paused(why),
            // Whether somebody wants it paused is not known: better late than against their will.
            Err(source) => return Pass::Done(Err(LoadError::Ledger { stage: Stage::Gather, source })),
        }
        // Also where others load: what counts is since when there is a worker with our definition.
        let definition =
            DefinitionInForce { dataset: self.dataset.id.clone(), fingerprint: self.dataset.fingerprint.clone() };
        if let Err(source) = remember_definition(&self.ports, &definition, started, memory).await {
            return Pass::Done(Err(LoadError::Ledger { stage: Stage::Gather, source }));
        }
        // Each batch of a family takes its fence from all others: our own datasets wait for each other instead.
        let turn = self.board.turn(&self.dataset.family());
        let _turn = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Pass::Aborted,
            turn = turn.acquire_owned() => turn,
        };
        if !self.hold().await {
            return Pass::Elsewhere;
        }
        let now = self.ports.clock.now();
        self.board.family(&self.dataset.id, |family| {
            family.loading_since = Some(now);
            if !matches!(family.state, FamilyState::Waiting | FamilyState::StandingAside) {
                family.state = FamilyState::Loading;
            }
        });
        let loader = Loader {
            ports: &self.ports,
            settings: &self.settings,
            dataset: &self.dataset,
            observer: self.board.as_ref(),
            stop: &self.stop,
        };
        tokio::select! {
            biased;
            ended = load(&loader, memory) => Pass::Done(ended),
            never = self.keep_hold() => match never {},
        }
    }

    /// Prolongs the lease for ever, beside the pass: one prolongation that hangs holds up nothing but the next.
    async fn keep_hold(&self) -> Infallible {
        loop {
            self.ports.clock.sleep(self.settings.lease / 3).await;
            self.hold().await;
        }
    }

    /// The warehouse is somebody else's meanwhile: what failed there before says nothing of how it is now.
    fn paused(&self, why: String) {
        self.board.family(&self.dataset.id, |family| {
            if family.paused.as_ref() != Some(&why) {
                tracing::info!(dataset.id = %self.dataset.id, "loading is paused {why}");
            }
            family.state = FamilyState::Paused;
            (family.unhealthy_since, family.last_error) = (None, None);
            (family.failures, family.needs_operator) = (0, false);
            family.paused = Some(why);
        });
    }

    /// Of the definitions of the family, as we know them: a replica with newer ones must not wait until those with older
    /// ones have ended, or what it writes meanwhile would be loaded by nobody. Which of them may load is the fence's to say.
    fn lease_name(&self) -> String {
        let family = self.dataset.family();
        let known: Vec<&[u8]> =
            self.ports.catalog.of_family(&family).map(|dataset| dataset.fingerprint.as_str().as_bytes()).collect();
        match known.as_slice() {
            [] | [_] => format!("loading/{family}/{}", self.dataset.fingerprint),
            several => format!("loading/{family}/{}", digest(several)),
        }
    }

    async fn hold(&self) -> bool {
        let now = self.ports.clock.now();
        let held = self
            .ports
            .ledger
            .hold(&self.lease_name(), self.ports.identity.worker(), now, now.plus(self.settings.lease))
            .await;
        held.unwrap_or_else(|error| {
            // A ledger that does not answer stops the pass soon enough.
            tracing::debug!(error = chain(&error), "the loading lease is not known");
            true
        })
    }

    async fn wait(&self, duration: Duration) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = self.ports.clock.sleep(duration) => {}
        }
    }

    fn went_well(&self, outcome: &LoadOutcome) {
        let aside = match &outcome.standing {
            Standing::InForce => None,
            Standing::Retired { message } => Some(message.clone()),
        };
        let (now, stuck) = (self.ports.clock.now(), outcome.stuck.clone());
        if let Some(message) = &aside {
            tracing::warn!(dataset.id = %self.dataset.id, "standing aside: {message}");
        }
        self.board.family(&self.dataset.id, |family| {
            if stuck.is_some() {
                family.unhealthy_since.get_or_insert(now);
            } else if family.unhealthy_since.take().is_some() {
                tracing::info!(dataset.id = %self.dataset.id, "loading goes well again");
            }
            family.failures = 0;
            family.needs_operator = stuck.is_some();
            family.foreign = outcome.foreign;
            family.state = if aside.is_some() { FamilyState::StandingAside } else { FamilyState::Idle };
            family.last_error = aside.or(stuck);
        });
    }

    fn failed(&self, error: &LoadError, failures: u32) {
        let said = chain(error);
        tracing::error!(dataset.id = %self.dataset.id, failures, error = said, "loading failed; the files stay written and are tried again");
        let now = self.ports.clock.now();
        self.board.family(&self.dataset.id, |family| {
            family.state = FamilyState::Waiting;
            family.last_error = Some(said);
            family.unhealthy_since.get_or_insert(now);
            family.failures = failures;
            family.needs_operator = error.needs_operator();
        });
    }
}
