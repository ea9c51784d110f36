//! Every call of a pass in turn fails, loses its answer, or is the last thing a loader does.

use std::collections::BTreeMap;
use std::future::Future;
use std::task::Poll;

use futures::stream::{self, StreamExt};
use lakehand_domain::entry::StateName;
use lakehand_domain::port::warehouse::Warehouse;
use lakehand_pipeline::loading::Memory;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};

use crate::world::World;

/// So many worlds are tried at once; they wait for the disk more than they work.
const AT_ONCE: usize = 8;

/// Two files to be loaded and archived, and one whose parts are gone.
async fn landed(plan: FaultPlan) -> World {
    let world = World::with(plan, "archive:ARCHIVE");
    world.write("in_1.txt", &[1, 2, 3]).await;
    world.write("in_2.txt", &[4]).await;
    let lost = world.write("in_3.txt", &[5, 6]).await;
    let part = world.ports.lake_root.dataset(&world.dataset.id).join(&format!("t/{}-00000.parquet", lost.load_id));
    world.parts.remove(&part);
    world
}

type End = (Vec<String>, BTreeMap<String, (StateName, u32)>, Vec<String>, Vec<String>);

async fn end(world: &World) -> End {
    let names = |folder: &str| {
        let mut names = Vec::new();
        let mut folders = vec![world.folder.path().join(folder)];
        while let Some(folder) = folders.pop() {
            for item in std::fs::read_dir(folder).unwrap() {
                let path = item.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    // In the archive the version stands before the name, and differs from run to run.
                    let name = path.file_name().unwrap().to_str().unwrap();
                    names.push(name.split_once('-').map_or(name, |(_, name)| name).to_owned());
                }
            }
        }
        names.sort();
        names
    };
    (world.rows().await, world.states().await, names("landing"), names("archive"))
}

/// Passes as the first worker does them, until one of them fails or there is no more to do.
async fn work(world: &World) {
    let mut memory = Memory::default();
    drop(world.load_all(&world.ports, &mut memory).await);
}

async fn undisturbed() -> (End, u64, Vec<&'static str>) {
    let world = landed(FaultPlan::new()).await;
    work(&world).await;
    let (calls, names) = (world.plan.calls(), world.plan.names());
    assert_eq!(world.asked().await.len(), 1, "the file whose parts are gone");
    assert!(world.warehouse.stagings(&world.dataset.family()).await.unwrap().is_empty());
    assert_eq!(world.batches().await, Some(1));
    (end(&world).await, calls, names)
}

#[tokio::test]
async fn an_undisturbed_pass_loads_every_row_once() {
    let ((rows, states, landing, archive), calls, names) = undisturbed().await;
    assert_eq!(
        rows,
        ["/in_1.txt 1 1 visible", "/in_1.txt 2 2 visible", "/in_1.txt 3 3 visible", "/in_2.txt 1 4 visible"]
    );
    let expected = [
        ("in_1.txt".to_owned(), (StateName::Loaded, 1)),
        ("in_2.txt".to_owned(), (StateName::Loaded, 1)),
        ("in_3.txt".to_owned(), (StateName::Claimed, 1)),
    ];
    assert_eq!(states, BTreeMap::from(expected));
    assert_eq!((landing, archive), (vec!["in_3.txt".to_owned()], vec!["in_1.txt".to_owned(), "in_2.txt".to_owned()]));
    assert!(calls > 30, "{names:?}");
    let after_commit = names.iter().skip_while(|name| **name != "warehouse.commit");
    let first = after_commit.into_iter().find(|name| ["ledger.raise", "ledger.put"].contains(name));
    assert_eq!(first, Some(&"ledger.raise"), "a warehouse restored from before this batch must be noticed");
}

#[tokio::test]
async fn a_call_that_fails_or_loses_its_answer_changes_nothing() {
    let (expected, calls, names) = undisturbed().await;
    let cases = (1..=calls).flat_map(|number| [(number, Fate::FailsBefore), (number, Fate::FailsAfter)]);
    let failing = stream::iter(cases).for_each_concurrent(AT_ONCE, |(number, fate)| {
        let (expected, names) = (&expected, &names);
        async move {
            let world = landed(FaultPlan::new().with(number, fate)).await;
            work(&world).await;
            world.to_the_end().await;
            let name = names[usize::try_from(number - 1).unwrap()];
            assert_eq!(end(&world).await, *expected, "call {number}, {name}, {fate:?}");
        }
    });
    failing.await;
}

#[tokio::test]
async fn a_loader_that_dies_at_any_call_changes_nothing() {
    let (expected, calls, names) = undisturbed().await;
    let dying = stream::iter(1..=calls).for_each_concurrent(AT_ONCE, |number| {
        let (expected, names) = (&expected, &names);
        async move {
            let world = landed(FaultPlan::new()).await;
            let mut work = Box::pin(work(&world));
            // The loader is gone once it has begun this call, whether or not the call comes to its end.
            std::future::poll_fn(|context| {
                if world.plan.calls() >= number { Poll::Ready(()) } else { work.as_mut().poll(context) }
            })
            .await;
            drop(work);
            world.to_the_end().await;
            let name = names[usize::try_from(number - 1).unwrap()];
            assert_eq!(end(&world).await, *expected, "died in call {number}, {name}");
        }
    });
    dying.await;
}

#[tokio::test]
async fn loading_again_does_nothing() {
    let world = landed(FaultPlan::new()).await;
    work(&world).await;
    let before = end(&world).await;
    let again = world.to_the_end().await;
    assert_eq!((again.loaded, again.refused, again.sent_back, again.restored), (0, 0, 0, 0));
    assert_eq!(end(&world).await, before);
}
