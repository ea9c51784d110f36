//! The store of objects: landing, lake and archive.

use std::fmt::Debug;
use std::fs::File;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::fault::{Cause, Effect, Fault, Retry};
use crate::object::{ObjectStat, ObjectUri};
use crate::timestamp::Timestamp;

/// Objects by URI. One implementation may serve several buckets of its scheme.
#[async_trait]
pub trait ObjectStore: Debug + Send + Sync {
    /// What the store says of the object now; the only source of versions. No such object is
    /// [`StoreError::NotFound`].
    async fn stat(&self, uri: &ObjectUri) -> Result<ObjectStat, StoreError>;

    /// Opens exactly the version of `stat`. If the object has another version now, or while it is read, the answer or
    /// the stream fails with [`StoreError::Changed`], or gives the version asked for where the store has kept it: bytes
    /// of two versions never mix. For a body that is a file the caller must ask [`ObjectStore::unchanged`] once all is
    /// read.
    async fn open(&self, stat: &ObjectStat, range: Option<Range<u64>>) -> Result<ObjectBody, StoreError>;

    /// Fails with [`StoreError::Changed`] or [`StoreError::NotFound`] where bytes that were read may be of another
    /// version than that of `stat`: where a body is a file, unless the object still has this version. Stores that pin
    /// every read have told it with the read, and answer at once.
    async fn unchanged(&self, stat: &ObjectStat) -> Result<(), StoreError>;

    /// Writes a whole object. It becomes visible at once and whole. After an error with an unknown effect the same
    /// bytes may be put again under the same name.
    async fn put(&self, uri: &ObjectUri, bytes: Bytes, condition: PutCondition) -> Result<PutOutcome, StoreError>;

    /// Begins an object that becomes visible only by [`Upload::complete`].
    async fn begin_upload(&self, uri: &ObjectUri) -> Result<Box<dyn Upload>, StoreError>;

    /// Objects below `prefix` (folder by folder), in the order of their keys, after the key `after`, at most `limit`.
    /// What is written meanwhile may or may not be listed. The stats of a listing are for finding objects, never for
    /// versions.
    async fn list(&self, prefix: &ObjectUri, after: Option<&str>, limit: usize) -> Result<ListPage, StoreError>;

    /// Copies exactly this version to `to`, which becomes visible whole. Copying it again is harmless.
    async fn copy(&self, from: &ObjectStat, to: &ObjectUri) -> Result<(), StoreError>;

    /// Deletes exactly this version; [`DeleteOutcome::Changed`] where it was replaced and is gone with that. A version
    /// that was replaced and is kept is deleted all the same. An object that is gone is deleted.
    async fn delete(&self, stat: &ObjectStat) -> Result<DeleteOutcome, StoreError>;

    /// Gives this version a tag, in place of its tag of the same key; others stay. Tagging it again is harmless. Fails
    /// with [`StoreError::Changed`] where the object has another version now, and with [`StoreError::Denied`] where a
    /// store has no tags.
    async fn tag(&self, stat: &ObjectStat, key: &str, value: &str) -> Result<(), StoreError>;

    /// Removes what uploads of dead processes have left below `prefix`, where nothing touched it since `before`; gives
    /// how many. Harmless to repeat. Stores that clean up after themselves do nothing.
    async fn sweep_unfinished(&self, prefix: &ObjectUri, before: Timestamp) -> Result<u64, StoreError>;
}

/// The bytes of an object.
pub enum ObjectBody {
    /// A local file, from its start, to be read by position.
    File {
        /// The file, open.
        file: File,
        /// How many bytes.
        len: u64,
    },
    /// Chunks as they arrive, in order.
    Stream(BoxStream<'static, Result<Bytes, StoreError>>),
}

impl Debug for ObjectBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { len, .. } => f.debug_struct("File").field("len", len).finish_non_exhaustive(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// An object on its way. Dropping it without `complete` leaves nothing visible; what it leaves behind is swept.
#[async_trait]
pub trait Upload: Debug + Send {
    /// Adds bytes. Waits while earlier ones are under way: what is buffered is bounded.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError>;
    /// Says that no more bytes come. The upload may wait long for its completion, beside thousands of others: what it
    /// holds meanwhile (open files, buffers) is let go of here. Called at most once.
    async fn seal(&mut self) -> Result<(), StoreError>;
    /// Makes the object visible, whole, sealed or not. Replaces an object of the same name.
    async fn complete(self: Box<Self>) -> Result<(), StoreError>;
    /// Gives up what was written.
    async fn abort(self: Box<Self>) -> Result<(), StoreError>;
}

/// When a put is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutCondition {
    /// Always; an object of the same name is replaced.
    Always,
    /// Only where there is no object of this name.
    IfAbsent,
}

/// How a put ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The object is there, as written.
    Written,
    /// There was one already, and it stays.
    Exists,
}

/// How a deletion ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// This version is not there any more.
    Deleted,
    /// The object has another version, and it stays.
    Changed,
}

/// Some objects of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// The objects, in the order of their keys.
    pub objects: Vec<ObjectStat>,
    /// The key to go on after; `None` at the end.
    pub next: Option<String>,
}

/// Why a call to a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such object.
    #[error("{uri} does not exist")]
    NotFound {
        /// The object.
        uri: ObjectUri,
    },
    /// The object has another version than the one asked for.
    #[error("{uri} was replaced by another version while it was read")]
    Changed {
        /// The object.
        uri: ObjectUri,
    },
    /// The store refuses: no permission, no such bucket. An operator has to act; the file is not at fault.
    #[error("{operation} {uri} is refused")]
    Denied {
        /// `stat`, `open`, …
        operation: &'static str,
        /// The object.
        uri: ObjectUri,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// The object is there and its bytes are not: it lies in an archive, and a person has to restore it before anybody can
    /// read or copy it. It is this object's own: others of the same store can be read.
    #[error(
        "{uri} is archived{}, and cannot be read before it is restored",
        .class.as_deref().map(|class| format!(" (storage class {class})")).unwrap_or_default()
    )]
    Archived {
        /// The object.
        uri: ObjectUri,
        /// The store's word for where it lies, where it says so.
        class: Option<String>,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// There is no room.
    #[error("{operation} {uri}: no space is left; free some, nothing is lost meanwhile")]
    Full {
        /// `put`, `write`, …
        operation: &'static str,
        /// The object.
        uri: ObjectUri,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// The store cannot be reached, is throttled, or failed.
    #[error("{operation} {uri}")]
    Unavailable {
        /// `stat`, `open`, …
        operation: &'static str,
        /// The object.
        uri: ObjectUri,
        /// Whether the call may have happened.
        effect: Effect,
        /// What it said.
        #[source]
        source: Cause,
    },
    /// The URI is not one of this store.
    #[error("{uri} cannot be handled by the {store} store")]
    Foreign {
        /// The object.
        uri: ObjectUri,
        /// The store.
        store: &'static str,
    },
}

impl Fault for StoreError {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound { .. } | Self::Archived { .. } | Self::Foreign { .. } => Retry::Never,
            Self::Changed { .. } | Self::Denied { .. } | Self::Full { .. } | Self::Unavailable { .. } => Retry::Backoff,
        }
    }

    fn effect(&self) -> Effect {
        match self {
            Self::Unavailable { effect, .. } => *effect,
            _ => Effect::NotApplied,
        }
    }
}
