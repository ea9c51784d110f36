//! Keeps the visibility of held messages and the leases of claimed entries alive while work goes on, and stops the
//! work when it cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lakehand_domain::entry::Lease;
use lakehand_domain::fault::chain;
use lakehand_domain::id::{EntryId, ReceiptHandle, digest};
use lakehand_domain::message::Message;
use lakehand_domain::port::queue::ReceiptOutcome;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::change::{Changed, change};
use lakehand_pipeline::intake::IntakeSettings;
use lakehand_pipeline::keep::{Guard, Keep, KeptLease};
use lakehand_pipeline::observe::{LeaseKind, Observer};
use lakehand_pipeline::ports::Ports;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::permits::Permits;

/// A queue prolongs at most this many messages in one call.
const BATCH: usize = 10;

/// After a failure a prolongation is tried again this much later.
const RETRY: Duration = Duration::from_secs(1);

/// Prolongs, at about a third of their length, everything that is registered with it. [`Keeper::run`] does the work.
#[derive(Debug)]
pub struct Keeper {
    ports: Ports,
    settings: IntakeSettings,
    observer: Arc<dyn Observer>,
    registered: Mutex<Registered>,
    /// Something was registered: there may be an earlier due time.
    news: Notify,
    /// A round of prolongations is over.
    calm: Notify,
}

#[derive(Debug, Default)]
struct Registered {
    made: u64,
    kept: BTreeMap<u64, Kept>,
    /// What is being prolonged right now.
    extending: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
struct Kept {
    what: What,
    /// Until when it is ours unless it is prolonged.
    ends: Timestamp,
    /// When to prolong it.
    due: Timestamp,
    /// Cancelled when it is lost.
    lost: CancellationToken,
}

#[derive(Debug, Clone)]
enum What {
    Message { receipt: ReceiptHandle, received_at: Timestamp },
    Lease { entry: EntryId, lease: Lease },
}

/// How prolonging one thing ended.
enum Outcome {
    Until(Timestamp),
    /// It cannot be prolonged any further, and does not have to be.
    Enough,
    Lost(String),
    Failed(String),
}

impl Keeper {
    /// Nothing is kept yet.
    pub fn new(ports: Ports, settings: IntakeSettings, observer: Arc<dyn Observer>) -> Self {
        Self { ports, settings, observer, registered: Mutex::default(), news: Notify::new(), calm: Notify::new() }
    }

    /// Keeps a message from its receipt on. `work` is cancelled when its receipt is lost.
    pub fn message(
        self: &Arc<Self>,
        message: &Message,
        permits: &Arc<Permits>,
        work: CancellationToken,
    ) -> MessageKeep {
        let what = What::Message { receipt: message.receipt.clone(), received_at: message.received_at };
        let ends = message.received_at.plus(self.settings.visibility);
        let id = self.register(what, ends, self.settings.visibility, work);
        MessageKeep { keeper: Arc::clone(self), permits: Arc::clone(permits), id }
    }

    /// Prolongs what is due, for ever.
    pub async fn run(&self) {
        loop {
            let news = self.news.notified();
            let now = self.ports.clock.now();
            let next = self.registered().kept.values().map(|kept| kept.due).min();
            match next {
                Some(due) if due <= now => self.round(now).await,
                Some(due) => tokio::select! {
                    biased;
                    () = news => {}
                    () = self.ports.clock.sleep(due.since(now)) => {}
                },
                None => news.await,
            }
        }
    }

    fn registered(&self) -> MutexGuard<'_, Registered> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, what: What, ends: Timestamp, length: Duration, lost: CancellationToken) -> u64 {
        let mut registered = self.registered();
        registered.made += 1;
        let id = registered.made;
        let due = self.due(id, ends, length);
        registered.kept.insert(id, Kept { what, ends, due, lost });
        drop(registered);
        self.news.notify_one();
        id
    }

    /// A third of its length after it began, or up to a quarter of that sooner: things that were received together are
    /// not all prolonged at once, for ever.
    fn due(&self, id: u64, ends: Timestamp, length: Duration) -> Timestamp {
        let seed = digest(&[b"keep", self.ports.identity.worker().as_str().as_bytes(), &id.to_be_bytes()]);
        let share = u32::from_str_radix(&seed[..2], 16).unwrap_or(0);
        let third = length / 3;
        ends.minus(length).plus(third.saturating_sub(third / 4 * share / 255))
    }

    fn length(&self, what: &What) -> Duration {
        match what {
            What::Message { .. } => self.settings.visibility,
            What::Lease { .. } => self.settings.lease,
        }
    }

    /// Short leases have short margins: otherwise there would be no time in which to prolong them.
    fn margin(&self, what: &What) -> Duration {
        self.settings.margin.min(self.length(what) / 4)
    }

    /// Prolongs all that is due, and what would be due soon, so that calls are shared.
    async fn round(&self, now: Timestamp) {
        let soon = now.plus(self.settings.visibility.min(self.settings.lease) / 12);
        let due: Vec<(u64, Kept)> = {
            let mut registered = self.registered();
            let due = registered.kept.iter().filter(|(_, kept)| kept.due <= soon);
            let due: Vec<_> = due.map(|(id, kept)| (*id, kept.clone())).collect();
            registered.extending = due.iter().map(|(id, _)| *id).collect();
            due
        };
        let (leases, messages): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(_, kept)| matches!(kept.what, What::Lease { .. }));
        // Near the longest visibility a message gets what is left of it, which is its own.
        let (full, capped): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|(_, kept)| self.left(kept, now) >= self.settings.visibility);
        let mut went = BTreeMap::new();
        let mut waiting = FuturesUnordered::new();
        for batch in full.chunks(BATCH).chain(capped.chunks(1)).chain(leases.chunks(1)) {
            waiting.push(async move { (batch, self.extend(now, batch).await) });
        }
        while let Some((batch, outcomes)) = waiting.next().await {
            for (index, (id, kept)) in batch.iter().enumerate() {
                let outcome = match &outcomes {
                    Ok(outcomes) => outcomes.get(index).unwrap_or(&Outcome::Enough),
                    Err(late) => late,
                };
                self.settle(*id, kept, outcome);
                match outcome {
                    // Whoever is told that it is lost has been answered.
                    Outcome::Until(_) | Outcome::Lost(_) => {
                        went.insert(kept.what.kind(), None);
                    }
                    Outcome::Failed(why) => {
                        went.entry(kept.what.kind()).or_insert_with(|| Some(why.clone()));
                    }
                    Outcome::Enough => {}
                }
            }
        }
        for (kind, failed) in went {
            self.observer.prolonged(kind, failed.as_deref());
        }
        self.registered().extending.clear();
        self.calm.notify_waiters();
    }

    fn left(&self, kept: &Kept, now: Timestamp) -> Duration {
        match &kept.what {
            // The queue counts from the receipt, and a prolongation does not start it anew.
            What::Message { received_at, .. } => received_at.plus(self.settings.max_visibility).since(now),
            What::Lease { .. } => Duration::MAX,
        }
    }

    /// A call that hangs is as good as one that failed, once there is no time left.
    async fn extend(&self, now: Timestamp, batch: &[(u64, Kept)]) -> Result<Vec<Outcome>, Outcome> {
        let ends = batch.iter().map(|(_, kept)| kept.ends).min().unwrap_or(now);
        let margin = batch.iter().map(|(_, kept)| self.margin(&kept.what)).min().unwrap_or_default();
        let left = ends.minus(margin).since(now);
        let call = async {
            match batch {
                [(_, Kept { what: What::Lease { entry, lease }, .. })] => self.extend_lease(now, entry, lease).await,
                messages => self.extend_messages(now, messages).await,
            }
        };
        tokio::select! {
            biased;
            outcomes = call => Ok(outcomes),
            () = self.ports.clock.sleep(left) => Err(Outcome::Failed("no answer in time".to_owned())),
        }
    }

    async fn extend_messages(&self, now: Timestamp, batch: &[(u64, Kept)]) -> Vec<Outcome> {
        let left = batch.iter().map(|(_, kept)| self.left(kept, now)).min().unwrap_or_default();
        let visibility = left.min(self.settings.visibility);
        let until = now.plus(visibility);
        if batch.iter().all(|(_, kept)| until <= kept.ends) {
            return batch.iter().map(|_| Outcome::Enough).collect();
        }
        let receipts: Vec<ReceiptHandle> = batch
            .iter()
            .filter_map(|(_, kept)| match &kept.what {
                What::Message { receipt, .. } => Some(receipt.clone()),
                What::Lease { .. } => None,
            })
            .collect();
        match self.ports.queue.extend(&receipts, visibility).await {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| match answer {
                    ReceiptOutcome::Done => Outcome::Until(until),
                    ReceiptOutcome::Lost => Outcome::Lost("the message was delivered again, or is gone".to_owned()),
                    ReceiptOutcome::Failed => Outcome::Failed("the queue did not prolong this one".to_owned()),
                })
                .collect(),
            Err(error) => batch.iter().map(|_| Outcome::Failed(chain(&error))).collect(),
        }
    }

    async fn extend_lease(&self, now: Timestamp, entry: &EntryId, lease: &Lease) -> Vec<Outcome> {
        let length = self.settings.lease;
        let extended =
            change(self.ports.ledger.as_ref(), entry, |entry| entry.extended(lease, length, now).map(Some)).await;
        vec![match extended {
            Ok(Changed::Stored(_) | Changed::AlreadySo(_)) => Outcome::Until(now.plus(length)),
            // The token is still ours: it was the work itself that brought the entry beyond its claim.
            Ok(Changed::Refused(_, entry)) if entry.token == lease.token => Outcome::Enough,
            Ok(Changed::Refused(..) | Changed::Missing) => Outcome::Lost("another worker took the entry".to_owned()),
            Err(error) => Outcome::Failed(chain(&error)),
        }]
    }

    fn settle(&self, id: u64, kept: &Kept, outcome: &Outcome) {
        let now = self.ports.clock.now();
        let mut registered = self.registered();
        let Some(current) = registered.kept.get_mut(&id) else { return };
        match outcome {
            Outcome::Until(ends) => {
                current.ends = *ends;
                current.due = self.due(id, *ends, self.length(&kept.what));
            }
            Outcome::Enough => {
                registered.kept.remove(&id);
            }
            Outcome::Lost(why) => {
                tracing::warn!(kept = %kept.what, why, "lost, the work on it stops");
                kept.lost.cancel();
                registered.kept.remove(&id);
                self.observer.lease_lost(kept.what.kind());
            }
            Outcome::Failed(why) if now.plus(RETRY) >= kept.ends.minus(self.margin(&kept.what)) => {
                tracing::warn!(kept = %kept.what, why, "not prolonged in time, the work on it stops");
                kept.lost.cancel();
                registered.kept.remove(&id);
                self.observer.lease_lost(kept.what.kind());
            }
            Outcome::Failed(why) => {
                tracing::info!(kept = %kept.what, why, "not prolonged, to be tried again");
                current.due = now.plus(RETRY);
            }
        }
    }

    fn release(&self, id: u64) {
        self.registered().kept.remove(&id);
    }
}

impl What {
    fn kind(&self) -> LeaseKind {
        match self {
            Self::Message { .. } => LeaseKind::Message,
            Self::Lease { .. } => LeaseKind::Entry,
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Message { .. } => f.write_str("visibility of a message"),
            Self::Lease { entry, .. } => write!(f, "lease of entry {entry}"),
        }
    }
}

/// What one message is lent. Dropping it stops keeping the message.
#[derive(Debug)]
pub struct MessageKeep {
    keeper: Arc<Keeper>,
    permits: Arc<Permits>,
    id: u64,
}

#[async_trait]
impl Keep for MessageKeep {
    async fn room(&self, bytes: u64) -> Guard {
        Guard::new(self.permits.room(bytes).await)
    }

    async fn turn(&self) -> Guard {
        Guard::new(self.permits.turn().await)
    }

    fn lease(&self, entry: &EntryId, lease: &Lease) -> KeptLease {
        let lost = CancellationToken::new();
        let what = What::Lease { entry: entry.clone(), lease: lease.clone() };
        let id = self.keeper.register(what, lease.expires_at, self.keeper.settings.lease, lost.clone());
        KeptLease { lost, guard: Guard::new(Registration { keeper: Arc::clone(&self.keeper), id }) }
    }

    async fn let_go(&self) {
        loop {
            let calm = self.keeper.calm.notified();
            tokio::pin!(calm);
            // Enabled before the look, so that a round that ends in between is not missed.
            calm.as_mut().enable();
            {
                let mut registered = self.keeper.registered();
                registered.kept.remove(&self.id);
                if !registered.extending.contains(&self.id) {
                    return;
                }
            }
            calm.await;
        }
    }
}

impl Drop for MessageKeep {
    fn drop(&mut self) {
        self.keeper.release(self.id);
    }
}

#[derive(Debug)]
struct Registration {
    keeper: Arc<Keeper>,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.keeper.release(self.id);
    }
}
