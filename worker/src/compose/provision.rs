//! Making what lies in AWS: buckets, queues, notifications, the ledger's table.

use std::collections::BTreeMap;

use anyhow::Context as _;
use lakehand_aws::Service;
use lakehand_aws::provision::{Finding, Mode};
use lakehand_dataset::catalog::Catalog;
use lakehand_domain::object::ObjectUri;
use lakehand_ledger::dynamodb::provision::{TablePlan, provision_table};
use lakehand_queue::sqs::QueueAddress;
use lakehand_queue::sqs::provision::{QueuesPlan, provision_queues};
use lakehand_store::s3::bucket::provision_bucket;
use lakehand_store::s3::provision::{NotificationPlan, provision_notifications};

use super::queue::MAX_RECEIVES;
use super::{clock, lake_uri};
use crate::settings::Settings;
use crate::settings::location::Location;

/// Makes what is missing of all that the settings name in AWS, in the order in which one needs the other, and says what
/// was found. What is there is left as it is.
pub(crate) async fn provision(
    settings: &Settings,
    catalog: &Catalog,
    create_buckets: bool,
    dry_run: bool,
) -> anyhow::Result<Vec<Finding>> {
    let mode = if dry_run { Mode::DryRun } else { Mode::Make };
    let mut findings = Vec::new();
    let s3 = lakehand_aws::connect(&settings.aws.options.of(Service::S3)).await;
    let landings = landing_prefixes(settings, catalog);
    if create_buckets {
        let lake = match &settings.lake {
            Location::S3(uri) => Some(uri.bucket()),
            _ => None,
        };
        for bucket in landings.keys().map(String::as_str).chain(lake) {
            findings.push(provision_bucket(&s3, bucket, mode).await.context("make the bucket")?);
        }
    }
    if let Location::DynamoDb(table) = &settings.ledger {
        let config = lakehand_aws::connect(&settings.aws.options.of(Service::DynamoDb)).await;
        findings.extend(
            provision_table(&config, &TablePlan::new(table), clock().as_ref(), mode).await.context("make the table")?,
        );
    }
    if let (Location::Sqs(queue), Some(Location::Sqs(letters))) = (&settings.queue, &settings.aws.dead_letters) {
        let config = lakehand_aws::connect(&settings.aws.options.of(Service::Sqs)).await;
        let name = |text: &str| anyhow::Ok(QueueAddress::parse(text)?.name().to_owned());
        let plan = QueuesPlan {
            visibility: settings.daemon.intake.visibility,
            max_receives: MAX_RECEIVES,
            buckets: landings.keys().cloned().collect(),
            ..QueuesPlan::new(name(queue)?, name(letters)?)
        };
        let queues = provision_queues(&config, &plan, mode).await.context("make the queues")?;
        findings.extend(queues.findings);
        if let Some(queue) = queues.queue {
            for (bucket, prefixes) in landings {
                let outputs = vec![lake_uri(settings)?];
                let plan = NotificationPlan { bucket, prefixes, queue_arn: queue.arn.clone(), outputs };
                let made = provision_notifications(&s3, &plan, clock().as_ref(), mode).await;
                findings.extend(made.context("make the bucket tell the queue")?);
            }
        }
    }
    Ok(findings)
}

/// The prefixes that files land below, by bucket.
fn landing_prefixes(settings: &Settings, catalog: &Catalog) -> BTreeMap<String, Vec<String>> {
    let mut prefixes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |uri: &ObjectUri| {
        if uri.scheme() == "s3" {
            let key = uri.key();
            let prefix = if key.is_empty() || key.ends_with('/') { key.to_owned() } else { format!("{key}/") };
            prefixes.entry(uri.bucket().to_owned()).or_default().push(prefix);
        }
    };
    if let Location::S3(uri) = &settings.landing {
        add(uri);
    }
    catalog.prefixes().iter().for_each(add);
    prefixes
}
