//! What needs no service is beside this file; what does is below `cloud`.

use aws_sdk_dynamodb::config::retry::RetryPartition;
use lakehand_aws::{AwsOptions, connect};

use super::{DynamoOptions, client};

mod cloud;
mod histories;
mod lag;
mod sizes;

/// What a ledger that cannot be reached uses up is not another's. One that is only named is shared by all of the process.
#[tokio::test]
async fn each_ledger_has_a_budget_of_retries_of_its_own() {
    let config = connect(&AwsOptions { region: Some("eu-central-1".to_owned()), ..AwsOptions::default() }).await;
    let client = client(&config, &DynamoOptions::new("t"));
    let budget = client.config().retry_partition().expect("a budget of its own");
    assert_ne!(budget, &RetryPartition::new("ledger"));
}
