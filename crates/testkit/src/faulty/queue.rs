//! The queue port, failing as planned.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};

use crate::faulty::injected::Injected;
use crate::faulty::plan::{Fate, FaultPlan};

/// A queue whose calls meet the fates of a plan. A receive that fails after it happened has taken its messages: they
/// come again once their visibility is over.
#[derive(Debug)]
pub struct FaultyQueue {
    inner: Arc<dyn Queue>,
    plan: Arc<FaultPlan>,
}

impl FaultyQueue {
    /// Calls `inner`, as `plan` decides.
    pub fn new(inner: Arc<dyn Queue>, plan: Arc<FaultPlan>) -> Self {
        Self { inner, plan }
    }

    async fn meet<T>(
        &self,
        name: &'static str,
        operation: &'static str,
        call: impl Future<Output = Result<T, QueueError>> + Send,
    ) -> Result<T, QueueError> {
        let unavailable =
            |effect| QueueError::Unavailable { operation, effect, source: Box::new(Injected { call: name }) };
        match self.plan.next(name) {
            Fate::Works => call.await,
            Fate::FailsBefore => Err(unavailable(Effect::NotApplied)),
            Fate::FailsAfter => {
                call.await?;
                Err(unavailable(Effect::Unknown))
            }
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for FaultyQueue {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        self.meet("queue.receive", "receive", self.inner.receive(max, visibility, wait)).await
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.meet("queue.extend", "extend", self.inner.extend(receipts, visibility)).await
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.meet("queue.delete", "delete", self.inner.delete(receipts)).await
    }

    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        self.meet("queue.send", "send", self.inner.send(body, delay)).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        self.meet("queue.send", "send", self.inner.send_with(body, attributes, delay)).await
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        self.meet("queue.depth", "depth", self.inner.depth()).await
    }
}
