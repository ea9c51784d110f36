//! Prolonging and deleting: each receipt has its own outcome, whatever becomes of the others of its request.

use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::fault::{Effect, Fault, chain};
use lakehand_domain::id::ReceiptHandle;
use lakehand_domain::port::queue::{Queue, QueueError, ReceiptOutcome};
use lakehand_domain::timestamp::Timestamp;
use lakehand_testkit::manual_clock::ManualClock;
use tokio::task::JoinSet;

use crate::fake::{Fake, Reply, all_done, bad_fail};

const DONE: ReceiptOutcome = ReceiptOutcome::Done;
const LOST: ReceiptOutcome = ReceiptOutcome::Lost;
const FAILED: ReceiptOutcome = ReceiptOutcome::Failed;

const MINUTE: Duration = Duration::from_mins(1);

fn receipts<const N: usize>(handles: [&str; N]) -> [ReceiptHandle; N] {
    // As the backend makes them: received at the beginning of time.
    handles.map(|handle| ReceiptHandle::new(format!("1700000000000000/{handle}")))
}

fn start() -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000)
}

/// Time flies here: waits between tries take none.
fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::hurrying(start()))
}

#[tokio::test]
async fn what_fails_for_itself_is_sent_again_alone() {
    let fake = Fake::new(|nth, call| match nth {
        0 | 1 => bad_fail(call, "InternalError", false, "not now"),
        _ => all_done(call),
    });
    let fake = fake.await;
    let queue = fake.queue(clock()).await;
    let outcomes = queue.delete(&receipts(["a", "bad", "c"])).await.unwrap();
    assert_eq!(outcomes, [DONE, DONE, DONE]);
    let sent: Vec<_> = fake.calls("DeleteMessageBatch").iter().map(|call| call.entries().len()).collect();
    assert_eq!(sent, [3, 1, 1]);
}

#[tokio::test]
async fn what_keeps_failing_is_its_own_failure() {
    let fake = Fake::new(|_, call| bad_fail(call, "ServiceUnavailable", false, "down")).await;
    let queue = fake.queue(clock()).await;
    assert_eq!(queue.delete(&receipts(["a", "bad", "c"])).await.unwrap(), [DONE, FAILED, DONE]);
    assert_eq!(fake.calls("DeleteMessageBatch").len(), 4, "it is tried a few times");
    let error = queue.delete(&receipts(["bad"])).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { operation: "delete", effect: Effect::Unknown, .. }), "{error:?}");
    assert!(chain(&error).contains("ServiceUnavailable: down"), "{}", chain(&error));
}

#[tokio::test]
async fn a_receipt_that_an_answer_leaves_out_is_asked_for_again() {
    let fake = Fake::new(|nth, call| match nth {
        0 => Reply::Json(serde_json::json!({"Successful": [{"Id": "1"}], "Failed": []})),
        _ => all_done(call),
    });
    let fake = fake.await;
    let queue = fake.queue(clock()).await;
    assert_eq!(queue.extend(&receipts(["a", "b"]), MINUTE).await.unwrap(), [DONE, DONE]);
    let again = &fake.calls("ChangeMessageVisibilityBatch")[1];
    assert_eq!(again.entries(), [("0".to_owned(), "a".to_owned())]);
}

#[tokio::test]
async fn a_receipt_that_is_not_ours_any_more_is_lost() {
    for (code, sender_fault, message) in [
        ("ReceiptHandleIsInvalid", true, "The input receipt handle is invalid."),
        ("ReceiptHandleIsInvalid", false, "an emulator that blames itself"),
        ("AWS.SimpleQueueService.MessageNotInflight", true, ""),
        ("MessageNotInflight", true, ""),
        (
            "InvalidParameterValue",
            true,
            "Value x for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
        ),
        ("InvalidParameterValueException", false, "Reason: Message does not exist or is not available"),
    ] {
        let fake = Fake::new(move |_, call| bad_fail(call, code, sender_fault, message)).await;
        let queue = fake.queue(clock()).await;
        let receipts = receipts(["a", "bad"]);
        assert_eq!(queue.extend(&receipts, MINUTE).await.unwrap(), [DONE, LOST], "{code}");
        assert_eq!(queue.delete(&receipts).await.unwrap(), [DONE, LOST], "{code}");
        assert_eq!(fake.calls("DeleteMessageBatch").len(), 1, "{code} is not tried again");
    }
}

#[tokio::test]
async fn a_visibility_that_is_refused_is_no_lost_receipt() {
    const TEXT: &str = "Value 60 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the \
                        message is beyond the limit [43200 seconds]";
    let fake = Fake::new(|_, call| bad_fail(call, "InvalidParameterValue", true, TEXT)).await;
    let queue = fake.queue(clock()).await;
    assert_eq!(queue.extend(&receipts(["a", "bad"]), MINUTE).await.unwrap(), [DONE, FAILED]);
}

#[tokio::test]
async fn one_receipt_does_not_take_the_others_with_it() {
    const TEXT: &str = "Value x for parameter ReceiptHandle is invalid.";
    // As some do: the whole request is refused for one of its entries.
    let fake = Fake::new(|_, call| {
        let is_bad = call.entries().iter().any(|(_, handle)| handle == "bad");
        if is_bad { Reply::Error("InvalidParameterValue", TEXT) } else { all_done(call) }
    });
    let fake = fake.await;
    let queue = fake.queue(clock()).await;
    assert_eq!(queue.extend(&receipts(["a", "bad", "c"]), MINUTE).await.unwrap(), [DONE, LOST, DONE]);
}

#[tokio::test]
async fn receipts_of_something_else_are_lost_without_asking() {
    let fake = Fake::new(|_, call| all_done(call)).await;
    let queue = fake.queue(clock()).await;
    let [good] = receipts(["a"]);
    let mixed = [ReceiptHandle::new("12-3"), good, ReceiptHandle::new("")];
    assert_eq!(queue.delete(&mixed).await.unwrap(), [LOST, DONE, LOST]);
    assert_eq!(fake.calls("DeleteMessageBatch")[0].entries().len(), 1);
    assert_eq!(queue.extend(&mixed[..1], MINUTE).await.unwrap(), [LOST]);
    assert!(fake.calls("ChangeMessageVisibilityBatch").is_empty());
}

#[tokio::test]
async fn concurrent_deletes_share_requests_and_each_has_its_outcome() {
    let fake = Fake::new(|_, call| bad_fail(call, "ReceiptHandleIsInvalid", true, "")).await;
    let queue = Arc::new(fake.queue(clock()).await);
    let mut callers = JoinSet::new();
    for number in 0..35 {
        let queue = Arc::clone(&queue);
        let handle = if number % 7 == 3 { format!("bad{number}") } else { format!("good{number}") };
        callers.spawn(async move {
            let outcome = queue.delete(&receipts([&handle])).await.unwrap();
            assert_eq!(outcome, [if handle.starts_with("bad") { LOST } else { DONE }], "{handle}");
        });
    }
    callers.join_all().await;
    let calls = fake.calls("DeleteMessageBatch");
    let sizes: Vec<_> = calls.iter().map(|call| call.entries().len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 35);
    assert!(sizes.len() <= 5 && sizes.iter().all(|size| *size <= 10), "{sizes:?}");
}

#[tokio::test]
async fn near_the_cap_a_message_gets_what_is_left_of_it() {
    let fake = Fake::new(|_, call| all_done(call)).await;
    let clock = Arc::new(ManualClock::new(start()));
    let queue = fake.queue(Arc::<ManualClock>::clone(&clock)).await;
    clock.advance(Duration::from_secs(43_150));
    let [old] = receipts(["old"]);
    let young = ReceiptHandle::new(format!("{}/young", lakehand_domain::clock::Clock::now(clock.as_ref()).micros()));
    assert_eq!(queue.extend(&[old.clone(), young], MINUTE).await.unwrap(), [DONE, DONE]);
    let asked = |nth: usize| -> Vec<i64> {
        let entries = fake.calls("ChangeMessageVisibilityBatch")[nth].input["Entries"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["VisibilityTimeout"].as_i64().unwrap()).collect()
    };
    assert_eq!(asked(0), [45, 60], "twelve hours count from the receipt, and exactly twelve are refused");
    clock.advance(Duration::from_secs(45));
    assert_eq!(queue.extend(std::slice::from_ref(&old), MINUTE).await.unwrap(), [DONE]);
    assert_eq!(fake.calls("ChangeMessageVisibilityBatch").len(), 1, "nothing is left, and zero would show it");
    assert_eq!(queue.extend(&[old], Duration::ZERO).await.unwrap(), [DONE]);
    assert_eq!(asked(1), [0]);
}

#[tokio::test]
async fn a_throttled_request_is_repeated_by_the_sdk_and_told_in_the_end() {
    let fake = Fake::new(|nth, call| match nth {
        0 | 1 => Reply::Error("RequestThrottled", "slow down"),
        _ => all_done(call),
    });
    let fake = fake.await;
    let queue = fake.queue(clock()).await;
    assert_eq!(queue.extend(&receipts(["a"]), MINUTE).await.unwrap(), [DONE]);
    assert_eq!(fake.calls("ChangeMessageVisibilityBatch").len(), 3);

    let fake = Fake::new(|_, _| Reply::Error("RequestThrottled", "slow down")).await;
    let queue = fake.queue(clock()).await;
    let error = queue.delete(&receipts(["a"])).await.unwrap_err();
    assert!(matches!(error, QueueError::Unavailable { operation: "delete", effect: Effect::Unknown, .. }), "{error:?}");
    assert_eq!(fake.calls("DeleteMessageBatch").len(), 2, "a delete is tried few times, by one layer alone");
}

#[tokio::test]
async fn a_refusal_is_told_as_one() {
    let fake = Fake::new(|_, _| Reply::Error("AccessDenied", "no")).await;
    let queue = fake.queue(clock()).await;
    let error = queue.extend(&receipts(["a", "b"]), MINUTE).await.unwrap_err();
    assert!(matches!(error, QueueError::Denied { operation: "extend", .. }), "{error:?}");
    assert_eq!((error.effect(), fake.calls("ChangeMessageVisibilityBatch").len()), (Effect::NotApplied, 1));
}

#[tokio::test]
async fn a_prolongation_that_hangs_is_given_up_while_there_is_time_for_another() {
    let fake = Fake::new(|nth, call| if nth == 0 { Reply::Silence } else { all_done(call) }).await;
    let queue = fake.queue(clock()).await;
    let answer = tokio::time::timeout(Duration::from_secs(15), queue.extend(&receipts(["a"]), MINUTE)).await;
    assert_eq!(answer.expect("another attempt was made").unwrap(), [DONE]);
    assert_eq!(fake.calls("ChangeMessageVisibilityBatch").len(), 2);
}

#[tokio::test]
async fn who_stops_waiting_stops_the_request() {
    let fake = Fake::new(|_, _| Reply::Silence).await;
    let queue = fake.queue(clock()).await;
    let waited = tokio::time::timeout(Duration::from_millis(300), queue.extend(&receipts(["a"]), MINUTE)).await;
    assert!(waited.is_err());
    // The attempt was dropped: no second one follows when its time would be over.
    let quiet = tokio::time::timeout(Duration::from_secs(5), std::future::pending::<()>()).await;
    assert!(quiet.is_err());
    assert_eq!(fake.calls("ChangeMessageVisibilityBatch").len(), 1);
}
