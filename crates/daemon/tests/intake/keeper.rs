//! What is held is kept as long as work goes on, and work goes on only as long as it is kept.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_daemon::keeper::{Keeper, MessageKeep};
use lakehand_daemon::permits::Permits;
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::{Entry, EntryState, Lease, StateName};
use lakehand_domain::id::{FencingToken, MessageId, ReceiptHandle, WorkerId};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::ledger::{Ledger, PutEntry};
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};
use lakehand_pipeline::observe::{LeaseKind, Observer};
use lakehand_pipeline::settle::{Fate, Settled, Settlement};
use lakehand_testkit::faulty::plan::{Fate as CallFate, FaultPlan};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::gate::{Gate, eventually, reaction};
use crate::world::World;

const STEP: Duration = Duration::from_secs(21);

/// A file whose transform has begun and is held there, with a keeper at work.
struct Held {
    world: Arc<World>,
    gate: Gate,
    message: Message,
    cancel: CancellationToken,
    working: JoinSet<Settled>,
    _keeping: JoinSet<()>,
    lost: Arc<Lost>,
}

/// The leases that were lost.
#[derive(Debug, Default)]
struct Lost(Mutex<Vec<LeaseKind>>);

impl Observer for Lost {
    fn lease_lost(&self, lease: LeaseKind) {
        self.0.lock().unwrap().push(lease);
    }
}

async fn held(mut world: World, change: impl FnOnce(&mut World)) -> Held {
    change(&mut world);
    let world = Arc::new(world);
    world.land("in_1.txt", "a");
    world.send(&["in_1.txt"]).await;
    let mut gate = Gate::shut(&world.tiny);
    let message = world.receive().await.unwrap();
    let cancel = CancellationToken::new();
    let lost = Arc::new(Lost::default());
    let observer = Arc::clone(&lost) as Arc<dyn Observer>;
    let keeper = Arc::new(Keeper::new(world.ports.clone(), world.settings.clone(), observer));
    let keep: MessageKeep = keeper.message(&message, &Arc::new(Permits::new(&world.settings)), cancel.clone());
    let mut keeping = JoinSet::new();
    keeping.spawn(async move { keeper.run().await });
    let mut working = JoinSet::new();
    let (job, taken, token) = (Arc::clone(&world), message.clone(), cancel.clone());
    working.spawn(async move { job.process_with(&job.ports, taken, &keep, &token).await });
    gate.reached().await;
    Held { world, gate, message, cancel, working, _keeping: keeping, lost }
}

impl Held {
    async fn entry(&self) -> Entry {
        self.world.entry().await
    }

    fn lost(&self) -> Vec<LeaseKind> {
        self.lost.0.lock().unwrap().clone()
    }

    async fn settled(&mut self) -> Settled {
        self.working.join_next().await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn visibility_and_lease_are_kept_as_long_as_it_takes() {
    let mut held = held(World::new(), |_| {}).await;
    for _ in 0..10 {
        held.world.clock.advance(STEP);
        let at_least = held.world.clock.now().plus(Duration::from_secs(59));
        eventually("the lease is prolonged", async || {
            held.entry().await.lease().is_some_and(|lease| lease.expires_at >= at_least)
        })
        .await;
        eventually("the visibility is prolonged", async || {
            held.world.plan.names().iter().filter(|name| **name == "queue.extend").count() > 0
        })
        .await;
        assert!(held.world.receive().await.is_none(), "nobody else sees the message");
    }
    held.gate.open();
    let settled = held.settled().await;
    assert!(matches!(settled.records[0].fate, Fate::Written { .. }), "{settled:?}");
    assert_eq!(settled.settlement, Settlement::Deleted);
    let calls = held.world.plan.calls();
    held.world.clock.advance(STEP * 10);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(held.world.plan.calls(), calls, "nothing is kept any more");
}

#[tokio::test]
async fn a_lost_receipt_stops_the_work_and_frees_the_entry() {
    let mut held = held(World::new(), |_| {}).await;
    held.world.queue.extend(&[held.message.receipt.clone()], Duration::ZERO).await.unwrap();
    let again = held.world.receive().await.expect("somebody else receives it");
    held.world.clock.advance(STEP);
    let settled = held.settled().await;
    assert_eq!(settled.records[0].fate, Fate::Released);
    assert!(held.cancel.is_cancelled());
    assert_eq!(held.lost(), [LeaseKind::Message]);
    assert_eq!(held.entry().await.lease(), None);
    held.gate.open();
    // Its new delivery is not touched by the old one's end, and goes on.
    held.world.tiny.during(|| {});
    let settled = held.world.process(&held.world.as_worker("second"), again).await;
    assert_eq!(settled.settlement, Settlement::Deleted);
    assert_eq!(held.entry().await.state_name(), StateName::Written);
}

#[tokio::test]
async fn a_lease_in_other_hands_stops_the_work_and_leaves_the_entry_alone() {
    let mut held = held(World::new(), |_| {}).await;
    let entry = held.entry().await;
    let token = FencingToken(entry.token.0 + 1);
    let lease = Lease { worker: WorkerId::new("thief"), token, expires_at: held.world.clock.now().plus(STEP * 5) };
    let state = EntryState::Claimed { lease: Some(lease), retry_at: None };
    let stolen = Entry { token, state, revision: entry.revision + 1, ..entry };
    assert_eq!(held.world.ledger.put(&stolen).await.unwrap(), PutEntry::Stored);
    held.world.clock.advance(STEP);
    let settled = held.settled().await;
    assert!(matches!(settled.records[0].fate, Fate::Later { error: Some(_), .. }), "{settled:?}");
    assert!(!held.cancel.is_cancelled(), "only the work under that lease stops");
    assert_eq!(held.lost(), [LeaseKind::Entry]);
    assert_eq!(held.entry().await, stolen);
    held.gate.open();
}

/// How many calls there are until a held transform is reached.
async fn calls_before() -> u64 {
    let mut held = held(World::new(), |_| {}).await;
    held.gate.open();
    held.world.plan.calls()
}

#[tokio::test]
async fn a_prolongation_that_fails_is_tried_again() {
    let before = calls_before().await;
    let plan = (1..=4).fold(FaultPlan::new(), |plan, n| plan.with(before + n, CallFate::FailsBefore));
    let mut held = held(World::with(plan), |_| {}).await;
    let first = held.entry().await.lease().unwrap().expires_at;
    held.world.clock.advance(STEP);
    while held.entry().await.lease().is_none_or(|lease| lease.expires_at == first) {
        assert!(held.world.clock.now() < first, "it is never tried again");
        let calls = held.world.plan.calls();
        reaction(|| held.world.plan.calls() > calls).await;
        held.world.clock.advance(Duration::from_secs(1));
    }
    assert!(held.world.plan.calls() > before + 4, "the first calls failed");
    held.gate.open();
    assert!(matches!(held.settled().await.records[0].fate, Fate::Written { .. }));
}

/// A queue whose first prolongation fails for each receipt itself, as where many share a request.
#[derive(Debug)]
struct Forgetful {
    inner: Arc<dyn Queue>,
    forgets: Arc<AtomicBool>,
    /// Prolongations that were answered, and not only asked for.
    answered: Arc<AtomicUsize>,
}

#[async_trait]
impl Queue for Forgetful {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        self.inner.receive(max, visibility, wait).await
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        if self.forgets.swap(false, Ordering::SeqCst) {
            return Ok(receipts.iter().map(|_| ReceiptOutcome::Failed).collect());
        }
        let outcomes = self.inner.extend(receipts, visibility).await;
        self.answered.fetch_add(1, Ordering::SeqCst);
        outcomes
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.inner.delete(receipts).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        self.inner.send_with(body, attributes, delay).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        self.inner.depth().await
    }
}

#[tokio::test]
async fn a_receipt_that_failed_for_itself_is_tried_again() {
    let forgets = Arc::new(AtomicBool::new(true));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut held = held(World::new(), |world| {
        let inner = Arc::clone(&world.ports.queue);
        world.ports.queue =
            Arc::new(Forgetful { inner, forgets: Arc::clone(&forgets), answered: Arc::clone(&answered) });
    })
    .await;
    held.world.clock.advance(STEP);
    eventually("it is asked for", async || !forgets.load(Ordering::SeqCst)).await;
    let is_asked_for = || held.world.plan.names().contains(&"queue.extend");
    for _ in 0..5 {
        held.world.clock.advance(Duration::from_secs(1));
        reaction(is_asked_for).await;
    }
    assert!(is_asked_for(), "it is asked for again, soon");
    // A call that is under way while the clock goes on runs out of time, rightly: each is waited for.
    eventually("the visibility is prolonged", async || answered.load(Ordering::SeqCst) > 0).await;
    let before = answered.load(Ordering::SeqCst);
    held.world.clock.advance(STEP);
    eventually("the visibility is prolonged once more", async || answered.load(Ordering::SeqCst) > before).await;
    eventually("the lease is prolonged", async || {
        let at_least = held.world.clock.now().plus(Duration::from_secs(59));
        held.entry().await.lease().is_some_and(|lease| lease.expires_at >= at_least)
    })
    .await;
    held.world.clock.advance(Duration::from_secs(16));
    assert!(!held.cancel.is_cancelled());
    assert!(held.world.receive().await.is_none(), "nobody else sees the message");
    held.gate.open();
    assert!(matches!(held.settled().await.records[0].fate, Fate::Written { .. }));
}

#[tokio::test]
async fn work_that_cannot_be_kept_stops_before_its_lease_ends() {
    let before = calls_before().await;
    let plan = (1..=500).fold(FaultPlan::new(), |plan, n| plan.with(before + n, CallFate::FailsBefore));
    let mut held = held(World::with(plan), |_| {}).await;
    let expires_at = held.entry().await.lease().unwrap().expires_at;
    let mut ended = None;
    held.world.clock.advance(STEP);
    while ended.is_none() {
        assert!(held.world.clock.now() < expires_at, "it works on without a lease");
        let calls = held.world.plan.calls();
        reaction(|| held.world.plan.calls() > calls).await;
        held.world.clock.advance(Duration::from_secs(1));
        ended = held.working.try_join_next();
    }
    let settled = ended.unwrap().unwrap();
    assert!(!matches!(settled.records[0].fate, Fate::Written { .. }), "{settled:?}");
    held.gate.open();
}

#[tokio::test]
async fn at_the_longest_visibility_the_work_goes_on_under_its_lease() {
    let answered = Arc::new(AtomicUsize::new(0));
    let mut held = held(World::new(), |world| {
        world.settings.max_visibility = Duration::from_secs(90);
        let inner = Arc::clone(&world.ports.queue);
        let forgets = Arc::new(AtomicBool::new(false));
        world.ports.queue = Arc::new(Forgetful { inner, forgets, answered: Arc::clone(&answered) });
    })
    .await;
    let start = held.world.clock.now();
    for step in 1..=20 {
        held.world.clock.advance(Duration::from_secs(5));
        let now = held.world.clock.now();
        // Prolonged at 20 s, and at 40 s to the end of what the queue allows. The clock goes on once that was answered.
        eventually("the visibility is prolonged", async || answered.load(Ordering::SeqCst) >= (step / 4).min(2)).await;
        eventually("the lease is prolonged", async || {
            held.entry().await.lease().is_some_and(|lease| lease.expires_at >= now.plus(Duration::from_secs(35)))
        })
        .await;
    }
    assert!(held.world.clock.now().since(start) > Duration::from_secs(90));
    let again = held.world.receive().await.expect("the queue shows it again");
    let second = held.world.as_worker("second");
    let processed = tokio::time::timeout(Duration::from_mins(1), held.world.process(&second, again)).await;
    let settled = processed.expect("the second does not wait for the first");
    assert!(matches!(settled.records[0].fate, Fate::Later { error: None, .. }), "held by us: {settled:?}");
    held.gate.open();
    assert!(matches!(held.settled().await.records[0].fate, Fate::Written { .. }));
}
