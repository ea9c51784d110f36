//! Answers that are lost, and services that want less.

use bytes::Bytes;
use lakehand_domain::fault::{Effect, Fault as _, chain};
use lakehand_domain::port::object_store::{DeleteOutcome, ObjectStore, PutCondition, PutOutcome, StoreError, Upload};
use lakehand_store::s3::{S3Options, S3Store};
use lakehand_testkit::services::EMULATORS;

use super::bed::{Bed, Versions, options, pattern, put, read};
use lakehand_testkit::meddler::{Fault, Meddler};

const MIB: usize = 1 << 20;

async fn beds() -> Vec<(Bed, Meddler)> {
    let mut beds = Vec::new();
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let proxy = Meddler::before(&bed.endpoint).await;
        beds.push((bed, proxy));
    }
    beds
}

async fn sealed(store: &S3Store, bed: &Bed, bytes: &Bytes) -> Box<dyn Upload> {
    let mut upload = store.begin_upload(&bed.uri("a")).await.unwrap();
    for at in (0..bytes.len()).step_by(MIB) {
        upload.write(bytes.slice(at..bytes.len().min(at + MIB))).await.unwrap();
    }
    upload.seal().await.unwrap();
    upload
}

#[tokio::test]
async fn a_put_if_absent_whose_answer_is_lost_knows_its_own_write() {
    for (bed, proxy) in beds().await {
        let store = bed.store_at(&proxy.url, options()).await;
        let uri = bed.uri("a");
        proxy.meddle("PUT", "/a", 1, Fault::LostAnswer);
        let outcome = store.put(&uri, "ours".into(), PutCondition::IfAbsent).await.unwrap();
        assert_eq!(outcome, PutOutcome::Written, "the second attempt was told that there is one: its own");
        assert_eq!(proxy.unmet(), 0);
        let stat = store.stat(&uri).await.unwrap();
        // The same bytes of another put are not its own, lost answer or not.
        proxy.meddle("PUT", "/a", 1, Fault::LostAnswer);
        for _ in 0..2 {
            assert_eq!(store.put(&uri, "ours".into(), PutCondition::IfAbsent).await.unwrap(), PutOutcome::Exists);
        }
        assert_eq!(store.stat(&uri).await.unwrap(), stat);

        // All attempts are lost: it may have happened, and the next put says so.
        let other = bed.uri("b");
        proxy.meddle("PUT", "/b", 3, Fault::LostAnswer);
        proxy.meddle("HEAD", "/b", 3, Fault::LostAnswer);
        let error = store.put(&other, "x".into(), PutCondition::IfAbsent).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        assert_eq!(error.effect(), Effect::Unknown);
        let settled = bed.store().await.put(&other, "x".into(), PutCondition::IfAbsent).await.unwrap();
        assert_eq!(settled, PutOutcome::Exists);
    }
}

#[tokio::test]
async fn conflicts_of_conditional_writes_are_tried_again() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, options()).await;
    proxy.meddle("PUT", "/a", 2, Fault::Refused(409, "ConditionalRequestConflict"));
    let outcome = store.put(&bed.uri("a"), "x".into(), PutCondition::IfAbsent).await.unwrap();
    assert_eq!((outcome, proxy.unmet()), (PutOutcome::Written, 0));
    proxy.meddle("PUT", "/b", 3, Fault::Refused(409, "ConditionalRequestConflict"));
    let error = store.put(&bed.uri("b"), "x".into(), PutCondition::IfAbsent).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { effect: Effect::Unknown, .. }), "{error:?}");
}

#[tokio::test]
async fn a_put_a_copy_and_a_delete_whose_answers_are_lost_have_happened_once() {
    for (bed, proxy) in beds().await {
        let store = bed.store_at(&proxy.url, options()).await;
        proxy.meddle("PUT", "/a", 1, Fault::LostAnswer);
        let stat = put(&store, &bed.uri("a"), "x").await;
        proxy.meddle("PUT", "/copy", 1, Fault::LostAnswer);
        store.copy(&stat, &bed.uri("copy")).await.unwrap();
        let copy = store.stat(&bed.uri("copy")).await.unwrap();
        assert_eq!(read(&store, &copy).await.unwrap(), b"x");
        proxy.meddle("DELETE", "/a", 1, Fault::LostAnswer);
        assert_eq!(store.delete(&stat).await.unwrap(), DeleteOutcome::Deleted);
        assert_eq!((bed.keys().await, proxy.unmet()), (vec!["copy".to_owned()], 0));
    }
}

/// ministack deletes on condition: an attempt after the lost one meets the newer version, and leaves it.
#[tokio::test]
async fn a_delete_whose_answer_is_lost_does_not_take_what_came_meanwhile() {
    let bed = Bed::new("MINISTACK", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, options()).await;
    let stat = put(&store, &bed.uri("a"), "old").await;
    let (behind, uri) = (bed.store().await, bed.uri("a"));
    proxy.meddle("DELETE", "/a", 1, Fault::LostAnswer);
    let meanwhile = Fault::before(move || {
        let (behind, uri) = (behind.clone(), uri.clone());
        async move {
            behind.put(&uri, "new".into(), PutCondition::Always).await.unwrap();
        }
    });
    proxy.meddle("DELETE", "/a", 1, meanwhile);
    assert_eq!(store.delete(&stat).await.unwrap(), DeleteOutcome::Changed);
    assert_eq!(proxy.unmet(), 0);
    let now = store.stat(&bed.uri("a")).await.unwrap();
    assert_eq!(read(&store, &now).await.unwrap(), b"new");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_every_answer_is_lost_once_is_complete() {
    for (bed, proxy) in beds().await {
        let store = bed.store_at(&proxy.url, S3Options { part_bytes: 5 << 20, ..options() }).await;
        let bytes = pattern(12 * MIB);
        proxy.meddle("POST", "?uploads", 1, Fault::LostAnswer);
        proxy.meddle("PUT", "partNumber=2", 1, Fault::LostAnswer);
        let upload = sealed(&store, &bed, &bytes).await;
        proxy.meddle("POST", "uploadId", 1, Fault::LostAnswer);
        upload.complete().await.unwrap();
        assert_eq!(proxy.unmet(), 0);
        let stat = store.stat(&bed.uri("a")).await.unwrap();
        assert!(read(&store, &stat).await.unwrap() == bytes);
        assert_eq!(bed.unfinished().await, 1, "the upload whose beginning was not told is swept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_others_gave_up_is_not_taken_for_complete() {
    for (bed, proxy) in beds().await {
        let store = bed.store_at(&proxy.url, S3Options { part_bytes: 5 << 20, ..options() }).await;
        let bytes = pattern(6 * MIB);
        // An object of the same name, size and bytes, of another upload.
        sealed(&store, &bed, &bytes).await.complete().await.unwrap();
        let before = store.stat(&bed.uri("a")).await.unwrap();
        let upload = sealed(&store, &bed, &bytes).await;
        let begun = bed.client.list_multipart_uploads().bucket(&bed.bucket).send().await.unwrap();
        let id = begun.uploads()[0].upload_id().unwrap();
        bed.client.abort_multipart_upload().bucket(&bed.bucket).key("a").upload_id(id).send().await.unwrap();
        let error = upload.complete().await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { operation: "complete", effect: Effect::Unknown, .. }));
        assert_eq!(store.stat(&bed.uri("a")).await.unwrap(), before);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_after_200_is_an_error() {
    for (bed, proxy) in beds().await {
        let store = bed.store_at(&proxy.url, S3Options { part_bytes: 5 << 20, ..options() }).await;
        let bytes = pattern(6 * MIB);
        proxy.meddle("POST", "uploadId", 1, Fault::ErrorAfter200("InternalError"));
        sealed(&store, &bed, &bytes).await.complete().await.unwrap();
        let stat = store.stat(&bed.uri("a")).await.unwrap();
        assert!(read(&store, &stat).await.unwrap() == bytes);
        store.delete(&stat).await.unwrap();

        proxy.meddle("POST", "uploadId", 3, Fault::ErrorAfter200("InternalError"));
        let error = sealed(&store, &bed, &bytes).await.complete().await.unwrap_err();
        assert!(chain(&error).contains("InternalError") && error.effect() == Effect::Unknown, "{}", chain(&error));
        proxy.meddle("PUT", "/copy", 3, Fault::ErrorAfter200("InternalError"));
        let small = put(&store, &bed.uri("b"), "x").await;
        let error = store.copy(&small, &bed.uri("copy")).await.unwrap_err();
        assert!(chain(&error).contains("InternalError"), "{}", chain(&error));
        assert_eq!((proxy.unmet(), bed.keys().await), (0, vec!["b".to_owned()]));
    }
}

#[tokio::test]
async fn a_service_that_wants_less_is_asked_again_and_then_told_of() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, options()).await;
    let slow = || Fault::Refused(503, "SlowDown");
    proxy.meddle("PUT", "/a", 1, slow());
    let stat = put(&store, &bed.uri("a"), "x").await;
    for method in ["HEAD", "GET"] {
        proxy.meddle(method, "/a", 1, slow());
    }
    store.stat(&stat.uri).await.unwrap();
    assert_eq!(read(&store, &stat).await.unwrap(), b"x");
    assert_eq!(proxy.unmet(), 0);
    proxy.meddle("GET", "list-type", 3, slow());
    let error = store.list(&bed.uri(""), None, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { operation: "list", .. }), "{error:?}");
    assert!(chain(&error).contains("SlowDown"), "{}", chain(&error));
}

#[tokio::test]
async fn a_part_that_fails_breaks_the_upload_and_nothing_shows() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, S3Options { part_bytes: 5 << 20, ..options() }).await;
    let mut upload = store.begin_upload(&bed.uri("a")).await.unwrap();
    proxy.meddle("PUT", "partNumber=1", 1, Fault::Refused(403, "AccessDenied"));
    upload.write(pattern(5 * MIB)).await.unwrap();
    let denied = upload.seal().await.unwrap_err();
    assert!(matches!(denied, StoreError::Denied { operation: "write", .. }), "{denied:?}");
    assert!(upload.write(Bytes::from_static(b"more")).await.is_err());
    let error = upload.complete().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { effect: Effect::NotApplied, .. }), "{error:?}");
    assert_eq!(bed.keys().await, Vec::<String>::new());
}
