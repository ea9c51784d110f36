//! Prolongations and deletions of many callers, ten to a request.
//!
//! Each caller has a receipt or a few; a request carries ten and costs what one costs. What is asked for while no request
//! is under way goes at once, with all that waits; what comes while one is goes when there are ten, when the last request
//! has been answered, or a few milliseconds later, whatever is first. So a lone caller never waits, and many share.
//!
//! One task gathers and sends; it ends with its [`Batches`]. A caller that goes away takes its receipt back where it still
//! waits, and a request whose callers have all gone is dropped.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use lakehand_domain::clock::Clock;
use lakehand_domain::port::queue::ReceiptOutcome;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::request::{Ask, Requests};
use super::failure::Trouble;

pub(super) mod request;

#[cfg(test)]
mod tests;

/// A request carries at most this many receipts (Amazon SQS message quotas).
pub(super) const BATCH: usize = 10;

/// What comes while requests are under way waits for company at most this long.
const LINGER: Duration = Duration::from_millis(10);

/// At most this many requests are under way at once; one that hangs does not hold up the others.
const MOST_REQUESTS: usize = 16;

/// At most this many receipts wait; whoever comes then waits to be let in.
const MOST_WAITING: usize = 500;

/// What became of one receipt.
pub(super) type Answer = Result<ReceiptOutcome, Trouble>;

/// One operation's receipts on their way into requests.
#[derive(Debug)]
pub(super) struct Batches {
    asks: mpsc::Sender<Waiting>,
    /// Ends the task when it is dropped.
    _gathering: JoinSet<()>,
}

#[derive(Debug)]
struct Waiting {
    ask: Ask,
    answer: oneshot::Sender<Answer>,
}

impl Batches {
    /// Begins to gather, in a task of the current runtime.
    pub(super) fn begin(requests: impl Requests, clock: Arc<dyn Clock>) -> Self {
        let (asks, waiting) = mpsc::channel(MOST_WAITING);
        let mut gathering = JoinSet::new();
        gathering.spawn(async move { gather(&requests, clock.as_ref(), waiting).await });
        Self { asks, _gathering: gathering }
    }

    /// Sends each receipt in some request, and gives their answers in order.
    pub(super) async fn ask(&self, asks: Vec<Ask>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(asks.len());
        for ask in asks {
            let (answer, answered) = oneshot::channel();
            // Where nobody gathers any more, the answer's other end is dropped here, and that is its answer.
            drop(self.asks.send(Waiting { ask, answer }).await);
            answers.push(answered);
        }
        let answers = answers.into_iter().map(|answered| async {
            answered.await.unwrap_or_else(|_| Err(Trouble::unknown("the request ended without an answer")))
        });
        join_all(answers).await
    }
}

async fn gather(requests: &impl Requests, clock: &dyn Clock, mut waiting: mpsc::Receiver<Waiting>) {
    let mut under_way = FuturesUnordered::new();
    let mut batch: Vec<Waiting> = Vec::with_capacity(BATCH);
    let mut linger: Option<BoxFuture<'_, ()>> = None;
    let mut lingered = false;
    loop {
        while batch.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(next);
        }
        let is_due = batch.len() == BATCH || lingered || under_way.is_empty();
        if !batch.is_empty() && is_due && under_way.len() < MOST_REQUESTS {
            under_way.push(send(requests, std::mem::replace(&mut batch, Vec::with_capacity(BATCH))));
            (linger, lingered) = (None, false);
            continue;
        }
        if !batch.is_empty() && !lingered && linger.is_none() {
            linger = Some(clock.sleep(LINGER));
        }
        tokio::select! {
            biased;
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            next = waiting.recv(), if batch.len() < BATCH => match next {
                Some(next) => batch.push(next),
                None => return,
            },
            () = async { if let Some(linger) = linger.as_mut() { linger.await } }, if linger.is_some() => {
                (linger, lingered) = (None, true);
            }
        }
    }
}

/// Sends one batch and answers its callers. A panic below is no answer to them, and nothing more.
async fn send(requests: &impl Requests, mut batch: Vec<Waiting>) {
    batch.retain(|waiting| !waiting.answer.is_closed());
    let (asks, mut answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|waiting| (waiting.ask, waiting.answer)).unzip();
    if asks.is_empty() {
        return;
    }
    let told = tokio::select! {
        biased;
        told = AssertUnwindSafe(requests.send(&asks)).catch_unwind() => told,
        _ = join_all(answers.iter_mut().map(oneshot::Sender::closed)) => return,
    };
    let Ok(told) = told else {
        tracing::error!("a request to the queue panicked; its receipts are told of no outcome");
        return;
    };
    for (answer, told) in answers.into_iter().zip(told) {
        // Whoever has gone does not want to know.
        drop(answer.send(told));
    }
}
