use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;

use bytes::Bytes;
use lakehand_domain::port::object_store::{ObjectStore, PutCondition};
use lakehand_domain::timestamp::Timestamp;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::file::{Durability, FileStore};

/// Waits by the machine's clock, but never long.
#[derive(Debug)]
struct Brisk;

#[async_trait]
impl Clock for Brisk {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    #[expect(clippy::disallowed_methods, reason = "this is a clock")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.min(SETTLE)).await;
    }
}

struct Test {
    folder: TempDir,
    watch: FolderWatch,
}

impl Test {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("in")).unwrap();
        let watch = FolderWatch::open(&[uri(&folder, "in")], Arc::new(Brisk)).unwrap();
        Self { folder, watch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("in").join(name)
    }

    /// These names are told, in any order, and no others soon after. On a busy machine one may be told twice.
    async fn expect(&mut self, names: &[&str]) {
        let expected: BTreeSet<ObjectUri> = names.iter().map(|name| uri(&self.folder, &format!("in/{name}"))).collect();
        let mut told = BTreeSet::new();
        while !told.is_superset(&expected) {
            told.extend(timeout(Duration::from_secs(20), self.watch.next()).await.expect("something is told").unwrap());
        }
        while let Ok(more) = timeout(Duration::from_millis(250), self.watch.next()).await {
            told.extend(more.unwrap());
        }
        assert_eq!(told, expected);
    }

    async fn expect_nothing(&mut self) {
        let more = timeout(Duration::from_millis(250), self.watch.next()).await;
        assert!(more.is_err(), "nothing more is told: {more:?}");
    }

    async fn expect_error(&mut self, part: &str) {
        let error = timeout(Duration::from_secs(20), self.watch.next()).await.expect("something is told").unwrap_err();
        assert!(error.message.contains(part), "{error}");
    }
}

fn uri(folder: &TempDir, name: &str) -> ObjectUri {
    ObjectUri::parse(&format!("file://{}/{name}", folder.path().display())).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_named_when_it_is_closed_and_not_before() {
    let mut test = Test::new();
    let mut file = File::create(test.path("a b+c%20é#.json")).unwrap();
    file.write_all(b"half").unwrap();
    test.expect_nothing().await;
    file.write_all(b" and half").unwrap();
    drop(file);
    test.expect(&["a b+c%20é#.json"]).await;
    drop(File::create(test.path("empty")).unwrap());
    test.expect(&["empty"]).await;
    fs::write(test.path("empty"), "rewritten").unwrap();
    test.expect(&["empty"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_renamed_or_linked_into_the_folder_is_named() {
    let mut test = Test::new();
    let outside = test.folder.path().join("outside");
    fs::write(&outside, "x").unwrap();
    fs::hard_link(&outside, test.path("hard")).unwrap();
    symlink(&outside, test.path("soft")).unwrap();
    test.expect(&["hard", "soft"]).await;
    fs::rename(&outside, test.path("renamed")).unwrap();
    test.expect(&["renamed"]).await;
    fs::rename(test.path("renamed"), test.path("again")).unwrap();
    test.expect(&["again"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_while_it_is_written_is_named_by_its_last_name() {
    let mut test = Test::new();
    for (before, after) in [(".a.json.Xy12", "a.json"), ("b.json.part", "b.json"), ("c.tmp", "c"), ("d.odd", "d.json")]
    {
        fs::write(test.path(before), "x").unwrap();
        fs::rename(test.path(before), test.path(after)).unwrap();
    }
    fs::write(test.path("gone"), "x").unwrap();
    fs::remove_file(test.path("gone")).unwrap();
    fs::create_dir(test.path(".hidden")).unwrap();
    fs::write(test.path(".hidden/x"), "x").unwrap();
    test.expect(&["a.json", "b.json", "c", "d.json"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_new_folders_are_named() {
    let mut test = Test::new();
    // Written before the watch of the folder can be in place.
    fs::create_dir_all(test.path("2026/11/21")).unwrap();
    fs::write(test.path("2026/11/21/first"), "x").unwrap();
    test.expect(&["2026/11/21/first"]).await;
    fs::write(test.path("2026/11/21/later"), "x").unwrap();
    test.expect(&["2026/11/21/later"]).await;
    let outside = test.folder.path().join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("deep/file"), "x").unwrap();
    fs::write(outside.join("deep/.hidden"), "x").unwrap();
    fs::rename(&outside, test.path("moved")).unwrap();
    test.expect(&["moved/deep/file"]).await;
    fs::write(test.path("moved/deep/later"), "x").unwrap();
    test.expect(&["moved/deep/later"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_writes_is_named_and_its_hidden_files_never() {
    let mut test = Test::new();
    let store = FileStore::new(Durability::None);
    let in_folder = |name: &str| uri(&test.folder, &format!("in/{name}"));
    store.put(&in_folder("put"), Bytes::from_static(b"x"), PutCondition::Always).await.unwrap();
    store.put(&in_folder("absent"), Bytes::from_static(b"x"), PutCondition::IfAbsent).await.unwrap();
    let mut upload = store.begin_upload(&in_folder("uploaded")).await.unwrap();
    upload.write(Bytes::from(vec![0; 2 << 20])).await.unwrap();
    upload.complete().await.unwrap();
    test.expect(&["absent", "put", "uploaded"]).await;
    let stat = store.stat(&uri(&test.folder, "in/put")).await.unwrap();
    store.delete(&stat).await.unwrap();
    test.expect_nothing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_while_it_waits_loses_nothing() {
    let mut test = Test::new();
    let mut told = BTreeSet::new();
    for number in 0..40 {
        fs::write(test.path(&format!("{number:02}")), "x").unwrap();
        if let Ok(more) = timeout(Duration::from_millis(number * 3), test.watch.next()).await {
            told.extend(more.unwrap());
        }
    }
    while let Ok(more) = timeout(Duration::from_millis(500), test.watch.next()).await {
        told.extend(more.unwrap());
    }
    let expected: BTreeSet<ObjectUri> = (0..40).map(|number| uri(&test.folder, &format!("in/{number:02}"))).collect();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_said_and_the_watch_goes_on() {
    let mut test = Test::new();
    test.watch.shared.note(|seen| seen.miss("too much at once"));
    test.expect_error("too much at once").await;
    fs::write(test.path("a"), "x").unwrap();
    test.expect(&["a"]).await;
    let folder = test.path("");
    fs::remove_dir_all(&folder).unwrap();
    test.expect_error("was removed").await;
    test.expect_nothing().await;
    fs::create_dir(&folder).unwrap();
    test.expect_error("is back").await;
    fs::write(test.path("b"), "x").unwrap();
    test.expect(&["b"]).await;
    fs::rename(&folder, test.folder.path().join("away")).unwrap();
    test.expect_error("removed or renamed").await;
    fs::create_dir(&folder).unwrap();
    test.expect_error("is back").await;
    fs::write(test.path("c"), "x").unwrap();
    test.expect(&["c"]).await;
}

#[tokio::test]
async fn what_cannot_be_watched_is_said() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let open = |uri: ObjectUri| FolderWatch::open(&[uri], Arc::new(Brisk)).unwrap_err().to_string();
    assert!(open(uri(&folder, "nowhere")).contains("No such file"));
    assert!(open(uri(&folder, "file")).contains("no folder"));
    assert!(open(ObjectUri::parse("s3://bucket/prefix").unwrap()).contains("s3://bucket/prefix"));
}

#[test]
fn what_has_no_room_is_missed() {
    let mut seen = Seen::default();
    for number in 0..20_000 {
        seen.complete(Path::new(&format!("/in/{number}")));
    }
    assert_eq!(seen.take_missed(), None);
    seen.complete(Path::new("/in/7"));
    assert_eq!(seen.take_missed(), None, "it has its room already");
    seen.complete(Path::new("/in/one more"));
    assert!(seen.take_missed().is_some());
    assert_eq!(seen.take_ready(1_000).len(), 1_000);
    seen.complete(Path::new("/in/one more"));
    assert_eq!(seen.take_missed(), None);
}
