//! A bucket tells a queue of every object that lands in it, and never of what lakehand itself writes.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_bucket_notification_configuration::PutBucketNotificationConfigurationError;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration,
    S3KeyFilter,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use lakehand_aws::SdkConfig;
use lakehand_aws::provision::{Finding, Mode, ProvisionError, State};
use lakehand_domain::clock::Clock;
use lakehand_domain::id::digest;
use lakehand_domain::object::ObjectUri;

#[cfg(test)]
mod tests;

/// A queue's leave for the bucket to send takes up to a minute to be known everywhere.
const TRIES: u32 = 14;
const PAUSE: Duration = Duration::from_secs(5);

/// What a bucket is to tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationPlan {
    /// The bucket that files land in.
    pub bucket: String,
    /// Beginnings of the keys to tell of; empty: all keys. One that another covers is left out.
    pub prefixes: Vec<String>,
    /// Whom to tell.
    pub queue_arn: String,
    /// Where lakehand writes: the lake, and archives of what was loaded.
    pub outputs: Vec<ObjectUri>,
}

impl NotificationPlan {
    /// The prefixes that no other covers. S3 refuses rules of one event that overlap.
    fn rules(&self) -> Vec<&str> {
        let mut rules: Vec<&str> = self.prefixes.iter().map(String::as_str).collect();
        rules.sort_unstable();
        rules.dedup();
        if rules.is_empty() {
            return vec![""];
        }
        let mut kept: Vec<&str> = Vec::new();
        for rule in rules {
            // Sorted, what covers another comes before it.
            if !kept.iter().any(|kept| rule.starts_with(kept)) {
                kept.push(rule);
            }
        }
        kept
    }

    /// A file that lakehand writes must never be told of as one that landed: it would be read again, and written again,
    /// without end.
    fn check(&self) -> Result<(), ProvisionError> {
        for output in self.outputs.iter().filter(|output| output.scheme() == "s3" && output.bucket() == self.bucket) {
            let key = output.key();
            let written = if key.is_empty() || key.ends_with('/') { key.to_owned() } else { format!("{key}/") };
            for rule in self.rules() {
                if written.starts_with(rule) || rule.starts_with(&written) {
                    return Err(ProvisionError::Plan(format!(
                        "bucket {} would tell of what lakehand itself writes to {output}: keys that begin with {rule:?} \
                         are told of, and each would be read and written again without end; use another bucket, or \
                         prefixes of which neither begins with the other",
                        self.bucket
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Makes the bucket tell the queue, beside whatever else it tells whom. Harmless when done again. The queue must let the
/// bucket send before.
///
/// # Errors
/// Where lakehand's own output would be told of, the bucket is missing, or the service refuses or fails.
pub async fn provision_notifications(
    config: &SdkConfig,
    plan: &NotificationPlan,
    clock: &dyn Clock,
    mode: Mode,
) -> Result<Vec<Finding>, ProvisionError> {
    plan.check()?;
    // Emulators know buckets by their path.
    let path_style = config.endpoint_url().is_some();
    let client = Client::from_conf(Builder::from(config).force_path_style(path_style).build());
    let named = format!("bucket {}", plan.bucket);
    let read = client.get_bucket_notification_configuration().bucket(&plan.bucket).send().await;
    let there = read.map_err(|error| ProvisionError::of("look at", &named, error))?;
    let mut queues = there.queue_configurations.clone().unwrap_or_default();
    let mut findings = Vec::new();
    let mut added = false;
    for rule in plan.rules() {
        let of = if rule.is_empty() { "all keys".to_owned() } else { format!("keys that begin with {rule:?}") };
        let what = format!("{named}: notification of {of}");
        let state = match queues.iter().map(Rule::of).find(|there| there.meets(rule)) {
            Some(there) if there.is_as_planned(rule, &plan.queue_arn) => State::AsPlanned,
            Some(there) => State::Differs { is: there.to_string(), planned: format!("to {}", plan.queue_arn) },
            None => {
                queues.push(planned(rule, &plan.queue_arn).map_err(|why| ProvisionError::Plan(why.to_string()))?);
                added = true;
                mode.missing()
            }
        };
        findings.push(Finding::new(what, state));
    }
    if added && mode == Mode::Make {
        // The whole configuration is replaced: what others put there goes back as it was.
        let whole = NotificationConfiguration::builder()
            .set_topic_configurations(there.topic_configurations)
            .set_lambda_function_configurations(there.lambda_function_configurations)
            .set_event_bridge_configuration(there.event_bridge_configuration)
            .set_queue_configurations(Some(queues))
            .build();
        put(&client, plan, whole, clock)
            .await
            .map_err(|error| ProvisionError::of("set the notifications of", &named, error))?;
    }
    Ok(findings)
}

type PutError = SdkError<PutBucketNotificationConfigurationError, HttpResponse>;

async fn put(
    client: &Client,
    plan: &NotificationPlan,
    whole: NotificationConfiguration,
    clock: &dyn Clock,
) -> Result<(), PutError> {
    let mut left = TRIES;
    loop {
        let put = client.put_bucket_notification_configuration().bucket(&plan.bucket);
        match put.notification_configuration(whole.clone()).send().await {
            Ok(_) => return Ok(()),
            Err(error) if left > 1 && is_not_let_yet(&error) => {
                left -= 1;
                tracing::info!(bucket = plan.bucket, "the queue does not let the bucket send yet; trying again");
                clock.sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// S3 sends a test event when a notification is set, and refuses where it may not.
fn is_not_let_yet(error: &PutError) -> bool {
    error.code() == Some("InvalidArgument")
        && error.message().is_some_and(|message| message.contains("validate the following destination"))
}

fn planned(rule: &str, queue_arn: &str) -> Result<QueueConfiguration, aws_sdk_s3::error::BuildError> {
    let made = QueueConfiguration::builder()
        .id(format!("lakehand-{}", &digest(&[b"notification", queue_arn.as_bytes(), rule.as_bytes()])[..12]))
        .queue_arn(queue_arn)
        .events(Event::from("s3:ObjectCreated:*"));
    if rule.is_empty() {
        return made.build();
    }
    let prefix = FilterRule::builder().name(FilterRuleName::Prefix).value(rule).build();
    let filter = S3KeyFilter::builder().filter_rules(prefix).build();
    made.filter(NotificationConfigurationFilter::builder().key(filter).build()).build()
}

/// What a rule that is there says.
#[derive(Debug)]
struct Rule<'c> {
    queue_arn: &'c str,
    events: Vec<&'c str>,
    prefix: &'c str,
    suffix: &'c str,
}

impl<'c> Rule<'c> {
    fn of(queue: &'c QueueConfiguration) -> Self {
        let rules = queue.filter().and_then(|filter| filter.key()).map(S3KeyFilter::filter_rules).unwrap_or_default();
        let value = |name: &str| {
            let rule = rules.iter().find(|rule| rule.name().is_some_and(|is| is.as_str().eq_ignore_ascii_case(name)));
            rule.and_then(|rule| rule.value()).unwrap_or_default()
        };
        Self {
            queue_arn: queue.queue_arn(),
            events: queue.events().iter().map(Event::as_str).collect(),
            prefix: value("prefix"),
            suffix: value("suffix"),
        }
    }

    /// Whether it speaks of the creation of objects with keys that the planned rule speaks of.
    fn meets(&self, rule: &str) -> bool {
        self.events.iter().any(|event| event.starts_with("s3:ObjectCreated"))
            && (self.prefix.starts_with(rule) || rule.starts_with(self.prefix))
    }

    fn is_as_planned(&self, rule: &str, queue_arn: &str) -> bool {
        let all = self.events.contains(&"s3:ObjectCreated:*");
        self.queue_arn == queue_arn && all && self.suffix.is_empty() && rule.starts_with(self.prefix)
    }
}

impl std::fmt::Display for Rule<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { queue_arn, events, prefix, suffix } = self;
        write!(f, "{} of keys {prefix:?}…{suffix:?} to {queue_arn}", events.join(", "))
    }
}
