//! What is read: names, versions, ranges.

use std::sync::Arc;

use bytes::Bytes;
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::object_store::{DeleteOutcome, PutCondition, StoreError};
use tokio::task::JoinSet;

use super::{StoreUnderTest, drain, read};

pub(super) async fn what_is_put_reads_back(test: StoreUnderTest) {
    for (name, text) in [("deep/er/a.json", "{\"a\":1}\n"), ("empty", ""), ("long", &"0123456789".repeat(300_000))] {
        let stat = test.put(name, text).await;
        assert_eq!(stat.uri, test.prefix.join(name));
        assert_eq!(stat.size, text.len() as u64);
        assert_eq!(test.second.stat(&stat.uri).await.unwrap(), stat, "two processes see one version");
        assert_eq!(read(&test.second, &stat, None).await.unwrap(), text.as_bytes());
        test.second.unchanged(&stat).await.unwrap();
    }
}

pub(super) async fn names_mean_themselves(test: StoreUnderTest) {
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
    let plain = |name: &String| name.replace(test.service.loses, "_");
    let names: Vec<String> = names.map(str::to_owned).iter().map(plain).collect();
    for name in &names {
        test.put(name, name).await;
    }
    for name in &names {
        assert_eq!(test.text(name).await, *name);
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(test.names(&test.prefix).await, sorted);
    let folder = test.prefix.join("ein Ordner");
    assert_eq!(test.names(&folder).await, ["ein Ordner/Datei (1) [x] {y} *?.csv"]);
}

pub(super) async fn what_is_missing_is_not_found(test: StoreUnderTest) {
    let stat = test.put("folder/a", "a").await;
    assert_eq!(test.first.delete(&stat).await.unwrap(), DeleteOutcome::Deleted);
    let not_found = |error: StoreError| matches!(&error, StoreError::NotFound { uri } if *uri == stat.uri);
    assert!(not_found(test.first.stat(&stat.uri).await.unwrap_err()));
    assert!(not_found(test.first.open(&stat, None).await.unwrap_err()));
    assert_eq!(test.first.unchanged(&stat).await.is_err_and(not_found), !test.service.pins_reads);
    assert!(not_found(test.first.copy(&stat, &test.prefix.join("b")).await.unwrap_err()));
    let folder = test.prefix.join("folder");
    assert!(matches!(test.first.stat(&folder).await, Err(StoreError::NotFound { .. })), "a folder is no object");
    assert_eq!(test.names(&test.prefix.join("nowhere")).await, Vec::<String>::new());
    assert_eq!(test.names(&test.prefix).await, Vec::<String>::new());
}

pub(super) async fn what_is_foreign_is_refused(test: StoreUnderTest) {
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

pub(super) async fn an_overwritten_version_is_never_another(test: StoreUnderTest) {
    let old = test.put("a", "old").await;
    let new = test.put("a", "new").await;
    assert_ne!(new.version, old.version, "same size, other bytes: another version");
    assert!(
        new.last_modified >= old.last_modified,
        "the newer version is the later one, to a tick of the store's clock"
    );
    assert_ne!(new.order(), old.order());
    if test.service.keeps_versions {
        assert_eq!(read(&test.second, &old, None).await.unwrap(), b"old");
        assert_eq!(read(&test.second, &old, Some(0..1)).await.unwrap(), b"o");
    } else {
        assert!(matches!(test.second.open(&old, None).await, Err(StoreError::Changed { uri }) if uri == old.uri));
        assert!(matches!(test.second.open(&old, Some(0..1)).await, Err(StoreError::Changed { .. })));
    }
    let unchanged = test.second.unchanged(&old).await;
    assert_eq!(matches!(unchanged, Err(StoreError::Changed { .. })), !test.service.pins_reads, "{unchanged:?}");
    assert_eq!(read(&test.second, &new, None).await.unwrap(), b"new");
}

pub(super) async fn an_open_version_never_mixes_with_another(test: StoreUnderTest) {
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

pub(super) async fn readers_and_writers_in_a_race_never_mix_versions(test: StoreUnderTest) {
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

pub(super) async fn ranges_give_their_bytes(test: StoreUnderTest) {
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
