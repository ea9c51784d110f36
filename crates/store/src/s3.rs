//! The store of S3's objects, `s3://bucket/key`, on aws-sdk-s3. What is promised:
//!
//! - A version is what `HeadObject` says: the version id, or where the bucket keeps no versions, eTag, size and
//!   last-modified, which S3 tells to the second. Content put again unchanged within one second is the same version.
//! - Every read is pinned by version id or `If-Match`, and checked against the stat by length, range and eTag, so that an
//!   endpoint that ignores conditions or ranges gives an error and never other bytes.
//! - Every write carries a CRC-32 that the service checks, and is signed without its body being hashed a second time.
//! - One layer repeats calls, the SDK's; only a body that breaks off is gone on with from the byte reached, since the SDK
//!   has then called it a success.
//! - After a lost answer, who wrote an object is told by its metadata: conditional puts and multipart uploads carry
//!   [`WRITE`], which no other write has.
//! - Where the bucket keeps no versions a deletion or a tag looks first; a deletion is also conditional on the eTag, where
//!   the service takes the condition. What stays is this: the same bytes put again between the two are deleted; and at a
//!   service without conditional deletes (some emulators) so is any version put between the two.
//! - A key is what it is, any text of 1 to 1,024 bytes: `a//b`, `/a` and `a/../b` are keys of their own.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryPartition;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::types::RequestPayer;
use bytes::Bytes;
use lakehand_aws::SdkConfig;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;
use tokio::sync::Semaphore;

use self::conflict::RetryConflicts;
use self::held::Held;
pub use self::options::{Encryption, S3Options, S3OptionsError};
use self::upload::S3Upload;

pub mod bucket;
pub mod provision;

mod address;
mod classify;
mod conflict;
mod copy;
mod held;
mod list;
mod multipart;
mod options;
mod put;
mod read;
mod remove;
mod stat;
mod tag;
mod upload;

/// The metadata (`x-amz-meta-…`) that tells whose write an object is.
const WRITE: &str = "lakehand-write";

/// All buckets that one set of credentials and one endpoint reach.
#[derive(Debug, Clone)]
pub struct S3Store {
    shared: Arc<Shared>,
}

/// What the calls of one store share.
#[derive(Debug)]
struct Shared {
    /// For calls that are answered at once.
    client: Client,
    /// For calls that move bytes, here or at the service: their answers may take long.
    transfers: Client,
    options: S3Options,
    /// Pieces read ahead, of all bodies.
    reads: Arc<Semaphore>,
    /// Parts on their way, of all uploads.
    parts: Arc<Semaphore>,
    held: Arc<Held>,
    writes: AtomicU64,
}

impl S3Store {
    /// A store over this configuration of the SDK, whose endpoint is that of S3. Calls nobody.
    pub fn new(config: &SdkConfig, options: S3Options) -> Result<Self, S3OptionsError> {
        options.check()?;
        let short = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(options.path_style)
            .retry_classifier(RetryConflicts)
            .retry_partition(RetryPartition::custom("store").build())
            .build();
        let patience = TimeoutConfig::builder().operation_attempt_timeout(options.transfer_timeout);
        let long = match config.timeout_config().and_then(TimeoutConfig::connect_timeout) {
            Some(connect) => patience.connect_timeout(connect),
            None => patience,
        };
        let long = short.to_builder().timeout_config(long.build()).build();
        let shared = Shared {
            client: Client::from_conf(short),
            transfers: Client::from_conf(long),
            reads: Arc::new(Semaphore::new(options.pieces_at_once)),
            parts: Arc::new(Semaphore::new(options.parts_at_once)),
            held: Arc::new(Held::new(options.held_bytes)),
            writes: AtomicU64::new(0),
            options,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Bytes of uploads in memory now that are not on their way: never more than the option allows, but for what is too
    /// little for a part while an upload is written.
    pub fn held_bytes(&self) -> u64 {
        self.shared.held.bytes()
    }
}

impl Shared {
    fn payer(&self) -> Option<RequestPayer> {
        self.options.requester_pays.then_some(RequestPayer::Requester)
    }

    fn owner(&self) -> Option<String> {
        self.options.bucket_owner.clone()
    }

    /// A name for one write that no other write has.
    fn write_name(&self) -> String {
        format!("{}-{}", self.options.writer, self.writes.fetch_add(1, Ordering::Relaxed))
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        stat::stat(&self.shared, "stat", uri).await
    }

    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        read::open(&self.shared, stat, range).await
    }

    /// Every read was pinned.
    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        address::object(&stat.uri).map(drop)
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        put::put(&self.shared, "put", uri, bytes, condition).await
    }

    /// Calls nobody: an upload that stays small is one put, when it is completed.
    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(S3Upload::begin(&self.shared, uri)?))
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        list::list(&self.shared, prefix, after, limit).await
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        copy::copy(&self.shared, from, to).await
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        remove::delete(&self.shared, stat).await
    }

    async fn tag(&self, stat: &ObjectStat, key: &str, value: &str) -> Result<(), StoreError> {
        tag::tag(&self.shared, stat, key, value).await
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError> {
        remove::sweep(&self.shared, prefix, before).await
    }
}
