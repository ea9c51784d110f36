//! The store of local files, `file:///folder/name`.
//!
//! It works on the files themselves and not through the `object_store` crate, whose local store keeps modification
//! times to the millisecond in its listings, refuses or hides names that end in `#` and digits, and lets nobody see
//! the open file. What is promised:
//!
//! - A version is inode, modification time in nanoseconds and size, the same in every process and after a restart.
//!   A file system that numbers its files anew at every mount (some network mounts do) shows every file as a new
//!   version then.
//! - A write becomes visible whole, by a rename from a hidden name in the same folder, after its bytes are on disk.
//! - A key is the path as it is: blanks, `+`, `%`, `#` and letters of any script mean themselves. Keys that would name
//!   one file twice (`a//b`, `a/../b`) are not of this store.

use std::ops::Range;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use lakehand_domain::fault::Effect;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{
    DeleteOutcome, ListPage, ObjectBody, ObjectStore, PutCondition, PutOutcome, StoreError, Upload,
};
use lakehand_domain::timestamp::Timestamp;

use self::upload::FileUpload;

mod classify;
mod path;
mod publish;
mod read;
mod remove;
mod upload;
mod version;
mod walk;

#[cfg(test)]
mod tests;

/// What has happened to a write once it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It outlives a power cut: files and folders are synced.
    #[default]
    Full,
    /// It outlives the process. For tests, and for lakes that can be made again.
    None,
}

/// All files of this machine, by `file` URI.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileStore {
    durability: Durability,
}

impl FileStore {
    /// A store whose writes are as durable as said.
    pub fn new(durability: Durability) -> Self {
        Self { durability }
    }
}

#[async_trait]
impl ObjectStore for FileStore {
    /// A file that was hidden to be deleted, and was not, is shown again.
    async fn sweep_unfinished(&self, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError> {
        let path = path::of_prefix(prefix)?;
        blocking("sweep", prefix, move |uri| remove::sweep(uri, &path, before)).await
    }

    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError> {
        let path = path::of(uri)?;
        blocking("stat", uri, move |uri| version::stat("stat", uri, &path)).await
    }

    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError> {
        let (path, pinned) = (path::of(&stat.uri)?, stat.clone());
        let (file, len) = blocking("open", &stat.uri, move |_| read::open("open", &pinned, &path)).await?;
        Ok(match range {
            None => ObjectBody::File { file, len },
            Some(range) => ObjectBody::Stream(read::stream(file, stat.clone(), range)),
        })
    }

    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError> {
        let now = {
            let path = path::of(&stat.uri)?;
            blocking("unchanged", &stat.uri, move |uri| version::stat("unchanged", uri, &path)).await?
        };
        if now.version == stat.version { Ok(()) } else { Err(StoreError::Changed { uri: stat.uri.clone() }) }
    }

    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError> {
        let (path, durability) = (path::of(uri)?, self.durability);
        blocking("put", uri, move |uri| publish::put(uri, path, &bytes, condition, durability)).await
    }

    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError> {
        let (path, durability) = (path::of(uri)?, self.durability);
        let upload = blocking("begin_upload", uri, move |uri| FileUpload::begin(uri, path, durability)).await?;
        Ok(Box::new(upload))
    }

    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        let (path, after): (PathBuf, _) = (path::of_prefix(prefix)?, after.map(str::to_owned));
        blocking("list", prefix, move |prefix| walk::list(prefix, &path, after.as_deref(), limit)).await
    }

    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError> {
        let (source, target, durability) = (path::of(&from.uri)?, path::of(to)?, self.durability);
        let (from, to) = (from.clone(), to.clone());
        let uri = from.uri.clone();
        blocking("copy", &uri, move |_| publish::copy(&from, &source, &to, target, durability)).await
    }

    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError> {
        let (path, pinned, durability) = (path::of(&stat.uri)?, stat.clone(), self.durability);
        blocking("delete", &stat.uri, move |_| remove::delete(&pinned, &path, durability)).await
    }

    /// Refused: extended attributes are not kept by copies, archives and many network mounts, and nobody looks there.
    async fn tag(&self, stat: &ObjectStat, _key: &str, _value: &str) -> Result<(), StoreError> {
        path::of(&stat.uri)?;
        let source = "files have no tags; let the definition say `archive:URI` or `keep`".into();
        Err(StoreError::Denied { operation: "tag", uri: stat.uri.clone(), source })
    }
}

/// Runs `work` on a thread that may block.
async fn blocking<T: Send + 'static>(
    operation: &'static str,
    uri: &ObjectUri,
    work: impl FnOnce(&ObjectUri) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let of_task = uri.clone();
    tokio::task::spawn_blocking(move || work(&of_task)).await.unwrap_or_else(|panic| {
        let (uri, source) = (uri.clone(), Box::new(panic));
        Err(StoreError::Unavailable { operation, uri, effect: Effect::Unknown, source })
    })
}
