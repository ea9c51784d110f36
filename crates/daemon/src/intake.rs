//! The intake loop: permits, then messages, then one task for each message; a panic in one is a failed job, never a
//! dead worker.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use lakehand_domain::fault::chain;
use lakehand_domain::message::Message;
use lakehand_pipeline::intake::IntakeSettings;
use lakehand_pipeline::observe::Observer;
use lakehand_pipeline::ports::Ports;
use lakehand_pipeline::process::process;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::keeper::Keeper;
use crate::permits::Permits;

/// A queue that says it is empty is asked this often before it is believed: its numbers may lag.
const DRAINED: u32 = 2;

/// When intake ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Never: only when it is stopped.
    Stopped,
    /// When the queue is empty and nothing is in work.
    Drained,
}

/// How intake is told to end.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Take nothing new; finish what is in work.
    pub stop: CancellationToken,
    /// Give back what is in work.
    pub abort: CancellationToken,
}

/// What intake did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntakeReport {
    /// Messages received.
    pub messages: u64,
    /// Messages whose work panicked; they come again.
    pub panicked: u64,
    /// Whether it ended because the queue was empty.
    pub drained: bool,
}

/// Receives messages and takes each to its end, until it is stopped, or the queue is empty. Returns once nothing is in
/// work any more: after `stop` when all of it is finished, after `abort` soon.
pub async fn run(
    ports: Ports,
    settings: IntakeSettings,
    observer: Arc<dyn Observer>,
    signals: Signals,
    until: Until,
) -> IntakeReport {
    let loop_ = IntakeLoop {
        permits: Arc::new(Permits::new(&settings)),
        keeper: Arc::new(Keeper::new(ports.clone(), settings.clone(), Arc::clone(&observer))),
        tasks: TaskTracker::new(),
        panicked: Arc::default(),
        ports: Arc::new(ports),
        settings: Arc::new(settings),
        observer,
        signals,
    };
    let keeper = Arc::clone(&loop_.keeper);
    // What is in work is kept until the last of it has ended.
    tokio::select! {
        biased;
        report = loop_.receive_and_finish(until) => report,
        () = keeper.run() => IntakeReport::default(),
    }
}

struct IntakeLoop {
    ports: Arc<Ports>,
    settings: Arc<IntakeSettings>,
    observer: Arc<dyn Observer>,
    signals: Signals,
    permits: Arc<Permits>,
    keeper: Arc<Keeper>,
    tasks: TaskTracker,
    panicked: Arc<std::sync::atomic::AtomicU64>,
}

impl IntakeLoop {
    async fn receive_and_finish(&self, until: Until) -> IntakeReport {
        let mut report = IntakeReport::default();
        tokio::select! {
            biased;
            () = self.signals.stop.cancelled() => {}
            () = self.signals.abort.cancelled() => {}
            () = self.receive(until, &mut report) => report.drained = true,
        }
        self.tasks.close();
        self.tasks.wait().await;
        report.panicked = self.panicked.load(std::sync::atomic::Ordering::SeqCst);
        report
    }

    /// Dropped while it waits when intake is to stop: what was received then and not handed to a task comes again.
    async fn receive(&self, until: Until, report: &mut IntakeReport) {
        let wait = if until == Until::Drained { self.settings.drain_poll } else { self.settings.poll };
        let mut failures = 0;
        let mut empty = 0;
        loop {
            let permits = self.permits.messages().await;
            match self.ports.queue.receive(permits.len(), self.settings.visibility, wait).await {
                Ok(messages) => {
                    failures = 0;
                    self.observer.queue_answered(None);
                    let none = messages.is_empty();
                    report.messages += messages.len() as u64;
                    for (message, permit) in messages.into_iter().zip(permits) {
                        self.begin(message, permit);
                    }
                    let idle = none && until == Until::Drained && self.tasks.is_empty() && self.is_empty().await;
                    empty = if idle { empty + 1 } else { 0 };
                    if empty >= DRAINED {
                        return;
                    }
                }
                Err(error) => {
                    failures += 1;
                    empty = 0;
                    let error = chain(&error);
                    tracing::warn!(failures, error, "the queue gives no messages");
                    self.observer.queue_answered(Some(&error));
                    drop(permits);
                    let delay = self.settings.retry.delay(failures, self.ports.identity.worker().as_str());
                    self.ports.clock.sleep(delay).await;
                }
            }
        }
    }

    async fn is_empty(&self) -> bool {
        match self.ports.queue.depth().await {
            Ok(depth) => depth.total() == 0,
            Err(error) => {
                tracing::warn!(error = chain(&error), "the queue does not say how many messages there are");
                false
            }
        }
    }

    fn begin(&self, message: Message, permit: OwnedSemaphorePermit) {
        let (ports, settings) = (Arc::clone(&self.ports), Arc::clone(&self.settings));
        let observer = Arc::clone(&self.observer);
        let panicked = Arc::clone(&self.panicked);
        let cancel = self.signals.abort.child_token();
        // Kept from here on, before the task has run for the first time.
        let keep = self.keeper.message(&message, &self.permits, cancel.clone());
        self.tasks.spawn(async move {
            let id = message.id.clone();
            let work = process(&ports, &settings, message, &keep, observer.as_ref(), &cancel);
            if let Err(panic) = AssertUnwindSafe(work).catch_unwind().await {
                panicked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let panic = panic_text(panic.as_ref());
                tracing::error!(message.id = %id, panic, "the work on a message panicked; it comes again");
                observer.message_settled(&id, &lakehand_pipeline::settle::Settlement::Untold);
            }
            drop(keep);
            drop(permit);
        });
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
