//! One client for each way of waiting and trying again. All share one pool of connections; what is tried again, and how
//! often, is decided here and nowhere above. Each has its own budget of retries: those of one that fails are not the
//! others' to pay.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::retry::{RetryConfig, RetryPartition};
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use lakehand_aws::SdkConfig;

use super::LONGEST_WAIT;

/// Beyond the longest poll, an answer is waited for this long.
const ANSWER: Duration = Duration::from_secs(10);

/// A prolongation that hangs is given up early enough for others before the visibility ends.
const PROLONGATION: Duration = Duration::from_secs(4);
const PROLONGATIONS: u32 = 5;
const PROLONGATION_IN_ALL: Duration = Duration::from_secs(20);

const DELETIONS: u32 = 2;

#[derive(Debug, Clone)]
pub(super) struct Clients {
    /// Receives: as often as the configuration says, each attempt for longer than the longest poll. What an answer held
    /// that was lost comes again.
    pub(super) receive: Client,
    /// Prolongs: often and quickly, because work is lost with the visibility, and because a prolongation that happened
    /// twice is harmless. Callers that have no time left drop the call.
    pub(super) extend: Client,
    /// Deletes: once more, since a message that is not deleted only comes again.
    pub(super) delete: Client,
    /// All else, as the configuration says.
    pub(super) other: Client,
}

impl Clients {
    pub(super) fn new(config: &SdkConfig) -> Self {
        let builder = |name: &'static str| {
            aws_sdk_sqs::config::Builder::from(config).retry_partition(RetryPartition::custom(name).build())
        };
        let timeouts = || config.timeout_config().map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let receive =
            builder("receive").timeout_config(timeouts().operation_attempt_timeout(LONGEST_WAIT + ANSWER).build());
        let extend = builder("extend")
            .timeout_config(
                timeouts().operation_attempt_timeout(PROLONGATION).operation_timeout(PROLONGATION_IN_ALL).build(),
            )
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(PROLONGATIONS)
                    .with_initial_backoff(Duration::from_millis(100))
                    .with_max_backoff(Duration::from_secs(1)),
            );
        let delete = builder("delete")
            .timeout_config(timeouts().operation_attempt_timeout(ANSWER).build())
            .retry_config(RetryConfig::standard().with_max_attempts(DELETIONS));
        Self {
            receive: Client::from_conf(receive.build()),
            extend: Client::from_conf(extend.build()),
            delete: Client::from_conf(delete.build()),
            other: Client::from_conf(builder("other").build()),
        }
    }
}

#[cfg(test)]
mod tests {
    use lakehand_aws::{AwsOptions, connect};

    use super::*;

    /// A budget that is only named is shared by all of the process.
    #[tokio::test]
    async fn no_client_pays_for_the_retries_of_another() {
        let config = connect(&AwsOptions { region: Some("eu-central-1".to_owned()), ..AwsOptions::default() }).await;
        let Clients { receive, extend, delete, other } = Clients::new(&config);
        for (name, client) in [("receive", receive), ("extend", extend), ("delete", delete), ("other", other)] {
            let budget = client.config().retry_partition().expect("a budget of its own");
            assert_ne!(budget, &RetryPartition::new(name));
        }
    }
}
