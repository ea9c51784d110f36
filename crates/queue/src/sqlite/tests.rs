use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::fault::{Effect, Fault};
use lakehand_domain::id::ReceiptHandle;
use lakehand_testkit::conformance::queue::{QueueUnderTest, Time, queue_suite};
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use lakehand_testkit::faulty::queue::FaultyQueue;
use lakehand_testkit::manual_clock::ManualClock;
use rusqlite::TransactionBehavior;
use tempfile::TempDir;

use super::*;

const SHORT: Duration = Duration::from_secs(2);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp::from_micros(1_700_000_000_000_000)))
}

fn queue(folder: &TempDir, name: &str, options: QueueOptions, clock: &Arc<ManualClock>) -> SqliteQueue {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    SqliteQueue::open(&folder.path().join("deep/queue.sqlite"), name, options, clock).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms() {
    let folders = Mutex::new(Vec::new());
    queue_suite(|| async {
        let folder = TempDir::new().unwrap();
        let clock = clock();
        let redrive = QueueOptions { redrive: Some(Redrive { max_receives: 3, dead_letters: "dead".to_owned() }) };
        let test = QueueUnderTest {
            first: Arc::new(queue(&folder, "work", redrive.clone(), &clock)),
            second: Arc::new(queue(&folder, "work", redrive, &clock)),
            dead_letters: Some((3, Arc::new(queue(&folder, "dead", QueueOptions::default(), &clock)))),
            time: Time::Manual(clock),
        };
        folders.lock().unwrap().push(folder);
        test
    })
    .await;
}

#[tokio::test]
async fn messages_outlive_the_process_and_queues_of_a_file_are_apart() {
    let (folder, clock) = (TempDir::new().unwrap(), clock());
    let id = queue(&folder, "a", QueueOptions::default(), &clock).send("kept", Duration::ZERO).await.unwrap();
    let other = queue(&folder, "b", QueueOptions::default(), &clock);
    assert_eq!(other.receive(10, SHORT, Duration::ZERO).await.unwrap(), Vec::new());
    let again = queue(&folder, "a", QueueOptions::default(), &clock);
    let messages = again.receive(10, SHORT, Duration::ZERO).await.unwrap();
    assert_eq!(messages[0].id, id);
    let foreign = other.delete(&[messages[0].receipt.clone()]).await.unwrap();
    assert_eq!(foreign, vec![ReceiptOutcome::Lost], "a receipt is one queue's");
}

#[tokio::test]
async fn a_file_of_before_attributes_is_taken_over_with_its_messages() {
    let (folder, clock) = (TempDir::new().unwrap(), clock());
    let id = queue(&folder, "a", QueueOptions::default(), &clock).send("kept", Duration::ZERO).await.unwrap();
    let file = Connection::open(folder.path().join("deep/queue.sqlite")).unwrap();
    file.execute_batch("ALTER TABLE message DROP COLUMN attributes").unwrap();
    let (first, second) =
        (queue(&folder, "a", QueueOptions::default(), &clock), queue(&folder, "a", QueueOptions::default(), &clock));
    let messages = first.receive(10, SHORT, Duration::ZERO).await.unwrap();
    assert_eq!((&messages[0].id, &messages[0].attributes), (&id, &Attributes::new()));
    // As a process of before does beside us.
    file.execute_batch(
        "INSERT INTO message (queue, id, body, sent_at, visible_at) VALUES ('a', 'old', 'of before', 1, 1)",
    )
    .unwrap();
    assert_eq!(second.receive(10, SHORT, Duration::ZERO).await.unwrap()[0].body, "of before");
}

#[tokio::test]
async fn a_receipt_of_an_old_delivery_says_that_it_is_lost() {
    let (folder, clock) = (TempDir::new().unwrap(), clock());
    let queue = queue(&folder, "a", QueueOptions::default(), &clock);
    queue.send("a", Duration::ZERO).await.unwrap();
    let old = queue.receive(1, SHORT, Duration::ZERO).await.unwrap().remove(0).receipt;
    clock.advance(SHORT);
    let new = queue.receive(1, SHORT, Duration::ZERO).await.unwrap().remove(0).receipt;
    let receipts = [old, new, ReceiptHandle::new("1-x"), ReceiptHandle::new("")];
    let (done, lost) = (ReceiptOutcome::Done, ReceiptOutcome::Lost);
    assert_eq!(queue.delete(&receipts).await.unwrap(), vec![lost, done, lost, lost]);
    assert_eq!(queue.delete(&receipts[1..2]).await.unwrap(), vec![lost]);
}

#[tokio::test]
async fn a_receive_whose_caller_is_gone_takes_nothing() {
    let (folder, clock) = (TempDir::new().unwrap(), clock());
    let queue = queue(&folder, "a", QueueOptions::default(), &clock);
    queue.send("a", Duration::ZERO).await.unwrap();
    // The connection is held, so that the blocking half of the receive begins only after its caller has gone.
    let connection = Arc::clone(&queue.connection);
    {
        let mut receive = Box::pin(queue.receive(1, SHORT, Duration::ZERO));
        let held = connection.lock().unwrap();
        assert!(futures_poll(&mut receive).is_pending());
        drop(receive);
        drop(held);
    }
    let messages = queue.receive(1, SHORT, Duration::ZERO).await.unwrap();
    assert_eq!(messages[0].delivery_count, 1);
}

fn futures_poll<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn a_locked_file_is_unavailable_and_nothing_happened() {
    let (folder, clock) = (TempDir::new().unwrap(), clock());
    let queue = queue(&folder, "a", QueueOptions::default(), &clock);
    queue.connection.lock().unwrap().busy_timeout(Duration::from_millis(20)).unwrap();
    let mut other = Connection::open(folder.path().join("deep/queue.sqlite")).unwrap();
    let lock = other.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let error = queue.send("a", Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { effect: Effect::NotApplied, .. }), "{error:?}");
    drop(lock);
    queue.send("a", Duration::ZERO).await.unwrap();
    assert_eq!(queue.depth().await.unwrap().total(), 1);
}

#[tokio::test]
async fn a_full_file_is_unavailable_and_nothing_happened() {
    let (folder, clock) = (TempDir::new().unwrap(), clock());
    let queue = queue(&folder, "a", QueueOptions::default(), &clock);
    queue.send("a", Duration::ZERO).await.unwrap();
    let pages: i64 = {
        let connection = queue.connection.lock().unwrap();
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |row| row.get(0)).unwrap()
    };
    let error = queue.send(&"x".repeat(100_000), Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { effect: Effect::NotApplied, .. }), "{pages} pages: {error:?}");
    assert_eq!(error.effect(), Effect::NotApplied);
    assert_eq!(queue.depth().await.unwrap().total(), 1);
    assert_eq!(queue.receive(10, SHORT, Duration::ZERO).await.unwrap()[0].body, "a");
}

#[test]
fn files_of_something_else_and_of_newer_versions_are_refused() {
    let folder = TempDir::new().unwrap();
    let open = |name: &str| {
        let error = SqliteQueue::open(&folder.path().join(name), "a", QueueOptions::default(), clock()).unwrap_err();
        assert!(matches!(error, QueueError::Denied { operation: "open", .. }), "{error:?}");
        lakehand_domain::fault::chain(&error)
    };
    let foreign = Connection::open(folder.path().join("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE message (x)").unwrap();
    assert!(open("foreign").contains("give the queue a file of its own"), "{}", open("foreign"));
    SqliteQueue::open(&folder.path().join("newer"), "a", QueueOptions::default(), clock()).unwrap();
    let newer = Connection::open(folder.path().join("newer")).unwrap();
    newer.pragma_update(None, "user_version", 7).unwrap();
    assert!(open("newer").contains("version 7"), "{}", open("newer"));
}

#[tokio::test]
async fn planned_failures_happen_before_or_after() {
    let (folder, clock) = (TempDir::new().unwrap(), clock());
    let inner: Arc<dyn Queue> = Arc::new(queue(&folder, "a", QueueOptions::default(), &clock));
    let plan = FaultPlan::new().with(1, Fate::FailsBefore).with(2, Fate::FailsAfter).with(3, Fate::FailsAfter);
    let plan = Arc::new(plan);
    let faulty = FaultyQueue::new(Arc::clone(&inner), Arc::clone(&plan));
    let before = faulty.send("a", Duration::ZERO).await.unwrap_err();
    assert_eq!((before.effect(), inner.depth().await.unwrap().visible), (Effect::NotApplied, 0));
    let after = faulty.send("a", Duration::ZERO).await.unwrap_err();
    assert_eq!((after.effect(), inner.depth().await.unwrap().visible), (Effect::Unknown, 1));
    let lost = faulty.receive(1, SHORT, Duration::ZERO).await.unwrap_err();
    assert_eq!((lost.effect(), inner.depth().await.unwrap().in_flight), (Effect::Unknown, 1));
    clock.advance(SHORT);
    assert_eq!(faulty.receive(1, SHORT, Duration::ZERO).await.unwrap()[0].delivery_count, 2);
    assert_eq!(plan.names(), ["queue.send", "queue.send", "queue.receive", "queue.receive"]);
}
