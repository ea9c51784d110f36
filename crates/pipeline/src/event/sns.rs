//! What an SNS topic sends to a queue. With raw delivery the queue has the inner body, and nothing of this is there.

use serde_json::Value;

use super::{Depth, Record, bad, ignored, within_text};

pub(super) fn decode(document: &Value, depth: Depth) -> Option<Vec<Record>> {
    let (kind, topic) = (document.get("Type")?.as_str()?, document.get("TopicArn")?.as_str()?);
    // The confirmations carry a token that confirms: nothing of it is repeated anywhere.
    let advice = match kind {
        "Notification" => {
            let Some(text) = document.get("Message").and_then(Value::as_str) else {
                return Some(vec![bad("an SNS notification whose `Message` is no text", document)]);
            };
            return Some(within_text(text, &format!("the message of the SNS topic {topic}"), depth));
        }
        "SubscriptionConfirmation" => format!(
            "the SNS topic {topic} asks whether this queue is to be subscribed; nothing comes from it until somebody \
             confirms that (aws sns confirm-subscription)"
        ),
        "UnsubscribeConfirmation" => format!("the SNS topic {topic} sends nothing to this queue any more"),
        _ => {
            let reason = format!("an SNS message of the type {kind:?}; Notification is understood");
            return Some(vec![bad(reason, document)]);
        }
    };
    let Record::Ignored { what, .. } = ignored(kind) else { return None };
    Some(vec![Record::Ignored { what, advice: Some(advice) }])
}
