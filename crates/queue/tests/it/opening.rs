//! Finding a queue, and receiving from it.

use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::fault::{Effect, Fault, chain};
use lakehand_domain::port::queue::{Queue, QueueError};
use lakehand_queue::sqs::{QueueAddress, SqsOptions, SqsQueue};
use lakehand_testkit::real_clock::RealClock;
use serde_json::json;

use crate::fake::{Fake, Reply, attributes, config};

async fn open(fake: &Fake, name: &str) -> Result<SqsQueue, QueueError> {
    let queue = QueueAddress::parse(name).unwrap();
    SqsQueue::open(&fake.config().await, SqsOptions { queue }, Arc::new(RealClock)).await
}

#[tokio::test]
async fn a_name_is_looked_up_and_calls_stay_with_the_endpoint() {
    let fake = Fake::new(|_, call| match call.operation.as_str() {
        "GetQueueUrl" => Reply::Json(json!({"QueueUrl": "http://nowhere.invalid:1/000000000000/work"})),
        _ => Reply::Json(json!({"MessageId": "m"})),
    });
    let fake = fake.await;
    let queue = open(&fake, "sqs://123456789012/work").await.unwrap();
    assert_eq!(queue.facts().arn, "arn:aws:sqs:eu-central-1:000000000000:work");
    queue.send("a", Duration::ZERO).await.unwrap();
    let asked = &fake.calls("GetQueueUrl")[0].input;
    assert_eq!((&asked["QueueName"], &asked["QueueOwnerAWSAccountId"]), (&json!("work"), &json!("123456789012")));
    assert_eq!(fake.calls("SendMessage")[0].input["QueueUrl"], "http://nowhere.invalid:1/000000000000/work");
}

#[tokio::test]
async fn a_queue_that_is_not_there_says_what_to_do() {
    for code in ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"] {
        let fake = Fake::new(move |_, _| Reply::Error(code, "The specified queue does not exist.")).await;
        let error = open(&fake, "sqs://work").await.unwrap_err();
        assert!(matches!(error, QueueError::Denied { operation: "open", .. }), "{error:?}");
        let text = chain(&error);
        for part in ["no queue work", "eu-central-1", "lakehand provision", "does not exist"] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[tokio::test]
async fn a_queue_of_another_region_is_refused_before_anything_is_asked() {
    let there = QueueAddress::parse("https://sqs.eu-west-1.amazonaws.com/123456789012/work").unwrap();
    let config = config("http://127.0.0.1:1").await.into_builder();
    // Without an endpoint of its own: AWS.
    let mut config = config;
    config.set_endpoint_url(None);
    let opened = SqsQueue::open(&config.build(), SqsOptions { queue: there }, Arc::new(RealClock)).await;
    let text = chain(&opened.unwrap_err());
    assert!(text.contains("lies in eu-west-1") && text.contains("eu-central-1"), "{text}");
}

#[tokio::test]
async fn a_receive_asks_for_what_it_needs_and_never_for_more_than_is_allowed() {
    let fake = Fake::new(|_, _| {
        Reply::Json(json!({"Messages": [
            {"MessageId": "m-1", "ReceiptHandle": "r-1", "Body": "a",
             "Attributes": {"SentTimestamp": "1700000000123", "ApproximateReceiveCount": "4"},
             "MessageAttributes": {"object": {"DataType": "String", "StringValue": "s3://a/b"}}},
            {"MessageId": "m-2", "Body": "it has no receipt"},
        ]}))
    });
    let fake = fake.await;
    let queue = fake.real_queue().await;
    let messages = queue.receive(50, Duration::from_hours(24), Duration::from_mins(1)).await.unwrap();
    let input = &fake.calls("ReceiveMessage")[0].input;
    assert_eq!(input["MaxNumberOfMessages"], 10);
    assert_eq!(input["VisibilityTimeout"], 43_195);
    assert_eq!(input["WaitTimeSeconds"], 20);
    assert_eq!(input["MessageAttributeNames"], json!(["All"]));
    assert_eq!(input["MessageSystemAttributeNames"], json!(["ApproximateReceiveCount", "SentTimestamp"]));
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].id.as_str(), messages[0].delivery_count), ("m-1", 4));
    assert_eq!(messages[0].sent_at.micros(), 1_700_000_000_123_000);
    assert_eq!(messages[0].attributes["object"], "s3://a/b");
    queue.receive(0, Duration::from_millis(1500), Duration::from_millis(200)).await.unwrap();
    let input = &fake.calls("ReceiveMessage")[1].input;
    assert_eq!((&input["MaxNumberOfMessages"], &input["VisibilityTimeout"]), (&json!(1), &json!(2)));
    assert_eq!(input["WaitTimeSeconds"], 1, "a short wait is no spin");
}

#[tokio::test]
async fn a_depth_that_is_not_told_is_not_zero() {
    let fake = Fake::new(|_, _| attributes()).await;
    let error = fake.real_queue().await.depth().await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { operation: "depth", .. }), "{error:?}");
    assert_eq!(error.effect(), Effect::NotApplied);
}
