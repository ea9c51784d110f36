use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::TryStreamExt;
use lakehand_domain::fault::Fault;
use lakehand_domain::port::object_store::PutCondition;
use lakehand_testkit::conformance::object_store::{Service, StoreUnderTest, object_store_suite};
use lakehand_testkit::faulty::object_store::FaultyStore;
use lakehand_testkit::faulty::plan::{Fate, FaultPlan};
use tempfile::TempDir;

use super::*;

fn uri(folder: &TempDir, name: &str) -> ObjectUri {
    ObjectUri::parse(&format!("file://{}", folder.path().to_str().unwrap())).unwrap().join(name)
}

fn store() -> FileStore {
    FileStore::new(Durability::None)
}

async fn names(folder: &TempDir) -> Vec<String> {
    let page = store().list(&uri(folder, ""), None, 1_000).await.unwrap();
    page.objects.iter().map(|stat| stat.uri.file_name().to_owned()).collect()
}

/// Everything in a folder, hidden or not.
fn entries(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

async fn conforms(durability: Durability) {
    let folders = Mutex::new(Vec::new());
    object_store_suite(|| async {
        let folder = TempDir::new().unwrap();
        let prefix = uri(&folder, "a prefix");
        folders.lock().unwrap().push(folder);
        let (first, second) = (Arc::new(FileStore::new(durability)), Arc::new(FileStore::new(durability)));
        let foreign = ObjectUri::parse("s3://bucket/key").unwrap();
        StoreUnderTest { first, second, prefix, foreign, service: Service::FILES }
    })
    .await;
    for folder in folders.into_inner().unwrap() {
        let left = hidden_below(folder.path());
        assert!(left.is_empty(), "nothing hidden is left: {left:?}");
    }
}

fn hidden_below(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(".lakehand-") {
            found.push(path);
        } else if path.is_dir() {
            found.extend(hidden_below(&path));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_when_durable() {
    conforms(Durability::Full).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conforms_when_not_durable() {
    conforms(Durability::None).await;
}

#[tokio::test]
async fn one_file_has_one_key() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("a")).unwrap();
    fs::write(folder.path().join("a/b"), "x").unwrap();
    store().stat(&uri(&folder, "a/b")).await.unwrap();
    for other in ["a//b", "a/./b", "a/../a/b", "./a/b", "a/b/", "a/..", ".lakehand-1-1.tmp", "a\0b"] {
        let error = store().stat(&uri(&folder, other)).await.unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{other}: {error:?}");
    }
    assert!(matches!(store().stat(&ObjectUri::parse("file:///").unwrap()).await, Err(StoreError::Foreign { .. })));
}

#[tokio::test]
async fn a_version_is_its_content_and_not_what_is_told_about_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "same").unwrap();
    let before = store().stat(&uri(&folder, "a")).await.unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(&path, folder.path().join("b")).unwrap();
    assert_eq!(store().stat(&before.uri).await.unwrap(), before);
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let later = modified + Duration::from_nanos(1);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let after = store().stat(&before.uri).await.unwrap();
    assert_ne!(after.version, before.version, "a nanosecond makes a version");
    let copy = folder.path().join("copy");
    fs::copy(&path, &copy).unwrap();
    fs::File::options().write(true).open(&copy).unwrap().set_modified(later).unwrap();
    fs::rename(&copy, &path).unwrap();
    let replaced = store().stat(&before.uri).await.unwrap();
    assert_eq!((replaced.last_modified, replaced.size), (after.last_modified, after.size));
    assert_ne!(replaced.version, after.version, "another file of the same size and time is another version");
}

#[tokio::test]
async fn a_range_that_is_written_to_while_it_is_read_is_changed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, vec![b'a'; 3 << 20]).unwrap();
    for change in [
        |path: &PathBuf| fs::write(path, vec![b'b'; 3 << 20]).unwrap(),
        |path: &PathBuf| fs::write(path, "cut").unwrap(),
    ] {
        fs::write(&path, vec![b'a'; 3 << 20]).unwrap();
        let stat = store().stat(&uri(&folder, "a")).await.unwrap();
        let ObjectBody::Stream(mut chunks) = store().open(&stat, Some(0..stat.size)).await.unwrap() else {
            panic!("a range is a stream");
        };
        let first = chunks.try_next().await.unwrap().unwrap();
        assert!(first.iter().all(|byte| *byte == b'a'));
        change(&path);
        assert!(matches!(chunks.try_next().await, Err(StoreError::Changed { .. })));
    }
}

#[tokio::test]
async fn links_are_followed_and_loops_are_not() {
    let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::create_dir_all(folder.path().join("deep/er")).unwrap();
    fs::write(folder.path().join("deep/er/file"), "x").unwrap();
    fs::write(elsewhere.path().join("outside"), "out").unwrap();
    symlink(elsewhere.path().join("outside"), folder.path().join("link")).unwrap();
    symlink(elsewhere.path(), folder.path().join("linked folder")).unwrap();
    symlink(folder.path(), folder.path().join("deep/er/loop")).unwrap();
    symlink("self", folder.path().join("self")).unwrap();
    symlink("nowhere", folder.path().join("broken")).unwrap();
    assert_eq!(names(&folder).await, ["file", "link", "outside"]);
    let link = store().stat(&uri(&folder, "link")).await.unwrap();
    assert_eq!(link.size, 3);
    assert_eq!(store().delete(&link).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(fs::read_to_string(elsewhere.path().join("outside")).unwrap(), "out", "only the link is deleted");
    assert_eq!(names(&folder).await, ["file", "outside"]);
}

#[tokio::test]
async fn what_is_no_file_is_no_object() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    fs::write(folder.path().join("file"), "x").unwrap();
    let not_utf8 = std::ffi::OsString::from_vec(vec![b'a', 0xff]);
    fs::write(folder.path().join(not_utf8), "x").unwrap();
    assert_eq!(names(&folder).await, ["file"]);
    for name in ["pipe", "file/below", &"n".repeat(300)] {
        assert!(matches!(store().stat(&uri(&folder, name)).await, Err(StoreError::NotFound { .. })), "{name}");
    }
    let mut pinned = store().stat(&uri(&folder, "file")).await.unwrap();
    pinned.uri = uri(&folder, "pipe");
    assert!(matches!(store().open(&pinned, None).await, Err(StoreError::NotFound { .. })), "opening does not wait");
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_and_nothing_is_left() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::write(folder.path().join("folder/inside"), "x").unwrap();
    for name in ["file/below", "folder", &"n".repeat(300)] {
        let put = store().put(&uri(&folder, name), Bytes::from_static(b"y"), PutCondition::Always).await;
        assert!(matches!(put, Err(StoreError::Denied { operation: "put", .. })), "{name}: {put:?}");
    }
    assert_eq!(entries(folder.path()), ["file", "folder"]);
}

#[tokio::test]
async fn a_folder_that_may_not_be_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir_all(&closed).unwrap();
    fs::write(closed.join("a"), "x").unwrap();
    let stat = store().stat(&uri(&folder, "closed/a")).await.unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let is_root = fs::read_dir(&closed).is_ok();
    let outcomes = (
        store().stat(&stat.uri).await.is_err_and(|error| matches!(error, StoreError::Denied { .. })),
        store().open(&stat, None).await.is_err_and(|error| matches!(error, StoreError::Denied { .. })),
        store().list(&uri(&folder, ""), None, 10).await.is_err_and(
            |error| matches!(&error, StoreError::Denied { uri: refused, .. } if refused.as_str().contains("closed")),
        ),
        store().delete(&stat).await.is_err_and(|error| matches!(error, StoreError::Denied { .. })),
    );
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    if is_root {
        println!("root may read everything: permissions are tested where the tests run as somebody else");
    } else {
        assert_eq!(outcomes, (true, true, true, true));
    }
}

#[tokio::test]
async fn what_the_dead_left_is_hidden_and_then_swept() {
    let folder = TempDir::new().unwrap();
    let deep = folder.path().join("deep");
    let mut upload = store().begin_upload(&uri(&folder, "deep/a")).await.unwrap();
    upload.write(Bytes::from_static(b"torn")).await.unwrap();
    // As a process leaves it that dies now.
    std::mem::forget(upload);
    // As a process leaves it that dies between hiding a file and deleting it.
    for (number, name) in ["hidden", "replaced"].into_iter().enumerate() {
        let hidden = deep.join(format!(".lakehand-0-{number}.out"));
        fs::create_dir(&hidden).unwrap();
        fs::write(hidden.join(name), "old").unwrap();
    }
    fs::write(deep.join("replaced"), "new").unwrap();
    fs::write(deep.join(".dotted.tmp"), "somebody else's").unwrap();
    assert_eq!(names(&folder).await, [".dotted.tmp", "replaced"]);

    let modified = fs::metadata(deep.join("replaced")).unwrap().modified().unwrap();
    let micros = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let now = Timestamp::from_micros(i64::try_from(micros).unwrap());
    let hour = Duration::from_hours(1);
    assert_eq!(store().sweep_unfinished(&uri(&folder, ""), now.minus(hour)).await.unwrap(), 0, "they are young");
    let later = now.plus(2 * hour);
    assert_eq!(store().sweep_unfinished(&uri(&folder, ""), later.minus(hour)).await.unwrap(), 3);
    assert_eq!(entries(&deep), [".dotted.tmp", "hidden", "replaced"]);
    assert_eq!(fs::read_to_string(deep.join("hidden")).unwrap(), "old");
    assert_eq!(fs::read_to_string(deep.join("replaced")).unwrap(), "new", "the newer version stays");
    assert_eq!(store().sweep_unfinished(&uri(&folder, ""), later.minus(hour)).await.unwrap(), 0);
    assert_eq!(store().sweep_unfinished(&uri(&folder, "nowhere"), later.minus(hour)).await.unwrap(), 0);
}

#[tokio::test]
async fn planned_failures_happen_before_or_after() {
    let folder = TempDir::new().unwrap();
    let plan = FaultPlan::new().with(2, Fate::FailsBefore).with(5, Fate::FailsAfter).with(6, Fate::FailsBefore);
    let plan = Arc::new(plan);
    let faulty = FaultyStore::new(Arc::new(store()), Arc::clone(&plan));
    let mut torn = faulty.begin_upload(&uri(&folder, "a")).await.unwrap();
    let before = torn.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(before.effect(), Effect::NotApplied);
    torn.abort().await.unwrap();
    assert_eq!(names(&folder).await, Vec::<String>::new());
    let upload = faulty.begin_upload(&uri(&folder, "a")).await.unwrap();
    let after = upload.complete().await.unwrap_err();
    assert_eq!((after.effect(), names(&folder).await), (Effect::Unknown, vec!["a".to_owned()]));
    let stat = faulty.stat(&uri(&folder, "a")).await;
    assert!(matches!(stat, Err(StoreError::Unavailable { operation: "stat", .. })), "{stat:?}");
    let calls =
        ["begin_upload", "write", "abort", "begin_upload", "complete", "stat"].map(|name| format!("store.{name}"));
    assert_eq!(plan.names(), calls);
}

#[tokio::test]
async fn a_file_has_no_tags() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), "x").unwrap();
    let stat = store().stat(&uri(&folder, "a")).await.unwrap();
    let tagged = store().tag(&stat, "lakehand", "loaded").await;
    assert!(matches!(tagged, Err(StoreError::Denied { operation: "tag", .. })), "{tagged:?}");
}
