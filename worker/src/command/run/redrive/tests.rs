use std::sync::Mutex;

use async_trait::async_trait;
use lakehand_domain::fault::Effect;
use lakehand_domain::port::queue::QueueError;
use lakehand_domain::port::redrive::RedriveCancel;
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::manual_clock::ManualClock;

use super::*;

/// A service that answers what it is told to, from the last to the first.
#[derive(Debug)]
struct Answers {
    start: Mutex<Option<RedriveStart>>,
    newest: Mutex<Vec<Result<Option<RedriveMove>, RedriveError>>>,
}

#[async_trait]
impl RedriveAll for Answers {
    async fn start(&self, _: Option<u32>) -> Result<RedriveStart, RedriveError> {
        self.start
            .lock()
            .unwrap()
            .take()
            .ok_or_else(|| RedriveError::Unsupported { operation: "start", source: "no".into() })
    }

    async fn newest(&self) -> Result<Option<RedriveMove>, RedriveError> {
        self.newest.lock().unwrap().pop().expect("it is asked no more")
    }

    async fn cancel(&self) -> Result<RedriveCancel, RedriveError> {
        unreachable!("nobody cancels")
    }
}

fn at(state: RedriveState, moved: u64) -> RedriveMove {
    let started_at = Timestamp::default();
    RedriveMove { state, moved, to_move: Some(9), max_per_second: None, started_at, failure: None }
}

fn unavailable() -> RedriveError {
    let source = "throttled".into();
    RedriveError::Queue(QueueError::Unavailable { operation: "list", effect: Effect::NotApplied, source })
}

async fn moved(
    start: Option<RedriveStart>,
    newest: Vec<Result<Option<RedriveMove>, RedriveError>>,
) -> anyhow::Result<u64> {
    let answers = Answers { start: Mutex::new(start), newest: Mutex::new(newest) };
    let clock = ManualClock::hurrying(Timestamp::default());
    let ended = move_all(&answers, &clock).await?;
    assert!(answers.newest.lock().unwrap().is_empty(), "it waits until the end");
    Ok(ended.moved)
}

#[tokio::test]
async fn a_move_is_waited_for_whoever_began_it() {
    let running = at(RedriveState::Running, 3);
    for start in [RedriveStart::Started, RedriveStart::AlreadyRunning(running.clone())] {
        let newest =
            vec![Ok(Some(at(RedriveState::Completed, 9))), Err(unavailable()), Ok(Some(running.clone())), Ok(None)];
        assert_eq!(moved(Some(start), newest).await.unwrap(), 9);
    }
}

#[tokio::test]
async fn what_the_service_cannot_do_is_said() {
    let error = moved(None, Vec::new()).await.unwrap_err();
    assert!(format!("{error:#}").contains("cannot move messages by itself"), "{error:#}");
    let newest = (0..FAILURES).map(|_| Err(unavailable())).collect();
    let error = moved(Some(RedriveStart::Started), newest).await.unwrap_err();
    assert!(format!("{error:#}").contains("throttled"), "{error:#}");
}
