//! What becomes of the source once it is loaded.

use std::sync::{Arc, Mutex};

use lakehand_dataset::dataset::AfterLoad;
use lakehand_domain::entry::StateName;
use lakehand_pipeline::loading::{LoadError, Memory};
use lakehand_testkit::faulty::plan::FaultPlan;

use crate::tagged::Tagged;
use crate::world::World;

/// A dataset whose loaded objects are tagged; the check refuses one for files.
fn tagging() -> World {
    let mut world = World::new();
    let mut dataset = world.dataset.as_ref().clone();
    dataset.source.after_load = AfterLoad::Tag { key: "lakehand".to_owned(), value: "loaded".to_owned() };
    world.dataset = Arc::new(dataset);
    world
}

#[tokio::test]
async fn the_version_that_was_read_is_tagged_and_stays() {
    let mut world = tagging();
    let store = Arc::new(Tagged { inner: Arc::clone(&world.files), tags: Mutex::default(), is_archived: false });
    world.ports.landing = Arc::<Tagged>::clone(&store);
    for (name, value) in [("in_1.txt", 1), ("in_2.txt", 2), ("in_3.txt", 3)] {
        world.write(name, &[value]).await;
    }
    std::fs::write(world.landed("in_2.txt"), "a newer version").unwrap();
    std::fs::remove_file(world.landed("in_3.txt")).unwrap();
    assert_eq!(world.load_all(&world.ports, &mut Memory::default()).await.unwrap().loaded, 3);
    let tag = ["in_1.txt", "lakehand", "loaded"].map(str::to_owned).into();
    assert_eq!(*store.tags.lock().unwrap(), [tag], "what was replaced or is gone has nothing to be tagged");
    assert_eq!(std::fs::read_to_string(world.landed("in_1.txt")).unwrap(), "[1]");
}

#[tokio::test]
async fn a_store_that_refuses_tags_loses_nothing_and_says_why() {
    let world = tagging();
    world.write("in_1.txt", &[1]).await;
    let error = world.load_all(&world.ports, &mut Memory::default()).await.unwrap_err();
    assert!(lakehand_domain::fault::chain(&error).contains("files have no tags"), "{error}");
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
    assert_eq!(world.state("in_1.txt").await, StateName::Written);
}

#[tokio::test]
async fn only_the_version_that_was_read_is_deleted() {
    let world = World::with(FaultPlan::new(), "delete");
    world.write("in_1.txt", &[1]).await;
    world.write("in_2.txt", &[2]).await;
    world.write("in_3.txt", &[3]).await;
    std::fs::write(world.landed("in_2.txt"), "a newer version").unwrap();
    std::fs::remove_file(world.landed("in_3.txt")).unwrap();
    assert_eq!(world.load_all(&world.ports, &mut Memory::default()).await.unwrap().loaded, 3);
    assert!(!world.landed("in_1.txt").try_exists().unwrap());
    assert_eq!(std::fs::read_to_string(world.landed("in_2.txt")).unwrap(), "a newer version");
}

/// What is in the archive, in the order of what it says.
fn archived(world: &World) -> Vec<String> {
    let key = world.object("in_1.txt").key().to_owned();
    let folder = world.folder.path().join("archive").join(key).with_file_name("");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<String> = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    texts.sort();
    texts
}

/// It was moved to Glacier by a rule of the bucket while its load waited: it must not keep it from being called loaded.
#[tokio::test]
async fn what_cannot_be_copied_because_it_is_archived_stays_where_it_is() {
    let mut world = World::with(FaultPlan::new(), "archive:ARCHIVE");
    let inner = Arc::clone(&world.files);
    world.ports.landing = Arc::new(Tagged { inner, tags: Mutex::default(), is_archived: true });
    world.write("in_1.txt", &[1]).await;
    assert_eq!(world.load_all(&world.ports, &mut Memory::default()).await.unwrap().loaded, 1);
    assert_eq!(world.state("in_1.txt").await, StateName::Loaded);
    assert!(world.landed("in_1.txt").try_exists().unwrap());
}

#[tokio::test]
async fn the_version_that_was_read_is_archived_and_no_other() {
    let world = World::with(FaultPlan::new(), "archive:ARCHIVE");
    world.write("in_1.txt", &[1]).await;
    world.write("in_2.txt", &[2]).await;
    std::fs::write(world.landed("in_2.txt"), "a newer version").unwrap();
    assert_eq!(world.load_all(&world.ports, &mut Memory::default()).await.unwrap().loaded, 2);
    assert!(!world.landed("in_1.txt").try_exists().unwrap());
    assert!(world.landed("in_2.txt").try_exists().unwrap());
    assert_eq!(archived(&world), ["[1]"]);

    // The next file of the same name does not take its place.
    world.write("in_1.txt", &[4]).await;
    assert_eq!(world.load_all(&world.ports, &mut Memory::default()).await.unwrap().loaded, 1);
    assert_eq!(archived(&world), ["[1]", "[4]"]);
}

#[tokio::test]
async fn an_archive_that_cannot_be_written_loses_nothing_and_loads_nothing_twice() {
    let world = World::with(FaultPlan::new(), "archive:ARCHIVE");
    let archive = world.folder.path().join("archive");
    std::fs::remove_dir(&archive).unwrap();
    std::fs::write(&archive, "a file is in the way").unwrap();
    world.write("in_1.txt", &[1]).await;
    let mut memory = Memory::default();
    for _ in 0..3 {
        let error = world.load_all(&world.ports, &mut memory).await.unwrap_err();
        assert!(matches!(error, LoadError::Store { .. }), "{error}");
        assert_eq!(world.load_all(&world.ports, &mut memory).await.unwrap().loaded, 0, "it keeps nobody waiting");
        world.clock.advance(world.settings.poll);
    }
    assert_eq!(world.rows().await, ["/in_1.txt 1 1 visible"]);
    assert_eq!(world.state("in_1.txt").await, StateName::Written);
    assert_eq!(world.meddled.staged(), [1], "its marker is found before it is copied again");
    std::fs::remove_file(&archive).unwrap();
    std::fs::create_dir(&archive).unwrap();
    assert_eq!(world.load_all(&world.ports, &mut memory).await.unwrap().loaded, 1);
    assert_eq!(world.rows().await.len(), 1);
    assert!(!world.landed("in_1.txt").try_exists().unwrap());
}
