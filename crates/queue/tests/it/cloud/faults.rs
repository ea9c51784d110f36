//! Lost answers, throttling and broken connections, by a proxy in front of an emulator.

use std::time::Duration;

use lakehand_domain::fault::chain;
use lakehand_domain::port::queue::{Queue, QueueError, ReceiptOutcome};
use lakehand_queue::sqs::SqsQueue;
use lakehand_testkit::microburst::Microburst;
use lakehand_testkit::services::emulator;

use super::{Emulator, open};

const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_mins(10);
const NONE: Duration = Duration::ZERO;

struct World {
    proxy: Microburst,
    /// Past the proxy, to see what became of it.
    direct: SqsQueue,
    /// The queue under test.
    queue: SqsQueue,
}

async fn world() -> World {
    let upstream = emulator("ROTO");
    let emulator = Emulator::at(&upstream).await;
    let name = emulator.make(&[]).await;
    let proxy = Microburst::before(&upstream).await;
    let queue = open(&proxy.url(), &name).await;
    World { direct: emulator.open(&name).await, queue, proxy }
}

impl World {
    /// What this operation meets the next `times` times.
    async fn meets(&self, operation: &str, times: u32, fault: &str) {
        let rule = format!(r#"[{{"service": "sqs", "operation": "{operation}", "times": {times}, {fault}}}]"#);
        self.proxy.rules(&rule).await;
    }

    async fn fired(&self, operation: &str) -> usize {
        self.proxy.fired().await.matches(&format!(r#""operation": "{operation}""#)).count()
    }
}

/// The answer breaks off after the call took effect.
const LOST: &str = r#""response": {"abort_frac": 0.3}"#;
const RESET: &str = r#""reset": true"#;
const BUSY: &str = r#""error": {"code": "ServiceUnavailable", "status": 503}"#;
const THROTTLED: &str = r#""error": {"code": "RequestThrottled"}"#;

#[tokio::test]
async fn a_queue_url_of_the_upstream_does_not_lead_past_the_proxy() {
    let world = world().await;
    // The emulator's answer to GetQueueUrl names the emulator; had it been followed, nothing would be seen here.
    world.meets("SendMessage", 1, BUSY).await;
    world.queue.send("a", NONE).await.unwrap();
    assert_eq!(world.fired("SendMessage").await, 1);
}

#[tokio::test]
async fn a_lost_answer_to_a_deletion_is_no_lost_deletion() {
    let world = world().await;
    for body in ["a", "b"] {
        world.direct.send(body, NONE).await.unwrap();
    }
    let receipts: Vec<_> =
        world.queue.receive(10, LONG, NONE).await.unwrap().into_iter().map(|message| message.receipt).collect();
    world.meets("DeleteMessageBatch", 1, LOST).await;
    let outcomes = world.queue.delete(&receipts).await.unwrap();
    assert!(outcomes.iter().all(|outcome| *outcome != ReceiptOutcome::Failed), "{outcomes:?}");
    assert_eq!(world.fired("DeleteMessageBatch").await, 1);
    assert_eq!(world.direct.depth().await.unwrap().total(), 0);
}

#[tokio::test]
async fn a_prolongation_survives_resets_failures_and_a_lost_answer() {
    let world = world().await;
    world.direct.send("a", NONE).await.unwrap();
    let message = world.queue.receive(10, SHORT, NONE).await.unwrap().remove(0);
    for fault in [RESET, BUSY, LOST] {
        world.meets("ChangeMessageVisibilityBatch", 1, fault).await;
    }
    let outcome = world.queue.extend(std::slice::from_ref(&message.receipt), LONG).await.unwrap();
    assert_eq!(outcome, [ReceiptOutcome::Done]);
    assert_eq!(world.fired("ChangeMessageVisibilityBatch").await, 3);
    let seen = world.direct.receive(10, LONG, SHORT + SHORT).await.unwrap();
    assert_eq!(seen, [], "it is hidden beyond its first visibility");
    assert_eq!(world.queue.delete(&[message.receipt]).await.unwrap(), [ReceiptOutcome::Done]);
}

#[tokio::test]
async fn a_queue_that_throttles_is_unavailable_and_not_refusing() {
    let world = world().await;
    world.meets("ReceiveMessage", 9, THROTTLED).await;
    let error = world.queue.receive(10, LONG, NONE).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { operation: "receive", .. }), "{error:?}");
    assert!(chain(&error).contains("RequestThrottled"), "{}", chain(&error));
}

#[tokio::test]
async fn what_a_lost_answer_held_comes_again() {
    let world = world().await;
    let mut sent = Vec::new();
    for number in 0..3 {
        sent.push(world.direct.send(&number.to_string(), NONE).await.unwrap());
    }
    world.meets("ReceiveMessage", 1, LOST).await;
    // The SDK asks again by itself, and meanwhile the messages are hidden.
    let first = world.queue.receive(10, SHORT, NONE).await.unwrap();
    assert_eq!((first.len(), world.fired("ReceiveMessage").await), (0, 1));
    let mut again = world.queue.receive(10, LONG, Duration::from_secs(10)).await.unwrap();
    while again.len() < sent.len() {
        let more = world.queue.receive(10, LONG, Duration::from_secs(10)).await.unwrap();
        assert!(!more.is_empty(), "{again:?}");
        again.extend(more);
    }
    assert!(again.iter().all(|message| message.delivery_count == 2), "{again:?}");
    let mut ids: Vec<_> = again.into_iter().map(|message| message.id).collect();
    ids.sort_unstable();
    sent.sort_unstable();
    assert_eq!(ids, sent);
}

#[tokio::test]
async fn a_send_whose_answer_was_lost_is_doubled_and_never_lost() {
    let world = world().await;
    world.meets("SendMessage", 1, LOST).await;
    world.queue.send("a", NONE).await.unwrap();
    let messages = world.direct.receive(10, LONG, NONE).await.unwrap();
    assert!(matches!(messages.len(), 1 | 2), "{messages:?}");
    assert!(messages.iter().all(|message| message.body == "a"));
}
