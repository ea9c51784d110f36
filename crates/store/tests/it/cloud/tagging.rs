//! Tags of exactly one version. On ministack alone: roto answers a question for tags by XML that is not S3's, which the SDK
//! does not take.

use lakehand_domain::fault::chain;
use lakehand_domain::port::object_store::{ObjectStore, StoreError};

use super::bed::{Bed, Versions, options, put};
use lakehand_testkit::meddler::{Fault, Meddler};

const EMULATOR: &str = "MINISTACK";

async fn tags(bed: &Bed, key: &str, version: Option<&str>) -> Vec<(String, String)> {
    let call = bed.client.get_object_tagging().bucket(&bed.bucket).key(key).set_version_id(version.map(str::to_owned));
    let tagged = call.send().await.unwrap();
    let mut tags: Vec<_> = tagged.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    tags.sort();
    tags
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_tag_is_set_beside_others() {
    let bed = Bed::new(EMULATOR, Versions::Lost).await;
    let store = bed.store().await;
    let call = bed.client.put_object().bucket(&bed.bucket).key("a").tagging("team=data&lakehand=new");
    call.body(b"x".to_vec().into()).send().await.unwrap();
    let stat = store.stat(&bed.uri("a")).await.unwrap();
    for _ in 0..2 {
        store.tag(&stat, "lakehand", "loaded").await.unwrap();
        assert_eq!(tags(&bed, "a", None).await, pairs(&[("lakehand", "loaded"), ("team", "data")]));
    }
    assert_eq!(store.stat(&bed.uri("a")).await.unwrap(), stat, "a tag makes no version");

    put(&store, &bed.uri("a"), "newer").await;
    let changed = store.tag(&stat, "lakehand", "loaded").await;
    assert!(matches!(changed, Err(StoreError::Changed { .. })), "{changed:?}");
    let now = store.stat(&bed.uri("a")).await.unwrap();
    store.delete(&now).await.unwrap();
    assert!(matches!(store.tag(&now, "lakehand", "loaded").await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn the_version_that_was_read_is_tagged_and_not_the_newer_one() {
    let bed = Bed::new(EMULATOR, Versions::Kept).await;
    let store = bed.store().await;
    let old = put(&store, &bed.uri("a"), "old").await;
    let new = put(&store, &bed.uri("a"), "new").await;
    store.tag(&old, "lakehand", "loaded").await.unwrap();
    assert_eq!(tags(&bed, "a", old.version_id.as_deref()).await, pairs(&[("lakehand", "loaded")]));
    assert_eq!(tags(&bed, "a", new.version_id.as_deref()).await, []);
    store.delete(&old).await.unwrap();
    assert!(matches!(store.tag(&old, "lakehand", "loaded").await, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn an_eleventh_tag_is_refused_with_what_the_service_says() {
    let bed = Bed::new(EMULATOR, Versions::Lost).await;
    let proxy = Meddler::before(&bed.endpoint).await;
    let store = bed.store_at(&proxy.url, options()).await;
    let stat = put(&store, &bed.uri("a"), "x").await;
    proxy.meddle("PUT", "tagging", 1, Fault::Refused(400, "BadRequest"));
    let refused = store.tag(&stat, "lakehand", "loaded").await.unwrap_err();
    assert!(matches!(refused, StoreError::Denied { operation: "tag", .. }), "{}", chain(&refused));
    assert!(chain(&refused).contains("BadRequest: meddled"), "{}", chain(&refused));
}
