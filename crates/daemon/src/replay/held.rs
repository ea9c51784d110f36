//! Letters that are passed over: hidden until the pass is over, so that it comes to an end, and then shown again.

use std::collections::HashMap;
use std::time::Duration;

use futures::future;
use lakehand_domain::fault::chain;
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::port::queue::{Queue, ReceiptOutcome};
use lakehand_domain::timestamp::Timestamp;

/// How long a letter that is passed over is hidden; prolonged when half of it is over. If the pass dies they show
/// after this long at the latest.
pub(super) const HOLD: Duration = Duration::from_mins(30);

/// A queue changes at most this many messages in one call.
const BATCH: usize = 10;

/// So many calls at once show letters again.
const AT_ONCE: usize = 8;

/// What is hidden by us, and until when at least.
#[derive(Debug, Default)]
pub(super) struct Held {
    letters: HashMap<MessageId, (ReceiptHandle, Timestamp)>,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    pub(super) fn contains(&self, message: &MessageId) -> bool {
        self.letters.contains_key(message)
    }

    pub(super) fn add(&mut self, message: MessageId, receipt: ReceiptHandle, until: Timestamp) {
        self.letters.insert(message, (receipt, until));
    }

    /// A batch of those that show in less than half the time they are hidden for.
    pub(super) fn due(&self, now: Timestamp) -> Vec<(MessageId, ReceiptHandle)> {
        let soon = now.plus(HOLD / 2);
        let due = self.letters.iter().filter(|(_, (_, until))| *until < soon);
        due.take(BATCH).map(|(message, (receipt, _))| (message.clone(), receipt.clone())).collect()
    }

    /// What a prolongation came to. What is lost is another's.
    pub(super) fn prolonged(
        &mut self,
        batch: &[(MessageId, ReceiptHandle)],
        outcomes: &[ReceiptOutcome],
        until: Timestamp,
    ) {
        for ((message, receipt), outcome) in batch.iter().zip(outcomes) {
            if self.letters.get(message).is_some_and(|(newest, _)| newest == receipt) {
                match outcome {
                    ReceiptOutcome::Done => {
                        self.letters.insert(message.clone(), (receipt.clone(), until));
                    }
                    ReceiptOutcome::Lost => {
                        self.letters.remove(message);
                    }
                    // It is still due, and asked for again.
                    ReceiptOutcome::Failed => {}
                }
            }
        }
    }

    /// All of it, which is ours no more.
    pub(super) fn take(&mut self) -> Vec<(ReceiptHandle, Timestamp)> {
        self.letters.drain().map(|(_, held)| held).collect()
    }
}

/// Shows letters again at once; gives until when those stay hidden that the queue could not be told of.
pub(super) async fn show(queue: &dyn Queue, letters: Vec<(ReceiptHandle, Timestamp)>) -> Option<Timestamp> {
    let mut hidden_until = None;
    for some in letters.chunks(BATCH * AT_ONCE) {
        let shown = future::join_all(some.chunks(BATCH).map(|batch| show_batch(queue, batch))).await;
        hidden_until = hidden_until.max(shown.into_iter().flatten().max());
    }
    hidden_until
}

async fn show_batch(queue: &dyn Queue, batch: &[(ReceiptHandle, Timestamp)]) -> Option<Timestamp> {
    let receipts: Vec<ReceiptHandle> = batch.iter().map(|(receipt, _)| receipt.clone()).collect();
    let error = queue.extend(&receipts, Duration::ZERO).await.err()?;
    tracing::warn!(letters = receipts.len(), error = chain(&error), "dead letters stay hidden for a while");
    batch.iter().map(|(_, until)| *until).max()
}
