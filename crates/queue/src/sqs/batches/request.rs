//! One batch as requests: each receipt's own answer, and what failed for itself tried again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
};
use futures::future::join_all;
use lakehand_aws::{Failure, Kind, classify};
use lakehand_domain::backoff::Backoff;
use lakehand_domain::clock::Clock;
use lakehand_domain::port::queue::ReceiptOutcome;

use super::Answer;
use crate::sqs::failure::Trouble;

/// A receipt that fails for itself within a request that succeeds is sent this often in all. The SDK repeats requests, and
/// does not see these.
const TRIES: u32 = 4;

/// How long to wait before what failed for itself is sent again.
const RETRY: Backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) };

/// One receipt, and what is asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sqs) struct Ask {
    /// As the service knows it.
    pub(in crate::sqs) handle: String,
    /// Of a prolongation: for how long from now on; nothing to a deletion.
    pub(in crate::sqs) seconds: i32,
}

/// Sends batches of one kind.
#[async_trait]
pub(in crate::sqs) trait Requests: Send + Sync + 'static {
    /// Sends at most a batch, and gives each one's answer, in order.
    async fn send(&self, asks: &[Ask]) -> Vec<Answer>;
}

/// What a batch asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqs) enum Operation {
    /// To hide messages for longer.
    Extend,
    /// To delete messages.
    Delete,
}

impl Operation {
    /// As errors name it.
    pub(in crate::sqs) fn as_str(self) -> &'static str {
        match self {
            Self::Extend => "extend",
            Self::Delete => "delete",
        }
    }
}

/// Batches of one operation on one queue.
#[derive(Debug)]
pub(in crate::sqs) struct BatchRequests {
    pub(in crate::sqs) client: Client,
    pub(in crate::sqs) url: Arc<str>,
    pub(in crate::sqs) operation: Operation,
    pub(in crate::sqs) clock: Arc<dyn Clock>,
}

/// What one request said of one receipt.
enum Told {
    Finally(Answer),
    /// It failed on the service's side: it may be asked again.
    Again(Trouble),
}

#[async_trait]
impl Requests for BatchRequests {
    async fn send(&self, asks: &[Ask]) -> Vec<Answer> {
        let mut answers: Vec<Answer> = asks.iter().map(|_| Err(Trouble::unknown("not sent"))).collect();
        let mut open: Vec<usize> = (0..asks.len()).collect();
        let mut attempt = 0;
        while !open.is_empty() {
            attempt += 1;
            let sent: Vec<&Ask> = open.iter().map(|index| &asks[*index]).collect();
            let mut again = Vec::new();
            for (index, told) in open.iter().zip(self.tell(&sent).await) {
                answers[*index] = match told {
                    Told::Finally(answer) => answer,
                    Told::Again(trouble) => {
                        again.push(*index);
                        Err(trouble)
                    }
                };
            }
            open = again;
            if open.is_empty() || attempt == TRIES {
                break;
            }
            let delay = RETRY.delay(attempt, &asks[open[0]].handle);
            tracing::debug!(receipts = open.len(), operation = self.operation.as_str(), "receipts are sent again");
            self.clock.sleep(delay).await;
        }
        answers
    }
}

impl BatchRequests {
    /// One request; or, where it is refused as a whole, one for each receipt, so that one of them does not take the
    /// others with it.
    async fn tell(&self, asks: &[&Ask]) -> Vec<Told> {
        match self.request(asks).await {
            Ok(told) => told,
            Err(failure) if failure.kind == Kind::Invalid && asks.len() > 1 => {
                let alone = asks.iter().map(|ask| async { self.request(std::slice::from_ref(ask)).await });
                join_all(alone).await.into_iter().flat_map(|told| self.all(told, 1)).collect()
            }
            Err(failure) => self.all(Err(failure), asks.len()),
        }
    }

    fn all(&self, told: Result<Vec<Told>, Failure>, count: usize) -> Vec<Told> {
        let failure = match told {
            Ok(told) => return told,
            Err(failure) => failure,
        };
        // Asked alone, a receipt may be refused by the request's own error.
        let code = failure.code.as_deref().unwrap_or_default();
        if failure.kind == Kind::Invalid && count == 1 && is_lost(code, &failure.cause.to_string()) {
            return vec![Told::Finally(Ok(ReceiptOutcome::Lost))];
        }
        let trouble = Trouble::of(self.operation.as_str(), failure);
        (0..count).map(|_| Told::Finally(Err(trouble.clone()))).collect()
    }

    async fn request(&self, asks: &[&Ask]) -> Result<Vec<Told>, Failure> {
        let (done, failed) = match self.operation {
            Operation::Delete => {
                let entry = |(id, ask): (usize, &&Ask)| {
                    DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(&ask.handle).build()
                };
                let entries: Result<Vec<_>, _> = asks.iter().enumerate().map(entry).collect();
                let entries = Some(entries.map_err(unbuilt)?);
                let request = self.client.delete_message_batch().queue_url(self.url.as_ref()).set_entries(entries);
                let answer = request.send().await.map_err(classify)?;
                (answer.successful.into_iter().map(|entry| entry.id).collect::<Vec<_>>(), answer.failed)
            }
            Operation::Extend => {
                let entry = |(id, ask): (usize, &&Ask)| {
                    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string());
                    entry.receipt_handle(&ask.handle).visibility_timeout(ask.seconds).build()
                };
                let entries: Result<Vec<_>, _> = asks.iter().enumerate().map(entry).collect();
                let entries = Some(entries.map_err(unbuilt)?);
                let request =
                    self.client.change_message_visibility_batch().queue_url(self.url.as_ref()).set_entries(entries);
                let answer = request.send().await.map_err(classify)?;
                (answer.successful.into_iter().map(|entry| entry.id).collect(), answer.failed)
            }
        };
        let mut told: Vec<Told> =
            asks.iter().map(|_| Told::Again(Trouble::unknown("the answer leaves it out"))).collect();
        for id in done {
            if let Some(told) = place(&mut told, &id) {
                *told = Told::Finally(Ok(ReceiptOutcome::Done));
            }
        }
        for entry in failed {
            if let Some(told) = place(&mut told, &entry.id) {
                *told = of_failed(&entry);
            }
        }
        Ok(told)
    }
}

fn place<'a>(told: &'a mut [Told], id: &str) -> Option<&'a mut Told> {
    told.get_mut(id.parse::<usize>().ok()?)
}

/// Never happens: all that an entry needs is given.
fn unbuilt(error: aws_sdk_sqs::error::BuildError) -> Failure {
    classify(SdkError::<DeleteMessageBatchError, _>::construction_failure(error))
}

fn of_failed(entry: &BatchResultErrorEntry) -> Told {
    let said = entry.message.as_deref().unwrap_or_default();
    // First by its code: emulators blame themselves for what is the receipt's.
    if is_lost(&entry.code, said) {
        return Told::Finally(Ok(ReceiptOutcome::Lost));
    }
    let text = format!("{}: {said}", entry.code);
    if entry.sender_fault && !entry.code.contains("Throttl") {
        return Told::Finally(Err(Trouble::denied(text)));
    }
    Told::Again(Trouble::unknown(text))
}

/// Whether a refusal says that the receipt is not the newest delivery's any more. The service has several words for it, and
/// emulators use others than it does; with `InvalidParameterValue` it also refuses a visibility.
fn is_lost(code: &str, said: &str) -> bool {
    let code = code.rsplit('.').next().unwrap_or_default();
    match code {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" | "InvalidIdFormat" => true,
        "InvalidParameterValue" | "InvalidParameterValueException" => !said.contains("for parameter VisibilityTimeout"),
        _ => false,
    }
}
