//! What no entry answers for.

use std::sync::Arc;
use std::time::Duration;

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::{EntryState, SetAsideKind};
use lakehand_domain::message::Attributes;
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::queue::{LONGEST_MESSAGE, Queue};
use lakehand_pipeline::dead_letters::tell;
use lakehand_pipeline::ports::Ports;
use lakehand_pipeline::settle::Settlement;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

use crate::world::World;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn what_cannot_be_understood_or_routed_becomes_a_letter_with_its_message() {
    let world = World::new();
    world.land("other.txt", "a");
    let unrouted = format!(r#"{{"lakehand_event":1,"objects":[{{"uri":"{}"}}]}}"#, world.object("other.txt"));
    let foreign = r#"{"Records":[{"eventVersion":"2.1","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
    for (body, kind) in [
        ("no json", SetAsideKind::Undecodable),
        (unrouted.as_str(), SetAsideKind::NoDataset),
        (foreign, SetAsideKind::NoDataset),
    ] {
        world.send_body(body).await;
        assert_eq!(world.once().await.settlement, Settlement::Deleted);
        let letters = world.letters().await;
        assert_eq!((letters.len(), letters[0].kind), (1, kind), "{body}");
        assert_eq!(letters[0].original.as_ref().unwrap().body, body);
    }
    assert!(world.entries().await.is_empty());
}

/// The letter goes first: a message is never gone before its letter is there.
#[tokio::test]
async fn a_message_stays_until_its_letter_is_sent() {
    for fate in [Fate::FailsBefore, Fate::FailsAfter] {
        // The letter is the first call that a message without objects makes.
        let world = World::with(FaultPlan::new().with(1, fate));
        world.send_body("no json").await;
        assert_eq!(world.once().await.settlement, Settlement::Untold);
        assert_eq!(world.queue_total().await, 1);
        world.to_the_end().await;
        let expected = if fate == Fate::FailsAfter { 2 } else { 1 };
        assert_eq!(world.letters().await.len(), expected, "twice is harmless, never is not");
    }
}

/// What an operator looks for stands beside the body, and with it what the message brought.
#[tokio::test]
async fn a_letter_says_what_it_is_about_beside_its_body() {
    let world = World::new();
    let brought = Attributes::from([("origin".to_owned(), "a topic".to_owned())]);
    let id = world.queue.send_with("no json", &brought, Duration::ZERO).await.unwrap();
    assert_eq!(world.once().await.settlement, Settlement::Deleted);
    let message = world.letters.receive(1, MINUTE, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!(message.attributes["kind"], "undecodable");
    assert_eq!(message.attributes["original_id"], id.as_str());
    assert_eq!(message.attributes["original_attributes"], r#"{"origin":"a topic"}"#);
    assert!(message.attributes["reason"].contains("not JSON"), "{:?}", message.attributes);
    let letter: DeadLetter = serde_json::from_str(&message.body).unwrap();
    assert_eq!(letter.original.unwrap().attributes, brought);
}

/// The letter of a file says by which message it came, and goes before the message does.
#[tokio::test]
async fn what_is_set_aside_is_told_of_before_its_message_goes() {
    let world = World::new();
    world.land("in_1.txt", "UNREADABLE");
    let brought = Attributes::from([("origin".to_owned(), "a topic".to_owned())]);
    let body = OwnMessage::new(vec![ObjectEvent { uri: world.object("in_1.txt"), cause: Cause::Arrived }]).body();
    let id = world.queue.send_with(&body, &brought, Duration::ZERO).await.unwrap();
    assert_eq!(world.once().await.settlement, Settlement::Deleted);
    let names = world.plan.names();
    let at = |call: &str| names.iter().rposition(|name| *name == call).unwrap();
    assert!(at("queue.send") < at("ledger.put") && at("ledger.put") < at("queue.delete"), "{names:?}");
    assert!(matches!(world.entry().await.state, EntryState::SetAside { told: true, .. }));
    let message = world.letters.receive(1, MINUTE, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!(message.attributes["original_id"], id.as_str());
    assert_eq!(message.attributes["original_attributes"], r#"{"origin":"a topic"}"#);
    assert_eq!(message.attributes["object"], world.object("in_1.txt").as_str());
    // Replayed, and set aside again, it still names the message that brought the file.
    let replaying = Ports { queue: Arc::clone(&world.ports.dead_letters), ..world.ports.clone() };
    world.process(&replaying, message).await;
    let again = world.letters.receive(1, MINUTE, Duration::ZERO).await.unwrap().remove(0);
    assert_eq!((again.attributes["generation"].as_str(), again.attributes["original_id"].as_str()), ("2", id.as_str()));
}

/// The ledger owes it: the message does not wait for a queue of letters that is away.
#[tokio::test]
async fn a_letter_that_cannot_be_sent_at_once_stays_owed_and_holds_up_nothing() {
    let set_aside = async |plan| {
        let world = World::with(plan);
        world.land("in_1.txt", "UNREADABLE");
        world.send(&["in_1.txt"]).await;
        let settlement = world.once().await.settlement;
        (world, settlement)
    };
    let (world, _) = set_aside(FaultPlan::new()).await;
    let names = world.plan.names();
    let sent = names.iter().position(|name| *name == "queue.send").unwrap() as u64 + 1;
    // The look at the entry, the letter, and that it is told.
    for number in sent - 1..=sent + 1 {
        for fate in [Fate::FailsBefore, Fate::FailsAfter] {
            let (world, settlement) = set_aside(FaultPlan::new().with(number, fate)).await;
            assert_eq!(settlement, Settlement::Deleted, "call {number} {fate:?}");
            let entry = world.entry().await;
            // Two look at once, as replicas do.
            let (one, two) = tokio::join!(tell(&world.ports, &entry.id), tell(&world.ports, &entry.id));
            one.and(two).unwrap();
            assert!(matches!(world.entry().await.state, EntryState::SetAside { told: true, .. }));
            assert!(!tell(&world.ports, &entry.id).await.unwrap());
            let letters = world.letters().await.len();
            assert!((1..=3).contains(&letters), "call {number} {fate:?}: {letters} letters");
        }
    }
}

#[tokio::test]
async fn a_message_that_no_letter_can_hold_is_kept_as_it_came() {
    let world = World::new();
    // The longer of the two leaves no room even for what stands beside it.
    for (length, is_told) in [(LONGEST_MESSAGE - 2_000, true), (LONGEST_MESSAGE, false)] {
        let body = "\"".repeat(length);
        world.send_body(&body).await;
        assert_eq!(world.once().await.settlement, Settlement::Deleted);
        let message = world.letters.receive(1, MINUTE, Duration::ZERO).await.unwrap().remove(0);
        assert_eq!(message.body, body);
        assert_eq!(message.attributes.contains_key("reason"), is_told, "{:?}", message.attributes);
        world.letters.delete(&[message.receipt]).await.unwrap();
    }
    assert_eq!(world.queue_total().await, 0);
}

#[tokio::test]
async fn a_letter_that_names_its_object_stays_a_letter() {
    let world = World::new();
    world.land("other.txt", "a");
    // In the letter each of these is four bytes.
    let more = "\"".repeat(LONGEST_MESSAGE / 3);
    let body = serde_json::json!({
        "lakehand_event": 1, "objects": [{"uri": world.object("other.txt").as_str()}], "more": more,
    });
    world.send_body(&body.to_string()).await;
    world.once().await;
    let letters = world.letters().await;
    assert_eq!(letters[0].kind, SetAsideKind::NoDataset);
    assert_eq!(letters[0].object.as_ref(), Some(&world.object("other.txt")));
    let original = letters[0].original.as_ref().unwrap();
    assert_eq!(original.full_bytes, u64::try_from(body.to_string().len()).ok());
    assert!(original.body.len() < 100_000, "{}", original.body.len());
}
