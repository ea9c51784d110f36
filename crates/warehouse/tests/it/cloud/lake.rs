//! A lake in a bucket, as far as a warehouse asks it.

use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use bytes::Bytes;
use lakehand_domain::fault::Effect;
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;

/// Objects of one S3.
#[derive(Debug, Clone)]
pub(crate) struct BucketLake(pub(crate) Client);

fn foreign<T>(uri: &ObjectUri) -> Result<T, StoreError> {
    Err(StoreError::Foreign { uri: uri.clone(), store: "test" })
}

fn failed(operation: &'static str, uri: &ObjectUri, error: impl std::fmt::Debug) -> StoreError {
    let source = format!("{error:?}").into();
    StoreError::Unavailable { operation, uri: uri.clone(), effect: Effect::Unknown, source }
}

fn stat_of(uri: ObjectUri, size: i64) -> ObjectStat {
    let version = ObjectVersion::of(Some("test"), None, 0, Timestamp::default());
    let size = u64::try_from(size).unwrap();
    ObjectStat { uri, version, version_id: None, etag: None, size, last_modified: Timestamp::default() }
}

#[async_trait]
impl ObjectStore for BucketLake {
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        match self.0.head_object().bucket(uri.bucket()).key(uri.key()).send().await {
            Ok(head) => Ok(stat_of(uri.clone(), head.content_length().unwrap_or_default())),
            Err(error) if error.raw_response().is_some_and(|response| response.status().as_u16() == 404) => {
                Err(StoreError::NotFound { uri: uri.clone() })
            }
            Err(error) => Err(failed("stat", uri, error)),
        }
    }

    async fn open(&self, stat: &ObjectStat, _: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        foreign(&stat.uri)
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        foreign(&stat.uri)
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, _: PutCondition) -> Result<PutOutcome, StoreError> {
        let put = self.0.put_object().bucket(uri.bucket()).key(uri.key()).body(bytes.into());
        put.send().await.map_err(|error| failed("put", uri, error))?;
        Ok(PutOutcome::Written)
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        foreign(uri)
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        let folder = format!("{}/", prefix.key().trim_end_matches('/'));
        let request = self.0.list_objects_v2().bucket(prefix.bucket()).prefix(folder);
        let request = request.set_start_after(after.map(str::to_owned)).max_keys(i32::try_from(limit).unwrap());
        let page = request.send().await.map_err(|error| failed("list", prefix, error))?;
        let uri = |key: &str| ObjectUri::parse(&format!("s3://{}/{key}", prefix.bucket())).unwrap();
        let objects: Vec<ObjectStat> = page
            .contents()
            .iter()
            .map(|object| stat_of(uri(object.key().unwrap()), object.size().unwrap_or_default()))
            .collect();
        let last = objects.last().map(|object| object.uri.key().to_owned());
        Ok(ListPage { objects, next: last.filter(|_| page.is_truncated() == Some(true)) })
    }

    async fn copy(&self, from: &ObjectStat, _: &ObjectUri) -> Result<(), StoreError> {
        foreign(&from.uri)
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        let delete = self.0.delete_object().bucket(stat.uri.bucket()).key(stat.uri.key());
        delete.send().await.map_err(|error| failed("delete", &stat.uri, error))?;
        Ok(DeleteOutcome::Deleted)
    }

    async fn tag(&self, stat: &ObjectStat, _: &str, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Denied { operation: "tag", uri: stat.uri.clone(), source: "nobody tags here".into() })
    }

    async fn sweep_unfinished(&self, prefix: &ObjectUri, _: Timestamp) -> Result<u64, StoreError> {
        foreign(prefix)
    }
}
