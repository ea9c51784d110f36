//! What is written, copied and deleted.

use std::sync::Arc;

use bytes::Bytes;
use lakehand_domain::port::object_store::{DeleteOutcome, PutCondition, PutOutcome, StoreError};
use tokio::task::JoinSet;

use super::StoreUnderTest;

pub(super) async fn a_put_if_absent_keeps_what_is_there(test: StoreUnderTest) {
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

pub(super) async fn of_twelve_puts_if_absent_one_wins(test: StoreUnderTest) {
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

pub(super) async fn an_upload_is_visible_only_when_complete(test: StoreUnderTest) {
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

pub(super) async fn uploads_of_many_sizes_read_back(test: StoreUnderTest) {
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

pub(super) async fn an_upload_given_up_leaves_nothing_visible(test: StoreUnderTest) {
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

pub(super) async fn two_uploads_of_one_name_end_with_one_of_them(test: StoreUnderTest) {
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

pub(super) async fn a_copy_is_of_exactly_one_version(test: StoreUnderTest) {
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
    let copied = test.first.copy(&from, &nowhere).await;
    if test.service.keeps_versions {
        copied.unwrap();
        assert!(test.text("nowhere").await == text, "the version that was replaced, and not the one after it");
        test.first.delete(&test.first.stat(&nowhere).await.unwrap()).await.unwrap();
    } else {
        assert!(matches!(copied, Err(StoreError::Changed { uri }) if uri == from.uri));
    }
    assert!(matches!(test.first.stat(&nowhere).await, Err(StoreError::NotFound { .. })));
    test.first.copy(&test.first.stat(&from.uri).await.unwrap(), &to).await.unwrap();
    assert_eq!(test.text("deep/to é").await, "newer", "a copy replaces");
    assert_eq!(test.names(&test.prefix).await, ["deep/to é", "from"]);
}

pub(super) async fn a_delete_is_of_exactly_one_version(test: StoreUnderTest) {
    let old = test.put("a", "old").await;
    let new = test.put("a", "new").await;
    let replaced = if test.service.keeps_versions { DeleteOutcome::Deleted } else { DeleteOutcome::Changed };
    assert_eq!(test.first.delete(&old).await.unwrap(), replaced);
    assert_eq!(test.second.stat(&new.uri).await.unwrap(), new);
    assert_eq!(test.first.delete(&new).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(test.first.delete(&new).await.unwrap(), DeleteOutcome::Deleted, "what is gone is deleted");
    assert_eq!(test.first.delete(&old).await.unwrap(), DeleteOutcome::Deleted);
    assert!(matches!(test.second.stat(&new.uri).await, Err(StoreError::NotFound { .. })));
    assert_eq!(test.names(&test.prefix).await, Vec::<String>::new());
}

pub(super) async fn a_delete_in_a_race_never_takes_the_newer_version(test: StoreUnderTest) {
    if !test.service.deletes_on_condition {
        // Nothing can promise it there; the store says so.
        return;
    }
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

/// As a file of many partitions has its parts: begun, sealed and completed side by side.
pub(super) async fn what_is_sealed_waits_beside_others(test: StoreUnderTest) {
    let mut sealed = Vec::new();
    for number in 0..200 {
        let mut upload = test.first.begin_upload(&test.prefix.join(&format!("p{number:03}/part"))).await.unwrap();
        upload.write(Bytes::from(format!("part {number}").into_bytes())).await.unwrap();
        upload.seal().await.unwrap();
        assert!(upload.write(Bytes::from_static(b"more")).await.is_err(), "nothing comes after the seal");
        sealed.push(upload);
    }
    assert_eq!(test.names(&test.prefix).await, Vec::<String>::new());
    let mut expected = Vec::new();
    for (number, upload) in sealed.into_iter().enumerate() {
        if number % 2 == 0 {
            upload.complete().await.unwrap();
            expected.push(format!("p{number:03}/part"));
        } else {
            upload.abort().await.unwrap();
        }
    }
    assert_eq!(test.names(&test.prefix).await, expected);
    assert_eq!(test.text("p014/part").await, "part 14");
}
