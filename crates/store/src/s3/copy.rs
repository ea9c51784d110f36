//! Copying exactly one version, by the service itself.

use aws_sdk_s3::types::CompletedPart;
use futures::stream::{self, StreamExt, TryStreamExt};
use lakehand_aws::{Failure, classify};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::StoreError;

use super::classify::{failed, senseless, unseen};
use super::multipart::{Described, MOST_PARTS, Multipart};
use super::options::LEAST_PART;
use super::stat::{bare, quoted};
use super::{Shared, address};

/// Bytes of a part of a copy: few calls, none of which takes long.
const PART: u64 = 512 << 20;

/// Parts of one copy at once.
const AT_ONCE: usize = 4;

pub(super) async fn copy(shared: &Shared, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
    address::object(&from.uri)?;
    let (bucket, key) = address::object(to)?;
    if from.version_id.is_none() && from.etag.is_none() {
        return Err(senseless("copy", &from.uri, "its stat has neither version id nor eTag to pin a copy by"));
    }
    if from.size > shared.options.copy_at_once {
        return in_parts(shared, from, to).await;
    }
    let (algorithm, kms_key, bucket_key) = shared.options.encrypted();
    let mut call = shared.transfers.copy_object().bucket(bucket).key(key);
    call = call.copy_source(address::copy_source(from)).set_copy_source_if_match(etag(from));
    call = call.set_request_payer(shared.payer());
    call = call.set_expected_bucket_owner(shared.owner()).set_expected_source_bucket_owner(shared.owner());
    call = call.set_server_side_encryption(algorithm).set_ssekms_key_id(kms_key).set_bucket_key_enabled(bucket_key);
    call = call.set_storage_class(shared.options.class());
    call.send().await.map(drop).map_err(|error| copy_failed(from, to, classify(error)))
}

fn etag(from: &ObjectStat) -> Option<String> {
    from.etag.as_deref().map(quoted)
}

/// A missing bucket is more likely the new one's: the old one has just been looked at.
fn copy_failed(from: &ObjectStat, to: &ObjectUri, failure: Failure) -> StoreError {
    let about = if failure.is("NoSuchBucket") { to } else { &from.uri };
    failed("copy", about, failure)
}

/// S3 copies at most 5 GiB by one call.
async fn in_parts(shared: &Shared, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
    let upload = Multipart::create(shared, "copy", to, described(shared, from).await?).await?;
    let copied = match parts(shared, from, &upload).await {
        Ok(parts) => upload.complete(shared, "copy", parts, from.size).await,
        Err(failure) => Err(unseen(copy_failed(from, to, failure))),
    };
    if copied.is_err()
        && let Err(error) = upload.abort(shared, "copy").await
    {
        tracing::debug!(error = &error as &dyn std::error::Error, "give up a copy");
    }
    copied
}

async fn parts(shared: &Shared, from: &ObjectStat, upload: &Multipart) -> Result<Vec<CompletedPart>, Failure> {
    let (source, etag) = (address::copy_source(from), etag(from));
    let (source, etag) = (source.as_str(), etag.as_deref());
    let most = u64::try_from(MOST_PARTS).unwrap_or(u64::MAX);
    let part = PART.min(shared.options.copy_at_once).max(from.size.div_ceil(most)).max(LEAST_PART);
    let ranges =
        (0..from.size.div_ceil(part)).map(|number| (number, number * part..from.size.min((number + 1) * part)));
    let copies = ranges.map(|(number, range)| async move {
        let number = i32::try_from(number + 1).unwrap_or(i32::MAX);
        upload.copy(shared, number, source, etag, range.start..=range.end - 1).await
    });
    stream::iter(copies).buffered(AT_ONCE).try_collect().await
}

/// What a copy by one call takes over by itself.
async fn described(shared: &Shared, from: &ObjectStat) -> Result<Described, StoreError> {
    let mut call = shared.client.head_object().bucket(from.uri.bucket()).key(from.uri.key());
    call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
    call = call.set_version_id(from.version_id.clone());
    if from.version_id.is_none() {
        call = call.set_if_match(etag(from));
    }
    let head = call.send().await.map_err(|error| failed("copy", &from.uri, classify(error)))?;
    if matches!((&from.etag, &head.e_tag), (Some(ours), Some(theirs)) if ours != bare(theirs)) {
        return Err(StoreError::Changed { uri: from.uri.clone() });
    }
    Ok(Described {
        metadata: head.metadata.unwrap_or_default(),
        content_type: head.content_type,
        content_encoding: head.content_encoding,
    })
}
