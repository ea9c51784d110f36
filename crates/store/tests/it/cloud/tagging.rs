//! Tags of exactly one version.

use lakehand_domain::fault::chain;
use lakehand_domain::port::object_store::{ObjectStore, StoreError};
use lakehand_testkit::services::EMULATORS;

use super::bed::{Bed, Versions, put};

async fn tags(bed: &Bed, key: &str, version: Option<&str>) -> Vec<(String, String)> {
    let call = bed.client.get_object_tagging().bucket(&bed.bucket).key(key).set_version_id(version.map(str::to_owned));
    let tagged = call.send().await.unwrap();
    let mut tags: Vec<_> =
        tagged.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    tags.sort();
    tags
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_tag_is_set_beside_others() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Lost).await;
        let store = bed.store().await;
        let call = bed.client.put_object().bucket(&bed.bucket).key("a").tagging("team=data&lakehand=new");
        call.body(b"x".to_vec().into()).send().await.unwrap();
        let stat = store.stat(&bed.uri("a")).await.unwrap();
        for _ in 0..2 {
            store.tag(&stat, "lakehand", "loaded").await.unwrap();
            assert_eq!(tags(&bed, "a", None).await, pairs(&[("lakehand", "loaded"), ("team", "data")]), "{emulator}");
        }
        assert_eq!(store.stat(&bed.uri("a")).await.unwrap(), stat, "a tag makes no version");

        put(store.as_ref(), &bed.uri("a"), "newer").await;
        let changed = store.tag(&stat, "lakehand", "loaded").await;
        assert!(matches!(changed, Err(StoreError::Changed { .. })), "{emulator}: {changed:?}");
        assert_eq!(tags(&bed, "a", None).await, []);
        let now = store.stat(&bed.uri("a")).await.unwrap();
        store.delete(&now).await.unwrap();
        assert!(matches!(store.tag(&now, "lakehand", "loaded").await, Err(StoreError::NotFound { .. })));
    }
}

#[tokio::test]
async fn the_version_that_was_read_is_tagged_and_not_the_newer_one() {
    for emulator in EMULATORS {
        let bed = Bed::new(emulator, Versions::Kept).await;
        let store = bed.store().await;
        let old = put(store.as_ref(), &bed.uri("a"), "old").await;
        let new = put(store.as_ref(), &bed.uri("a"), "new").await;
        store.tag(&old, "lakehand", "loaded").await.unwrap();
        assert_eq!(tags(&bed, "a", old.version_id.as_deref()).await, pairs(&[("lakehand", "loaded")]), "{emulator}");
        assert_eq!(tags(&bed, "a", new.version_id.as_deref()).await, [], "{emulator}");
        store.delete(&old).await.unwrap();
        assert!(matches!(store.tag(&old, "lakehand", "loaded").await, Err(StoreError::NotFound { .. })));
    }
}

/// Of localstack, which knows S3's limit of ten tags.
#[tokio::test]
async fn an_eleventh_tag_is_refused_with_what_the_service_says() {
    let bed = Bed::new("LOCALSTACK", Versions::Lost).await;
    let store = bed.store().await;
    let ten: Vec<String> = (0..10).map(|number| format!("k{number}=v")).collect();
    let call = bed.client.put_object().bucket(&bed.bucket).key("a").tagging(ten.join("&"));
    call.body(b"x".to_vec().into()).send().await.unwrap();
    let stat = store.stat(&bed.uri("a")).await.unwrap();
    let refused = store.tag(&stat, "lakehand", "loaded").await.unwrap_err();
    assert!(matches!(refused, StoreError::Denied { operation: "tag", .. }), "{}", chain(&refused));
    assert!(chain(&refused).contains("10"), "{}", chain(&refused));
}
