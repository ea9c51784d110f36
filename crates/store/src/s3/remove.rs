//! Deleting exactly one version, and giving up what the dead left half-written.

use aws_sdk_s3::types::{EncodingType, MultipartUpload};
use futures::stream::{self, StreamExt};
use lakehand_aws::classify;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{DeleteOutcome, StoreError};
use lakehand_domain::timestamp::Timestamp;

use super::classify::{failed, senseless, unseen};
use super::stat::{quoted, stat, timestamp};
use super::{Shared, address};

/// Pages of unfinished uploads, of up to 1,000, that one sweep looks at. The next one finds the others.
const PAGES: usize = 20;

/// Uploads given up at once.
const AT_ONCE: usize = 8;

pub(super) async fn delete(shared: &Shared, pinned: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
    let uri = &pinned.uri;
    let (bucket, key) = address::object(uri)?;
    let call = || {
        let call = shared.client.delete_object().bucket(bucket).key(key);
        call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner())
    };
    if let Some(version) = &pinned.version_id {
        let deleted = call().version_id(version).send().await;
        return match deleted.map_err(|error| failed("delete", uri, classify(error))) {
            Ok(_) | Err(StoreError::NotFound { .. }) => Ok(DeleteOutcome::Deleted),
            Err(error) => Err(error),
        };
    }
    match stat(shared, "delete", uri).await {
        Ok(now) if now.version != pinned.version => return Ok(DeleteOutcome::Changed),
        Ok(_) => {}
        Err(StoreError::NotFound { .. }) => return Ok(DeleteOutcome::Deleted),
        Err(error) => return Err(error),
    }
    let conditional = call().set_if_match(pinned.etag.as_deref().map(quoted)).send().await.map_err(classify);
    let deleted = match conditional {
        Err(failure) if failure.status == Some(501) || failure.is("NotImplemented") => {
            tracing::debug!(object.uri = %uri, "the service deletes on no condition: what it looked like just now decides");
            call().send().await.map_err(classify)
        }
        answer => answer,
    };
    match deleted.map_err(|failure| failed("delete", uri, failure)) {
        Ok(_) | Err(StoreError::NotFound { .. }) => Ok(DeleteOutcome::Deleted),
        Err(StoreError::Changed { .. }) => Ok(DeleteOutcome::Changed),
        Err(error) => Err(error),
    }
}

/// Gives up uploads below `prefix` that were begun before `before`, by the service's clock; how many.
pub(super) async fn sweep(shared: &Shared, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError> {
    let (bucket, below) = address::prefix(prefix)?;
    if !shared.options.sweep_uploads {
        return Ok(0);
    }
    let mut after: (Option<String>, Option<String>) = (None, None);
    let mut swept = 0;
    for _ in 0..PAGES {
        let mut call = shared.client.list_multipart_uploads().bucket(bucket).prefix(&below);
        call = call.encoding_type(EncodingType::Url).set_key_marker(after.0).set_upload_id_marker(after.1);
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        let page = call.send().await.map_err(|error| unseen(failed("sweep", prefix, classify(error))))?;
        let encoded = page.encoding_type == Some(EncodingType::Url);
        let key_of = |key: &str| {
            let key = if encoded { address::decoded(key) } else { Some(key.to_owned()) };
            key.ok_or_else(|| senseless("sweep", prefix, "a listed key is not URL-encoded as it should be"))
        };
        let is_old = |upload: &&MultipartUpload| upload.initiated().is_some_and(|begun| timestamp(begun) < before);
        let mut old = Vec::new();
        for upload in page.uploads().iter().filter(is_old) {
            if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
                old.push((key_of(key)?, id.to_owned()));
            }
        }
        let given_up = stream::iter(old).map(|(key, id)| async move {
            let call = shared.client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id);
            let call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
            match call.send().await.map_err(classify) {
                Ok(_) => Ok(1),
                // Others sweep too.
                Err(failure) if failure.is("NoSuchUpload") => Ok(0),
                Err(failure) => Err(unseen(failed("sweep", prefix, failure))),
            }
        });
        for given_up in given_up.buffer_unordered(AT_ONCE).collect::<Vec<Result<u64, StoreError>>>().await {
            swept += given_up?;
        }
        if page.is_truncated != Some(true) || page.next_key_marker.is_none() {
            break;
        }
        after = (page.next_key_marker.as_deref().map(key_of).transpose()?, page.next_upload_id_marker);
    }
    Ok(swept)
}
