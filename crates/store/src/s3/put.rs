//! Writing a whole object by one call.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};
use aws_smithy_types::base64;
use bytes::Bytes;
use lakehand_aws::{Kind, classify};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{PutCondition, PutOutcome, StoreError};

use super::classify::failed;
use super::stat::head;
use super::{Encryption, S3Options, Shared, WRITE, address};

/// What a write says of encryption: algorithm, key, and whether a key of the bucket is used.
pub(super) type Encrypted = (Option<ServerSideEncryption>, Option<String>, Option<bool>);

impl S3Options {
    pub(super) fn encrypted(&self) -> Encrypted {
        match &self.encryption {
            Encryption::Bucket => (None, None, None),
            Encryption::S3 => (Some(ServerSideEncryption::Aes256), None, None),
            Encryption::Kms { key, bucket_key } => (Some(ServerSideEncryption::AwsKms), key.clone(), *bucket_key),
        }
    }

    pub(super) fn class(&self) -> Option<StorageClass> {
        self.storage_class.as_deref().map(StorageClass::from)
    }
}

/// CRC-32 as S3's headers have it.
pub(super) fn crc32(bytes: &[u8]) -> String {
    base64::encode(crc32fast::hash(bytes).to_be_bytes())
}

pub(super) async fn put(
    shared: &Shared,
    operation: &'static str,
    uri: &ObjectUri,
    bytes: Bytes,
    condition: PutCondition,
) -> Result<PutOutcome, StoreError> {
    let (bucket, key) = address::object(uri)?;
    let (algorithm, kms_key, bucket_key) = shared.options.encrypted();
    let mut call = shared.transfers.put_object().bucket(bucket).key(key);
    call = call.set_request_payer(shared.payer()).set_expected_bucket_owner(shared.owner());
    call = call.set_server_side_encryption(algorithm).set_ssekms_key_id(kms_key).set_bucket_key_enabled(bucket_key);
    call = call.set_storage_class(shared.options.class());
    let write = (condition == PutCondition::IfAbsent).then(|| shared.write_name());
    if let Some(write) = &write {
        call = call.if_none_match("*").metadata(WRITE, write);
    }
    // The checksum is known beforehand, so that the body goes as it is: a checksum behind the body would need the
    // encoding `aws-chunked`, which some endpoints keep as the object's.
    call = call.checksum_crc32(crc32(&bytes)).body(ByteStream::from(bytes));
    let failure = match call.customize().disable_payload_signing().send().await {
        Ok(_) => return Ok(PutOutcome::Written),
        Err(error) => classify(error),
    };
    let Some(write) = write else { return Err(failed(operation, uri, failure)) };
    if failure.kind != Kind::Condition {
        return Err(failed(operation, uri, failure));
    }
    // There is one. It may be our own, by an attempt whose answer was lost.
    match head(shared, uri).await? {
        Ok(head) if head.metadata().is_some_and(|metadata| metadata.get(WRITE) == Some(&write)) => {
            Ok(PutOutcome::Written)
        }
        // A conflict that is not decided (409): whoever asks again is told.
        _ if failure.status != Some(412) => Err(failed(operation, uri, failure)),
        Ok(_) => Ok(PutOutcome::Exists),
        // It was there, and was deleted since.
        Err(looking) if looking.status == Some(404) => Ok(PutOutcome::Exists),
        Err(looking) => Err(failed(operation, uri, looking)),
    }
}
