//! Moving all dead letters back.

use std::collections::BTreeSet;
use std::time::Duration;

use lakehand_domain::clock::Clock;
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::redrive::{
    RedriveAll, RedriveCancel, RedriveError, RedriveMove, RedriveStart, RedriveState,
};
use lakehand_queue::sqs::SqsRedrive;
use lakehand_testkit::microburst::Microburst;
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services::emulator;

use super::{Emulator, open};

const LONG: Duration = Duration::from_mins(10);
const NONE: Duration = Duration::ZERO;

async fn newest_that(redrive: &SqsRedrive, holds: impl Fn(&RedriveMove) -> bool) -> RedriveMove {
    for _ in 0..150 {
        if let Some(newest) = redrive.newest().await.unwrap().filter(|newest| holds(newest)) {
            return newest;
        }
        RealClock.sleep(Duration::from_millis(200)).await;
    }
    panic!("{:?}", redrive.newest().await);
}

#[tokio::test]
async fn on_localstack_all_letters_go_back_to_the_queue() {
    let emulator = Emulator::at(&emulator("LOCALSTACK")).await;
    let (work, dead) = emulator.make_pair(100).await;
    let (work, dead) = (emulator.open(&work).await, emulator.open(&dead).await);
    let redrive = dead.redrive_to(&work);
    assert_eq!(redrive.newest().await.unwrap(), None);
    assert_eq!(redrive.cancel().await.unwrap(), RedriveCancel::NoneRunning);
    let mut sent = BTreeSet::new();
    for number in 0..12 {
        // Sent by us: of these the service knows no source.
        dead.send(&number.to_string(), NONE).await.unwrap();
        sent.insert(number.to_string());
    }
    assert_eq!(redrive.start(None).await.unwrap(), RedriveStart::Started);
    let newest = newest_that(&redrive, |newest| !newest.state.is_active()).await;
    assert_eq!((newest.state, newest.moved, newest.failure), (RedriveState::Completed, 12, None));
    assert!(RealClock.now().since(newest.started_at) < Duration::from_mins(5));
    let mut received = BTreeSet::new();
    while received.len() < sent.len() {
        let messages = work.receive(10, LONG, Duration::from_secs(5)).await.unwrap();
        assert!(!messages.is_empty(), "{received:?}");
        received.extend(messages.into_iter().map(|message| message.body));
    }
    assert_eq!(received, sent);
    assert_eq!(dead.depth().await.unwrap().total(), 0);
    assert_eq!(redrive.cancel().await.unwrap(), RedriveCancel::NoneRunning);
}

#[tokio::test]
async fn on_localstack_one_move_runs_at_a_time_and_can_be_stopped() {
    let emulator = Emulator::at(&emulator("LOCALSTACK")).await;
    let (work, dead) = emulator.make_pair(100).await;
    let (work, dead) = (emulator.open(&work).await, emulator.open(&dead).await);
    let redrive = dead.redrive_to(&work);
    for number in 0..30 {
        dead.send(&number.to_string(), NONE).await.unwrap();
    }
    assert_eq!(redrive.start(Some(1)).await.unwrap(), RedriveStart::Started);
    let RedriveStart::AlreadyRunning(running) = redrive.start(None).await.unwrap() else { panic!("a second move") };
    assert_eq!((running.state, running.max_per_second), (RedriveState::Running, Some(1)));
    assert!(matches!(redrive.cancel().await.unwrap(), RedriveCancel::Cancelled { moved } if moved < 30));
    let newest = newest_that(&redrive, |newest| newest.state != RedriveState::Running).await;
    assert!(matches!(newest.state, RedriveState::Cancelling | RedriveState::Cancelled), "{newest:?}");
    assert!(dead.depth().await.unwrap().total() > 0, "what was not moved stays");
}

#[tokio::test]
async fn on_localstack_a_start_whose_answer_was_lost_is_a_move_that_runs() {
    let upstream = emulator("LOCALSTACK");
    let emulator = Emulator::at(&upstream).await;
    let (work, dead) = emulator.make_pair(100).await;
    let proxy = Microburst::before(&upstream).await;
    let (work, dead) = (open(&proxy.url(), &work).await, open(&proxy.url(), &dead).await);
    for number in 0..30 {
        dead.send(&number.to_string(), NONE).await.unwrap();
    }
    let lost =
        r#"{"service": "sqs", "operation": "StartMessageMoveTask", "times": 1, "response": {"abort_frac": 0.3}}"#;
    proxy.rules(&format!("[{lost}]")).await;
    let redrive = dead.redrive_to(&work);
    let started = redrive.start(Some(1)).await.unwrap();
    assert!(
        matches!(started, RedriveStart::AlreadyRunning(RedriveMove { max_per_second: Some(1), .. })),
        "{started:?}"
    );
    assert!(proxy.fired().await.contains("StartMessageMoveTask"));
    assert!(matches!(redrive.cancel().await.unwrap(), RedriveCancel::Cancelled { .. }));
}

#[tokio::test]
async fn on_localstack_a_queue_that_is_no_dead_letter_queue_says_so() {
    let emulator = Emulator::at(&emulator("LOCALSTACK")).await;
    let (one, other) = (emulator.make(&[]).await, emulator.make(&[]).await);
    let (one, other) = (emulator.open(&one).await, emulator.open(&other).await);
    let error = one.redrive_to(&other).start(None).await.unwrap_err();
    assert!(matches!(error, RedriveError::NoDeadLetterQueue { .. }), "{error:?}");
    assert!(error.to_string().contains("redrive policy"), "{error}");
    assert_eq!(other.facts().concerns(one.facts()).len(), 2, "{:?}", other.facts());
}

#[tokio::test]
async fn where_the_service_cannot_it_says_so() {
    for name in lakehand_testkit::services::EMULATORS {
        let emulator = Emulator::at(&emulator(name)).await;
        let (work, dead) = emulator.make_pair(100).await;
        let redrive = emulator.open(&dead).await.redrive_to(&emulator.open(&work).await);
        let error = redrive.start(None).await.unwrap_err();
        assert!(matches!(error, RedriveError::Unsupported { operation: "start the move", .. }), "{name}: {error:?}");
        assert!(matches!(redrive.newest().await.unwrap_err(), RedriveError::Unsupported { .. }));
        assert!(matches!(redrive.cancel().await.unwrap_err(), RedriveError::Unsupported { .. }));
    }
}
