//! A delivery as the service hands it out → a message, and its receipt back again.

use aws_sdk_sqs::types::{Message as Delivery, MessageAttributeValue, MessageSystemAttributeName};
use lakehand_domain::id::{MessageId, ReceiptHandle};
use lakehand_domain::message::{Attributes, Message};
use lakehand_domain::timestamp::Timestamp;

/// The service's handle and when it was received, from which the longest visibility counts. The time is in our receipt, so
/// that whoever has the receipt knows it, and nothing has to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) received_at: Timestamp,
    pub(super) handle: String,
}

impl Receipt {
    /// `None` where no receive of this backend gave it.
    pub(super) fn parse(receipt: &ReceiptHandle) -> Option<Self> {
        let (received_at, handle) = receipt.as_str().split_once('/')?;
        let received_at = Timestamp::from_micros(received_at.parse().ok()?);
        (!handle.is_empty()).then(|| Self { received_at, handle: handle.to_owned() })
    }

    fn handle(&self) -> ReceiptHandle {
        ReceiptHandle::new(format!("{}/{}", self.received_at.micros(), self.handle))
    }
}

/// `None` for a delivery that lacks what makes it one; it comes again.
pub(super) fn message(delivery: Delivery, received_at: Timestamp) -> Option<Message> {
    let system = |name| delivery.attributes.as_ref().and_then(|attributes| attributes.get(&name));
    let sent_at = system(MessageSystemAttributeName::SentTimestamp).and_then(|text| text.parse::<i64>().ok());
    let count = system(MessageSystemAttributeName::ApproximateReceiveCount).and_then(|text| text.parse().ok());
    Some(Message {
        receipt: Receipt { received_at, handle: delivery.receipt_handle? }.handle(),
        sent_at: sent_at.map_or(received_at, |millis| Timestamp::from_micros(millis.saturating_mul(1000))),
        delivery_count: count.unwrap_or(1),
        received_at,
        id: MessageId::new(delivery.message_id?),
        body: delivery.body.unwrap_or_default(),
        attributes: delivery.message_attributes.unwrap_or_default().into_iter().map(attribute).collect(),
    })
}

/// Bytes become base64.
fn attribute((name, value): (String, MessageAttributeValue)) -> (String, String) {
    let bytes = value.binary_value.map(aws_smithy_types::base64::encode);
    (name, value.string_value.or(bytes).unwrap_or_default())
}

/// Attributes as the service takes them.
pub(super) fn sent_attributes(
    attributes: &Attributes,
) -> Option<std::collections::HashMap<String, MessageAttributeValue>> {
    let value = |text: &str| {
        let value = MessageAttributeValue::builder().data_type("String").string_value(allowed(text, "\u{FFFD}"));
        value.build().ok()
    };
    let all = attributes.iter().filter_map(|(name, text)| Some((name.clone(), value(text)?)));
    (!attributes.is_empty()).then(|| all.collect())
}

/// A body as the service takes it. Bodies are JSON, where a character that the service refuses can only stand in a string,
/// and can be written otherwise.
pub(super) fn sent_body(body: &str) -> String {
    let mut text = String::with_capacity(body.len());
    for character in body.chars() {
        if is_allowed(character) {
            text.push(character);
        } else {
            text.extend(format!("\\u{:04x}", u32::from(character)).chars());
        }
    }
    text
}

fn allowed(text: &str, instead: &str) -> String {
    text.split_inclusive(|character| !is_allowed(character))
        .map(|part| match part.strip_suffix(|character| !is_allowed(character)) {
            Some(sound) => format!("{sound}{instead}"),
            None => part.to_owned(),
        })
        .collect()
}

/// `#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF` (Amazon SQS, SendMessage).
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_remembers_when_it_was_received() {
        let receipt =
            Receipt { received_at: Timestamp::from_micros(1_700_000_000_000_001), handle: "a/b==".to_owned() };
        assert_eq!(Receipt::parse(&receipt.handle()), Some(receipt));
        for foreign in ["", "a", "1/", "x/a", "no receipt of any queue"] {
            assert_eq!(Receipt::parse(&ReceiptHandle::new(foreign)), None, "{foreign}");
        }
    }

    #[test]
    fn a_delivery_without_what_is_needed_is_none() {
        let at = Timestamp::from_micros(5);
        let whole = Delivery::builder().message_id("m").receipt_handle("r").body("b");
        let message_of = |delivery: Delivery| message(delivery, at);
        let plain = message_of(whole.clone().build()).unwrap();
        assert_eq!((plain.delivery_count, plain.sent_at), (1, at), "what is only told approximately may be missing");
        assert_eq!(message_of(Delivery::builder().message_id("m").body("b").build()), None);
        let bytes = MessageAttributeValue::builder().data_type("Binary").binary_value(b"\x00\x01".to_vec().into());
        let told = whole
            .attributes(MessageSystemAttributeName::SentTimestamp, "1700000000123")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "7")
            .message_attributes("origin", bytes.build().unwrap());
        let told = message_of(told.build()).unwrap();
        assert_eq!((told.sent_at.micros(), told.delivery_count), (1_700_000_000_123_000, 7));
        assert_eq!(told.attributes["origin"], "AAE=");
    }

    #[test]
    fn characters_that_the_service_refuses_are_written_otherwise() {
        let body = "{\"a\":\"x\u{FFFF}\u{1}é\u{1F600}\"}\n";
        assert_eq!(sent_body(body), "{\"a\":\"x\\uffff\\u0001é\u{1F600}\"}\n");
        let attributes = Attributes::from([("reason".to_owned(), "a\u{0}b\u{FFFE}".to_owned())]);
        let sent = sent_attributes(&attributes).unwrap();
        assert_eq!(sent["reason"].string_value(), Some("a\u{FFFD}b\u{FFFD}"));
        assert_eq!(sent_attributes(&Attributes::new()), None);
    }
}
