//! Sending.

use std::time::Duration;

use lakehand_domain::fault::{Effect, Fault, Retry};
use lakehand_domain::message::Attributes;
use lakehand_domain::port::queue::{Queue, QueueError};
use serde_json::json;

use crate::fake::{Fake, Reply};

fn sent(_: usize, _: &crate::fake::Call) -> Reply {
    Reply::Json(json!({"MessageId": "m"}))
}

#[tokio::test]
async fn a_delay_beyond_the_longest_is_the_longest() {
    let fake = Fake::new(sent).await;
    let queue = fake.real_queue().await;
    let attributes = Attributes::from([("kind".to_owned(), "unreadable\u{0}".to_owned())]);
    assert_eq!(
        queue.send_with("{\"a\": \"\u{1}\"}", &attributes, Duration::from_hours(1)).await.unwrap().as_str(),
        "m"
    );
    let input = &fake.calls("SendMessage")[0].input;
    assert_eq!((&input["DelaySeconds"], &input["MessageBody"]), (&json!(900), &json!("{\"a\": \"\\u0001\"}")));
    assert_eq!(
        input["MessageAttributes"],
        json!({"kind": {"DataType": "String", "StringValue": "unreadable\u{FFFD}"}})
    );
}

#[tokio::test]
async fn what_the_queue_does_not_take_is_refused_before_it_is_sent() {
    let fake = Fake::new(sent).await;
    let queue = fake.real_queue().await;
    let error = queue.send(&"x".repeat(2049), Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, QueueError::TooLong { bytes: 2049, most: 2048, .. }), "{error:?}");
    assert_eq!((error.effect(), error.retry()), (Effect::NotApplied, Retry::Never));
    let attributes = Attributes::from([("a".to_owned(), "b".to_owned())]);
    let error = queue.send_with(&"x".repeat(2041), &attributes, Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, QueueError::TooLong { bytes: 2049, .. }), "names, types and values count: {error:?}");
    queue.send_with(&"x".repeat(2040), &attributes, Duration::ZERO).await.unwrap();
    assert_eq!(fake.calls("SendMessage").len(), 1);
}

#[tokio::test]
async fn a_send_without_an_answer_may_have_happened() {
    let fake = Fake::new(|_, _| Reply::Down).await;
    let queue = fake.real_queue().await;
    let error = queue.send("a", Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { operation: "send", effect: Effect::Unknown, .. }), "{error:?}");
    assert_eq!(fake.calls("SendMessage").len(), 3);
}
