//! Making the two queues: the one that messages come from, which a bucket may send to, and the one for dead letters.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use lakehand_aws::SdkConfig;
use lakehand_aws::provision::{Finding, Mode, ProvisionError, State};
use serde_json::{Value, json};

mod policy;

#[cfg(test)]
mod tests;

/// The longest that SQS keeps a message.
const LONGEST_RETENTION: Duration = Duration::from_hours(14 * 24);
const SHORTEST_RETENTION: Duration = Duration::from_mins(1);
const LONGEST_VISIBILITY: Duration = Duration::from_hours(12);

/// The longest poll.
const WAIT: Duration = Duration::from_secs(20);

/// The longest name of a queue.
const NAME_BYTES: usize = 80;

/// The queues to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuesPlan {
    /// The queue that messages come from.
    pub queue: String,
    /// The queue of dead letters.
    pub dead_letters: String,
    /// For how long a message is hidden that was received and is neither deleted nor prolonged.
    pub visibility: Duration,
    /// For how long a message is kept that nobody deletes.
    pub retention: Duration,
    /// The same for dead letters. Their age counts from the first time they were sent, so that it must be longer.
    pub dead_letter_retention: Duration,
    /// After so many receives the service itself makes a message a dead letter: a backstop, since lakehand counts a
    /// file's attempts itself.
    pub max_receives: u32,
    /// The buckets that may send to the queue.
    pub buckets: Vec<String>,
    /// The account that the buckets belong to; `None`: the queue's own.
    pub bucket_account: Option<String>,
}

impl QueuesPlan {
    /// Two queues, with what is usual.
    pub fn new(queue: impl Into<String>, dead_letters: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            dead_letters: dead_letters.into(),
            visibility: Duration::from_mins(2),
            retention: Duration::from_hours(4 * 24),
            dead_letter_retention: LONGEST_RETENTION,
            max_receives: 1_000,
            buckets: Vec::new(),
            bucket_account: None,
        }
    }

    /// What makes no sense, before anything is made.
    fn check(&self) -> Result<(), ProvisionError> {
        let refuse = |why: String| Err(ProvisionError::Plan(why));
        for name in [&self.queue, &self.dead_letters] {
            if name.strip_suffix(".fifo").is_some() {
                return refuse(format!("queue {name}: buckets cannot send to a FIFO queue; use a standard queue"));
            }
            let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if name.is_empty() || name.len() > NAME_BYTES || !letters {
                let is = "is 1 to 80 letters, digits, - or _";
                return refuse(format!("{name:?} is not a name for a queue: it {is}"));
            }
        }
        if self.queue == self.dead_letters {
            return refuse(format!("queue {}: its dead letters need a queue of their own", self.queue));
        }
        for (what, retention) in [("retention", self.retention), ("dead letter retention", self.dead_letter_retention)]
        {
            if !(SHORTEST_RETENTION..=LONGEST_RETENTION).contains(&retention) {
                return refuse(format!("the {what} is {}s; it is 60s to 14 days", retention.as_secs()));
            }
        }
        if self.dead_letter_retention <= self.retention {
            return refuse(
                "dead letters must be kept longer than messages: their age counts from the first time they were sent"
                    .to_owned(),
            );
        }
        if self.visibility >= LONGEST_VISIBILITY || self.visibility.is_zero() {
            return refuse(format!("the visibility is {}s; it is 1s to less than 12 hours", self.visibility.as_secs()));
        }
        if !(1..=1_000).contains(&self.max_receives) {
            return refuse(format!("max receives are {}; they are 1 to 1000", self.max_receives));
        }
        Ok(())
    }
}

/// The two queues and what was found of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    /// The queue, once it is there.
    pub queue: Option<MadeQueue>,
    /// The dead letters' queue, once it is there.
    pub dead_letters: Option<MadeQueue>,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A queue that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeQueue {
    /// How it is called by.
    pub url: String,
    /// How policies and buckets name it.
    pub arn: String,
}

/// Makes what is missing of the two queues, the redrive policy between them, and the leave for buckets to send; tells
/// of what is there otherwise. Harmless when done again, or by two at once.
///
/// # Errors
/// Where the plan makes no sense, or the service refuses or fails.
pub async fn provision_queues(config: &SdkConfig, plan: &QueuesPlan, mode: Mode) -> Result<Queues, ProvisionError> {
    plan.check()?;
    let client = Client::new(config);
    let mut findings = Vec::new();
    let seconds = |duration: Duration| duration.as_secs().to_string();
    let letters = HashMap::from([(Attribute::MessageRetentionPeriod, seconds(plan.dead_letter_retention))]);
    let dead_letters = queue(&client, &plan.dead_letters, &letters, mode, &mut findings).await?;
    let attributes = HashMap::from([
        (Attribute::MessageRetentionPeriod, seconds(plan.retention)),
        (Attribute::VisibilityTimeout, seconds(plan.visibility)),
        (Attribute::ReceiveMessageWaitTimeSeconds, seconds(WAIT)),
    ]);
    let made = queue(&client, &plan.queue, &attributes, mode, &mut findings).await?;
    if let (Some(made), Some(letters)) = (&made, &dead_letters) {
        findings.push(redrive(&client, plan, made, letters, mode).await?);
        findings.extend(policy::allow_buckets(&client, plan, made, mode).await?);
    }
    Ok(Queues { queue: made, dead_letters, findings })
}

fn named(queue: &str) -> String {
    format!("queue {queue}")
}

async fn find(client: &Client, name: &str) -> Result<Option<MadeQueue>, ProvisionError> {
    let failed = |doing| move |error| ProvisionError::Plan(format!("{doing} queue {name}: {error}"));
    let url = match client.get_queue_url().queue_name(name).send().await {
        Ok(answer) => answer.queue_url.unwrap_or_default(),
        Err(error)
            if error.code().is_some_and(|code| code.ends_with("NonExistentQueue") || code == "QueueDoesNotExist") =>
        {
            return Ok(None);
        }
        Err(error) => return Err(ProvisionError::of("look at", &named(name), error)),
    };
    let mut is = attributes(client, name, &url, &[Attribute::QueueArn]).await?;
    let arn = is.remove(&Attribute::QueueArn).ok_or("the service does not say its ARN").map_err(failed("look at"))?;
    Ok(Some(MadeQueue { url, arn }))
}

async fn attributes(
    client: &Client,
    name: &str,
    url: &str,
    which: &[Attribute],
) -> Result<HashMap<Attribute, String>, ProvisionError> {
    let read = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(which.to_vec())).send().await;
    let read = read.map_err(|error| ProvisionError::of("look at", &named(name), error))?;
    Ok(read.attributes.unwrap_or_default())
}

async fn set(
    client: &Client,
    name: &str,
    queue: &MadeQueue,
    attribute: Attribute,
    value: String,
) -> Result<(), ProvisionError> {
    let set = client.set_queue_attributes().queue_url(&queue.url).attributes(attribute, value).send().await;
    set.map(drop).map_err(|error| ProvisionError::of("set", &named(name), error))
}

/// Finds a queue and compares it with the plan, or makes it.
async fn queue(
    client: &Client,
    name: &str,
    planned: &HashMap<Attribute, String>,
    mode: Mode,
    findings: &mut Vec<Finding>,
) -> Result<Option<MadeQueue>, ProvisionError> {
    if let Some(there) = find(client, name).await? {
        findings.push(Finding::new(named(name), State::AsPlanned));
        let which: Vec<Attribute> = planned.keys().cloned().collect();
        let is = attributes(client, name, &there.url, &which).await?;
        let mut different: Vec<Finding> = Vec::new();
        for (attribute, planned) in planned {
            let is = is.get(attribute).map_or("not told", String::as_str);
            let state = State::compare(is, planned);
            if state != State::AsPlanned {
                different.push(Finding::new(format!("{}: {attribute}", named(name)), state));
            }
        }
        different.sort_by(|one, other| one.resource.cmp(&other.resource));
        findings.extend(different);
        return Ok(Some(there));
    }
    findings.push(Finding::new(named(name), mode.missing()));
    if mode == Mode::DryRun {
        return Ok(None);
    }
    let made = client.create_queue().queue_name(name).set_attributes(Some(planned.clone())).send().await;
    made.map_err(|error| ProvisionError::of("make", &named(name), error))?;
    find(client, name).await
}

async fn redrive(
    client: &Client,
    plan: &QueuesPlan,
    queue: &MadeQueue,
    letters: &MadeQueue,
    mode: Mode,
) -> Result<Finding, ProvisionError> {
    let what = format!("{}: redrive policy", named(&plan.queue));
    let shown = |arn: &str, receives: u64| format!("to {arn} after {receives} receives");
    let planned = shown(&letters.arn, u64::from(plan.max_receives));
    let is = attributes(client, &plan.queue, &queue.url, &[Attribute::RedrivePolicy]).await?;
    let is = is.get(&Attribute::RedrivePolicy).filter(|policy| !policy.is_empty());
    if let Some(is) = is {
        let policy: Value = serde_json::from_str(is).unwrap_or_default();
        let receives = &policy["maxReceiveCount"];
        let receives = receives.as_u64().or_else(|| receives.as_str()?.parse().ok()).unwrap_or_default();
        let is = shown(policy["deadLetterTargetArn"].as_str().unwrap_or_default(), receives);
        return Ok(Finding::new(what, State::compare(is, planned)));
    }
    if mode == Mode::Make {
        let policy = json!({ "deadLetterTargetArn": letters.arn, "maxReceiveCount": plan.max_receives }).to_string();
        set(client, &plan.queue, queue, Attribute::RedrivePolicy, policy).await?;
    }
    Ok(Finding::new(what, mode.missing()))
}
