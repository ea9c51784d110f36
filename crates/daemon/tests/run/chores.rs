//! Health says what fails again and again, whatever the files, and that it works again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_daemon::{Chore, Daemon, Mode, Snapshot, SystemClock};
use lakehand_domain::clock::Clock;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::ports::Ports;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// A queue that refuses one kind of call as long as it is told to.
#[derive(Debug)]
struct Refusing {
    inner: Arc<dyn Queue>,
    operation: &'static str,
    refuses: Arc<AtomicBool>,
}

impl Refusing {
    fn ask(&self, operation: &'static str) -> Result<(), QueueError> {
        if operation != self.operation || !self.refuses.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(QueueError::Unavailable { operation, effect: Effect::NotApplied, source: "out of order".into() })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for Refusing {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        self.inner.receive(max, visibility, wait).await
    }

    async fn extend(&self, receipts: &[ReceiptHandle], length: Duration) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.ask("extend")?;
        self.inner.extend(receipts, length).await
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        // As a service does that took the call: it says so of each message.
        match self.ask("delete") {
            Ok(()) => self.inner.delete(receipts).await,
            Err(_) => Ok(receipts.iter().map(|_| ReceiptOutcome::Failed).collect()),
        }
    }

    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        self.ask("send")?;
        self.inner.send(body, delay).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        self.ask("send")?;
        self.inner.send_with(body, attributes, delay).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        self.inner.depth().await
    }
}

/// A clock that is right, and whose sleepers wake soon.
#[derive(Debug)]
struct LightSleeper;

#[async_trait]
impl Clock for LightSleeper {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, duration: Duration) {
        SystemClock.sleep(duration.min(Duration::from_millis(100))).await;
    }
}

/// Runs a daemon over ports of which one is out of order, and mends it once health says so.
async fn told(files: &[&str], chore: Chore, change: impl FnOnce(&mut Ports, Arc<AtomicBool>)) -> World {
    let world = World::new();
    for (number, text) in files.iter().enumerate() {
        world.land(&format!("in_{number}.txt"), text);
    }
    let mut ports = world.ports("first");
    ports.clock = Arc::new(LightSleeper);
    let refuses = Arc::new(AtomicBool::new(true));
    change(&mut ports, Arc::clone(&refuses));
    let daemon = Daemon::new(ports, world.settings.clone(), None);
    let mut snapshot: watch::Receiver<Snapshot> = daemon.snapshot();
    let shutdown = CancellationToken::new();
    let run = JoinSet::from_iter([daemon.run(Mode::Forever, shutdown.clone())]);
    let waiting = async {
        let sick = snapshot.wait_for(|state| !state.is_healthy()).await.unwrap().clone();
        let (_, streak) =
            sick.chores.troubles().find(|(found, _)| *found == chore).unwrap_or_else(|| panic!("{sick:#?}"));
        assert!(streak.failures >= 3, "{streak:?}");
        let said = streak.last_error.clone().unwrap();
        assert!(said.contains("out of order") || said.contains("failed for this message"), "{said}");
        refuses.store(false, Ordering::SeqCst);
        snapshot.wait_for(|state| state.is_healthy() && state.chores.of(chore).is_none()).await.unwrap();
    };
    tokio::time::timeout(Duration::from_mins(1), waiting).await.expect("health says so, and that it works again");
    shutdown.cancel();
    run.join_all().await.remove(0).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_that_cannot_be_sent_are_a_trouble_until_they_can() {
    let world = told(&["UNREADABLE"], Chore::Letters, |ports, refuses| {
        let inner = Arc::clone(&ports.dead_letters);
        ports.dead_letters = Arc::new(Refusing { inner, operation: "send", refuses });
    })
    .await;
    assert_eq!(world.letters().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_cannot_be_deleted_are_a_trouble_until_they_can() {
    let world = told(&["1", "2", "3"], Chore::Settle, |ports, refuses| {
        let inner = Arc::clone(&ports.queue);
        ports.queue = Arc::new(Refusing { inner, operation: "delete", refuses });
    })
    .await;
    let report = world.drain("last").await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(world.rows().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visibility_that_cannot_be_prolonged_is_a_trouble_until_it_can() {
    let world = told(&["1\nSLOW"], Chore::Visibility, |ports, refuses| {
        let inner = Arc::clone(&ports.queue);
        ports.queue = Arc::new(Refusing { inner, operation: "extend", refuses });
    })
    .await;
    let report = world.drain("last").await;
    assert!(report.is_clean(), "{report:#?}");
    assert_eq!(world.rows().await.len(), 1);
}
