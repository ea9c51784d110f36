//! The store where calls fail at random.

use lakehand_domain::port::object_store::{DeleteOutcome, ObjectStore, PutCondition, StoreError};
use lakehand_store::s3::S3Options;

use super::bed::{Bed, Versions, drain, options, pattern};
use lakehand_testkit::meddler::Meddler;

/// As a caller does: an error that a later call may cure is met by a later call.
async fn at_last<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let mut last = None;
    for _ in 0..20 {
        match call().await {
            Ok(value) => return value,
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
                last = Some(error);
            }
        }
    }
    panic!("it never goes well: {last:?}");
}

async fn soak(emulator: &str) {
    let bed = Bed::new(emulator, Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, S3Options { part_bytes: 5 << 20, ..options() }).await;
    proxy.fail_at_random(7);
    for number in 0..8 {
        let uri = bed.uri(&format!("in/{number}"));
        let bytes = pattern(if number % 4 == 0 { 13 << 20 } else { 40_000 * number }).slice(number..);
        if number % 2 == 0 {
            at_last(async || {
                let mut upload = store.begin_upload(&uri).await?;
                for at in (0..bytes.len()).step_by(1 << 20) {
                    upload.write(bytes.slice(at..bytes.len().min(at + (1 << 20)))).await?;
                }
                upload.complete().await
            })
            .await;
        } else {
            at_last(async || store.put(&uri, bytes.clone(), PutCondition::IfAbsent).await).await;
        }
        let stat = at_last(async || store.stat(&uri).await).await;
        let read = at_last(async || drain(store.open(&stat, None).await?).await).await;
        assert!(read == bytes, "{number}");
        let copy = bed.uri(&format!("out/{number}"));
        at_last(async || store.copy(&stat, &copy).await).await;
        assert_eq!(at_last(async || store.stat(&copy).await).await.size, bytes.len() as u64);
        assert_eq!(at_last(async || store.delete(&stat).await).await, DeleteOutcome::Deleted);
    }
    let listed = at_last(async || store.list(&bed.uri(""), None, 100).await).await;
    assert_eq!(listed.objects.len(), 8);
    assert!(listed.objects.iter().all(|stat| stat.uri.key().starts_with("out/")));
    assert!(proxy.chanced() > 5, "{}", proxy.chanced());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_mixed_where_calls_to_roto_fail_at_random() {
    soak("ROTO").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_mixed_where_calls_to_ministack_fail_at_random() {
    soak("MINISTACK").await;
}
