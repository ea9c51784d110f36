//! How receipts of many callers come together, with requests that a test holds in its hand.

use std::sync::Mutex;

use async_trait::async_trait;
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::manual_clock::ManualClock;
use tokio::sync::Semaphore;

use super::*;

/// Requests that are answered when the test says so.
#[derive(Debug)]
struct Held {
    seen: Mutex<Vec<Vec<String>>>,
    answers: Semaphore,
    arrived: Semaphore,
}

#[async_trait]
impl Requests for Arc<Held> {
    async fn send(&self, asks: &[Ask]) -> Vec<Answer> {
        self.seen.lock().unwrap().push(asks.iter().map(|ask| ask.handle.clone()).collect());
        self.arrived.add_permits(1);
        self.answers.acquire().await.unwrap().forget();
        assert!(asks.iter().all(|ask| ask.handle != "panic"), "as the test wants it");
        asks.iter().map(|_| Ok(ReceiptOutcome::Done)).collect()
    }
}

struct World {
    held: Arc<Held>,
    clock: Arc<ManualClock>,
    batches: Arc<Batches>,
    callers: JoinSet<Vec<Answer>>,
}

impl World {
    fn new() -> Self {
        let held = Arc::new(Held { seen: Mutex::default(), answers: Semaphore::new(0), arrived: Semaphore::new(0) });
        let clock = Arc::new(ManualClock::new(Timestamp::from_micros(0)));
        let batches = Arc::new(Batches::begin(Arc::clone(&held), Arc::<ManualClock>::clone(&clock)));
        Self { held, clock, batches, callers: JoinSet::new() }
    }

    fn call(&mut self, handles: &[&str]) -> tokio::task::AbortHandle {
        let asks = handles.iter().map(|handle| Ask { handle: (*handle).to_owned(), seconds: 0 }).collect();
        let batches = Arc::clone(&self.batches);
        self.callers.spawn(async move { batches.ask(asks).await })
    }

    /// The request that comes next.
    async fn request(&self) -> Vec<String> {
        self.held.arrived.acquire().await.unwrap().forget();
        self.held.seen.lock().unwrap().last().unwrap().clone()
    }

    /// Lets everything run that can.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn requests(&self) -> usize {
        self.held.seen.lock().unwrap().len()
    }

    async fn answers(&mut self) -> Vec<Answer> {
        self.held.answers.add_permits(1000);
        let mut answers = Vec::new();
        while let Some(answer) = self.callers.join_next().await {
            answers.extend(answer.unwrap());
        }
        answers
    }
}

#[tokio::test]
async fn a_lone_receipt_does_not_wait_for_company() {
    let mut world = World::new();
    world.call(&["a"]);
    // The clock stands still: nothing here waits for time to pass.
    assert_eq!(world.request().await, ["a"]);
    assert!(matches!(world.answers().await[..], [Ok(ReceiptOutcome::Done)]));
}

#[tokio::test]
async fn what_comes_while_a_request_is_under_way_shares_the_next() {
    let mut world = World::new();
    world.call(&["first"]);
    world.request().await;
    for handle in ["a", "b", "c"] {
        world.call(&[handle]);
    }
    world.settle().await;
    assert_eq!(world.requests(), 1);
    world.held.answers.add_permits(1);
    assert_eq!(world.request().await.len(), 3, "the first was answered");
    for handle in ["d", "e"] {
        world.call(&[handle]);
    }
    world.settle().await;
    assert_eq!(world.requests(), 2);
    world.clock.advance(LINGER / 2);
    world.call(&["f"]);
    world.settle().await;
    world.clock.advance(LINGER / 2);
    assert_eq!(world.request().await.len(), 3, "the first of them has waited long enough");
    assert_eq!(world.answers().await.len(), 7);
}

#[tokio::test]
async fn many_callers_make_few_requests() {
    for callers in [10, 35, 100] {
        let mut world = World::new();
        for _ in 0..callers {
            world.call(&["x"]);
        }
        world.settle().await;
        world.clock.advance(LINGER);
        world.settle().await;
        let answers = world.answers().await;
        assert!(answers.len() == callers && answers.iter().all(Result::is_ok));
        let sizes: Vec<_> = world.held.seen.lock().unwrap().iter().map(Vec::len).collect();
        assert!(sizes.len() <= callers.div_ceil(BATCH) + 1 && sizes.iter().all(|size| *size <= BATCH), "{sizes:?}");
    }
}

#[tokio::test]
async fn requests_and_waiting_receipts_are_bounded() {
    let mut world = World::new();
    let callers = MOST_REQUESTS * BATCH + MOST_WAITING + 5 * BATCH;
    for number in 0..callers {
        world.call(&[&number.to_string()]);
    }
    world.settle().await;
    world.clock.advance(LINGER);
    world.settle().await;
    assert_eq!(world.requests(), MOST_REQUESTS);
    assert_eq!(world.batches.asks.capacity(), 0, "who comes now waits to be let in");
    assert_eq!(world.answers().await.len(), callers);
    let mut all: Vec<_> = world.held.seen.lock().unwrap().concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), callers, "each goes once");
}

#[tokio::test]
async fn a_caller_that_goes_takes_its_receipt_back() {
    let mut world = World::new();
    world.call(&["first"]);
    world.request().await;
    let gone = world.call(&["gone"]);
    world.call(&["stays"]);
    world.settle().await;
    gone.abort();
    world.settle().await;
    world.held.answers.add_permits(1);
    assert_eq!(world.request().await, ["stays"]);
}

#[tokio::test]
async fn a_request_whose_callers_have_all_gone_is_dropped() {
    let mut world = World::new();
    let gone = world.call(&["a", "b"]);
    world.request().await;
    gone.abort();
    world.settle().await;
    // Had it not been dropped, this one would wait for it.
    world.call(&["c"]);
    assert_eq!(world.request().await, ["c"]);
}

#[tokio::test]
async fn a_panic_is_no_answer_to_its_callers_and_nothing_to_the_others() {
    let mut world = World::new();
    world.held.answers.add_permits(100);
    world.call(&["panic", "beside it"]);
    let told = world.callers.join_next().await.unwrap().unwrap();
    assert!(told.len() == 2 && told.iter().all(Result::is_err), "{told:?}");
    world.call(&["a"]);
    assert!(matches!(world.answers().await[..], [Ok(ReceiptOutcome::Done)]));
}

#[tokio::test]
async fn the_task_ends_with_its_batches() {
    let world = World::new();
    let held = Arc::downgrade(&world.held);
    drop(world);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(held.strong_count(), 0);
}
