//! Tagging exactly one version.

use aws_sdk_s3::types::{Tag, Tagging};
use lakehand_aws::classify;
use lakehand_domain::object::ObjectStat;
use lakehand_domain::port::object_store::StoreError;

use super::classify::{failed, senseless};
use super::stat::stat;
use super::{Shared, address};

/// Sets one tag beside those that are there: S3 only knows to set all of them, at most ten ("Object tagging").
pub(super) async fn tag(shared: &Shared, pinned: &ObjectStat, name: &str, value: &str) -> Result<(), StoreError> {
    let uri = &pinned.uri;
    let (bucket, key) = address::object(uri)?;
    if pinned.version_id.is_none() && stat(shared, "tag", uri).await?.version != pinned.version {
        return Err(StoreError::Changed { uri: uri.clone() });
    }
    let call = shared.client.get_object_tagging().bucket(bucket).key(key).set_version_id(pinned.version_id.clone());
    let call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
    let tags = call.send().await.map_err(|error| failed("tag", uri, classify(error)))?.tag_set;
    if tags.iter().any(|tag| tag.key() == name && tag.value() == value) {
        return Ok(());
    }
    let mut tags: Vec<Tag> = tags.into_iter().filter(|tag| tag.key() != name).collect();
    let impossible = |error: aws_sdk_s3::error::BuildError| senseless("tag", uri, error.to_string());
    tags.push(Tag::builder().key(name).value(value).build().map_err(impossible)?);
    let tagging = Tagging::builder().set_tag_set(Some(tags)).build().map_err(impossible)?;
    let call = shared.client.put_object_tagging().bucket(bucket).key(key).set_version_id(pinned.version_id.clone());
    let call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
    call.tagging(tagging).send().await.map(drop).map_err(|error| failed("tag", uri, classify(error)))
}
