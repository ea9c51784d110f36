//! Two loaders at the same entries, and a fence that is taken in between.

use std::sync::Arc;

use lakehand_domain::entry::StateName;
use lakehand_domain::id::{LedgerId, Nonce};
use lakehand_domain::port::warehouse::Warehouse;
use lakehand_pipeline::loading::{LoadError, Memory};
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn loaders_that_race_load_every_row_once() {
    let world = Arc::new(World::new());
    let mut expected = Vec::new();
    for round in 0..4 {
        for file in 0..5 {
            let name = format!("in_{round}_{file}.txt");
            world.write(&name, &[round, file]).await;
            expected.extend([format!("/{name} 1 {round} visible"), format!("/{name} 2 {file} visible")]);
        }
        let mut racing = tokio::task::JoinSet::new();
        for worker in 0..3 {
            let world = Arc::clone(&world);
            racing.spawn(async move {
                let ports = world.as_worker(&format!("worker {round} {worker}"));
                let mut memory = Memory::default();
                // A loader that is in another's way gives up for now; the others go on.
                drop(world.load_all(&ports, &mut memory).await);
            });
        }
        while let Some(ended) = racing.join_next().await {
            ended.unwrap();
        }
        world.to_the_end().await;
    }
    expected.sort();
    assert_eq!(world.rows().await, expected);
    assert!(world.states().await.values().all(|state| *state == (StateName::Loaded, 1)));
    assert!(world.asked().await.is_empty());
}

/// Verified, with two files written.
async fn ready() -> (World, Memory) {
    let world = World::new();
    let mut memory = Memory::default();
    world.load(&world.ports, &mut memory).await.unwrap();
    world.write("in_1.txt", &[1]).await;
    world.write("in_2.txt", &[2]).await;
    (world, memory)
}

const ROWS: [&str; 2] = ["/in_1.txt 1 1 visible", "/in_2.txt 1 2 visible"];

#[tokio::test]
async fn a_fence_stolen_between_stage_and_commit_is_taken_again() {
    let (world, mut memory) = ready().await;
    let (thief, family) = (Arc::clone(&world.warehouse), world.dataset.family());
    world.meddled.before_commit(async move {
        thief.take_fence(&family, &Nonce::new("thief"), &LedgerId::new("l")).await.unwrap();
    });
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!(outcome.loaded, 2);
    assert_eq!(world.meddled.staged(), [2], "what was staged still stands");
    assert_eq!(world.rows().await, ROWS);
}

#[tokio::test]
async fn what_another_loader_committed_meanwhile_is_found_by_its_markers() {
    let (world, mut memory) = ready().await;
    let world = Arc::new(world);
    let other = Arc::clone(&world);
    world.meddled.before_commit(async move {
        // The other dies before it tells the ledger.
        let ports = other.as_worker("other");
        let entries = other.entries().await;
        let mut memory = Memory::default();
        other.load_all(&ports, &mut memory).await.unwrap();
        for entry in entries {
            let loaded = other.entries().await.into_iter().find(|one| one.id == entry.id).unwrap();
            assert_eq!(loaded.state_name(), StateName::Loaded);
        }
    });
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!(outcome.loaded, 0, "the other has told the ledger");
    assert_eq!(world.rows().await, ROWS);
    assert_eq!(world.batches().await, Some(1), "nothing was committed twice");
    assert!(world.warehouse.stagings(&world.dataset.family()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_thief_that_never_tires_keeps_nothing_from_the_next_pass() {
    let (mut world, mut memory) = ready().await;
    world.settings.attempts = 1;
    let (thief, family) = (Arc::clone(&world.warehouse), world.dataset.family());
    world.meddled.before_commit(async move {
        thief.take_fence(&family, &Nonce::new("thief"), &LedgerId::new("l")).await.unwrap();
    });
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.left), (0, 2), "it gives way");
    assert!(world.rows().await.is_empty());
    assert_eq!(world.load(&world.ports, &mut memory).await.unwrap().loaded, 2);
    assert_eq!(world.rows().await, ROWS);
}

#[tokio::test]
async fn a_warehouse_of_another_ledger_is_left_alone() {
    let world = World::new();
    world.write("in_1.txt", &[1]).await;
    let family = world.dataset.family();
    world.warehouse.ensure(&family).await.unwrap();
    world.warehouse.take_fence(&family, &Nonce::new("theirs"), &LedgerId::new("other")).await.unwrap();
    let mut memory = Memory::default();
    for _ in 0..2 {
        let error = world.load(&world.ports, &mut memory).await.unwrap_err();
        assert!(matches!(error, LoadError::OtherLedger { .. }), "{error}");
        assert!(error.needs_operator());
        assert!(error.to_string().contains("ledger other"), "{error}");
    }
    assert_eq!(world.state("in_1.txt").await, StateName::Written);
    assert!(world.meddled.staged().is_empty(), "nothing was copied into it");
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_by_its_markers_at_once() {
    let commit = {
        let (world, mut memory) = ready().await;
        world.load(&world.ports, &mut memory).await.unwrap();
        world.plan.names().iter().position(|name| *name == "warehouse.commit").unwrap() + 1
    };
    let world = World::with(FaultPlan::new().with(commit as u64, Fate::FailsAfter), "keep");
    let mut memory = Memory::default();
    world.load(&world.ports, &mut memory).await.unwrap();
    world.write("in_1.txt", &[1]).await;
    world.write("in_2.txt", &[2]).await;
    let outcome = world.load(&world.ports, &mut memory).await.unwrap();
    assert_eq!((outcome.loaded, outcome.left), (2, 0));
    assert_eq!(world.rows().await, ROWS);
    assert_eq!((world.meddled.staged(), world.batches().await), (vec![2], Some(1)));
    let names = world.plan.names();
    let commits = names.iter().filter(|name| **name == "warehouse.commit").count();
    assert_eq!(commits, 1, "it is not repeated: {names:?}");
}
