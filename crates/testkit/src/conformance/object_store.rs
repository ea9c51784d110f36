//! The suite of the store port.

use std::future::Future;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError,
};
use tokio::task::JoinSet;

/// A store, and a prefix in it below which nothing is.
#[derive(Debug)]
pub struct StoreUnderTest {
    /// The store.
    pub first: Arc<dyn ObjectStore>,
    /// The same store, as another process has it.
    pub second: Arc<dyn ObjectStore>,
    /// The prefix, which is the test's own.
    pub prefix: ObjectUri,
    /// A URI that is not of this store, by its scheme.
    pub foreign: ObjectUri,
}

/// Runs every check below a prefix of its own.
pub async fn object_store_suite<F>(make: impl Fn() -> F)
where
    F: Future<Output = StoreUnderTest>,
{
    what_is_put_reads_back(make().await).await;
    names_mean_themselves(make().await).await;
    what_is_missing_is_not_found(make().await).await;
    what_is_foreign_is_refused(make().await).await;
    an_overwritten_version_cannot_be_opened(make().await).await;
    an_open_version_never_mixes_with_another(make().await).await;
    readers_and_writers_in_a_race_never_mix_versions(make().await).await;
    ranges_give_their_bytes(make().await).await;
    a_put_if_absent_keeps_what_is_there(make().await).await;
    of_twelve_puts_if_absent_one_wins(make().await).await;
    an_upload_is_visible_only_when_complete(make().await).await;
    uploads_of_many_sizes_read_back(make().await).await;
    an_upload_given_up_leaves_nothing_visible(make().await).await;
    two_uploads_of_one_name_end_with_one_of_them(make().await).await;
    a_list_is_in_order_and_goes_folder_by_folder(make().await).await;
    pages_cover_everything_once(make().await).await;
    pages_survive_changes_between_them(make().await).await;
    a_copy_is_of_exactly_one_version(make().await).await;
    a_delete_is_of_exactly_one_version(make().await).await;
    a_delete_in_a_race_never_takes_the_newer_version(make().await).await;
}

impl StoreUnderTest {
    async fn put(&self, name: &str, bytes: &str) -> ObjectStat {
        let uri = self.prefix.join(name);
        let bytes = Bytes::copy_from_slice(bytes.as_bytes());
        assert_eq!(self.first.put(&uri, bytes, PutCondition::Always).await.unwrap(), PutOutcome::Written);
        self.first.stat(&uri).await.unwrap()
    }

    async fn text(&self, name: &str) -> String {
        let stat = self.second.stat(&self.prefix.join(name)).await.unwrap();
        String::from_utf8(read(&self.second, &stat, None).await.unwrap()).unwrap()
    }

    /// The names below `prefix`, relative to the test's own prefix.
    async fn names(&self, prefix: &ObjectUri) -> Vec<String> {
        let page = self.second.list(prefix, None, 10_000).await.unwrap();
        assert_eq!(page.next, None);
        page.objects.iter().map(|stat| self.name(&stat.uri)).collect()
    }

    fn name(&self, uri: &ObjectUri) -> String {
        let base = format!("{}/", self.prefix.as_str().trim_end_matches('/'));
        uri.as_str().strip_prefix(&base).unwrap().to_owned()
    }
}

/// All bytes of one version, checked as the port asks its callers to.
async fn read(
    store: &Arc<dyn ObjectStore>,
    stat: &ObjectStat,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, StoreError> {
    let bytes = drain(store.open(stat, range).await?).await?;
    store.unchanged(stat).await?;
    Ok(bytes)
}

async fn drain(body: ObjectBody) -> Result<Vec<u8>, StoreError> {
    match body {
        ObjectBody::File { file, len } => {
            let mut bytes = vec![0; usize::try_from(len).unwrap()];
            let mut filled = 0;
            while filled < bytes.len() {
                match file.read_at(&mut bytes[filled..], filled as u64).unwrap() {
                    0 => break,
                    more => filled += more,
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        }
        ObjectBody::Stream(chunks) => {
            let chunks: Vec<Bytes> = chunks.try_collect().await?;
            Ok(chunks.concat())
        }
    }
}

async fn what_is_put_reads_back(test: StoreUnderTest) {
    for (name, text) in [("deep/er/a.json", "{\"a\":1}\n"), ("empty", ""), ("long", &"0123456789".repeat(300_000))] {
        let stat = test.put(name, text).await;
        assert_eq!(stat.uri, test.prefix.join(name));
        assert_eq!(stat.size, text.len() as u64);
        assert_eq!(test.second.stat(&stat.uri).await.unwrap(), stat, "two processes see one version");
        assert_eq!(read(&test.second, &stat, None).await.unwrap(), text.as_bytes());
        test.second.unchanged(&stat).await.unwrap();
    }
}

async fn names_mean_themselves(test: StoreUnderTest) {
    let names = [
        "a b+c%20é#.json",
        "%2e%2e",
        "...",
        "a#1",
        "100%",
        "ein Ordner/Datei (1) [x] {y} *?.csv",
        "e\u{301} and \u{e9}",
        "\u{1F600}&=;:@,$!'\"\\|<>^`~",
        "p_day=2026-11-21/x.parquet",
        ".hidden/.too",
        "_manifest/x",
    ];
    for name in names {
        test.put(name, name).await;
    }
    for name in names {
        assert_eq!(test.text(name).await, name);
    }
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(test.names(&test.prefix).await, sorted);
    let folder = test.prefix.join("ein Ordner");
    assert_eq!(test.names(&folder).await, ["ein Ordner/Datei (1) [x] {y} *?.csv"]);
}

async fn what_is_missing_is_not_found(test: StoreUnderTest) {
    let stat = test.put("folder/a", "a").await;
    assert_eq!(test.first.delete(&stat).await.unwrap(), DeleteOutcome::Deleted);
    let not_found = |error: StoreError| matches!(&error, StoreError::NotFound { uri } if *uri == stat.uri);
    assert!(not_found(test.first.stat(&stat.uri).await.unwrap_err()));
    assert!(not_found(test.first.open(&stat, None).await.unwrap_err()));
    assert!(not_found(test.first.unchanged(&stat).await.unwrap_err()));
    assert!(not_found(test.first.copy(&stat, &test.prefix.join("b")).await.unwrap_err()));
    let folder = test.prefix.join("folder");
    assert!(matches!(test.first.stat(&folder).await, Err(StoreError::NotFound { .. })), "a folder is no object");
    assert_eq!(test.names(&test.prefix.join("nowhere")).await, Vec::<String>::new());
    assert_eq!(test.names(&test.prefix).await, Vec::<String>::new());
}

async fn what_is_foreign_is_refused(test: StoreUnderTest) {
    let foreign = |error: StoreError| matches!(error, StoreError::Foreign { .. });
    let stat = test.put("a", "a").await;
    let elsewhere = ObjectStat { uri: test.foreign.clone(), ..stat.clone() };
    let uri = &test.foreign;
    assert!(foreign(test.first.stat(uri).await.unwrap_err()));
    assert!(foreign(test.first.open(&elsewhere, None).await.unwrap_err()));
    assert!(foreign(test.first.unchanged(&elsewhere).await.unwrap_err()));
    assert!(foreign(test.first.put(uri, Bytes::new(), PutCondition::Always).await.unwrap_err()));
    assert!(foreign(test.first.begin_upload(uri).await.unwrap_err()));
    assert!(foreign(test.first.list(uri, None, 1).await.unwrap_err()));
    assert!(foreign(test.first.copy(&stat, uri).await.unwrap_err()));
    assert!(foreign(test.first.delete(&elsewhere).await.unwrap_err()));
}

async fn an_overwritten_version_cannot_be_opened(test: StoreUnderTest) {
    let old = test.put("a", "old").await;
    let new = test.put("a", "new").await;
    assert_ne!(new.version, old.version, "same size, other bytes: another version");
    assert!(new.order() > old.order(), "the newer version is the later one");
    assert!(matches!(test.second.open(&old, None).await, Err(StoreError::Changed { uri }) if uri == old.uri));
    assert!(matches!(test.second.open(&old, Some(0..1)).await, Err(StoreError::Changed { .. })));
    assert!(matches!(test.second.unchanged(&old).await, Err(StoreError::Changed { .. })));
    assert_eq!(read(&test.second, &new, None).await.unwrap(), b"new");
}

async fn an_open_version_never_mixes_with_another(test: StoreUnderTest) {
    let (old_text, new_text) = ("o".repeat(3_000_000), "n".repeat(3_000_000));
    for range in [None, Some(0..3_000_000)] {
        let old = test.put("a", &old_text).await;
        let body = test.second.open(&old, range).await.unwrap();
        test.put("a", &new_text).await;
        match drain(body).await {
            Ok(bytes) => assert!(bytes == old_text.as_bytes(), "the bytes are all of the version that was opened"),
            Err(error) => assert!(matches!(error, StoreError::Changed { .. }), "{error:?}"),
        }
    }
}

async fn readers_and_writers_in_a_race_never_mix_versions(test: StoreUnderTest) {
    let uri = test.prefix.join("a");
    test.put("a", &"0".repeat(200_000)).await;
    let mut tasks = JoinSet::new();
    for writer in 1..3_u8 {
        let (store, uri) = (Arc::clone(&test.first), uri.clone());
        tasks.spawn(async move {
            for round in 0..15 {
                let bytes = Bytes::from(vec![b'0' + writer * 3 + round % 3; 200_000]);
                store.put(&uri, bytes, PutCondition::Always).await.unwrap();
            }
            0
        });
    }
    for _ in 0..3 {
        let (store, uri) = (Arc::clone(&test.second), uri.clone());
        tasks.spawn(async move {
            let mut whole = 0;
            for _ in 0..15 {
                let stat = store.stat(&uri).await.unwrap();
                match read(&store, &stat, None).await {
                    Ok(bytes) => {
                        assert_eq!(bytes.len(), 200_000);
                        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "bytes of two versions");
                        whole += 1;
                    }
                    Err(error) => assert!(matches!(error, StoreError::Changed { .. }), "{error:?}"),
                }
            }
            whole
        });
    }
    tasks.join_all().await;
    let stat = test.first.stat(&uri).await.unwrap();
    assert_eq!(read(&test.first, &stat, None).await.unwrap().len(), 200_000);
}

async fn ranges_give_their_bytes(test: StoreUnderTest) {
    let text = "0123456789".repeat(250_000);
    let stat = test.put("a", &text).await;
    for range in [0..1, 5..15, 999_990..1_100_010, 2_499_990..2_500_000, 0..2_500_000] {
        let bytes = read(&test.second, &stat, Some(range.clone())).await.unwrap();
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        assert!(bytes == text.as_bytes()[start..end], "{range:?}");
    }
    let end = read(&test.second, &stat, Some(2_499_998..9_999_999)).await.unwrap();
    assert_eq!(end, b"89", "a range ends with the object");
}

async fn a_put_if_absent_keeps_what_is_there(test: StoreUnderTest) {
    let uri = test.prefix.join("deep/a");
    let put = async |text: &'static str| {
        test.first.put(&uri, Bytes::from_static(text.as_bytes()), PutCondition::IfAbsent).await.unwrap()
    };
    assert_eq!(put("one").await, PutOutcome::Written);
    let stat = test.first.stat(&uri).await.unwrap();
    assert_eq!(put("two").await, PutOutcome::Exists);
    assert_eq!(put("one").await, PutOutcome::Exists);
    assert_eq!(test.second.stat(&uri).await.unwrap(), stat, "what stays is untouched");
    assert_eq!(test.text("deep/a").await, "one");
    assert_eq!(test.names(&test.prefix).await, ["deep/a"]);
    test.first.delete(&stat).await.unwrap();
    assert_eq!(put("three").await, PutOutcome::Written);
}

async fn of_twelve_puts_if_absent_one_wins(test: StoreUnderTest) {
    for round in 0..5 {
        let name = format!("new/{round}/a");
        let mut writers = JoinSet::new();
        for writer in 0..12 {
            let store = Arc::clone(if writer % 2 == 0 { &test.first } else { &test.second });
            let uri = test.prefix.join(&name);
            let text = format!("writer {writer} ").repeat(1_000);
            writers.spawn(async move {
                let bytes = Bytes::from(text.clone().into_bytes());
                (store.put(&uri, bytes, PutCondition::IfAbsent).await.unwrap(), text)
            });
        }
        let outcomes = writers.join_all().await;
        let winners: Vec<&String> =
            outcomes.iter().filter(|(outcome, _)| *outcome == PutOutcome::Written).map(|(_, text)| text).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(&test.text(&name).await, winners[0]);
    }
}

async fn an_upload_is_visible_only_when_complete(test: StoreUnderTest) {
    let uri = test.prefix.join("deep/a");
    let mut upload = test.first.begin_upload(&uri).await.unwrap();
    upload.write(Bytes::from_static(b"first ")).await.unwrap();
    upload.write(Bytes::from(vec![b'x'; 3_000_000])).await.unwrap();
    assert!(matches!(test.second.stat(&uri).await, Err(StoreError::NotFound { .. })));
    assert_eq!(test.names(&test.prefix).await, Vec::<String>::new());
    upload.write(Bytes::from_static(b" last")).await.unwrap();
    upload.complete().await.unwrap();
    let text = test.text("deep/a").await;
    assert_eq!(text.len(), 3_000_011);
    assert!(text.starts_with("first x") && text.ends_with("x last"));
    assert_eq!(test.names(&test.prefix).await, ["deep/a"]);

    let mut again = test.first.begin_upload(&uri).await.unwrap();
    again.write(Bytes::from_static(b"replaced")).await.unwrap();
    assert_eq!(test.text("deep/a").await.len(), 3_000_011, "the object before stays until the upload is complete");
    again.complete().await.unwrap();
    assert_eq!(test.text("deep/a").await, "replaced");
}

async fn uploads_of_many_sizes_read_back(test: StoreUnderTest) {
    let sizes: [&[usize]; 5] = [&[], &[0], &[1; 500], &[1 << 20, 1, (1 << 20) - 1, 0, 5], &[2_500_000, 2_500_000]];
    for (number, writes) in sizes.into_iter().enumerate() {
        let name = format!("upload-{number}");
        let mut upload = test.first.begin_upload(&test.prefix.join(&name)).await.unwrap();
        let mut expected = String::new();
        for (index, size) in writes.iter().enumerate() {
            let piece: String =
                (0..*size).map(|at| char::from(b'a' + u8::try_from((at + index) % 26).unwrap())).collect();
            expected.push_str(&piece);
            upload.write(Bytes::from(piece.into_bytes())).await.unwrap();
        }
        upload.complete().await.unwrap();
        assert!(test.text(&name).await == expected, "{name}");
    }
}

async fn an_upload_given_up_leaves_nothing_visible(test: StoreUnderTest) {
    let kept = test.put("a", "kept").await;
    for drop_it in [true, false] {
        let mut upload = test.first.begin_upload(&kept.uri).await.unwrap();
        upload.write(Bytes::from(vec![b'x'; 2_000_000])).await.unwrap();
        if drop_it {
            drop(upload);
        } else {
            upload.abort().await.unwrap();
        }
    }
    assert_eq!(test.first.stat(&kept.uri).await.unwrap(), kept);
    assert_eq!(test.names(&test.prefix).await, ["a"]);
}

async fn two_uploads_of_one_name_end_with_one_of_them(test: StoreUnderTest) {
    let uri = test.prefix.join("a");
    let mut one = test.first.begin_upload(&uri).await.unwrap();
    let mut two = test.second.begin_upload(&uri).await.unwrap();
    for _ in 0..3 {
        one.write(Bytes::from(vec![b'1'; 700_000])).await.unwrap();
        two.write(Bytes::from(vec![b'2'; 700_000])).await.unwrap();
    }
    one.complete().await.unwrap();
    assert_eq!(test.text("a").await, "1".repeat(2_100_000));
    two.complete().await.unwrap();
    assert_eq!(test.text("a").await, "2".repeat(2_100_000));
}

async fn a_list_is_in_order_and_goes_folder_by_folder(test: StoreUnderTest) {
    // By bytes a dot comes before a slash, and a slash before a digit.
    let names =
        ["a/b", "a.txt", "a/b/c".trim_end_matches("/c"), "a-b/x", "a0", "a/c/d", "ab/x", "A", "\u{e9}", "z/z/z"];
    let mut sorted: Vec<&str> = names.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    for name in &sorted {
        test.put(name, name).await;
    }
    assert_eq!(test.names(&test.prefix).await, sorted);
    assert_eq!(test.names(&test.prefix.join("a")).await, ["a/b", "a/c/d"]);
    assert_eq!(test.names(&test.prefix.join("a/")).await, ["a/b", "a/c/d"]);
    assert_eq!(test.names(&test.prefix.join("a/b")).await, Vec::<String>::new(), "an object is not below itself");
    let page = test.second.list(&test.prefix, None, 100).await.unwrap();
    for stat in page.objects {
        assert_eq!(stat.size, test.name(&stat.uri).len() as u64);
    }
}

async fn paged(test: &StoreUnderTest, limit: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = test.second.list(&test.prefix, after.as_deref(), limit).await.unwrap();
        assert!(page.objects.len() <= limit);
        names.extend(page.objects.iter().map(|stat| test.name(&stat.uri)));
        match page.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

async fn pages_cover_everything_once(test: StoreUnderTest) {
    let mut names: Vec<String> = (0..12).map(|number| format!("f{}/x{number}", number % 3)).collect();
    names.extend((0..5).map(|number| format!("f1/deep/{number}")));
    names.extend(["f1.x", "f1-x", "f1", "f10"].map(|name| format!("g/{name}")));
    for name in &names {
        test.put(name, "x").await;
    }
    names.sort_unstable();
    for limit in [1, 2, 3, 7, 20, 21, 22] {
        assert_eq!(paged(&test, limit).await, names, "limit {limit}");
    }
    for after in ["", "f1", "f1/", "f1/deep", "f1/deep/2", "f1/deep/2x", "f1/x1", "f1/zzz", "g/f10", "zzz"] {
        let key = test.prefix.join(after);
        let page = test.second.list(&test.prefix, Some(key.key()), 100).await.unwrap();
        let listed: Vec<String> = page.objects.iter().map(|stat| test.name(&stat.uri)).collect();
        let expected: Vec<String> = names.iter().filter(|name| name.as_str() > after).cloned().collect();
        assert_eq!(listed, expected, "after {after:?}");
    }
}

/// What is there all the time is listed exactly once, whatever comes and goes.
async fn pages_survive_changes_between_them(test: StoreUnderTest) {
    let mut stats = Vec::new();
    for number in 0..20 {
        stats.push(test.put(&format!("f{}/{number:02}", number / 5), "x").await);
    }
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    let mut round = 0;
    loop {
        let page = test.second.list(&test.prefix, after.as_deref(), 3).await.unwrap();
        seen.extend(page.objects.into_iter().map(|stat| stat.uri));
        let Some(next) = page.next else { break };
        after = Some(next);
        // Every third goes, even the one that the page ended with, and others come.
        if let Some(stat) = stats.get(round * 3 + 2) {
            test.first.delete(stat).await.unwrap();
        }
        test.put(&format!("f{}/new", round % 5), "x").await;
        round += 1;
    }
    for (number, stat) in stats.iter().enumerate() {
        if number % 3 != 2 {
            let times = seen.iter().filter(|uri| **uri == stat.uri).count();
            assert_eq!(times, 1, "{}", stat.uri);
        }
    }
}

async fn a_copy_is_of_exactly_one_version(test: StoreUnderTest) {
    let text = "copy me ".repeat(200_000);
    let from = test.put("from", &text).await;
    let to = test.prefix.join("deep/to é");
    for _ in 0..2 {
        test.second.copy(&from, &to).await.unwrap();
        assert!(test.text("deep/to é").await == text);
    }
    assert_eq!(test.first.stat(&from.uri).await.unwrap(), from, "the original is untouched");
    test.put("from", "newer").await;
    let nowhere = test.prefix.join("nowhere");
    assert!(matches!(test.first.copy(&from, &nowhere).await, Err(StoreError::Changed { uri }) if uri == from.uri));
    assert!(matches!(test.first.stat(&nowhere).await, Err(StoreError::NotFound { .. })));
    test.first.copy(&test.first.stat(&from.uri).await.unwrap(), &to).await.unwrap();
    assert_eq!(test.text("deep/to é").await, "newer", "a copy replaces");
    assert_eq!(test.names(&test.prefix).await, ["deep/to é", "from"]);
}

async fn a_delete_is_of_exactly_one_version(test: StoreUnderTest) {
    let old = test.put("a", "old").await;
    let new = test.put("a", "new").await;
    assert_eq!(test.first.delete(&old).await.unwrap(), DeleteOutcome::Changed);
    assert_eq!(test.second.stat(&new.uri).await.unwrap(), new);
    assert_eq!(test.first.delete(&new).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(test.first.delete(&new).await.unwrap(), DeleteOutcome::Deleted, "what is gone is deleted");
    assert_eq!(test.first.delete(&old).await.unwrap(), DeleteOutcome::Deleted);
    assert!(matches!(test.second.stat(&new.uri).await, Err(StoreError::NotFound { .. })));
    assert_eq!(test.names(&test.prefix).await, Vec::<String>::new());
}

async fn a_delete_in_a_race_never_takes_the_newer_version(test: StoreUnderTest) {
    for round in 0..100 {
        let old = test.put("a", "old").await;
        let (store, uri) = (Arc::clone(&test.first), old.uri.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            store.put(&uri, Bytes::from_static(b"new"), PutCondition::Always).await.unwrap();
        });
        let store = Arc::clone(&test.second);
        tasks.spawn(async move {
            store.delete(&old).await.unwrap();
        });
        tasks.join_all().await;
        assert_eq!(test.text("a").await, "new", "round {round}");
    }
    assert_eq!(test.names(&test.prefix).await, ["a"]);
}
