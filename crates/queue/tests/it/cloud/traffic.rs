//! Many messages at once, large ones, and receives that nobody waits for any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::fault::chain;
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};
use lakehand_queue::sqs::{QueueAddress, SqsOptions, SqsQueue};
use lakehand_testkit::microburst::Microburst;
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services::{EMULATORS, emulator};
use tokio::task::JoinSet;

use super::{Emulator, open};
use crate::fake::config;

const LONG: Duration = Duration::from_mins(10);
const NONE: Duration = Duration::ZERO;

/// Receives all there is and deletes each message by a call of its own, all at once, as workers do.
async fn drain(queue: &Arc<SqsQueue>, messages: usize) -> BTreeSet<String> {
    let mut bodies = BTreeSet::new();
    let mut deletions = JoinSet::new();
    while bodies.len() < messages {
        let received = queue.receive(10, LONG, Duration::from_secs(2)).await.unwrap();
        assert!(!received.is_empty(), "{} of {messages}", bodies.len());
        for message in received {
            assert!(bodies.insert(message.body), "received twice");
            let queue = Arc::clone(queue);
            deletions.spawn(async move { queue.delete(&[message.receipt]).await.unwrap() });
        }
    }
    for outcome in deletions.join_all().await {
        assert_eq!(outcome, [ReceiptOutcome::Done]);
    }
    bodies
}

async fn fill(queue: &Arc<SqsQueue>, messages: usize) {
    let mut sends = JoinSet::new();
    for number in 0..messages {
        let queue = Arc::clone(queue);
        sends.spawn(async move { queue.send(&number.to_string(), NONE).await.unwrap() });
    }
    assert_eq!(sends.join_all().await.into_iter().collect::<BTreeSet<_>>().len(), messages);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_received_and_deleted_once_in_few_requests() {
    const MESSAGES: usize = 100;
    let upstream = emulator("ROTO");
    let emulator = Emulator::at(&upstream).await;
    let name = emulator.make(&[]).await;
    let proxy = Microburst::before(&upstream).await;
    // Passes everything on, and writes down each deletion.
    proxy.rules(r#"[{"service": "sqs", "operation": "DeleteMessageBatch", "latency": 5}]"#).await;
    let queue = Arc::new(open(&proxy.url(), &name).await);
    fill(&queue, MESSAGES).await;
    assert_eq!(drain(&queue, MESSAGES).await.len(), MESSAGES);
    assert_eq!(queue.depth().await.unwrap(), QueueDepth::default());
    let requests = proxy.fired().await.matches(r#""operation": "DeleteMessageBatch""#).count();
    assert!((10..=40).contains(&requests), "{requests} requests for {MESSAGES} deletions");
}

#[tokio::test]
async fn a_message_beyond_a_quarter_of_a_mebibyte_goes_through_and_one_beyond_the_limit_does_not() {
    // Queues of roto take a quarter of a mebibyte and no more.
    for name in ["MINISTACK", "LOCALSTACK"] {
        let emulator = Emulator::at(&emulator(name)).await;
        let queue = emulator.open(&emulator.make(&[]).await).await;
        let body = format!("{{\"records\": \"{}\"}}", "é".repeat(300_000));
        queue.send(&body, NONE).await.unwrap();
        let message = queue.receive(1, LONG, NONE).await.unwrap().remove(0);
        assert_eq!(message.body, body, "{name}");
        let error = queue.send(&"x".repeat((1 << 20) + 1), NONE).await.unwrap_err();
        assert!(matches!(error, QueueError::TooLong { most: 1_048_576, .. }), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_receive_that_is_dropped_while_it_polls_loses_nothing() {
    for name in EMULATORS {
        let emulator = Emulator::at(&emulator(name)).await;
        let queue = emulator.open(&emulator.make(&[]).await).await;
        let visibility = Duration::from_secs(2);
        let poll = queue.receive(10, visibility, Duration::from_secs(20));
        assert!(tokio::time::timeout(Duration::from_millis(500), poll).await.is_err(), "{name}: it polls");
        queue.send("a", NONE).await.unwrap();
        // The service may have given it to the poll that nobody listens to: then it comes when it is visible again.
        let start = RealClock.now();
        let messages = queue.receive(10, LONG, Duration::from_secs(20)).await.unwrap();
        assert_eq!(messages.len(), 1, "{name}");
        assert!(RealClock.now().since(start) < Duration::from_secs(10), "{name}");
    }
}

#[tokio::test]
async fn an_old_receipt_is_lost_where_the_service_can_tell() {
    let emulator = Emulator::at(&emulator("MINISTACK")).await;
    let queue = emulator.open(&emulator.make(&[]).await).await;
    queue.send("a", NONE).await.unwrap();
    let old = queue.receive(1, Duration::from_secs(1), NONE).await.unwrap().remove(0).receipt;
    let new = queue.receive(1, LONG, Duration::from_secs(5)).await.unwrap().remove(0).receipt;
    let (done, lost) = (ReceiptOutcome::Done, ReceiptOutcome::Lost);
    assert_eq!(queue.extend(&[old.clone(), new.clone()], LONG).await.unwrap(), [lost, done]);
    assert_eq!(queue.delete(&[old, new.clone()]).await.unwrap(), [lost, done]);
    assert_eq!(queue.extend(&[new], LONG).await.unwrap(), [lost]);
}

#[tokio::test]
async fn a_poll_outlasts_the_patience_for_other_calls() {
    let url = emulator("ROTO");
    let emulator = Emulator::at(&url).await;
    let name = emulator.make(&[]).await;
    let hasty = config(&url).await;
    let timeouts = hasty.timeout_config().unwrap().to_builder().operation_attempt_timeout(Duration::from_secs(1));
    let hasty = hasty.into_builder().timeout_config(timeouts.build()).build();
    let queue = QueueAddress::parse(&name).unwrap();
    let queue = SqsQueue::open(&hasty, SqsOptions { queue }, Arc::new(RealClock)).await.unwrap();
    let start = RealClock.now();
    assert_eq!(queue.receive(10, LONG, Duration::from_secs(3)).await.unwrap(), []);
    assert!(RealClock.now().since(start) >= Duration::from_millis(2900));
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_told_of() {
    for name in EMULATORS {
        let config = config(&emulator(name)).await;
        for text in ["lakehand-no-such-queue", "http://127.0.0.1:1/000000000000/lakehand-no-such-queue"] {
            let queue = QueueAddress::parse(text).unwrap();
            let error = SqsQueue::open(&config, SqsOptions { queue }, Arc::new(RealClock)).await.unwrap_err();
            assert!(chain(&error).contains("there is no queue"), "{name}: {}", chain(&error));
        }
    }
}

/// Messages a second and CPU milliseconds a message of this process: receives of ten and a deletion for each message,
/// through the port, and beside it with a request for each deletion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, to be run alone"]
async fn measure() {
    const MESSAGES: usize = 2_000;
    let emulator = Emulator::at(&emulator("ROTO")).await;
    for shared in [true, false, true, false] {
        let name = emulator.make(&[]).await;
        let queue = Arc::new(emulator.open(&name).await);
        for _ in 0..MESSAGES / 100 {
            fill_some(&queue).await;
        }
        let (start, before) = (RealClock.now(), cpu_millis());
        let mut workers = JoinSet::new();
        for _ in 0..4 {
            let (queue, client) = (Arc::clone(&queue), emulator.client.clone());
            let url = client.get_queue_url().queue_name(&name).send().await.unwrap().queue_url.unwrap();
            workers.spawn(async move {
                let mut count = 0;
                let mut deletions = JoinSet::new();
                loop {
                    let received = queue.receive(10, LONG, NONE).await.unwrap();
                    if received.is_empty() {
                        deletions.join_all().await;
                        return count;
                    }
                    count += received.len();
                    for message in received {
                        let (queue, client, url) = (Arc::clone(&queue), client.clone(), url.clone());
                        deletions.spawn(async move {
                            if shared {
                                queue.delete(&[message.receipt]).await.unwrap();
                            } else {
                                let handle = message.receipt.as_str().split_once('/').unwrap().1;
                                client.delete_message().queue_url(url).receipt_handle(handle).send().await.unwrap();
                            }
                        });
                    }
                }
            });
        }
        let count: usize = workers.join_all().await.into_iter().sum();
        let (seconds, cpu) = (RealClock.now().since(start).as_secs_f64(), cpu_millis() - before);
        assert_eq!(count, MESSAGES);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (rate, each) = (count as f64 / seconds, cpu as f64 / count as f64);
        println!("shared requests: {shared}: {count} messages, {rate:.0} a second, {each:.2} ms of CPU each");
    }
}

async fn fill_some(queue: &Arc<SqsQueue>) {
    let mut sends = JoinSet::new();
    for number in 0..100 {
        let queue = Arc::clone(queue);
        sends.spawn(async move { queue.send(&number.to_string(), NONE).await.unwrap() });
    }
    sends.join_all().await;
}

/// User and system time of this process so far; the kernel counts in hundredths of a second.
fn cpu_millis() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10
}
