//! The queue behind a wire.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::memory::queue::MemoryQueue;

use super::cause;
use crate::judge::Judge;
use crate::timeline::Timeline;
use crate::wire::{Broken, Tell, Wire};

/// A waiting receive looks again after this long.
const LOOK: Duration = Duration::from_millis(700);

#[derive(Debug)]
pub(crate) struct WiredQueue {
    pub(crate) wire: Wire,
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) is_letters: bool,
}

fn broken(operation: &'static str) -> impl Fn(Broken) -> QueueError {
    move |what| match what {
        Broken::Unavailable(effect) => QueueError::Unavailable { operation, effect, source: cause() },
        Broken::Denied => QueueError::Denied { operation, source: cause() },
    }
}

/// Looks until there is something or the wait is over.
fn look(
    timeline: &Arc<Timeline>,
    queue: Arc<MemoryQueue>,
    ask: (usize, Duration),
    until: Timestamp,
    tell: Tell<Vec<Message>, QueueError>,
) {
    let received = queue.receive_now(ask.0, ask.1);
    if !received.is_empty() || timeline.now() >= until {
        tell(Ok(received));
        return;
    }
    let again = Arc::clone(timeline);
    timeline.after(LOOK, move || look(&again, queue, ask, until, tell));
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for WiredQueue {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let (queue, timeline) = (Arc::clone(&self.queue), Arc::clone(&self.wire.network.timeline));
        let start = move |tell: Tell<Vec<Message>, QueueError>| {
            let run = move || {
                let until = timeline.now().plus(wait);
                look(&timeline, queue, (max, visibility), until, tell);
            };
            Box::new(run) as Box<dyn FnOnce() + Send>
        };
        self.wire.begin("queue.receive", String::new, start, broken("receive")).await
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let (queue, all) = (Arc::clone(&self.queue), receipts.to_vec());
        let happen = move || Ok(queue.extend_now(&all, visibility));
        self.wire.call("queue.extend", || format!("{receipts:?} {visibility:?}"), happen, broken("extend")).await
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let (queue, all, judge) = (Arc::clone(&self.queue), receipts.to_vec(), Arc::clone(&self.judge));
        let happen = move || {
            let before = queue.bodies();
            let outcomes = queue.delete_now(&all);
            judge.deleted(&before, &queue.bodies());
            Ok(outcomes)
        };
        self.wire.call("queue.delete", || format!("{receipts:?}"), happen, broken("delete")).await
    }

    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        self.send_with(body, &Attributes::new(), delay).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        let beside = attributes.clone();
        let (queue, text, judge) = (Arc::clone(&self.queue), body.to_owned(), Arc::clone(&self.judge));
        let (name, is_letters) = (if self.is_letters { "letters.send" } else { "queue.send" }, self.is_letters);
        let happen = move || {
            if is_letters {
                judge.letter(&text);
            }
            Ok(queue.send_now(&text, &beside, delay))
        };
        self.wire.call(name, || body.to_owned(), happen, broken("send")).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let queue = Arc::clone(&self.queue);
        self.wire.call("queue.depth", String::new, move || Ok(queue.depth_now()), broken("depth")).await
    }
}
