//! What a queue of SQS says of itself, and what of it a person should know about.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use lakehand_domain::port::queue::LONGEST_MESSAGE;
use serde::Deserialize;

/// A backstop that gives a message up sooner than this may do so before lakehand has: its own count of a file's attempts
/// is lower, but every wait for another worker is a receive, too.
const FEW_RECEIVES: u32 = 100;

/// What a queue says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFacts {
    /// Its full name.
    pub arn: String,
    /// The most bytes of a message, attributes included.
    pub longest_message: usize,
    /// How long it keeps a message that nobody deletes.
    pub retention: Option<Duration>,
    /// When it gives a message up by itself.
    pub redrive: Option<RedrivePolicy>,
}

/// When a queue gives a message up by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RedrivePolicy {
    /// The full name of the queue that takes it.
    #[serde(rename = "deadLetterTargetArn")]
    pub dead_letters: String,
    /// A message that was received this often is moved at the next receive.
    #[serde(rename = "maxReceiveCount", deserialize_with = "number_or_text")]
    pub max_receives: u32,
}

/// The service stores the policy as it was written, and people write the number as text, too.
fn number_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| serde::de::Error::custom("no count"))
}

pub(super) const ASKED: [QueueAttributeName; 4] = [
    QueueAttributeName::QueueArn,
    QueueAttributeName::MaximumMessageSize,
    QueueAttributeName::MessageRetentionPeriod,
    QueueAttributeName::RedrivePolicy,
];

impl QueueFacts {
    /// From the attributes that were asked for. `get` finds one; those without a value are not there.
    pub(super) fn of<'a>(get: impl Fn(&QueueAttributeName) -> Option<&'a str>) -> Result<Self, String> {
        let number = |name| get(name).and_then(|text| text.parse::<u64>().ok());
        let redrive = match get(&QueueAttributeName::RedrivePolicy).filter(|text| !text.is_empty()) {
            Some(text) => Some(
                serde_json::from_str(text)
                    .map_err(|error| format!("the redrive policy of the queue cannot be read: {error}: {text}"))?,
            ),
            None => None,
        };
        Ok(Self {
            arn: get(&QueueAttributeName::QueueArn).ok_or("the queue does not tell its ARN")?.to_owned(),
            longest_message: number(&QueueAttributeName::MaximumMessageSize)
                .and_then(|bytes| usize::try_from(bytes).ok())
                .map_or(LONGEST_MESSAGE, |bytes| bytes.min(LONGEST_MESSAGE)),
            retention: number(&QueueAttributeName::MessageRetentionPeriod).map(Duration::from_secs),
            redrive,
        })
    }

    /// What is odd about this queue of messages beside its queue of dead letters, in sentences for a person. None of it
    /// loses or doubles anything that lakehand answers for.
    pub fn concerns(&self, dead_letters: &Self) -> Vec<String> {
        let mut concerns = Vec::new();
        match &self.redrive {
            None => concerns.push(format!(
                "the queue {} has no redrive policy: the service cannot move dead letters back by itself; name {} in it, \
                 with a maxReceiveCount of 1000",
                self.arn, dead_letters.arn
            )),
            Some(policy) if policy.dead_letters != dead_letters.arn => concerns.push(format!(
                "the queue {} gives messages up to {}, and lakehand sends dead letters to {}: nobody looks at the first",
                self.arn, policy.dead_letters, dead_letters.arn
            )),
            Some(_) => {}
        }
        if let Some(policy) = self.redrive.as_ref().filter(|policy| policy.max_receives < FEW_RECEIVES) {
            concerns.push(format!(
                "the queue {} gives messages up after {} receives, which waiting for another worker alone can use up: \
                 lakehand counts the attempts of a file itself, so set maxReceiveCount to 1000",
                self.arn, policy.max_receives
            ));
        }
        if let (Some(kept), Some(letters_kept)) = (self.retention, dead_letters.retention)
            && letters_kept <= kept
        {
            concerns.push(format!(
                "the dead letters in {} are kept for {} s, and messages in {} for {} s: the age of a message that the \
                 service moves counts from its first sending, so dead letters should be kept for longer (14 days at most)",
                dead_letters.arn,
                letters_kept.as_secs(),
                self.arn,
                kept.as_secs()
            ));
        }
        concerns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(name: &str, redrive: Option<(&str, u32)>, days: u64) -> QueueFacts {
        let redrive = redrive.map(|(to, max_receives)| RedrivePolicy { dead_letters: to.to_owned(), max_receives });
        let retention = Some(Duration::from_hours(24 * days));
        QueueFacts { arn: name.to_owned(), longest_message: LONGEST_MESSAGE, retention, redrive }
    }

    #[test]
    fn the_policy_is_read_as_people_write_it() {
        for count in ["3", "\"3\""] {
            let policy = format!(r#"{{"deadLetterTargetArn": "arn:dead", "maxReceiveCount": {count}}}"#);
            let facts = QueueFacts::of(|name| match name {
                QueueAttributeName::QueueArn => Some("arn:work"),
                QueueAttributeName::MaximumMessageSize => Some("262144"),
                QueueAttributeName::RedrivePolicy => Some(policy.as_str()),
                _ => None,
            });
            let facts = facts.unwrap();
            assert_eq!((facts.longest_message, facts.retention), (262_144, None));
            assert_eq!(facts.redrive, Some(RedrivePolicy { dead_letters: "arn:dead".to_owned(), max_receives: 3 }));
        }
        assert!(QueueFacts::of(|_| None).unwrap_err().contains("ARN"));
    }

    #[test]
    fn what_is_odd_is_told() {
        let dead = facts("dead", None, 14);
        assert_eq!(facts("work", Some(("dead", 1000)), 4).concerns(&dead), Vec::<String>::new());
        for (work, dead, says) in [
            (facts("work", None, 4), &dead, "no redrive policy"),
            (facts("work", Some(("other", 1000)), 4), &dead, "nobody looks at the first"),
            (facts("work", Some(("dead", 5)), 4), &dead, "after 5 receives"),
            (facts("work", Some(("dead", 1000)), 14), &dead, "kept for longer"),
        ] {
            let concerns = work.concerns(dead);
            assert!(concerns.len() == 1 && concerns[0].contains(says), "{concerns:?}");
        }
    }
}
