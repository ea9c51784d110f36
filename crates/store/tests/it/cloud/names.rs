//! Keys that others stumble over.

use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{DeleteOutcome, ObjectStore, StoreError};
use lakehand_testkit::services::EMULATORS;

use super::bed::{Bed, Versions, put, read};

#[tokio::test]
async fn keys_mean_themselves_in_every_call() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store().await;
        let mut keys = [
            "/leading",
            "//twice",
            "a//b",
            "a/../b",
            "./a",
            "in/a b+é.csv",
            "in/a%2Bb%20c",
            "in/p_day=2026-11-21/x",
            "in/\u{1F338} flower",
            "in/line\nbreak",
            "in/bell\u{7}",
            "in/<&>\"'",
            " blanks around ",
            "in/?query&x=y#part",
            &"in/long ".repeat(120),
        ];
        for key in keys {
            let stat = put(&store, &bed.uri(key), key.to_owned()).await;
            assert_eq!(stat.uri.key(), key);
        }
        keys.sort_unstable();
        let listed = store.list(&bed.uri(""), None, 100).await.unwrap();
        let listed: Vec<&str> = listed.objects.iter().map(|stat| stat.uri.key()).collect();
        assert_eq!(listed, keys, "{emulator}");
        for key in keys {
            let stat = store.stat(&bed.uri(key)).await.unwrap();
            assert_eq!(read(&store, &stat).await.unwrap(), key.as_bytes(), "{emulator} {key:?}");
            let copy = bed.uri(&format!("copies/{key}"));
            store.copy(&stat, &copy).await.unwrap();
            let copied = store.stat(&copy).await.unwrap();
            assert_eq!(read(&store, &copied).await.unwrap(), key.as_bytes(), "{emulator} {key:?}");
            let mut upload = store.begin_upload(&bed.uri(key)).await.unwrap();
            upload.write("again".into()).await.unwrap();
            upload.complete().await.unwrap();
            let again = store.stat(&bed.uri(key)).await.unwrap();
            assert_eq!(read(&store, &again).await.unwrap(), b"again");
            assert_eq!(store.delete(&again).await.unwrap(), DeleteOutcome::Deleted);
        }
        assert_eq!(store.list(&bed.uri("in"), None, 100).await.unwrap().objects, []);
    }
}

#[tokio::test]
async fn folders_made_by_tools_are_not_below_themselves() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store().await;
        for key in ["in/", "in/a", "in/b/", "inn"] {
            bed.client.put_object().bucket(&bed.bucket).key(key).send().await.unwrap();
        }
        for limit in 1..5 {
            let (mut keys, mut after) = (Vec::new(), None);
            loop {
                let page = store.list(&bed.uri("in"), after.as_deref(), limit).await.unwrap();
                keys.extend(page.objects.into_iter().map(|stat| stat.uri.key().to_owned()));
                let Some(next) = page.next else { break };
                after = Some(next);
            }
            assert_eq!(keys, ["in/a", "in/b/"], "{emulator} {limit}");
        }
    }
}

/// A `HeadObject` of a bucket that is not there looks like one of an object that is not there, for which a file would be
/// called gone.
#[tokio::test]
async fn a_missing_bucket_is_no_missing_object() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store().await;
        let stat = put(&store, &bed.uri("a"), "x").await;
        let nowhere = ObjectUri::parse("s3://lakehand-no-such-bucket-42/a").unwrap();
        let mut elsewhere = stat.clone();
        elsewhere.uri = nowhere.clone();
        let errors = [
            store.stat(&nowhere).await.unwrap_err(),
            store.open(&elsewhere, None).await.unwrap_err(),
            store
                .put(&nowhere, "x".into(), lakehand_domain::port::object_store::PutCondition::Always)
                .await
                .unwrap_err(),
            store.list(&nowhere, None, 1).await.unwrap_err(),
            store.copy(&stat, &nowhere).await.unwrap_err(),
            store.delete(&elsewhere).await.unwrap_err(),
        ];
        for error in errors {
            let told = lakehand_domain::fault::chain(&error);
            assert!(matches!(error, StoreError::Denied { .. }), "{emulator}: {told}");
            assert!(told.contains("there is no bucket \"lakehand-no-such-bucket-42\": make it"), "{emulator}: {told}");
        }
    }
}
