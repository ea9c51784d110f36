//! The leave for buckets to send to a queue: one statement a bucket, beside whatever else the queue's policy says.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use lakehand_aws::provision::{Finding, Mode, ProvisionError, State};
use serde_json::{Value, json};

use super::{MadeQueue, QueuesPlan, attributes, named, set};

pub(super) async fn allow_buckets(
    client: &Client,
    plan: &QueuesPlan,
    queue: &MadeQueue,
    mode: Mode,
) -> Result<Vec<Finding>, ProvisionError> {
    let what = |bucket: &str| format!("{}: leave for bucket {bucket} to send", named(&plan.queue));
    let is = attributes(client, &plan.queue, &queue.url, &[Attribute::Policy]).await?;
    let is = is.get(&Attribute::Policy).filter(|policy| !policy.is_empty());
    let mut policy = match is {
        None => json!({ "Version": "2012-10-17", "Statement": [] }),
        Some(is) => serde_json::from_str(is).map_err(|error| {
            ProvisionError::Plan(format!("the policy of {} is no JSON: {error}", named(&plan.queue)))
        })?,
    };
    // One statement may stand without a list around it.
    if policy["Statement"].is_object() {
        policy["Statement"] = json!([policy["Statement"]]);
    }
    let mut findings = Vec::new();
    let mut added = false;
    for bucket in &plan.buckets {
        let planned = statement(bucket, plan.bucket_account.as_deref(), &queue.arn)?;
        let statements = policy["Statement"].as_array_mut().ok_or_else(|| {
            ProvisionError::Plan(format!("the policy of {} has no list of statements", named(&plan.queue)))
        })?;
        // Infrastructure code may have called it otherwise.
        let ours = statements.iter().find(|there| says_the_same(there, &planned));
        let ours = ours.or_else(|| statements.iter().find(|there| there["Sid"] == planned["Sid"]));
        let state = ours.map_or_else(
            || mode.missing(),
            |there| {
                if says_the_same(there, &planned) { State::AsPlanned } else { State::compare(there, &planned) }
            },
        );
        if ours.is_none() {
            statements.push(planned);
            added = true;
        }
        findings.push(Finding::new(what(bucket), state));
    }
    if added && mode == Mode::Make {
        set(client, &plan.queue, queue, Attribute::Policy, policy.to_string()).await?;
    }
    Ok(findings)
}

fn says_the_same(one: &Value, other: &Value) -> bool {
    ["Effect", "Principal", "Action", "Resource", "Condition"].iter().all(|part| one[part] == other[part])
}

/// What lets one bucket of one account send, and nobody else in S3's name.
pub(super) fn statement(bucket: &str, account: Option<&str>, queue: &str) -> Result<Value, ProvisionError> {
    let parts: Vec<&str> = queue.splitn(6, ':').collect();
    let [_, partition, _, _, own, _] = parts[..] else {
        return Err(ProvisionError::Plan(format!("{queue:?} is no ARN of a queue")));
    };
    let sid: String = bucket.chars().filter(char::is_ascii_alphanumeric).collect();
    Ok(json!({
        "Sid": format!("LakehandEventsOf{sid}"),
        "Effect": "Allow",
        "Principal": { "Service": "s3.amazonaws.com" },
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {
            "ArnEquals": { "aws:SourceArn": format!("arn:{partition}:s3:::{bucket}") },
            "StringEquals": { "aws:SourceAccount": account.unwrap_or(own) },
        },
    }))
}
