//! Listing the objects below a prefix, in the order of their keys.

use aws_sdk_s3::types::{EncodingType, Object};
use lakehand_aws::classify;
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::port::object_store::{ListPage, StoreError};

use super::classify::{failed, senseless};
use super::stat::{bare, timestamp};
use super::{Shared, address};

/// A page of S3 has at most this many keys ("ListObjectsV2").
const PAGE: usize = 1_000;

/// A page of the objects below `prefix`. The object that is called as the prefix itself, with its slash, is a folder as
/// some tools make them, and no object below it.
pub(super) async fn list(
    shared: &Shared,
    prefix: &ObjectUri,
    after: Option<&str>,
    limit: usize,
) -> Result<ListPage, StoreError> {
    let (bucket, below) = address::prefix(prefix)?;
    let limit = limit.max(1);
    let mut objects: Vec<ObjectStat> = Vec::new();
    // S3 takes no empty key to begin after.
    let mut after = after.filter(|key| !key.is_empty()).map(str::to_owned);
    loop {
        let want = PAGE.min(limit - objects.len());
        let mut call = shared.client.list_objects_v2().bucket(bucket).prefix(&below).set_start_after(after.clone());
        call = call.max_keys(i32::try_from(want).unwrap_or(i32::MAX)).encoding_type(EncodingType::Url);
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        let page = call.send().await.map_err(|error| failed("list", prefix, classify(error)))?;
        let encoded = page.encoding_type == Some(EncodingType::Url);
        for object in page.contents() {
            let stat = of_object(prefix, object, encoded)?;
            let key = stat.uri.key().to_owned();
            if after.as_ref().is_some_and(|after| key <= *after) {
                let message =
                    format!("the key {key:?} is listed out of order, as directory buckets do; use another bucket");
                return Err(senseless("list", prefix, message));
            }
            if key != below {
                objects.push(stat);
            }
            after = Some(key);
        }
        if page.is_truncated != Some(true) || page.contents().is_empty() {
            return Ok(ListPage { objects, next: None });
        }
        if objects.len() >= limit {
            return Ok(ListPage { objects, next: after });
        }
    }
}

fn of_object(prefix: &ObjectUri, object: &Object, encoded: bool) -> Result<ObjectStat, StoreError> {
    let key = object.key().unwrap_or_default();
    let key = if encoded { address::decoded(key) } else { Some(key.to_owned()) };
    let size = object.size().and_then(|size| u64::try_from(size).ok());
    let (Some(key), Some(size), Some(modified)) = (key, size, object.last_modified()) else {
        return Err(senseless("list", prefix, format!("the listed object {object:?} has no key, size or age")));
    };
    let (etag, last_modified) = (object.e_tag().map(bare), timestamp(modified));
    Ok(ObjectStat {
        uri: address::of_key(prefix, &key)?,
        version: ObjectVersion::of(None, etag, size, last_modified),
        version_id: None,
        etag: etag.map(str::to_owned),
        size,
        last_modified,
    })
}
