//! Dead letters are replayed where they lie: what is mended is loaded, what is not is told of again, and nothing else
//! happens to anything.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lakehand_daemon::SystemClock;
use lakehand_daemon::{LetterOutcome, LetterReason, LetterSelection, ReplayReport};
use lakehand_domain::clock::Clock;
use lakehand_domain::dead_letter::DeadLetter;
use lakehand_domain::entry::{ClaimDecision, ClaimRequest, SetAsideKind, StateName, claim};
use lakehand_domain::id::{DatasetId, MessageId, WorkerId};
use lakehand_domain::message::{Attributes, MessageRef};
use lakehand_domain::object_event::Cause;
use lakehand_domain::port::ledger::{Ledger, PutEntry};
use lakehand_domain::port::queue::{Queue, QueueDepth};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// A file that is good but for its last line.
const TORN: &str = "1\n2\nUNREADABLE";

/// So many files, each set aside and told of.
async fn set_aside(files: usize) -> World {
    let world = World::new();
    for file in 0..files {
        world.land(&format!("in_{file}.txt"), TORN);
    }
    let report = world.drain("first").await;
    assert_eq!(report.tally.set_aside[&SetAsideKind::Unreadable], files as u64);
    assert_eq!(world.letters().await, files as u64);
    world
}

fn mend(world: &World) {
    world.tiny.is_mended.store(true, Ordering::SeqCst);
}

async fn replay(world: &World, selection: LetterSelection) -> ReplayReport {
    world.daemon("replaying").replay_letters(selection, CancellationToken::new()).await.unwrap()
}

async fn replay_all(world: &World) -> ReplayReport {
    replay(world, LetterSelection::default()).await
}

async fn dry(world: &World, selection: LetterSelection) -> ReplayReport {
    world.daemon("looking").look_at_letters(selection, CancellationToken::new()).await
}

fn outcomes(report: &ReplayReport) -> BTreeMap<&'static str, usize> {
    let mut outcomes = BTreeMap::new();
    for line in &report.lines {
        *outcomes.entry(line.outcome.as_str()).or_default() += 1;
    }
    outcomes
}

async fn generations(world: &World) -> Vec<(StateName, u32)> {
    world.entries().await.iter().map(|entry| (entry.state_name(), entry.generation.0)).collect()
}

async fn depth(world: &World) -> QueueDepth {
    world.queue("letters").depth().await.unwrap()
}

/// Every letter, which is taken.
async fn take_letters(world: &World) -> Vec<String> {
    let queue = world.queue("letters");
    let mut bodies = Vec::new();
    loop {
        let messages = queue.receive(10, Duration::from_mins(1), Duration::ZERO).await.unwrap();
        if messages.is_empty() {
            return bodies;
        }
        for message in messages {
            queue.delete(&[message.receipt]).await.unwrap();
            bodies.push(message.body);
        }
    }
}

async fn send(world: &World, bodies: &[String]) {
    let queue = world.queue("letters");
    for body in bodies {
        queue.send(body, Duration::ZERO).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_mended_is_loaded_and_its_letter_goes() {
    let world = set_aside(3).await;
    mend(&world);
    let report = replay_all(&world).await;
    assert_eq!(outcomes(&report), BTreeMap::from([("loaded", 3)]), "{report:#?}");
    assert!(report.is_clean() && report.cut_short.is_none(), "{report:#?}");
    assert_eq!((report.letters, report.others, report.newer, report.hidden_elsewhere), (3, 0, 0, 0));
    assert_eq!(report.lines[0].reason, LetterReason::SetAside(SetAsideKind::Unreadable));
    assert_eq!(generations(&world).await, [(StateName::Loaded, 2); 3]);
    assert_eq!(depth(&world).await, QueueDepth::default());
    assert_eq!(world.rows().await.len(), 6);
    // Once more there is nothing to do.
    let again = replay_all(&world).await;
    assert_eq!((again.letters, again.is_clean()), (0, true), "{again:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_again_is_told_of_again_and_the_pass_ends() {
    let world = set_aside(2).await;
    let report = replay_all(&world).await;
    assert_eq!(outcomes(&report), BTreeMap::from([("set_aside_again", 2)]), "{report:#?}");
    assert!(!report.is_clean());
    assert_eq!(generations(&world).await, [(StateName::SetAside, 2); 2]);
    assert_eq!(depth(&world).await, QueueDepth { visible: 2, ..QueueDepth::default() });
    for letter in take_letters(&world).await {
        let letter: DeadLetter = serde_json::from_str(&letter).unwrap();
        assert_eq!(letter.generation.unwrap().0, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_already_is_left_alone() {
    let world = set_aside(1).await;
    let letters = take_letters(&world).await;
    // Told twice, and once more after it is done.
    send(&world, &[letters[0].clone(), letters[0].clone()]).await;
    mend(&world);
    let report = replay_all(&world).await;
    assert_eq!(report.letters, 2);
    assert!(report.is_clean(), "{report:#?}");
    send(&world, &letters).await;
    let report = replay_all(&world).await;
    assert_eq!(report.lines[0].outcome, LetterOutcome::GoneOn(StateName::Loaded));
    assert!(report.is_clean());
    assert_eq!(generations(&world).await, [(StateName::Loaded, 2)]);
    assert_eq!((world.rows().await.len(), world.letters().await), (2, 0));
}

/// Another worker takes the entry of the only letter for this long.
async fn claimed_elsewhere(world: &World, lease_for: Duration) {
    let entry = world.entries().await.remove(0);
    let now = SystemClock.now();
    let request = ClaimRequest {
        dataset: entry.dataset.clone(),
        object: entry.object.clone(),
        fingerprint: entry.fingerprint.clone(),
        worker: WorkerId::new("elsewhere"),
        lease_for,
        skew: Duration::ZERO,
        cause: Cause::Letter(entry.generation),
        asked_by: MessageRef::new(&MessageId::new("m"), now, &Attributes::default()),
        marked: None,
        now,
    };
    let ClaimDecision::Take(taken) = claim(Some(&entry), &request) else { panic!("{entry:?}") };
    assert_eq!(world.ledger().put(&taken).await.unwrap(), PutEntry::Stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_whose_entry_is_in_flight_elsewhere_stays_until_that_has_come_to_its_end() {
    let mut world = set_aside(1).await;
    mend(&world);
    world.settings.drain_patience = Duration::from_millis(700);
    claimed_elsewhere(&world, Duration::from_secs(3)).await;
    let looked = dry(&world, LetterSelection::default()).await;
    assert_eq!(looked.lines[0].outcome, LetterOutcome::WouldWait);
    let report = replay_all(&world).await;
    assert_eq!(report.lines[0].outcome, LetterOutcome::InFlight, "{report:#?}");
    assert!(report.cut_short.is_some() && !report.is_clean());
    assert_eq!(depth(&world).await.visible, 1, "it can be seen at once");
    assert_eq!(generations(&world).await, [(StateName::Claimed, 2)]);
    // The other worker dies. Nothing is lost: the letter brings its generation to its end.
    world.settings.drain_patience = Duration::from_secs(10);
    let report = replay_all(&world).await;
    assert_eq!(outcomes(&report), BTreeMap::from([("loaded", 1)]), "{report:#?}");
    assert_eq!(generations(&world).await, [(StateName::Loaded, 2)]);
    assert_eq!(world.letters().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replays_at_once_share_the_letters() {
    let mut world = set_aside(8).await;
    // Each waits for the other, on a machine that may be busy.
    world.settings.drain_patience = Duration::from_mins(1);
    let letters = take_letters(&world).await;
    send(&world, &[letters.clone(), letters].concat()).await;
    mend(&world);
    let (first, second) = tokio::join!(
        world.daemon("one").replay_letters(LetterSelection::default(), CancellationToken::new()),
        world.daemon("two").replay_letters(LetterSelection::default(), CancellationToken::new())
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert!(first.is_clean() && second.is_clean(), "{first:#?} {second:#?}");
    assert_eq!(first.letters + second.letters, 16);
    assert_eq!(generations(&world).await, [(StateName::Loaded, 2); 8]);
    assert_eq!((world.rows().await.len(), world.letters().await), (16, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_selected_is_touched_and_the_rest_can_be_seen_at_once() {
    let world = set_aside(2).await;
    world.land("other.txt", "1");
    let other = format!("file://{}", world.folder.path().join("landing/other.txt").display());
    let queue = world.queue("queue");
    queue.send("no json", Duration::ZERO).await.unwrap();
    queue.send(&format!(r#"{{"lakehand_event":1,"objects":[{{"uri":"{other}"}}]}}"#), Duration::ZERO).await.unwrap();
    world.drain("second").await;
    assert_eq!(depth(&world).await.visible, 4);
    mend(&world);
    let now = SystemClock.now();
    let (hour, all) = (Duration::from_hours(1), LetterSelection::default);
    let of = |kind| Some(LetterReason::SetAside(kind));
    for (selection, letters) in [
        (LetterSelection { dataset: Some(DatasetId::new("nobody")), ..all() }, 0),
        (LetterSelection { since: Some(now), ..all() }, 0),
        (LetterSelection { until: Some(now.minus(hour)), ..all() }, 0),
        (LetterSelection { reason: Some(LetterReason::Raw), ..all() }, 0),
        (LetterSelection { since: Some(now.minus(hour)), until: Some(now), ..all() }, 4),
        (LetterSelection { dataset: Some(DatasetId::new("d")), ..all() }, 2),
        (LetterSelection { reason: of(SetAsideKind::NoDataset), ..all() }, 1),
    ] {
        let report = dry(&world, selection.clone()).await;
        assert_eq!((report.letters, report.others), (letters, 4 - letters), "{selection:?}");
        assert_eq!(depth(&world).await, QueueDepth { visible: 4, ..QueueDepth::default() }, "{selection:?}");
    }
    let report = replay(&world, LetterSelection { reason: of(SetAsideKind::Undecodable), ..all() }).await;
    assert_eq!((report.letters, report.others), (1, 3));
    assert_eq!(outcomes(&report), BTreeMap::from([("set_aside_again", 1)]), "its message was decoded again");
    assert_eq!(depth(&world).await, QueueDepth { visible: 4, ..QueueDepth::default() });
    let one = LetterSelection { dataset: Some(DatasetId::new("d")), limit: 1, ..all() };
    for round in 1..=2 {
        let report = replay(&world, one.clone()).await;
        assert_eq!((report.letters, outcomes(&report)), (1, BTreeMap::from([("loaded", 1)])), "{report:#?}");
        assert!(report.cut_short.unwrap().contains("limit of 1"));
        assert_eq!(depth(&world).await, QueueDepth { visible: 4 - round, ..QueueDepth::default() });
    }
    assert_eq!(generations(&world).await, [(StateName::Loaded, 2); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_be_and_changes_nothing() {
    let world = set_aside(2).await;
    mend(&world);
    let before = world.entries().await;
    for _ in 0..2 {
        let report = dry(&world, LetterSelection::default()).await;
        assert_eq!(outcomes(&report), BTreeMap::from([("would_replay", 2)]));
        assert!(report.is_clean() && report.hidden_until.is_none());
        assert_eq!(depth(&world).await, QueueDepth { visible: 2, ..QueueDepth::default() });
        assert_eq!(world.entries().await, before);
    }
    let letters = take_letters(&world).await;
    send(&world, &letters).await;
    replay_all(&world).await;
    send(&world, &letters[..1]).await;
    let report = dry(&world, LetterSelection::default()).await;
    assert_eq!(report.lines[0].outcome, LetterOutcome::WouldGo(StateName::Loaded));
    assert_eq!(world.letters().await, 1);
}

/// What the queue's own redrive policy moved there is a message as it came, and is one of many files.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_gave_up_is_processed_as_it_is() {
    let world = World::new();
    let uri = |name: &str| format!("file://{}", world.folder.path().join("landing").join(name).display());
    for name in ["in_1.txt", "in_2.txt"] {
        world.land(name, "1");
    }
    let body = serde_json::json!({"lakehand_event": 1, "objects": [{"uri": uri("in_1.txt")}, {"uri": uri("in_2.txt")},
        {"uri": uri("other.txt")}]});
    let topic = serde_json::json!({"Type": "Notification", "TopicArn": "arn:t", "Message": body.to_string()});
    let test = r#"{"Event":"s3:TestEvent"}"#.to_owned();
    send(&world, &[topic.to_string(), test]).await;
    let raw = LetterSelection { reason: Some(LetterReason::Raw), dataset: None, ..LetterSelection::default() };
    let report = replay(&world, raw).await;
    assert_eq!(report.letters, 2);
    assert_eq!(
        outcomes(&report),
        BTreeMap::from([("ignored", 1), ("loaded", 2), ("set_aside_again", 1)]),
        "{report:#?}"
    );
    let letters = take_letters(&world).await;
    assert_eq!(letters.len(), 1, "nobody claims the third");
    assert!(letters[0].contains("other.txt") && letters[0].contains("no_dataset"), "{letters:?}");
    assert_eq!(world.rows().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_told_to_stop_gives_back_what_it_holds() {
    let mut world = World::new();
    world.settings.drain_deadline = Duration::from_millis(200);
    for name in ["in_1.txt", "in_2.txt"] {
        world.land(name, "STUCK\nUNREADABLE");
    }
    // Set aside by hand: reading it does not end.
    let uri = |name: &str| format!("file://{}", world.folder.path().join("landing").join(name).display());
    let body = |name: &str| format!(r#"{{"lakehand_event":1,"objects":[{{"uri":"{}"}}]}}"#, uri(name));
    send(&world, &[body("in_1.txt"), body("in_2.txt"), "no json".to_owned()]).await;
    mend(&world);
    let stop = CancellationToken::new();
    let selection = LetterSelection { dataset: Some(DatasetId::new("d")), ..LetterSelection::default() };
    let running = tokio::task::JoinSet::from_iter([world.daemon("stopped").replay_letters(selection, stop.clone())]);
    while !world.tiny.is_stuck.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    let report = running.join_all().await.remove(0).unwrap();
    assert_eq!(report.cut_short.as_deref(), Some("it was told to stop"));
    assert!(
        !report.is_clean() && report.lines.iter().all(|line| line.outcome == LetterOutcome::GivenBack),
        "{report:#?}"
    );
    assert_eq!(depth(&world).await, QueueDepth { visible: 3, ..QueueDepth::default() }, "all can be seen at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_dies_at_any_moment_loses_nothing_and_doubles_nothing() {
    let world = set_aside(6).await;
    mend(&world);
    for round in 0..12_u64 {
        let run = world
            .daemon(&format!("dying {round}"))
            .replay_letters(LetterSelection::default(), CancellationToken::new());
        drop(tokio::time::timeout(Duration::from_millis(round * 23), run).await);
        let states = generations(&world).await;
        let open = states.iter().filter(|(state, _)| matches!(state, StateName::SetAside | StateName::Claimed)).count();
        assert!(world.letters().await >= open as u64, "each that is not written has a letter: {states:?}");
    }
    // What was written and not loaded by the time of a death, any daemon loads.
    let report = replay_all(&world).await;
    assert!(report.is_clean(), "{report:#?}");
    assert!(world.drain("last").await.is_clean());
    assert_eq!(generations(&world).await, [(StateName::Loaded, 2); 6]);
    assert_eq!((world.rows().await.len(), world.letters().await), (12, 0));
}
