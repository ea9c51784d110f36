//! What is read: in pieces, pinned, from a service that may do anything.

use std::time::Duration;

use futures::StreamExt;
use lakehand_domain::fault::{Effect, Fault as _, chain};
use lakehand_domain::port::object_store::{DeleteOutcome, ObjectBody, ObjectStore, PutCondition, StoreError};
use lakehand_store::s3::S3Options;
use lakehand_testkit::services::EMULATORS;

use super::bed::{Bed, Versions, drain, options, pattern, put, read};
use lakehand_testkit::meddler::{Fault, Meddler};

const MIB: usize = 1 << 20;

/// Pieces as small as may be.
fn in_pieces() -> S3Options {
    S3Options { part_bytes: 5 << 20, ..options() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_comes_in_pieces_and_in_order() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store_with(in_pieces()).await;
        let bytes = pattern(32 * MIB + 123);
        let stat = put(&store, &bed.uri("large"), bytes.clone()).await;
        assert_eq!(stat.size, bytes.len() as u64);
        assert!(read(&store, &stat).await.unwrap() == bytes, "{emulator}");
        let five = 5 * MIB;
        for range in
            [0..1, five - 1..five + 1, 3..3 * five, 6 * five - 10..bytes.len(), bytes.len() - 1..bytes.len() + 99]
        {
            let asked = range.start as u64..range.end as u64;
            let got = drain(store.open(&stat, Some(asked)).await.unwrap()).await.unwrap();
            assert!(got == bytes[range.start..range.end.min(bytes.len())], "{emulator} {range:?}");
        }
        for range in [0..0, 7..7, stat.size..stat.size + 5] {
            assert_eq!(drain(store.open(&stat, Some(range)).await.unwrap()).await.unwrap(), b"");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_ahead_is_bounded_for_one_body_and_for_all() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let options = S3Options { pieces_of_body: 3, pieces_at_once: 4, ..in_pieces() };
    let store = bed.store_at(&proxy.url, options).await;
    let bytes = pattern(40 * MIB);
    let stat = put(&store, &bed.uri("large"), bytes.clone()).await;
    proxy.seen();
    let ObjectBody::Stream(mut first) = store.open(&stat, None).await.unwrap() else { panic!("a stream") };
    let settled = async || {
        #[expect(clippy::disallowed_methods, reason = "that nothing more comes is seen by waiting")]
        tokio::time::sleep(Duration::from_millis(500)).await;
        proxy.count("GET")
    };
    assert_eq!(settled().await, 3, "three of the eight pieces are asked for while nobody takes any");
    let mut got = first.next().await.unwrap().unwrap().to_vec();
    assert_eq!(settled().await, 1, "the place of the piece that was taken is filled");
    // This body has used up three of the four permits for what is ahead of all bodies.
    let others = [store.open(&stat, None).await.unwrap(), store.open(&stat, None).await.unwrap()];
    assert_eq!(settled().await, 3, "each body has its own piece, and one of the two is ahead");
    let [one, other] = others;
    let (one, other) = tokio::join!(drain(one), drain(other));
    assert!(one.unwrap() == bytes && other.unwrap() == bytes, "nobody waits for ever");
    while let Some(chunk) = first.next().await {
        got.extend_from_slice(&chunk.unwrap());
    }
    assert!(got == bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_replaced_between_two_pieces_never_mixes() {
    for emulator in EMULATORS {
        for versions in [Versions::Lost, Versions::Kept] {
            let bed = Bed::new(emulator, versions).await;
            let proxy = Meddler::before(&bed.endpoint).await;
            let store = bed.store_at(&proxy.url, S3Options { pieces_of_body: 1, ..in_pieces() }).await;
            let behind = bed.store().await;
            let (old, new) = (pattern(20 * MIB), pattern(20 * MIB).slice(8..));
            let uri = bed.uri("a");
            let stat = put(&store, &uri, old.clone()).await;
            let replace = {
                let (behind, uri, new) = (behind.clone(), uri.clone(), new.clone());
                Fault::before(move || {
                    let (behind, uri, new) = (behind.clone(), uri.clone(), new.clone());
                    async move {
                        behind.put(&uri, new, PutCondition::Always).await.unwrap();
                    }
                })
            };
            // Two pieces go well, and then the object is another one.
            proxy.meddle_later("GET", "/a", "\n", 2, 1, replace);
            match read(&store, &stat).await {
                Ok(bytes) => assert!(versions == Versions::Kept && bytes == old, "{emulator} {versions:?}"),
                Err(error) => {
                    assert!(versions == Versions::Lost && matches!(error, StoreError::Changed { .. }), "{error:?}");
                }
            }
            assert_eq!(proxy.unmet(), 0);
            let now = store.stat(&uri).await.unwrap();
            assert!(read(&store, &now).await.unwrap() == new);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_ignores_conditions_or_ranges_gives_errors_and_no_other_bytes() {
    let bed = Bed::new("MINISTACK", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, in_pieces()).await;
    let old = put(&store, &bed.uri("a"), "old").await;
    put(&store, &bed.uri("a"), "new").await;
    proxy.meddle("GET", "/a", 1, Fault::HeaderDropped("if-match"));
    assert!(matches!(store.open(&old, None).await, Err(StoreError::Changed { .. })), "its eTag tells");

    let stat = put(&store, &bed.uri("b"), pattern(12 * MIB)).await;
    for range in ["bytes=0-9", "bytes=1-5242880", "bytes=5242880-10485759"] {
        proxy.meddle("GET", "/b", 1, Fault::OtherRange(range));
        let error = store.open(&stat, None).await.unwrap_err();
        assert!(chain(&error).contains("where 0..5242880 were asked for"), "{}", chain(&error));
        assert_eq!(error.effect(), Effect::NotApplied);
    }
    // The second piece is another one than was asked for.
    proxy.meddle_later("GET", "/b", "\n", 1, 1, Fault::OtherRange("bytes=0-5242879"));
    let error = read(&store, &stat).await.unwrap_err();
    assert!(chain(&error).contains("bytes came as 0..5242880 of 12582912"), "{}", chain(&error));
    // One that ignores ranges altogether, as HTTP allows, gives the right bytes of more.
    proxy.meddle("GET", "/b", 2, Fault::HeaderDropped("range"));
    assert!(read(&store, &stat).await.unwrap() == pattern(12 * MIB));
    assert_eq!(proxy.unmet(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_or_stalls_is_gone_on_with_from_the_byte_reached() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let proxy = Meddler::before(&bed.endpoint).await;
        let idle_timeout = Duration::from_millis(300);
        let store = bed.store_at(&proxy.url, S3Options { idle_timeout, ..in_pieces() }).await;
        let bytes = pattern(12 * MIB);
        let stat = put(&store, &bed.uri("a"), bytes.clone()).await;
        proxy.seen();
        proxy.meddle("GET", "/a", 2, Fault::CutAfter(MIB));
        proxy.meddle_later("GET", "/a", "\n", 1, 1, Fault::StalledAfter(MIB / 2, Duration::from_secs(30)));
        assert!(read(&store, &stat).await.unwrap() == bytes, "{emulator}");
        assert_eq!(proxy.unmet(), 0);
        let seen = proxy.seen();
        assert_eq!(seen.len(), 3 + 3, "three pieces, and the rest of one after each break");
        let ranges: Vec<&str> = seen.iter().filter_map(|seen| seen.header("range")).collect();
        assert!(ranges.contains(&"bytes=1048576-5242879"), "{ranges:?}");

        // A small object, which is asked for whole.
        let small = put(&store, &bed.uri("b"), bytes.slice(..MIB)).await;
        proxy.meddle("GET", "/b", 1, Fault::CutAfter(1_000));
        assert!(read(&store, &small).await.unwrap() == bytes[..MIB]);

        // What never goes well ends, and says why.
        proxy.meddle("GET", "/b", 100, Fault::CutAfter(1));
        let error = read(&store, &small).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { operation: "read", effect: Effect::NotApplied, .. }));
        assert_eq!(100 - proxy.unmet(), 6);
    }
}

/// Of ministack, which keeps the checksum; roto does not.
#[tokio::test]
async fn a_small_object_is_checked_against_the_checksum_the_service_keeps() {
    let bed = Bed::new("MINISTACK", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, options()).await;
    let stat = put(&store, &bed.uri("a"), "as it was written").await;
    proxy.meddle("GET", "/a", 1, Fault::FlippedByte);
    assert_eq!(read(&store, &stat).await.unwrap(), b"as it was written");
    assert_eq!(proxy.unmet(), 0);
    // … and so is what is written.
    let broken =
        bed.client.put_object().bucket(&bed.bucket).key("b").checksum_crc32("AAAAAA==").body(b"x".to_vec().into());
    assert!(broken.send().await.is_err());
}

#[tokio::test]
async fn what_goes_away_while_it_is_read_is_not_found() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store_with(S3Options { pieces_of_body: 1, ..in_pieces() }).await;
        let stat = put(&store, &bed.uri("a"), pattern(11 * MIB)).await;
        let ObjectBody::Stream(mut chunks) = store.open(&stat, None).await.unwrap() else { panic!("a stream") };
        assert_eq!(store.delete(&stat).await.unwrap(), DeleteOutcome::Deleted);
        assert_eq!(chunks.next().await.unwrap().unwrap().len(), 5 * MIB);
        let gone = chunks.next().await.unwrap();
        assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{emulator} {gone:?}");
        assert!(chunks.next().await.is_none(), "a body that failed is over");
    }
}

#[tokio::test]
async fn a_deleted_object_of_a_bucket_that_keeps_versions_is_not_found_and_its_version_is() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Kept).await;
        let store = bed.store().await;
        let stat = put(&store, &bed.uri("a"), "kept").await;
        assert!(stat.version_id.as_deref() == Some(stat.version.as_str()));
        // As people delete: a marker hides what is there.
        bed.client.delete_object().bucket(&bed.bucket).key("a").send().await.unwrap();
        assert!(matches!(store.stat(&stat.uri).await, Err(StoreError::NotFound { .. })), "{emulator}");
        assert_eq!(read(&store, &stat).await.unwrap(), b"kept");
        assert_eq!(store.list(&bed.uri(""), None, 10).await.unwrap().objects, []);
    }
}

/// localstack says `null` of what is older than versioning; the others say nothing.
#[tokio::test]
async fn what_is_older_than_versioning_is_pinned_by_its_etag() {
    for emulator in ["LOCALSTACK", "ROTO", "MINISTACK"] {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store().await;
        let stat = put(&store, &bed.uri("a"), "old").await;
        let kept = aws_sdk_s3::types::VersioningConfiguration::builder()
            .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
            .build();
        bed.client.put_bucket_versioning().bucket(&bed.bucket).versioning_configuration(kept).send().await.unwrap();
        let now = store.stat(&stat.uri).await.unwrap();
        assert_eq!(now, stat, "{emulator}: the version is what it was");
        assert_eq!(now.version_id, None);
        assert_eq!(now.version.as_str(), format!("{}-3-{}", now.etag.as_deref().unwrap(), now.last_modified.micros()));
        assert_eq!(now.last_modified.micros() % 1_000_000, 0, "S3 tells it to the second");
        assert_eq!(read(&store, &now).await.unwrap(), b"old");
    }
}

#[tokio::test]
async fn what_is_refused_says_what_may_be_wrong() {
    let bed = Bed::new("ROTO", Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, options()).await;
    let stat = put(&store, &bed.uri("a"), "x").await;
    let told = async |status, code, hint: &str| {
        proxy.meddle("HEAD", "/a", 1, Fault::Refused(status, code));
        proxy.meddle("GET", "/a", 1, Fault::Refused(status, code));
        let error = store.stat(&stat.uri).await.unwrap_err();
        let text = chain(&error);
        assert!(matches!(error, StoreError::Denied { operation: "stat", .. }), "{text}");
        assert!(text.contains(hint) && text.contains(code) && text.contains("meddled"), "{text}");
        assert_eq!(proxy.unmet(), 0, "what a HEAD cannot say is asked by a GET");
    };
    told(403, "AccessDenied", "without which S3 does not say so").await;
    told(301, "PermanentRedirect", "is in another region").await;
    told(404, "NoSuchBucket", "there is no bucket").await;
    // One object's own: its stat works, and others can be read.
    proxy.meddle("GET", "/a", 1, Fault::Refused(403, "InvalidObjectState"));
    let error = store.open(&stat, None).await.unwrap_err();
    let text = chain(&error);
    assert!(matches!(error, StoreError::Archived { .. }), "{text}");
    assert!(text.contains("is archived") && text.contains("restored") && text.contains("meddled"), "{text}");
    // It came between the two calls.
    proxy.meddle("HEAD", "/a", 1, Fault::Refused(404, "NotFound"));
    let error = store.stat(&stat.uri).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { effect: Effect::NotApplied, .. }), "{error:?}");
}
