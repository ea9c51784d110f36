//! A queue as SQS is one: at least once, in no order, with visibility, receipts that are lost, and a dead-letter queue.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{
    LONGEST_DELAY, LONGEST_MESSAGE, LONGEST_VISIBILITY, Queue, QueueDepth, QueueError, ReceiptOutcome, message_bytes,
};
use lakehand_domain::timestamp::Timestamp;
use tokio::sync::watch;

/// SQS gives ten messages at most.
const MOST: usize = 10;
/// A receive that waits looks again this often for what became visible by the passing of time.
const LOOK: Duration = Duration::from_millis(200);

/// A queue in memory.
#[derive(Debug)]
pub struct MemoryQueue {
    name: String,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    sent: watch::Sender<u64>,
    dead_letters: Option<(u32, Arc<MemoryQueue>)>,
}

#[derive(Debug, Default)]
struct Held {
    made: u64,
    messages: BTreeMap<u64, Kept>,
}

#[derive(Debug, Clone)]
struct Kept {
    id: MessageId,
    body: String,
    attributes: Attributes,
    sent_at: Timestamp,
    visible_at: Timestamp,
    /// When its newest delivery was, and its receipt.
    delivered: Option<(Timestamp, ReceiptHandle)>,
    delivery_count: u32,
}

impl MemoryQueue {
    /// An empty queue. Its name begins the names of its messages.
    pub fn new(name: &str, clock: Arc<dyn Clock>) -> Self {
        let sent = watch::channel(0).0;
        Self { name: name.to_owned(), clock, held: Mutex::default(), sent, dead_letters: None }
    }

    /// The same queue, which gives a message away to `dead_letters` instead of delivering it once more than `most`
    /// times.
    #[must_use]
    pub fn with_dead_letters(self, most: u32, dead_letters: Arc<Self>) -> Self {
        Self { dead_letters: Some((most, dead_letters)), ..self }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers what is visible, the oldest first, ten messages at most.
    pub fn receive_now(&self, max: usize, visibility: Duration) -> Vec<Message> {
        let now = self.clock.now();
        let mut held = self.held();
        let held = &mut *held;
        let due: Vec<u64> =
            held.messages.iter().filter(|(_, kept)| kept.visible_at <= now).map(|(number, _)| *number).collect();
        let mut received = Vec::new();
        for number in due {
            if received.len() >= max.clamp(1, MOST) {
                break;
            }
            let Some(kept) = held.messages.get_mut(&number) else { continue };
            if let Some((_, dead_letters)) = self.dead_letters.as_ref().filter(|(most, _)| kept.delivery_count >= *most)
            {
                let kept = kept.clone();
                held.messages.remove(&number);
                dead_letters.adopt(kept);
                continue;
            }
            held.made += 1;
            kept.delivery_count += 1;
            kept.visible_at = now.plus(visibility.min(LONGEST_VISIBILITY));
            let receipt = ReceiptHandle::new(format!("{}/{number}/{}", self.name, held.made));
            kept.delivered = Some((now, receipt.clone()));
            received.push(Message {
                id: kept.id.clone(),
                receipt,
                body: kept.body.clone(),
                attributes: kept.attributes.clone(),
                sent_at: kept.sent_at,
                received_at: now,
                delivery_count: kept.delivery_count,
            });
        }
        received
    }

    /// Takes a message over from another queue, as if nobody had received it.
    fn adopt(&self, kept: Kept) {
        let now = self.clock.now();
        let mut held = self.held();
        held.made += 1;
        let number = held.made;
        held.messages.insert(number, Kept { visible_at: now, delivered: None, delivery_count: 0, ..kept });
    }

    /// Hides messages for `visibility` from now on.
    pub fn extend_now(&self, receipts: &[ReceiptHandle], visibility: Duration) -> Vec<ReceiptOutcome> {
        let now = self.clock.now();
        let mut held = self.held();
        let mut extend = |receipt: &ReceiptHandle| {
            let Some(kept) = held.messages.values_mut().find(|kept| kept.is_held_by(receipt)) else {
                return ReceiptOutcome::Lost;
            };
            let longest = kept.delivered.as_ref().map_or(now, |(at, _)| at.plus(LONGEST_VISIBILITY));
            kept.visible_at = now.plus(visibility).min(longest);
            ReceiptOutcome::Done
        };
        let outcomes = receipts.iter().map(&mut extend).collect();
        drop(held);
        self.sent.send_modify(|sent| *sent += 1);
        outcomes
    }

    /// Deletes messages by the receipts of their newest delivery.
    pub fn delete_now(&self, receipts: &[ReceiptHandle]) -> Vec<ReceiptOutcome> {
        let mut held = self.held();
        let mut delete = |receipt: &ReceiptHandle| {
            let number = held.messages.iter().find(|(_, kept)| kept.is_held_by(receipt)).map(|(number, _)| *number);
            match number.and_then(|number| held.messages.remove(&number)) {
                Some(_) => ReceiptOutcome::Done,
                None => ReceiptOutcome::Lost,
            }
        };
        receipts.iter().map(&mut delete).collect()
    }

    /// Sends a message, visible after `delay`.
    pub fn send_now(&self, body: &str, attributes: &Attributes, delay: Duration) -> MessageId {
        let now = self.clock.now();
        let mut held = self.held();
        held.made += 1;
        let number = held.made;
        let id = MessageId::new(format!("{}-{number}", self.name));
        let kept = Kept {
            id: id.clone(),
            body: body.to_owned(),
            attributes: attributes.clone(),
            sent_at: now,
            visible_at: now.plus(delay.min(LONGEST_DELAY)),
            delivered: None,
            delivery_count: 0,
        };
        held.messages.insert(number, kept);
        drop(held);
        self.sent.send_modify(|sent| *sent += 1);
        id
    }

    /// Shows a message again that was delivered, whatever its visibility: a standard queue may do so at any time. Gives
    /// whether there was one; `which` picks among them.
    pub fn show_again(&self, which: usize) -> bool {
        let now = self.clock.now();
        let mut held = self.held();
        let mut hidden: Vec<&mut Kept> = held.messages.values_mut().filter(|kept| kept.delivered.is_some()).collect();
        let count = hidden.len();
        let Some(kept) = hidden.get_mut(which % count.max(1)) else { return false };
        kept.visible_at = now;
        true
    }

    /// How many messages there are.
    pub fn depth_now(&self) -> QueueDepth {
        let now = self.clock.now();
        let held = self.held();
        let mut depth = QueueDepth::default();
        for kept in held.messages.values() {
            match &kept.delivered {
                _ if kept.visible_at <= now => depth.visible += 1,
                Some(_) => depth.in_flight += 1,
                None => depth.delayed += 1,
            }
        }
        depth
    }

    /// The bodies of all messages that are not deleted.
    pub fn bodies(&self) -> Vec<String> {
        self.held().messages.values().map(|kept| kept.body.clone()).collect()
    }
}

impl Kept {
    fn is_held_by(&self, receipt: &ReceiptHandle) -> bool {
        self.delivered.as_ref().is_some_and(|(_, newest)| newest == receipt)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for MemoryQueue {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let until = self.clock.now().plus(wait);
        let mut sent = self.sent.subscribe();
        loop {
            sent.mark_unchanged();
            let received = self.receive_now(max, visibility);
            let left = until.since(self.clock.now());
            if !received.is_empty() || left.is_zero() {
                return Ok(received);
            }
            tokio::select! {
                biased;
                _ = sent.changed() => {}
                () = self.clock.sleep(left.min(LOOK)) => {}
            }
        }
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        Ok(self.extend_now(receipts, visibility))
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        Ok(self.delete_now(receipts))
    }

    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        self.send_with(body, &Attributes::new(), delay).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        let bytes = message_bytes(body, attributes);
        if bytes > LONGEST_MESSAGE {
            return Err(QueueError::TooLong { operation: "send", bytes, most: LONGEST_MESSAGE });
        }
        Ok(self.send_now(body, attributes, delay))
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        Ok(self.depth_now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::queue::{QueueUnderTest, Time, queue_suite};
    use crate::manual_clock::ManualClock;

    #[tokio::test]
    async fn it_passes_the_suite() {
        queue_suite(|| async {
            let clock = Arc::new(ManualClock::new(Timestamp::from_micros(1_800_000_000_000_000)));
            let letters = Arc::new(MemoryQueue::new("letters", Arc::<ManualClock>::clone(&clock)));
            let queue = MemoryQueue::new("queue", Arc::<ManualClock>::clone(&clock));
            let queue = Arc::new(queue.with_dead_letters(3, Arc::clone(&letters)));
            QueueUnderTest {
                first: Arc::<MemoryQueue>::clone(&queue),
                second: queue,
                dead_letters: Some((3, letters)),
                time: Time::Manual(clock),
            }
        })
        .await;
    }
}
