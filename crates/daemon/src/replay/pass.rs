//! One pass over the dead-letter queue, as intake's queue: it hands out the letters that are selected, hides the others
//! until it is over, and says that it is empty when every letter was seen once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_dataset::catalog::Catalog;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{Queue, QueueDepth, QueueError, ReceiptOutcome};
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::error::Stage;
use lakehand_pipeline::observe::{FileInWork, LeaseKind, Observer};
use lakehand_pipeline::ports::Ports;
use lakehand_pipeline::settle::{Fate, Settlement};

use crate::replay::held::{HOLD, Held, show};
use crate::replay::lines::Lines;
use crate::replay::selection::{Letter, LetterSelection};

#[cfg(test)]
mod tests;

/// At most so many letters are hidden at once: a service shows no more than some 120,000 that are not yet deleted.
pub(super) const MOST_HELD: usize = 50_000;

/// A queue that gives nothing so often in a row has nothing more: one answer may not have asked all of its servers.
const SILENT: u32 = 2;

/// The pass.
#[derive(Debug)]
pub(super) struct LetterPass {
    letters: Arc<dyn Queue>,
    messages: Arc<dyn Queue>,
    clock: Arc<dyn Clock>,
    catalog: Arc<Catalog>,
    pub(super) next: Arc<dyn Observer>,
    selection: LetterSelection,
    most_held: usize,
    /// Only looks: no letter is handed out.
    dry: bool,
    started: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: Lines,
    held: Held,
    /// Ids of letters that this run sent.
    sent: HashSet<MessageId>,
    others: HashSet<MessageId>,
    newer: HashSet<MessageId>,
    silent: u32,
    end: Option<End>,
}

/// Why a pass is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Every letter was seen.
    Complete,
    /// Not every letter was seen.
    CutShort(String),
}

/// What is done with a message of the dead-letter queue.
enum Turn {
    Give,
    Hide,
}

impl LetterPass {
    pub(super) fn new(ports: &Ports, next: Arc<dyn Observer>, selection: LetterSelection, dry: bool) -> Self {
        Self {
            letters: Arc::clone(&ports.dead_letters),
            messages: Arc::clone(&ports.queue),
            clock: Arc::clone(&ports.clock),
            catalog: Arc::clone(&ports.catalog),
            next,
            selection,
            most_held: MOST_HELD,
            dry,
            started: ports.clock.now(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lines<T>(&self, look: impl FnOnce(&mut Lines) -> T) -> T {
        look(&mut self.state().lines)
    }

    pub(super) fn end(&self) -> Option<End> {
        self.state().end.clone()
    }

    /// How many letters were not selected, and how many are newer than the pass.
    pub(super) fn passed_over(&self) -> (u64, u64) {
        let state = self.state();
        (state.others.len() as u64, state.newer.len() as u64)
    }

    /// About how many letters are in other hands. A queue's numbers may lag, so that 0 is said where it does not answer.
    pub(super) async fn hidden_elsewhere(&self) -> u64 {
        let ours = {
            let state = self.state();
            (state.held.len() + state.lines.unsettled().len()) as u64
        };
        self.letters.depth().await.map_or(0, |depth| depth.in_flight.saturating_sub(ours))
    }

    /// Ends the pass as it is.
    pub(super) fn cut_short(&self, why: &str) {
        self.state().end.get_or_insert_with(|| End::CutShort(why.to_owned()));
    }

    /// Shows again, at once, what is hidden, and what was taken and has not come to its end. Gives until when the rest
    /// stays hidden.
    pub(super) async fn show_all(&self) -> Option<Timestamp> {
        let hidden = {
            let mut state = self.state();
            let mut hidden = state.held.take();
            let until = self.clock.now().plus(HOLD);
            hidden.extend(state.lines.unsettled().into_iter().map(|receipt| (receipt, until)));
            hidden
        };
        show(self.letters.as_ref(), hidden).await
    }

    /// Prolongs what would show soon. What fails is tried again at the next receive.
    async fn prolong(&self) -> Result<(), QueueError> {
        loop {
            let now = self.clock.now();
            let batch = self.state().held.due(now);
            if batch.is_empty() {
                return Ok(());
            }
            let receipts: Vec<ReceiptHandle> = batch.iter().map(|(_, receipt)| receipt.clone()).collect();
            let outcomes = self.letters.extend(&receipts, HOLD).await?;
            self.state().held.prolonged(&batch, &outcomes, now.plus(HOLD));
        }
    }

    /// What is done with messages that were received, all of which are hidden until `until`.
    fn sort(&self, messages: Vec<Message>, until: Timestamp) -> Vec<Message> {
        let mut given = Vec::new();
        for message in messages {
            let letter = Letter::of(&message, &self.catalog);
            let mut state = self.state();
            match self.turn(&mut state, &message, letter) {
                Turn::Give => given.push(message),
                Turn::Hide => state.held.add(message.id, message.receipt, until),
            }
        }
        given
    }

    fn turn(&self, state: &mut State, message: &Message, letter: Letter) -> Turn {
        if state.lines.again(&message.id, &message.receipt) {
            // It waited for something, or the answer to its deletion was lost.
            return if self.dry { Turn::Hide } else { Turn::Give };
        }
        if state.held.contains(&message.id) {
            return Turn::Hide;
        }
        // A replay that fails sends a letter: it is not for this pass, which would never end.
        if state.sent.contains(&message.id) || letter.at > self.started {
            state.newer.insert(message.id.clone());
            return Turn::Hide;
        }
        if !self.selection.selects(&letter) {
            state.others.insert(message.id.clone());
            return Turn::Hide;
        }
        if self.is_full(state) {
            return Turn::Hide;
        }
        state.lines.take(letter, message.receipt.clone());
        if self.dry { Turn::Hide } else { Turn::Give }
    }

    fn is_full(&self, state: &State) -> bool {
        state.lines.letters() >= self.selection.limit as u64
    }

    /// Whether the queue is to be asked: beyond the limit only for letters that were taken and wait.
    fn asks(&self) -> bool {
        let mut state = self.state();
        if state.end.is_none() && self.is_full(&state) && (self.dry || state.lines.is_settled()) {
            state.end = Some(End::CutShort(format!("the limit of {} letters was reached", self.selection.limit)));
        }
        state.end.is_none() && (!self.is_full(&state) || state.lines.is_waiting())
    }

    /// Whether the pass is over now that a receive brought this many messages.
    fn look(&self, received: usize) {
        let mut state = self.state();
        state.silent = if received == 0 { state.silent + 1 } else { 0 };
        if state.held.len() >= self.most_held {
            let why = format!(
                "{} letters are hidden because the selection does not name them, which is the most at once",
                state.held.len()
            );
            state.end.get_or_insert(End::CutShort(why));
        } else if state.silent >= SILENT && state.end.is_none() && (self.dry || state.lines.is_settled()) {
            state.end = Some(End::Complete);
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for LetterPass {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        if !self.asks() {
            // Who asks again and again must not spin.
            self.clock.sleep(wait).await;
            return Ok(Vec::new());
        }
        self.prolong().await?;
        let messages = self.letters.receive(max, visibility, wait).await?;
        let (received, until) = (messages.len(), self.clock.now().plus(visibility));
        let given = self.sort(messages, until);
        self.look(received);
        // What is handed out must not wait for what is not: if this fails, or is dropped, the next receive does it.
        if given.is_empty() {
            self.prolong().await?;
        }
        Ok(given)
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.letters.extend(receipts, visibility).await
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.letters.delete(receipts).await
    }

    /// What is asked for while letters are replayed is asked of everybody.
    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        self.messages.send(body, delay).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        self.messages.send_with(body, attributes, delay).await
    }

    /// None once the pass is over.
    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        if self.end().is_some() {
            return Ok(QueueDepth::default());
        }
        let depth = self.letters.depth().await?;
        // Even where there is none: the pass may not have noticed yet.
        Ok(QueueDepth { visible: depth.visible.max(1), ..depth })
    }
}

/// Where letters go that are sent while others are replayed.
#[derive(Debug)]
pub(super) struct Outbox(pub(super) Arc<LetterPass>);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Queue for Outbox {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        self.0.letters.receive(max, visibility, wait).await
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.0.letters.extend(receipts, visibility).await
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        self.0.letters.delete(receipts).await
    }

    async fn send(&self, body: &str, delay: Duration) -> Result<MessageId, QueueError> {
        self.send_with(body, &Attributes::new(), delay).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        let id = self.0.letters.send_with(body, attributes, delay).await?;
        self.0.state().sent.insert(id.clone());
        Ok(id)
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        self.0.letters.depth().await
    }
}

/// Which letters were begun, and how they ended.
impl Observer for LetterPass {
    fn message_received(&self, message: &Message) {
        self.next.message_received(message);
    }

    fn file_enters(&self, file: FileInWork<'_>, stage: Stage) {
        self.next.file_enters(file, stage);
    }

    fn file_left(&self, stage: Stage, took: Duration) {
        self.next.file_left(stage, took);
    }

    fn lease_lost(&self, lease: LeaseKind) {
        self.next.lease_lost(lease);
    }

    fn record_ended(&self, message: &MessageId, file: Option<FileInWork<'_>>, fate: &Fate) {
        self.state().lines.ended(message, file.as_ref(), fate);
        self.next.record_ended(message, file, fate);
    }

    fn message_settled(&self, message: &MessageId, settlement: &Settlement) {
        self.state().lines.settled(message, settlement);
        self.next.message_settled(message, settlement);
    }

    fn outside_failed(&self, error: &str) {
        self.next.outside_failed(error);
    }

    fn queue_answered(&self, error: Option<&str>) {
        self.next.queue_answered(error);
    }
}
