//! Loading stands still when somebody wants it to, and files go on being written.

use std::time::Duration;

use lakehand_daemon::{FamilyState, Mode, PauseWindows, SystemClock};
use lakehand_domain::clock::Clock;
use lakehand_domain::entry::StateName;
use lakehand_domain::id::DatasetId;
use lakehand_pipeline::pause::{FOREVER, pause, paused_until, resume};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn files_are_written_while_loading_is_paused_and_loaded_together_afterwards() {
    let world = World::new();
    let ledger = world.ledger();
    pause(ledger.as_ref(), None, FOREVER).await.unwrap();
    for file in 1..=4 {
        world.land(&format!("in_{file}.txt"), &file.to_string());
    }
    let daemon = world.daemon("first");
    let mut snapshot = daemon.snapshot();
    let shutdown = CancellationToken::new();
    let run = JoinSet::from_iter([daemon.run(Mode::Forever, shutdown.clone())]);
    let state = snapshot.wait_for(|state| state.tally.written == 4).await.unwrap().clone();
    let family = &state.families[&DatasetId::new("d")];
    assert_eq!((family.state, state.tally.loaded), (FamilyState::Paused, 0));
    assert!(family.paused.as_ref().unwrap().contains("until lakehand resume"), "{family:?}");
    assert!(state.is_healthy(), "somebody wants it so");
    assert!(world.states().await.values().all(|state| *state == StateName::Written));
    resume(ledger.as_ref(), None).await.unwrap();
    let state = snapshot.wait_for(|state| state.tally.loaded == 4).await.unwrap().clone();
    assert_eq!(state.families[&DatasetId::new("d")].paused, None);
    shutdown.cancel();
    run.join_all().await.remove(0).unwrap();
    let batches: std::collections::BTreeSet<_> =
        world.entries().await.iter().map(|entry| entry.live.as_ref().unwrap().batch.clone()).collect();
    assert_eq!(batches.len(), 1, "one batch for all: {batches:?}");
    assert_eq!(world.rows().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_says_that_loading_is_paused_and_does_not_wait() {
    let mut world = World::new();
    world.land("in_1.txt", "1");
    let (ledger, dataset) = (world.ledger(), DatasetId::new("d"));
    let until = SystemClock.now().plus(Duration::from_hours(1));
    pause(ledger.as_ref(), Some(&dataset), until).await.unwrap();
    let report = world.drain("first").await;
    assert_eq!((report.tally.written, report.tally.loaded), (1, 0));
    let told = &report.unfinished[0].message;
    assert!(told.contains("loading is paused until") && told.contains(&until.to_string()), "{told}");
    // The clock pauses as well as a person does.
    resume(ledger.as_ref(), Some(&dataset)).await.unwrap();
    world.settings.pause = PauseWindows::parse(["* * * * *"]).unwrap();
    let report = world.drain("second").await;
    assert!(report.unfinished[0].message.contains("loading.pause, * * * * *"), "{report:#?}");
    world.settings.pause = PauseWindows::default();
    assert!(world.drain("third").await.is_clean());
}

#[tokio::test]
async fn a_pause_is_of_one_dataset_or_of_all_and_ends_by_itself() {
    let world = World::new();
    let ledger = world.ledger();
    let (one, other, now) = (DatasetId::new("one"), DatasetId::new("other"), SystemClock.now());
    let until = async |dataset: Option<&DatasetId>, now| paused_until(ledger.as_ref(), dataset, now).await.unwrap();
    let (soon, later) = (now.plus(Duration::from_mins(1)), now.plus(Duration::from_mins(2)));
    assert_eq!(until(Some(&one), now).await, None);
    pause(ledger.as_ref(), Some(&one), later).await.unwrap();
    assert_eq!((until(Some(&one), now).await, until(Some(&other), now).await), (Some(later), None));
    pause(ledger.as_ref(), None, soon).await.unwrap();
    assert_eq!((until(Some(&one), now).await, until(Some(&other), now).await), (Some(later), Some(soon)));
    assert_eq!((until(Some(&one), soon).await, until(None, soon).await), (Some(later), None), "each by itself");
    resume(ledger.as_ref(), Some(&one)).await.unwrap();
    assert_eq!(until(Some(&one), now).await, Some(soon), "it is still paused with all");
    // Again, shorter: the last word counts.
    pause(ledger.as_ref(), None, FOREVER).await.unwrap();
    pause(ledger.as_ref(), None, soon).await.unwrap();
    assert_eq!(until(None, now).await, Some(soon));
}
