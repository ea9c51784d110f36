//! The ledger on emulators of DynamoDB.

mod faults;
mod making;
mod same_as_sqlite;
mod suite;

use std::sync::Arc;

use lakehand_aws::provision::Mode;
use lakehand_aws::{AwsOptions, SdkConfig, connect};
use lakehand_domain::id::{LedgerId, WorkerId};
use lakehand_testkit::real_clock::RealClock;
use lakehand_testkit::services;

use super::super::provision::{TablePlan, provision_table};
use super::super::{DynamoLedger, DynamoOptions};

/// A table of one test's own.
struct Table {
    config: SdkConfig,
    name: String,
}

impl Table {
    async fn on(emulator: &str) -> Self {
        Self::at(&services::emulator(emulator)).await
    }

    async fn at(url: &str) -> Self {
        let table = Self { config: reach(url).await, name: format!("ledger-{}", services::suffix()) };
        let plan = TablePlan { deletion_protection: false, ..TablePlan::new(&table.name) };
        provision_table(&table.config, &plan, &RealClock, Mode::Make).await.unwrap();
        table
    }

    /// The ledger as a process of its own has it.
    async fn ledger(&self, identity: &str) -> DynamoLedger {
        self.ledger_with(identity, DynamoOptions::new(&self.name)).await
    }

    async fn ledger_with(&self, identity: &str, options: DynamoOptions) -> DynamoLedger {
        let worker = WorkerId::new(format!("{identity}-{}", services::suffix()));
        DynamoLedger::open(&self.config, options, &LedgerId::new(identity), &worker, Arc::new(RealClock)).await.unwrap()
    }

    async fn drop(self) {
        let client = aws_sdk_dynamodb::Client::new(&self.config);
        client.delete_table().table_name(&self.name).send().await.unwrap();
    }
}

async fn reach(url: &str) -> SdkConfig {
    let options = AwsOptions {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(url.to_owned()),
        ..AwsOptions::default()
    };
    connect(&options).await
}
