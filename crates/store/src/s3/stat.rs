//! Looking at an object.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use lakehand_aws::{Failure, classify};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::timestamp::Timestamp;

use super::classify::{failed, senseless};
use super::{Shared, address};

/// What the object is now.
pub(super) async fn stat(shared: &Shared, operation: &'static str, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
    match head(shared, uri).await? {
        Ok(head) => of_head(operation, uri, &head),
        Err(failure) => Err(why(shared, operation, uri, failure).await),
    }
}

/// Asks for everything that is known of the object but its bytes.
pub(super) async fn head(shared: &Shared, uri: &ObjectUri) -> Result<Result<HeadObjectOutput, Failure>, StoreError> {
    let (bucket, key) = address::object(uri)?;
    let call = shared.client.head_object().bucket(bucket).key(key);
    let call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
    Ok(call.send().await.map_err(classify))
}

fn of_head(operation: &'static str, uri: &ObjectUri, head: &HeadObjectOutput) -> Result<ObjectStat, StoreError> {
    let size = head.content_length.and_then(|length| u64::try_from(length).ok());
    let (Some(size), Some(modified)) = (size, &head.last_modified) else {
        return Err(senseless(operation, uri, "the answer says neither how long nor how old the object is"));
    };
    let version_id = head.version_id.as_deref().filter(|id| !id.is_empty() && *id != "null");
    let etag = head.e_tag.as_deref().map(bare);
    if version_id.is_none() && etag.is_none() {
        return Err(senseless(
            operation,
            uri,
            "the answer has neither version id nor eTag, so that no read can be pinned",
        ));
    }
    let last_modified = timestamp(modified);
    Ok(ObjectStat {
        uri: uri.clone(),
        version: ObjectVersion::of(version_id, etag, size, last_modified),
        version_id: version_id.map(str::to_owned),
        etag: etag.map(str::to_owned),
        size,
        last_modified,
    })
}

/// An eTag without its quotes, as stats have it.
pub(super) fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// An eTag as conditions want it.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// To the second, as `HeadObject` tells it, or finer.
pub(super) fn timestamp(at: &DateTime) -> Timestamp {
    let micros = i128::from(at.secs()) * 1_000_000 + i128::from(at.subsec_nanos()) / 1_000;
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

/// A `HeadObject` that fails has no body to say why: a missing object looks like a missing bucket, and a missing
/// permission like any other. The same is asked by a `GetObject`, which says it.
async fn why(shared: &Shared, operation: &'static str, uri: &ObjectUri, failure: Failure) -> StoreError {
    if !matches!(failure.status, Some(300..=499)) {
        return failed(operation, uri, failure);
    }
    let answer: Result<GetObjectOutput, Failure> = match address::object(uri) {
        Err(foreign) => return foreign,
        Ok((bucket, key)) => {
            let call = shared.client.get_object().bucket(bucket).key(key).range("bytes=0-0");
            let call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
            call.send().await.map_err(classify)
        }
    };
    match answer {
        Err(said) if said.status != Some(416) => failed(operation, uri, said),
        // It came between the two calls, or the two permissions differ. Both answers end; a later call starts anew.
        Err(_) | Ok(_) => {
            let status = failure.status.unwrap_or_default();
            senseless(
                operation,
                uri,
                format!("it was looked at twice: first there was an answer {status}, then it was there"),
            )
        }
    }
}
