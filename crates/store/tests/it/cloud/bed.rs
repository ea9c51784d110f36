//! A bucket of its own for each test.

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
};
use bytes::Bytes;
use futures::TryStreamExt;
use lakehand_aws::{AwsOptions, SdkConfig, connect};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError};
use lakehand_store::s3::{S3Options, S3Store};
use lakehand_testkit::services;

/// Whether a bucket keeps the versions of its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    Kept,
    Lost,
}

/// A bucket of an emulator.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) endpoint: String,
    pub(super) bucket: String,
    /// The SDK, to look and meddle behind the store's back.
    pub(super) client: Client,
}

/// The configuration of the SDK for an endpoint.
pub(super) async fn config(endpoint: &str) -> SdkConfig {
    let options = AwsOptions {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        ..AwsOptions::default()
    };
    connect(&options).await
}

/// Options that emulators need, for a writer of its own.
pub(super) fn options() -> S3Options {
    S3Options { path_style: true, ..S3Options::new(format!("test-{}", services::suffix())) }
}

impl Bed {
    pub(super) async fn new(emulator: &str, versions: Versions) -> Self {
        let endpoint = services::emulator(emulator);
        let from = aws_sdk_s3::config::Builder::from(&config(&endpoint).await).force_path_style(true);
        let client = Client::from_conf(from.build());
        let bucket = format!("lakehand-store-{}", services::suffix());
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::EuCentral1);
        client.create_bucket().bucket(&bucket).create_bucket_configuration(place.build()).send().await.unwrap();
        if versions == Versions::Kept {
            let kept = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            client.put_bucket_versioning().bucket(&bucket).versioning_configuration(kept).send().await.unwrap();
        }
        Self { endpoint, bucket, client }
    }

    /// A store that reaches the bucket by another way, such as a proxy.
    pub(super) async fn store_at(&self, endpoint: &str, options: S3Options) -> S3Store {
        S3Store::new(&config(endpoint).await, options).unwrap()
    }

    pub(super) async fn store_with(&self, options: S3Options) -> S3Store {
        self.store_at(&self.endpoint, options).await
    }

    pub(super) async fn store(&self) -> S3Store {
        self.store_with(options()).await
    }

    pub(super) fn uri(&self, key: &str) -> ObjectUri {
        ObjectUri::parse(&format!("s3://{}/{key}", self.bucket)).unwrap()
    }

    /// Every unfinished upload of the bucket.
    pub(super) async fn unfinished(&self) -> usize {
        self.client.list_multipart_uploads().bucket(&self.bucket).send().await.unwrap().uploads().len()
    }

    /// The keys of the bucket, as the SDK lists them.
    pub(super) async fn keys(&self) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(&self.bucket).send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }
}

/// Bytes that tell where they are, so that a piece at the wrong place is seen.
pub(super) fn pattern(len: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut word = 0x9e37_79b9_7f4a_7c15_u64;
    while bytes.len() < len {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.truncate(len);
    Bytes::from(bytes)
}

/// Puts an object and looks at it.
pub(super) async fn put(store: &dyn ObjectStore, uri: &ObjectUri, bytes: impl Into<Bytes>) -> ObjectStat {
    assert_eq!(store.put(uri, bytes.into(), PutCondition::Always).await.unwrap(), PutOutcome::Written);
    store.stat(uri).await.unwrap()
}

/// All bytes of a version.
pub(super) async fn read(store: &dyn ObjectStore, stat: &ObjectStat) -> Result<Vec<u8>, StoreError> {
    drain(store.open(stat, None).await?).await
}

pub(super) async fn drain(body: ObjectBody) -> Result<Vec<u8>, StoreError> {
    let ObjectBody::Stream(chunks) = body else { panic!("a body of S3 is a stream") };
    let chunks: Vec<Bytes> = chunks.try_collect().await?;
    Ok(chunks.concat())
}
