//! What becomes of the source once it is loaded.

use lakehand_domain::entry::StateName;
use lakehand_pipeline::loading::{LoadError, Memory};
use lakehand_testkit::faulty::plan::FaultPlan;

use crate::world::World;

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
