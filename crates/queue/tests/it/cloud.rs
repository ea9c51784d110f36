//! Against emulators of AWS.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use lakehand_queue::sqs::{QueueAddress, SqsOptions, SqsQueue};
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services::suffix;

use crate::fake::config;

mod conformance;
mod faults;
mod redrive;
mod traffic;

/// Queues of an emulator, made for one test.
pub(crate) struct Emulator {
    /// Where the backend under test sends its calls.
    url: String,
    /// Where queues are made.
    client: Client,
}

impl Emulator {
    pub(crate) async fn at(url: &str) -> Self {
        Self { url: url.to_owned(), client: Client::new(&config(url).await) }
    }

    /// Makes a queue of a new name, and gives the name.
    pub(crate) async fn make(&self, attributes: &[(QueueAttributeName, &str)]) -> String {
        let name = format!("lakehand-test-{}", suffix());
        let attributes: HashMap<_, _> =
            attributes.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        self.client.create_queue().queue_name(&name).set_attributes(Some(attributes)).send().await.unwrap();
        name
    }

    /// Makes a queue and one for its dead letters.
    pub(crate) async fn make_pair(&self, max_receives: u32) -> (String, String) {
        let dead = self.make(&[]).await;
        let arn = self.open(&dead).await.facts().arn.clone();
        let policy = format!(r#"{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {max_receives}}}"#);
        (self.make(&[(QueueAttributeName::RedrivePolicy, &policy)]).await, dead)
    }

    pub(crate) async fn open(&self, name: &str) -> SqsQueue {
        open(&self.url, name).await
    }
}

/// Opens a queue as the program does.
pub(crate) async fn open(url: &str, name: &str) -> SqsQueue {
    let queue = QueueAddress::parse(name).unwrap();
    SqsQueue::open(&config(url).await, SqsOptions { queue }, Arc::new(RealClock)).await.unwrap()
}
