//! Messages as services send them, through the whole of intake.

use std::collections::BTreeMap;
use std::time::Duration;

use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::{SetAsideKind, StateName};
use lakehand_domain::port::queue::Queue;
use lakehand_domain::timestamp::Timestamp;
use lakehand_pipeline::settle::{Fate, Settlement};
use serde_json::{Value, json};

use crate::world::World;

/// Events of S3 name buckets: the landing is reached by messages of our own, wrapped as a topic wraps them.
fn in_sns(body: &Value) -> String {
    json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:123456789012:t", "Message": body.to_string()})
        .to_string()
}

fn own(world: &World, names: &[&str]) -> Value {
    let objects: Vec<Value> = names.iter().map(|name| json!({"uri": world.object(name).as_str()})).collect();
    json!({"lakehand_event": 1, "objects": objects})
}

#[tokio::test]
async fn a_message_with_a_bad_record_among_ten_loses_nothing_and_doubles_nothing() {
    let world = World::new();
    let names: Vec<String> = (0..9).map(|n| format!("in_{n}.txt")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        world.land(name, name);
    }
    let mut body = own(&world, &names);
    body["objects"].as_array_mut().unwrap().insert(3, json!({"uri": "no uri"}));
    let body = in_sns(&body);
    // Two deliveries at once, by two workers, and a third when all is done.
    world.send_body(&body).await;
    world.send_body(&body).await;
    let (one, two) = (world.receive().await.unwrap(), world.receive().await.unwrap());
    let other = world.as_worker("second");
    tokio::join!(world.process(&world.ports, one), world.process(&other, two));
    world.send_body(&body).await;
    world.to_the_end().await;
    let states: BTreeMap<_, _> = world
        .entries()
        .await
        .iter()
        .map(|entry| (entry.object.uri.file_name().to_owned(), (entry.state_name(), entry.generation.0)))
        .collect();
    assert_eq!(states.len(), 9);
    assert!(states.values().all(|state| *state == (StateName::Written, 1)), "{states:?}");
    let lake = world.lake().await;
    for name in names {
        assert_eq!(lake.values().filter(|text| text.as_str() == name).count(), 1, "{name} once");
    }
    let letters = world.letters().await;
    assert_eq!(letters.len(), 3, "one for each message");
    for letter in letters {
        assert_eq!(letter.kind, SetAsideKind::Undecodable);
        assert!(letter.reason.starts_with("objects[3]"), "{}", letter.reason);
        assert_eq!(letter.original.unwrap().body, r#"{"lakehand_event":1,"objects":[{"uri":"no uri"}]}"#);
    }
}

#[tokio::test]
async fn two_events_for_one_upload_are_one_file() {
    let world = World::new();
    world.land("in_1.txt", "a");
    // Some stores announce a multipart upload twice; here in one message, and again in another.
    world.send_body(&in_sns(&own(&world, &["in_1.txt", "in_1.txt"]))).await;
    world.send_body(&own(&world, &["in_1.txt"]).to_string()).await;
    let settled = world.once().await;
    assert!(matches!(settled.records[0].fate, Fate::Written { .. }), "{settled:?}");
    assert_eq!(settled.records[1].fate, Fate::Done { state: StateName::Written });
    assert_eq!(world.fate().await, Fate::Done { state: StateName::Written });
    assert_eq!(world.lake().await.len(), 2, "one part, one manifest");
}

#[tokio::test]
async fn a_deletion_that_comes_before_its_creation_changes_nothing() {
    let world = World::new();
    world.land("in_1.txt", "a");
    let removed = json!({"Records": [{"eventVersion": "2.1", "eventName": "ObjectRemoved:Delete", "s3": {"bucket":
        {"name": "b"}, "object": {"key": "in_1.txt", "sequencer": "00"}}}]});
    world.send_body(&removed.to_string()).await;
    assert_eq!(world.fate().await, Fate::Ignored { what: "ObjectRemoved:Delete".to_owned() });
    world.send(&["in_1.txt"]).await;
    assert!(matches!(world.fate().await, Fate::Written { .. }));
    world.send_body(&removed.to_string()).await;
    assert!(matches!(world.fate().await, Fate::Ignored { .. }));
    assert_eq!(world.entry().await.state_name(), StateName::Written);
}

#[tokio::test]
async fn keys_with_double_slashes_are_told_apart_from_those_without() {
    let world = World::new();
    let created = |key: &str| json!({"eventVersion": "2.1", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": key}}});
    let body = json!({"Records": [created("a//b"), created("/a/b"), created("a/b")]});
    world.send_body(&body.to_string()).await;
    world.once().await;
    let objects: Vec<_> =
        world.letters().await.iter().map(|letter| letter.object.clone().unwrap().to_string()).collect();
    assert_eq!(objects, ["s3://b/a//b", "s3://b//a/b", "s3://b/a/b"], "no dataset claims them, and each is named");
}

/// Replayed, a letter that fails again is a letter about the same thing: it neither grows nor multiplies.
#[tokio::test]
async fn a_letter_that_is_replayed_and_fails_again_stays_one_letter() {
    let world = World::new();
    world.send_body(&json!({"Records": [{"bad": 1}, {"bad": 2}]}).to_string()).await;
    world.send_body("no json").await;
    let unrouted = own(&world, &["other.txt", "another.txt"]);
    world.send_body(&unrouted.to_string()).await;
    world.send(&["in_gone.txt"]).await;
    world.to_the_end().await;
    let mut before = Vec::new();
    for round in 0..4 {
        let mut letters = world.letters().await;
        // Each time it is set aside anew, and a record that is alone now has another index; nothing else changes.
        for letter in &mut letters {
            letter.at = Timestamp::default();
            letter.reason.clear();
        }
        letters.sort_by_key(DeadLetter::body);
        assert_eq!(letters.len(), 6, "round {round}");
        if round > 0 {
            assert_eq!(letters, before, "round {round}");
        }
        for letter in &letters {
            world.send_body(&letter.body()).await;
        }
        world.to_the_end().await;
        before = letters;
    }
}

/// A letter about an entry whose object is gone stays a letter about that entry.
#[tokio::test]
async fn a_letter_whose_object_is_gone_still_names_its_entry() {
    let world = World::new();
    world.land("in_1.txt", "UNREADABLE");
    world.send(&["in_1.txt"]).await;
    world.once().await;
    let entry = world.entry().await;
    assert_eq!(world.letters().await.len(), 1, "intake's own");
    let letter = json!({
        "lakehand_dead_letter": 1, "kind": "unreadable", "reason": "r", "at": "2100-01-01T00:00:00Z",
        "object": entry.object.uri, "dataset": "d", "entry": entry.id, "generation": 1
    });
    std::fs::rename(world.landed("in_1.txt"), world.landed("aside")).unwrap();
    world.send_body(&letter.to_string()).await;
    assert!(matches!(world.fate().await, Fate::Letter { .. }));
    let letters = world.letters().await;
    let [again] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(
        (again.kind, &again.entry, again.generation),
        (SetAsideKind::Gone, &Some(entry.id), Some(entry.generation))
    );
    std::fs::rename(world.landed("aside"), world.landed("in_1.txt")).unwrap();
    world.send_body(&again.body()).await;
    world.once().await;
    assert_eq!(world.entry().await.generation.0, 2, "it is there again, and begun again");
}

/// A queue takes a megabyte. What would be more, once it is wrapped in a letter, is kept as it came.
#[tokio::test]
async fn a_message_that_is_too_large_for_a_letter_is_kept_as_it_came() {
    let world = World::new();
    let body = "\"".repeat(900_000);
    world.send_body(&body).await;
    assert_eq!(world.once().await.settlement, Settlement::Deleted);
    let kept = world.letters.receive(10, Duration::from_hours(1), Duration::ZERO).await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].body, body);
}
