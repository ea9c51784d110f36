//! What is written, copied, deleted and swept.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use lakehand_domain::fault::Effect;
use lakehand_domain::port::object_store::{DeleteOutcome, ObjectStore, PutCondition, PutOutcome, StoreError, Upload};
use lakehand_store::s3::{Encryption, S3Options, S3Store};
use lakehand_testkit::services::EMULATORS;
use tokio::task::JoinSet;

use super::bed::{Bed, Versions, options, pattern, put, read};
use lakehand_testkit::meddler::{Fault, Meddler};

const MIB: usize = 1 << 20;

fn in_parts() -> S3Options {
    S3Options { part_bytes: 5 << 20, ..options() }
}

async fn begin(store: &S3Store, bed: &Bed, key: &str, bytes: &Bytes) -> Box<dyn Upload> {
    let mut upload = store.begin_upload(&bed.uri(key)).await.unwrap();
    for at in (0..bytes.len()).step_by(MIB) {
        upload.write(bytes.slice(at..bytes.len().min(at + MIB))).await.unwrap();
    }
    upload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_upload_streams_in_bounded_memory_and_shows_itself_at_the_end() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let proxy = Meddler::before(&bed.endpoint).await;
        let store = bed.store_at(&proxy.url, S3Options { parts_at_once: 2, ..in_parts() }).await;
        let bytes = pattern(30 * MIB + 77);
        let uri = bed.uri("large");
        let mut upload = store.begin_upload(&uri).await.unwrap();
        for at in (0..bytes.len()).step_by(MIB) {
            upload.write(bytes.slice(at..bytes.len().min(at + MIB))).await.unwrap();
            assert!(store.held_bytes() <= 5 << 20, "the part that fills");
        }
        upload.seal().await.unwrap();
        assert_eq!(store.held_bytes(), 0, "sealed, it holds nothing");
        assert!(proxy.most_flying() <= 10 * MIB, "two parts at once, and not {}", proxy.most_flying());
        assert!(matches!(store.stat(&uri).await, Err(StoreError::NotFound { .. })));
        assert_eq!(bed.keys().await, Vec::<String>::new());
        upload.complete().await.unwrap();
        let stat = store.stat(&uri).await.unwrap();
        assert!(read(&store, &stat).await.unwrap() == bytes, "{emulator}");
        assert_eq!(bed.unfinished().await, 0);
    }
}

#[tokio::test]
async fn a_small_upload_is_one_call_and_one_given_up_none() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, in_parts()).await;
    begin(&store, &bed, "small", &pattern(3 * MIB)).await.complete().await.unwrap();
    let lines: Vec<String> = proxy.seen().into_iter().map(|seen| seen.line).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("PUT "), "{lines:?}");
    begin(&store, &bed, "given up", &pattern(3 * MIB)).await.abort().await.unwrap();
    drop(begin(&store, &bed, "dropped", &pattern(3 * MIB)).await);
    assert!(proxy.seen().is_empty());
    assert_eq!(store.held_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sealed_uploads_stay_within_the_budget() {
    const BUDGET: u64 = 4 << 20;
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let store = bed.store_with(S3Options { held_bytes: BUDGET, ..in_parts() }).await;
    let bytes = pattern(2_000 + (3 << 10));
    let mut sealed = Vec::new();
    let mut most = 0;
    for number in 0..2_000 {
        let mut upload = store.begin_upload(&bed.uri(&format!("p{number:04}"))).await.unwrap();
        upload.write(bytes.slice(number..number + (3 << 10))).await.unwrap();
        upload.seal().await.unwrap();
        most = most.max(store.held_bytes());
        sealed.push(upload);
    }
    assert!(most <= BUDGET && most > BUDGET * 9 / 10, "{most}");
    assert_eq!(bed.keys().await, Vec::<String>::new());
    assert!(bed.unfinished().await > 600, "those for which there was no room wait at the service");
    let completing = sealed.into_iter().map(Upload::complete);
    let completed: Vec<_> = stream::iter(completing).buffer_unordered(8).collect().await;
    assert!(completed.iter().all(Result::is_ok));
    assert_eq!((store.held_bytes(), bed.unfinished().await), (0, 0));
    let listed = store.list(&bed.uri(""), None, 5_000).await.unwrap().objects;
    assert_eq!(listed.len(), 2_000);
    for number in [0, 7, 1_365, 1_366, 1_999] {
        let stat = store.stat(&listed[number].uri).await.unwrap();
        assert!(read(&store, &stat).await.unwrap() == bytes[number..number + (3 << 10)], "{number}");
    }
}

#[tokio::test]
async fn open_uploads_send_what_they_hold_sooner_where_there_is_no_room() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let store = bed.store_with(S3Options { held_bytes: 8 << 20, part_bytes: 64 << 20, ..options() }).await;
    let bytes = pattern(6 * MIB);
    let mut uploads = Vec::new();
    for number in 0..6 {
        uploads.push(begin(&store, &bed, &format!("{number}"), &bytes).await);
    }
    assert!(store.held_bytes() <= 6 * (5 << 20), "S3 takes no smaller part than 5 MiB, and not {}", store.held_bytes());
    assert!(bed.unfinished().await > 0);
    for (number, upload) in uploads.into_iter().enumerate() {
        upload.complete().await.unwrap();
        let stat = store.stat(&bed.uri(&number.to_string())).await.unwrap();
        assert!(read(&store, &stat).await.unwrap() == bytes, "{number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_writers_if_absent_exactly_one_has_written() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let stores = [bed.store().await, bed.store().await];
        for round in 0..10 {
            let uri = bed.uri(&format!("new/{round}"));
            let mut writers = JoinSet::new();
            for writer in 0..8 {
                let (store, uri) = (stores[writer % 2].clone(), uri.clone());
                writers.spawn(async move {
                    let text = format!("writer {writer}");
                    (store.put(&uri, text.clone().into(), PutCondition::IfAbsent).await.unwrap(), text)
                });
            }
            let outcomes = writers.join_all().await;
            let mut won = outcomes.iter().filter(|(outcome, _)| *outcome == PutOutcome::Written);
            let (winner, second) = (won.next().expect("one has written"), won.next());
            assert_eq!(second, None, "{emulator} {round}");
            let stat = stores[0].stat(&uri).await.unwrap();
            assert_eq!(read(&stores[1], &stat).await.unwrap(), winner.1.as_bytes());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_dead_left_is_swept_below_the_prefix_and_not_before_its_time() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store_with(S3Options { sweep_uploads: true, ..in_parts() }).await;
        let kept = put(&store, &bed.uri("lake/kept"), "x").await;
        for key in ["lake/a b+é", "lake/deep/er", "lake/deep/er", "lakes/another", "landing/a"] {
            // As a process leaves it that dies now.
            drop(begin(&store, &bed, key, &pattern(6 * MIB)).await);
        }
        let mut alive = begin(&store, &bed, "lake/alive", &pattern(6 * MIB)).await;
        alive.seal().await.unwrap();
        // A part may be on its way when its upload is dropped, and the upload with it.
        let hour = Duration::from_hours(1);
        let (past, future) = (kept.last_modified.minus(hour), kept.last_modified.plus(hour));
        let before = bed.unfinished().await;
        assert!((2..=6).contains(&before), "{emulator}: {before}");
        assert_eq!(store.sweep_unfinished(&bed.uri("lake"), past).await.unwrap(), 0, "they are young");
        let landing = bed.store().await;
        assert_eq!(landing.sweep_unfinished(&bed.uri(""), future).await.unwrap(), 0, "not its own to sweep");
        let swept = store.sweep_unfinished(&bed.uri("lake"), future).await.unwrap();
        assert_eq!(swept + bed.unfinished().await as u64, before as u64, "{emulator}");
        assert_eq!(store.sweep_unfinished(&bed.uri("lake"), future).await.unwrap(), 0);
        assert_eq!(bed.keys().await, ["lake/kept"]);
        // It was alive and too slow; its owner is told, and begins anew.
        let error = alive.complete().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { operation: "complete", effect: Effect::Unknown, .. }));
        store.sweep_unfinished(&bed.uri(""), future).await.unwrap();
        assert_eq!(bed.unfinished().await, 0);
    }
}

#[tokio::test]
async fn a_large_upload_given_up_leaves_nothing_and_may_be_given_up_by_others() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store_with(S3Options { sweep_uploads: true, ..in_parts() }).await;
        let mut upload = begin(&store, &bed, "a", &pattern(11 * MIB)).await;
        upload.seal().await.unwrap();
        assert_eq!(bed.unfinished().await, 1);
        upload.abort().await.unwrap();
        assert_eq!(bed.unfinished().await, 0);
        let mut upload = begin(&store, &bed, "a", &pattern(11 * MIB)).await;
        upload.seal().await.unwrap();
        let far = lakehand_domain::timestamp::Timestamp::parse("2999-01-01T00:00:00Z").unwrap();
        assert_eq!(store.sweep_unfinished(&bed.uri(""), far).await.unwrap(), 1);
        upload.abort().await.unwrap();
        assert_eq!(bed.keys().await, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_for_one_copy_is_copied_in_parts_with_all_it_says_of_itself() {
    for emulator in EMULATORS {
        for versions in [Versions::Lost, Versions::Kept] {
            let bed = Bed::new(emulator, versions).await;
            let store = bed.store_with(S3Options { copy_at_once: 5 << 20, ..in_parts() }).await;
            let bytes = pattern(12 * MIB + 5);
            let call = bed.client.put_object().bucket(&bed.bucket).key("from é").body(bytes.clone().into());
            call.content_type("text/csv").metadata("source", "portal").send().await.unwrap();
            let from = store.stat(&bed.uri("from é")).await.unwrap();
            let to = bed.uri("archive/to+é");
            store.copy(&from, &to).await.unwrap();
            let copied = store.stat(&to).await.unwrap();
            assert!(read(&store, &copied).await.unwrap() == bytes, "{emulator} {versions:?}");
            let head = bed.client.head_object().bucket(&bed.bucket).key(to.key()).send().await.unwrap();
            assert_eq!(head.content_type(), Some("text/csv"));
            assert_eq!(head.metadata().and_then(|metadata| metadata.get("source")).map(String::as_str), Some("portal"));

            put(&store, &from.uri, bytes.slice(5..)).await;
            let again = bed.uri("archive/again");
            match store.copy(&from, &again).await {
                Ok(()) => {
                    assert_eq!(versions, Versions::Kept);
                    let copied = store.stat(&again).await.unwrap();
                    assert!(read(&store, &copied).await.unwrap() == bytes, "the version that was replaced");
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Changed { .. }), "{error:?}");
                    assert!(matches!(store.stat(&again).await, Err(StoreError::NotFound { .. })));
                }
            }
            assert_eq!(bed.unfinished().await, 0);
        }
    }
}

/// localstack refuses `If-Match` of a deletion, as some S3-compatible services do.
#[tokio::test]
async fn where_deletions_take_no_condition_a_look_decides() {
    let bed = Bed::new("LOCALSTACK", Versions::Lost).await;
    let store = bed.store().await;
    let old = put(&store, &bed.uri("a"), "old").await;
    let new = put(&store, &bed.uri("a"), "new").await;
    assert_eq!(store.delete(&old).await.unwrap(), DeleteOutcome::Changed);
    assert_eq!(store.delete(&new).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(store.delete(&new).await.unwrap(), DeleteOutcome::Deleted);
    assert_eq!(bed.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn calls_say_who_pays_whose_the_bucket_is_and_how_it_is_encrypted() {
    let bed = Bed::new("MINISTACK", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let key = "arn:aws:kms:eu-central-1:000000000000:key/1".to_owned();
    let options = S3Options {
        requester_pays: true,
        bucket_owner: Some("000000000000".to_owned()),
        encryption: Encryption::Kms { key: Some(key.clone()), bucket_key: Some(true) },
        storage_class: Some("STANDARD_IA".to_owned()),
        copy_at_once: 5 << 20,
        sweep_uploads: true,
        ..in_parts()
    };
    let store = bed.store_at(&proxy.url, options).await;
    let stat = put(&store, &bed.uri("a"), "x").await;
    read(&store, &stat).await.unwrap();
    store.copy(&stat, &bed.uri("b")).await.unwrap();
    begin(&store, &bed, "c", &pattern(6 * MIB)).await.complete().await.unwrap();
    let large = store.stat(&bed.uri("c")).await.unwrap();
    store.copy(&large, &bed.uri("d")).await.unwrap();
    store.tag(&stat, "k", "v").await.unwrap();
    begin(&store, &bed, "e", &pattern(6 * MIB)).await.abort().await.unwrap();
    store.list(&bed.uri(""), None, 10).await.unwrap();
    store.sweep_unfinished(&bed.uri(""), stat.last_modified).await.unwrap();
    store.delete(&stat).await.unwrap();
    let seen = proxy.seen();
    assert!(seen.len() >= 18, "{}", seen.len());
    let mut written = 0;
    for seen in &seen {
        assert_eq!(seen.header("x-amz-request-payer"), Some("requester"), "{}", seen.line);
        assert_eq!(seen.header("x-amz-expected-bucket-owner"), Some("000000000000"), "{}", seen.line);
        if seen.header("x-amz-copy-source").is_some() {
            assert_eq!(seen.header("x-amz-source-expected-bucket-owner"), Some("000000000000"), "{}", seen.line);
        }
        let makes_an_object = (seen.line.starts_with("POST") && seen.line.contains("?uploads"))
            || (seen.line.starts_with("PUT") && !seen.line.contains("partNumber") && !seen.line.contains("tagging"));
        if makes_an_object {
            written += 1;
            assert_eq!(seen.header("x-amz-server-side-encryption"), Some("aws:kms"), "{}", seen.line);
            assert_eq!(seen.header("x-amz-server-side-encryption-aws-kms-key-id"), Some(key.as_str()));
            assert_eq!(seen.header("x-amz-server-side-encryption-bucket-key-enabled"), Some("true"));
            assert_eq!(seen.header("x-amz-storage-class"), Some("STANDARD_IA"));
        }
        let has_body = seen.line.starts_with("PUT") && seen.header("x-amz-copy-source").is_none();
        if has_body && !seen.line.contains("tagging") {
            assert!(seen.header("x-amz-checksum-crc32").is_some(), "{}", seen.line);
        }
    }
    assert!(written >= 5, "{written}");
}

#[tokio::test]
async fn a_service_without_room_is_full() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, options()).await;
    proxy.meddle("PUT", "/a", 3, Fault::Refused(507, "XMinioStorageFull"));
    let full = store.put(&bed.uri("a"), "x".into(), PutCondition::Always).await;
    assert!(matches!(full, Err(StoreError::Full { operation: "put", .. })), "{full:?}");
}
