//! Ledgers.

use std::sync::Arc;

use anyhow::Context as _;
use lakehand_aws::Service;
use lakehand_domain::id::{LedgerId, WorkerId};
use lakehand_domain::port::ledger::Ledger;
use lakehand_ledger::dynamodb::{DynamoLedger, DynamoOptions};
use lakehand_ledger::sqlite::SqliteLedger;

use super::{clock, make_folder_of, random};
use crate::settings::Settings;
use crate::settings::location::Location;

/// The ledger; a new one gets a name of its own.
pub(super) async fn open(settings: &Settings, worker: &WorkerId) -> anyhow::Result<Arc<dyn Ledger>> {
    let told = || format!("open the ledger {} (ledger.url)", settings.ledger);
    match &settings.ledger {
        Location::Sqlite(path) => {
            make_folder_of(path)?;
            let path = path.clone();
            let opened = tokio::task::spawn_blocking(move || SqliteLedger::open(&path, &LedgerId::new(random())));
            Ok(Arc::new(opened.await.context("open a backend")?.with_context(told)?))
        }
        Location::DynamoDb(table) => {
            let config = lakehand_aws::connect(&settings.aws.options.of(Service::DynamoDb)).await;
            let days = settings.aws.dynamodb.keep_loaded.map(|kept| kept.as_secs().div_ceil(24 * 3600));
            let options = DynamoOptions {
                keep_loaded_days: days.and_then(|days| u32::try_from(days).ok()),
                ..DynamoOptions::new(table)
            };
            let opened = DynamoLedger::open(&config, options, &LedgerId::new(random()), worker, clock()).await;
            Ok(Arc::new(opened.with_context(told)?))
        }
        // Settings refuse this; it is said all the same.
        other => anyhow::bail!("ledger.url: {other} is no ledger"),
    }
}
