//! Standard queues of Amazon SQS.
//!
//! Invariants that live here:
//! - Calls go to the endpoint of the configuration; a queue's URL only says which queue is meant.
//! - A request that was answered is told of receipt by receipt; what fails for itself does not take others with it.
//! - What is repeated is decided in one place for each kind of call: requests by the SDK ([`clients`]), receipts that
//!   fail within a request that succeeds by [`batches`]. Nothing above repeats in place.
//! - Nothing is remembered: a receipt carries when it was received, so that any process can cap what it asks for.
//!
//! What the service cannot tell, the port does not pretend: depths are approximate and lag behind by seconds, on AWS by up
//! to a minute; the age of the oldest message is in CloudWatch alone (`ApproximateAgeOfOldestMessage`); an old receipt may
//! be taken for good. With about 120,000 messages in flight receives give nothing, without an error.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use lakehand_aws::{Kind, SdkConfig, classify};
use lakehand_domain::clock::Clock;
use lakehand_domain::fault::Effect;
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::port::queue::{
    LONGEST_DELAY, LONGEST_VISIBILITY, Queue, QueueDepth, QueueError, ReceiptOutcome, message_bytes,
};

pub use self::address::{AddressError, QueueAddress};
use self::batches::request::{Ask, BatchRequests, Operation};
use self::batches::{Answer, BATCH, Batches};
use self::clients::Clients;
use self::delivery::Receipt;
pub use self::facts::{QueueFacts, RedrivePolicy};
use self::failure::failed;
pub use self::redrive::SqsRedrive;

pub mod provision;

mod address;
mod batches;
mod clients;
mod delivery;
mod facts;
mod failure;
mod redrive;

/// A receive waits at most this long (ReceiveMessage).
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Which queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqsOptions {
    /// Its name or URL.
    pub queue: QueueAddress,
}

/// One standard queue. Its dead-letter queue is another value.
#[derive(Debug)]
pub struct SqsQueue {
    clients: Clients,
    url: Arc<str>,
    facts: QueueFacts,
    clock: Arc<dyn Clock>,
    extensions: Batches,
    deletions: Batches,
}

impl SqsQueue {
    /// Finds the queue, which must be there, and asks what it takes. Begins two tasks of the current runtime, which end
    /// with the value.
    ///
    /// # Errors
    /// [`QueueError::Denied`] where there is no such queue, it lies in another region, or it may not be looked at;
    /// [`QueueError::Unavailable`] where the service does not answer.
    pub async fn open(config: &SdkConfig, options: SqsOptions, clock: Arc<dyn Clock>) -> Result<Self, QueueError> {
        let denied = |source: String| QueueError::Denied { operation: "open", source: source.into() };
        let address = options.queue;
        let region = config.region().map(AsRef::as_ref).unwrap_or_default();
        if let Some(its) = address.region().filter(|its| config.endpoint_url().is_none() && *its != region) {
            return Err(denied(format!(
                "the queue {address} lies in {its}, and the settings name {region:?} as region"
            )));
        }
        let clients = Clients::new(config);
        let missing = |failure: lakehand_aws::Failure| {
            if failure.kind != Kind::NotFound {
                return failed("open", failure);
            }
            denied(format!(
                "there is no queue {address} in region {region:?}, or it is not for these credentials to see: make it \
                 (`lakehand provision`), or correct the name, the account or the region ({})",
                failure.cause
            ))
        };
        let url: Arc<str> = match &address {
            QueueAddress::Url(url) => Arc::from(url.as_str()),
            QueueAddress::Name { name, owner } => {
                let request = clients.other.get_queue_url().queue_name(name);
                let found = request.set_queue_owner_aws_account_id(owner.clone()).send().await;
                let url = found.map_err(|error| missing(classify(error)))?.queue_url;
                Arc::from(url.ok_or_else(|| denied(format!("the service names no URL for {address}")))?)
            }
        };
        let request = clients.other.get_queue_attributes().queue_url(url.as_ref());
        let answer = request.set_attribute_names(Some(facts::ASKED.to_vec())).send().await;
        let answer = answer.map_err(|error| missing(classify(error)))?.attributes.unwrap_or_default();
        let facts = QueueFacts::of(|name| answer.get(name).map(String::as_str)).map_err(denied)?;
        let batches = |operation, client: &aws_sdk_sqs::Client| {
            let (client, url, clock) = (client.clone(), Arc::clone(&url), Arc::clone(&clock));
            let requests = BatchRequests { client, url, operation, clock: Arc::clone(&clock) };
            Batches::begin(requests, clock)
        };
        Ok(Self {
            extensions: batches(Operation::Extend, &clients.extend),
            deletions: batches(Operation::Delete, &clients.delete),
            clients,
            url,
            facts,
            clock,
        })
    }

    /// What it says of itself.
    pub fn facts(&self) -> &QueueFacts {
        &self.facts
    }

    /// The way of all its messages, which are dead letters, back to the queue of messages.
    pub fn redrive_to(&self, messages: &Self) -> SqsRedrive {
        SqsRedrive { client: self.clients.other.clone(), from: self.facts.arn.clone(), to: messages.facts.arn.clone() }
    }

    /// What to ask for one receipt; or what became of it without asking.
    fn ask(&self, receipt: &ReceiptHandle, visibility: Duration) -> Result<Ask, ReceiptOutcome> {
        let Receipt { received_at, handle } = Receipt::parse(receipt).ok_or(ReceiptOutcome::Lost)?;
        let left = received_at.plus(LONGEST_VISIBILITY).since(self.clock.now());
        if left.is_zero() && !visibility.is_zero() {
            // What is allowed is nothing, and zero would show it at once.
            return Err(ReceiptOutcome::Done);
        }
        Ok(Ask { handle, seconds: seconds(visibility.min(left)) })
    }

    async fn settle(
        &self,
        operation: Operation,
        asks: impl Iterator<Item = Result<Ask, ReceiptOutcome>>,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let batches = match operation {
            Operation::Extend => &self.extensions,
            Operation::Delete => &self.deletions,
        };
        let (mut asked, mut answers) = (Vec::new(), Vec::<Option<Answer>>::new());
        for ask in asks {
            match ask {
                Ok(ask) => {
                    asked.push(ask);
                    answers.push(None);
                }
                Err(known) => answers.push(Some(Ok(known))),
            }
        }
        let mut told = batches.ask(asked).await.into_iter();
        let answers: Vec<Answer> = answers.into_iter().filter_map(|answer| answer.or_else(|| told.next())).collect();
        let mut outcomes = Vec::with_capacity(answers.len());
        let nothing_known = answers.iter().all(Result::is_err);
        for answer in answers {
            match answer {
                Ok(outcome) => outcomes.push(outcome),
                Err(trouble) if nothing_known => return Err(trouble.error(operation.as_str())),
                Err(trouble) => {
                    tracing::warn!(
                        operation = operation.as_str(),
                        error = trouble.said(),
                        "one receipt of several failed"
                    );
                    outcomes.push(ReceiptOutcome::Failed);
                }
            }
        }
        Ok(outcomes)
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn receive(&self, max: usize, visibility: Duration, wait: Duration) -> Result<Vec<Message>, QueueError> {
        let max = i32::try_from(max.clamp(1, BATCH)).unwrap_or(1);
        let request = self
            .clients
            .receive
            .receive_message()
            .queue_url(self.url.as_ref())
            .max_number_of_messages(max)
            .visibility_timeout(seconds(visibility.min(LONGEST_VISIBILITY)))
            .wait_time_seconds(seconds(wait.min(LONGEST_WAIT)))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names("All");
        let answer = request.send().await.map_err(|error| failed("receive", classify(error)))?;
        let received_at = self.clock.now();
        let deliveries = answer.messages.unwrap_or_default();
        let messages = deliveries.into_iter().filter_map(|delivery| {
            let message = delivery::message(delivery, received_at);
            if message.is_none() {
                tracing::warn!("a delivery without an id or a receipt is left to come again");
            }
            message
        });
        Ok(messages.collect())
    }

    async fn extend(
        &self,
        receipts: &[ReceiptHandle],
        visibility: Duration,
    ) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let asks = receipts.iter().map(|receipt| self.ask(receipt, visibility));
        self.settle(Operation::Extend, asks).await
    }

    async fn delete(&self, receipts: &[ReceiptHandle]) -> Result<Vec<ReceiptOutcome>, QueueError> {
        let asks = receipts.iter().map(|receipt| self.ask(receipt, Duration::ZERO));
        self.settle(Operation::Delete, asks).await
    }

    async fn send_with(&self, body: &str, attributes: &Attributes, delay: Duration) -> Result<MessageId, QueueError> {
        let body = delivery::sent_body(body);
        let (bytes, most) = (message_bytes(&body, attributes), self.facts.longest_message);
        if bytes > most {
            return Err(QueueError::TooLong { operation: "send", bytes, most });
        }
        let request = self
            .clients
            .other
            .send_message()
            .queue_url(self.url.as_ref())
            .message_body(body)
            .delay_seconds(seconds(delay.min(LONGEST_DELAY)))
            .set_message_attributes(delivery::sent_attributes(attributes));
        let answer = request.send().await.map_err(|error| failed("send", classify(error)))?;
        Ok(MessageId::new(answer.message_id.unwrap_or_default()))
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.clients.other.get_queue_attributes().queue_url(self.url.as_ref());
        let answer = request.set_attribute_names(Some(names.to_vec())).send().await;
        let answer = answer.map_err(|error| failed("depth", classify(error)))?.attributes.unwrap_or_default();
        // A number that is missing is not zero: whoever drains would believe it.
        let count = |name: &QueueAttributeName| match answer.get(name).and_then(|text| text.parse().ok()) {
            Some(count) => Ok(count),
            None => Err(QueueError::Unavailable {
                operation: "depth",
                effect: Effect::NotApplied,
                source: format!("the answer does not tell {}", name.as_str()).into(),
            }),
        };
        let [visible, in_flight, delayed] = [count(&names[0])?, count(&names[1])?, count(&names[2])?];
        Ok(QueueDepth { visible, in_flight, delayed })
    }
}

/// Whole seconds, never shorter than asked.
fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}
