//! Deadlines for the queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};

use crate::deadline::{Deadlines, within};

#[derive(Debug)]
pub(super) struct PatientQueue {
    pub(super) inner: Arc<dyn Queue>,
    pub(super) deadlines: Deadlines,
}

fn late(operation: &'static str) -> impl FnOnce(Cause) -> QueueError {
    move |source| QueueError::Unavailable { operation, effect: Effect::Unknown, source }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Queue for PatientQueue {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let limit = self.deadlines.queue.saturating_add(wait);
        within(limit, self.inner.receive(max, visibility, wait), late("receive")).await
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        within(self.deadlines.queue, self.inner.extend(receipts, visibility), late("extend")).await
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        within(self.deadlines.queue, self.inner.delete(receipts), late("delete")).await
    }

    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        within(self.deadlines.queue, self.inner.send(body, delay), late("send")).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        within(self.deadlines.queue, self.inner.send_with(body, attributes, delay), late("send")).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        within(self.deadlines.queue, self.inner.depth(), late("depth")).await
    }
}
