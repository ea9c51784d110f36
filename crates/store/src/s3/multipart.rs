//! An object made of parts, invisible until it is completed: the calls, which uploads and large copies share.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use lakehand_aws::{Failure, classify};
use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::StoreError;

use super::classify::{failed, senseless, unseen};
use super::put::crc32;
use super::stat::head;
use super::{Shared, WRITE, address};

/// An upload has at most this many parts ("Multipart upload limits").
pub(super) const MOST_PARTS: i32 = 10_000;

/// An upload that S3 knows.
#[derive(Debug, Clone)]
pub(super) struct Multipart {
    pub(super) uri: ObjectUri,
    id: String,
    /// Tells the object that this upload makes from any other.
    write: String,
}

/// What an object says of itself beside its bytes.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub(super) metadata: HashMap<String, String>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
}

impl Multipart {
    pub(super) async fn create(
        shared: &Shared,
        operation: &'static str,
        uri: &ObjectUri,
        described: Described,
    ) -> Result<Self, StoreError> {
        let (bucket, key) = address::object(uri)?;
        let (algorithm, kms_key, bucket_key) = shared.options.encrypted();
        let write = shared.write_name();
        let mut metadata = described.metadata;
        metadata.insert(WRITE.to_owned(), write.clone());
        let mut call = shared.client.create_multipart_upload().bucket(bucket).key(key);
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        call = call.set_server_side_encryption(algorithm).set_ssekms_key_id(kms_key).set_bucket_key_enabled(bucket_key);
        call = call.set_storage_class(shared.options.class()).set_metadata(Some(metadata));
        call = call.set_content_type(described.content_type).set_content_encoding(described.content_encoding);
        call = call.checksum_algorithm(ChecksumAlgorithm::Crc32);
        let created = call.send().await.map_err(|error| unseen(failed(operation, uri, classify(error))))?;
        let id = created.upload_id.ok_or_else(|| senseless(operation, uri, "the upload that was begun has no id"))?;
        Ok(Self { uri: uri.clone(), id, write })
    }

    /// Sends one part.
    pub(super) async fn send(
        &self,
        shared: &Shared,
        operation: &'static str,
        number: i32,
        bytes: Bytes,
    ) -> Result<CompletedPart, StoreError> {
        let (bucket, key) = address::object(&self.uri)?;
        let checksum = crc32(&bytes);
        let mut call = shared.transfers.upload_part().bucket(bucket).key(key).upload_id(&self.id).part_number(number);
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        call = call.checksum_crc32(&checksum).body(ByteStream::from(bytes));
        let sent = call.customize().disable_payload_signing().send().await;
        let sent = sent.map_err(|error| self.part_failed(operation, classify(error)))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).checksum_crc32(checksum);
        Ok(part.build())
    }

    /// Has the service copy one part from a range of another object, `source` as for a copy.
    pub(super) async fn copy(
        &self,
        shared: &Shared,
        number: i32,
        source: &str,
        etag: Option<&str>,
        range: RangeInclusive<u64>,
    ) -> Result<CompletedPart, Failure> {
        let mut call = shared.transfers.upload_part_copy().bucket(self.uri.bucket()).key(self.uri.key());
        call = call.upload_id(&self.id).part_number(number).copy_source(source);
        call = call.set_copy_source_if_match(etag.map(str::to_owned));
        call = call.copy_source_range(format!("bytes={}-{}", range.start(), range.end()));
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        call = call.set_expected_source_bucket_owner(shared.owner());
        let copied = call.send().await.map_err(classify)?.copy_part_result;
        let (etag, checksum) = copied.map(|copied| (copied.e_tag, copied.checksum_crc32)).unwrap_or_default();
        Ok(CompletedPart::builder().part_number(number).set_e_tag(etag).set_checksum_crc32(checksum).build())
    }

    fn part_failed(&self, operation: &'static str, failure: Failure) -> StoreError {
        if failure.is("NoSuchUpload") {
            let what = "the upload was given up meanwhile, by somebody or by a rule of the bucket (AbortIncompleteMultipartUpload)";
            return senseless(operation, &self.uri, what);
        }
        unseen(failed(operation, &self.uri, failure))
    }

    /// Makes the object of these parts, `size` bytes in all, visible.
    ///
    /// S3 forgets an upload once it is completed: where the answer was lost, another attempt is told that there is none.
    /// So the object is looked at, which tells by its metadata whether it is this upload's.
    pub(super) async fn complete(
        &self,
        shared: &Shared,
        operation: &'static str,
        mut parts: Vec<CompletedPart>,
        size: u64,
    ) -> Result<(), StoreError> {
        parts.sort_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let mut call = shared.transfers.complete_multipart_upload().bucket(self.uri.bucket()).key(self.uri.key());
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        let failure = match call.upload_id(&self.id).multipart_upload(parts).send().await {
            Ok(_) => return Ok(()),
            Err(error) => classify(error),
        };
        let forgotten = failure.is("NoSuchUpload");
        if !forgotten && failure.effect == Effect::NotApplied {
            return Err(failed(operation, &self.uri, failure));
        }
        if let Ok(head) = head(shared, &self.uri).await?
            && head.metadata().is_some_and(|metadata| metadata.get(WRITE) == Some(&self.write))
            && head.content_length.is_some_and(|length| u64::try_from(length) == Ok(size))
        {
            tracing::debug!(object.uri = %self.uri, "it was completed by an attempt whose answer was lost");
            return Ok(());
        }
        if !forgotten {
            return Err(failed(operation, &self.uri, failure));
        }
        // Given up by somebody; or completed, and replaced or deleted since.
        let source = Cause::from("the upload is not known any more, and the object is not the one it makes");
        Err(StoreError::Unavailable { operation, uri: self.uri.clone(), effect: Effect::Unknown, source })
    }

    /// Gives up what was sent. Harmless after any end of the upload. A part that is on its way meanwhile may survive it;
    /// what is left so costs room until a rule of the bucket removes it.
    pub(super) async fn abort(&self, shared: &Shared, operation: &'static str) -> Result<(), StoreError> {
        let mut call = shared.client.abort_multipart_upload().bucket(self.uri.bucket()).key(self.uri.key());
        call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
        match call.upload_id(&self.id).send().await.map_err(classify) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is("NoSuchUpload") => Ok(()),
            Err(failure) => Err(unseen(failed(operation, &self.uri, failure))),
        }
    }
}
