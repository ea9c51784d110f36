//! What no entry answers for.

use lakehand_domain::entry::SetAsideKind;
use lakehand_pipeline::settle::Settlement;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

use crate::world::World;

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
