//! The suite of the queue port.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use lakehand_domain::clock::Clock;
use lakehand_domain::fault::{Effect, Fault, Retry};
use lakehand_domain::id::ReceiptHandle;
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{LONGEST_DELAY, LONGEST_MESSAGE, Queue, QueueDepth, QueueError, ReceiptOutcome};
use tokio::task::JoinSet;

use crate::manual_clock::ManualClock;

/// An empty queue, and what a test may do to it.
#[derive(Debug)]
pub struct QueueUnderTest {
    /// The queue.
    pub first: Arc<dyn Queue>,
    /// The same queue, as another process has it.
    pub second: Arc<dyn Queue>,
    /// Where messages go that were received too often, and how often that is; `None`: it has no such queue.
    pub dead_letters: Option<(u32, Arc<dyn Queue>)>,
    /// The time it lives in.
    pub time: Time,
}

/// How time passes for a backend.
#[derive(Debug, Clone)]
pub enum Time {
    /// The test owns it.
    Manual(Arc<ManualClock>),
    /// It is the service's own: tests wait, and what no service promises is not asked for.
    Real(Arc<dyn Clock>),
}

impl Time {
    fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    /// Returns once this long has passed.
    pub async fn pass(&self, duration: Duration) {
        match self {
            Self::Manual(clock) => clock.advance(duration),
            Self::Real(clock) => clock.sleep(duration).await,
        }
    }
}

const NONE: Duration = Duration::ZERO;
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_mins(10);

/// Runs every check on a queue of its own.
pub async fn queue_suite<F>(make: impl Fn() -> F)
where
    F: Future<Output = QueueUnderTest>,
{
    what_is_sent_is_received(make().await).await;
    what_is_too_long_is_refused(make().await).await;
    nothing_comes_of_an_empty_queue(make().await).await;
    a_receive_takes_no_more_than_asked(make().await).await;
    a_received_message_is_hidden_until_its_visibility_is_over(make().await).await;
    extending_counts_from_now_and_zero_shows_at_once(make().await).await;
    an_old_receipt_neither_extends_nor_deletes(make().await).await;
    deleting_is_for_ever_and_twice_is_harmless(make().await).await;
    each_receipt_has_its_own_outcome(make().await).await;
    a_delay_hides_what_was_sent(make().await).await;
    the_depth_tells_visible_from_hidden(make().await).await;
    a_waiting_receive_gets_what_is_sent_meanwhile(make().await).await;
    a_dropped_receive_loses_nothing(make().await).await;
    receivers_never_share_a_message(make().await).await;
    visibility_ends_twelve_hours_after_the_receive(make().await).await;
    what_is_received_too_often_becomes_a_dead_letter(make().await).await;
}

async fn receive(queue: &Arc<dyn Queue>, visibility: Duration) -> Vec<Message> {
    queue.receive(10, visibility, NONE).await.unwrap()
}

async fn receive_one(queue: &Arc<dyn Queue>, visibility: Duration) -> Message {
    let mut messages = receive(queue, visibility).await;
    assert_eq!(messages.len(), 1, "one message is due: {messages:?}");
    messages.remove(0)
}

async fn what_is_sent_is_received(test: QueueUnderTest) {
    let body = "{\"é\": \"\u{1F600} \\u0000 'quoted' \n\"}".to_owned() + &"x".repeat(100_000);
    let id = test.first.send(&body, NONE).await.unwrap();
    let message = receive_one(&test.second, LONG).await;
    assert_eq!(message.id, id);
    assert_eq!(message.body, body);
    assert_eq!(message.attributes, Attributes::new());
    assert_eq!(message.delivery_count, 1);
    assert!(message.sent_at <= message.received_at);
    let attributes = [("kind", "unreadable"), ("object", "s3://landing/a b+é.csv"), ("reason", "\"\n\u{1F600}")];
    let attributes: Attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    test.first.send_with("{}", &attributes, NONE).await.unwrap();
    let message = receive_one(&test.second, SHORT).await;
    assert_eq!((message.body.as_str(), message.attributes), ("{}", attributes));
}

async fn what_is_too_long_is_refused(test: QueueUnderTest) {
    let body = "x".repeat(LONGEST_MESSAGE - 100);
    let attributes = Attributes::from([("reason".to_owned(), "y".repeat(100))]);
    for (body, attributes) in [(body.clone() + &body, Attributes::new()), (body, attributes)] {
        let error = test.first.send_with(&body, &attributes, NONE).await.unwrap_err();
        let QueueError::TooLong { bytes, most, .. } = error else { panic!("{error:?}") };
        assert!(bytes > most && most <= LONGEST_MESSAGE, "{bytes} {most}");
        assert_eq!((error.effect(), error.retry()), (Effect::NotApplied, Retry::Never));
        let longest = "z".repeat(most);
        test.first.send(&longest, NONE).await.unwrap();
        let message = receive_one(&test.second, LONG).await;
        assert_eq!(message.body, longest);
    }
}

async fn nothing_comes_of_an_empty_queue(test: QueueUnderTest) {
    assert_eq!(receive(&test.first, SHORT).await, Vec::new());
    assert_eq!(test.first.depth().await.unwrap(), QueueDepth::default());
    assert_eq!(test.first.extend(&[], SHORT).await.unwrap(), Vec::new());
    assert_eq!(test.first.delete(&[]).await.unwrap(), Vec::new());
}

async fn a_receive_takes_no_more_than_asked(test: QueueUnderTest) {
    for number in 0..25 {
        test.first.send(&number.to_string(), NONE).await.unwrap();
    }
    assert_eq!(test.first.receive(3, LONG, NONE).await.unwrap().len(), 3);
    let ten = test.second.receive(50, LONG, NONE).await.unwrap();
    assert_eq!(ten.len(), 10, "a receive gives ten at most");
    let mut bodies: BTreeSet<String> = ten.into_iter().map(|message| message.body).collect();
    while let Some(more) = Some(receive(&test.first, LONG).await).filter(|more| !more.is_empty()) {
        for message in more {
            assert!(bodies.insert(message.body), "a hidden message was received");
        }
    }
    assert_eq!(bodies.len(), 22);
}

async fn a_received_message_is_hidden_until_its_visibility_is_over(test: QueueUnderTest) {
    test.first.send("a", NONE).await.unwrap();
    let first = receive_one(&test.first, SHORT).await;
    assert_eq!(receive(&test.second, SHORT).await, Vec::new());
    test.time.pass(SHORT).await;
    let again = receive_one(&test.second, SHORT).await;
    assert_eq!((&again.id, &again.body), (&first.id, &first.body));
    assert_eq!(again.delivery_count, 2);
    assert_eq!(again.sent_at, first.sent_at);
    assert!(again.received_at > first.received_at);
    assert_ne!(again.receipt, first.receipt, "each delivery has a receipt of its own");
}

async fn extending_counts_from_now_and_zero_shows_at_once(test: QueueUnderTest) {
    test.first.send("a", NONE).await.unwrap();
    let message = receive_one(&test.first, SHORT).await;
    let done = vec![ReceiptOutcome::Done];
    assert_eq!(test.second.extend(std::slice::from_ref(&message.receipt), LONG).await.unwrap(), done);
    test.time.pass(SHORT).await;
    assert_eq!(receive(&test.first, SHORT).await, Vec::new());
    assert_eq!(test.first.extend(&[message.receipt], NONE).await.unwrap(), done);
    assert_eq!(receive_one(&test.second, SHORT).await.delivery_count, 2);
}

async fn an_old_receipt_neither_extends_nor_deletes(test: QueueUnderTest) {
    test.first.send("a", NONE).await.unwrap();
    let old = receive_one(&test.first, SHORT).await;
    test.time.pass(SHORT).await;
    let new = receive_one(&test.second, SHORT).await;
    let lost = vec![ReceiptOutcome::Lost];
    if test.time.is_real() {
        // A service may take an old receipt for good and do as asked, or say that it did and not do it.
        for outcomes in [
            test.first.extend(std::slice::from_ref(&old.receipt), SHORT).await.unwrap(),
            test.first.delete(&[old.receipt]).await.unwrap(),
            test.first.delete(&[new.receipt]).await.unwrap(),
        ] {
            assert!(matches!(outcomes[..], [ReceiptOutcome::Done | ReceiptOutcome::Lost]), "{outcomes:?}");
        }
        return;
    }
    assert_eq!(test.first.extend(std::slice::from_ref(&old.receipt), LONG).await.unwrap(), lost);
    assert_eq!(test.first.extend(std::slice::from_ref(&old.receipt), NONE).await.unwrap(), lost);
    assert_eq!(receive(&test.first, SHORT).await, Vec::new(), "an old receipt does not show the message");
    test.first.delete(&[old.receipt]).await.unwrap();
    test.time.pass(SHORT).await;
    let third = receive_one(&test.first, SHORT).await;
    assert_eq!((third.id, third.delivery_count), (new.id, 3), "an old receipt does not delete or prolong");
}

async fn deleting_is_for_ever_and_twice_is_harmless(test: QueueUnderTest) {
    let keep = test.first.send("keep", NONE).await.unwrap();
    test.first.send("delete", NONE).await.unwrap();
    let messages = receive(&test.first, SHORT).await;
    let deleted = messages.iter().find(|message| message.body == "delete").unwrap().receipt.clone();
    let outcome = test.second.delete(std::slice::from_ref(&deleted)).await.unwrap();
    assert_eq!(outcome, vec![ReceiptOutcome::Done]);
    test.first.delete(std::slice::from_ref(&deleted)).await.unwrap();
    let lost = test.first.extend(&[deleted], LONG).await.unwrap();
    assert_eq!(lost, vec![ReceiptOutcome::Lost], "a message that is gone is not ours any more");
    test.time.pass(SHORT).await;
    assert_eq!(receive_one(&test.first, SHORT).await.id, keep);
}

async fn each_receipt_has_its_own_outcome(test: QueueUnderTest) {
    for body in ["a", "b", "c"] {
        test.first.send(body, NONE).await.unwrap();
    }
    let mut receipts: Vec<ReceiptHandle> =
        receive(&test.first, LONG).await.into_iter().map(|message| message.receipt).collect();
    test.first.delete(&receipts[1..2]).await.unwrap();
    receipts.push(ReceiptHandle::new("no receipt of any queue"));
    let outcomes = test.first.extend(&receipts, LONG).await.unwrap();
    let (done, lost) = (ReceiptOutcome::Done, ReceiptOutcome::Lost);
    assert_eq!(outcomes, vec![done, lost, done, lost]);
}

async fn a_delay_hides_what_was_sent(test: QueueUnderTest) {
    test.first.send("later", SHORT).await.unwrap();
    assert_eq!(receive(&test.second, SHORT).await, Vec::new());
    assert_eq!(test.second.depth().await.unwrap().delayed, 1);
    test.time.pass(SHORT).await;
    assert_eq!(receive_one(&test.second, SHORT).await.delivery_count, 1);
}

async fn the_depth_tells_visible_from_hidden(test: QueueUnderTest) {
    for _ in 0..3 {
        test.first.send("now", NONE).await.unwrap();
    }
    test.first.send("later", LONG).await.unwrap();
    test.first.receive(1, LONG, NONE).await.unwrap();
    let depth = test.second.depth().await.unwrap();
    assert_eq!(depth, QueueDepth { visible: 2, in_flight: 1, delayed: 1 });
    assert_eq!(depth.total(), 4);
}

async fn a_waiting_receive_gets_what_is_sent_meanwhile(test: QueueUnderTest) {
    for (sender, receiver) in [(&test.first, &test.first), (&test.first, &test.second)] {
        let mut waiting = Box::pin(receiver.receive(10, LONG, Duration::from_secs(5)));
        assert!(futures::poll!(waiting.as_mut()).is_pending());
        sender.send("meanwhile", NONE).await.unwrap();
        let messages = until_ready(&test.time, waiting).await.unwrap();
        assert_eq!(messages.len(), 1);
        receiver.delete(&[messages[0].receipt.clone()]).await.unwrap();
    }
    let waiting = Box::pin(test.first.receive(10, LONG, SHORT));
    assert_eq!(until_ready(&test.time, waiting).await.unwrap(), Vec::new(), "the wait has an end");
}

/// Lets time pass in small steps until the future is ready.
async fn until_ready<T>(time: &Time, mut waiting: impl Future<Output = T> + Unpin) -> T {
    loop {
        tokio::select! {
            value = &mut waiting => return value,
            () = real_moment() => time.pass(Duration::from_millis(50)).await,
        }
    }
}

/// A few milliseconds by the machine's clock, in which other threads get on.
async fn real_moment() {
    #[expect(clippy::disallowed_methods, reason = "the backend's own threads live in real time")]
    tokio::time::sleep(Duration::from_millis(5)).await;
}

async fn a_dropped_receive_loses_nothing(test: QueueUnderTest) {
    for round in 0..20 {
        test.first.send(&round.to_string(), NONE).await.unwrap();
        let receiver = Arc::clone(&test.second);
        let mut dropped = Box::pin(async move { receiver.receive(1, SHORT, SHORT).await });
        for _ in 0..round {
            if dropped.as_mut().now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // What a dropped receive took comes again once its visibility is over.
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        real_moment().await;
        seen.extend(receive(&test.first, LONG).await.into_iter().map(|message| message.body));
        test.time.pass(SHORT).await;
    }
    assert_eq!(seen.len(), 20);
}

async fn receivers_never_share_a_message(test: QueueUnderTest) {
    const MESSAGES: usize = 60;
    for number in 0..MESSAGES {
        test.first.send(&number.to_string(), NONE).await.unwrap();
    }
    let mut receivers = JoinSet::new();
    for number in 0..8 {
        let queue = Arc::clone(if number % 2 == 0 { &test.first } else { &test.second });
        receivers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let messages = queue.receive(3, LONG, NONE).await.unwrap();
                if messages.is_empty() {
                    return mine;
                }
                mine.extend(messages.into_iter().map(|message| message.id));
            }
        });
    }
    let all: Vec<_> = receivers.join_all().await.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (MESSAGES, MESSAGES));
}

/// Only where the test owns time: nobody waits twelve hours, and a quarter of one.
async fn visibility_ends_twelve_hours_after_the_receive(test: QueueUnderTest) {
    if !matches!(test.time, Time::Manual(_)) {
        return;
    }
    let hour = Duration::from_hours(1);
    test.first.send("a", NONE).await.unwrap();
    let message = receive_one(&test.first, 2 * hour).await;
    test.time.pass(hour).await;
    let outcome = test.first.extend(&[message.receipt], 24 * hour).await.unwrap();
    assert_eq!(outcome, vec![ReceiptOutcome::Done], "longer than allowed gives what is allowed");
    test.time.pass(10 * hour).await;
    assert_eq!(receive(&test.second, 24 * hour).await, Vec::new());
    test.time.pass(hour).await;
    assert_eq!(receive_one(&test.second, 24 * hour).await.delivery_count, 2);
    test.time.pass(12 * hour).await;
    assert_eq!(receive_one(&test.first, 24 * hour).await.delivery_count, 3);
    test.second.send("late", hour).await.unwrap();
    test.time.pass(LONGEST_DELAY).await;
    assert_eq!(receive_one(&test.first, SHORT).await.body, "late", "longer than allowed gives what is allowed");
}

async fn what_is_received_too_often_becomes_a_dead_letter(test: QueueUnderTest) {
    let Some((max_receives, dead_letters)) = &test.dead_letters else {
        return;
    };
    let id = test.first.send("poison", NONE).await.unwrap();
    let mut last = None;
    for count in 1..=*max_receives {
        let message = receive_one(&test.first, SHORT).await;
        assert_eq!(message.delivery_count, count);
        assert_eq!(receive(dead_letters, SHORT).await, Vec::new());
        last = Some(message.receipt);
        test.time.pass(SHORT).await;
    }
    test.first.send("sound", NONE).await.unwrap();
    assert_eq!(receive_one(&test.second, LONG).await.body, "sound", "the poison is not delivered again");
    let lost = test.first.extend(&[last.unwrap()], LONG).await.unwrap();
    assert_eq!(lost, vec![ReceiptOutcome::Lost], "a receipt of before does not reach the dead letter");
    let letter = receive_one(dead_letters, SHORT).await;
    assert_eq!((letter.id, letter.body.as_str()), (id, "poison"));
    // A service may go on counting from queue to queue.
    assert!(letter.delivery_count == 1 || test.time.is_real(), "{}", letter.delivery_count);
    assert_eq!(test.first.depth().await.unwrap().total(), 1);
    let outcome = dead_letters.delete(&[letter.receipt]).await.unwrap();
    assert_eq!(outcome, vec![ReceiptOutcome::Done]);
}
