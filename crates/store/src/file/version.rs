//! Which version a file is.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::timestamp::Timestamp;

use super::classify;

const NANOS: i128 = 1_000_000_000;

/// What the file system says of the file at `path` now. A folder, pipe or device is no object.
pub(super) fn stat(operation: &'static str, uri: &ObjectUri, path: &Path) -> Result<ObjectStat, StoreError> {
    let metadata = std::fs::metadata(path).map_err(|error| classify::reading(operation, uri, error))?;
    if metadata.is_file() { Ok(of(uri, &metadata)) } else { Err(StoreError::NotFound { uri: uri.clone() }) }
}

/// The stat of a file. The time of its last change of any kind is no part of the version: a rename or a link changes
/// it, and not the content.
///
/// File systems stamp times to a tick of some milliseconds. Versions of one tick differ by inode or size; their order
/// is by name. A file rewritten in place within the tick, to the same size, cannot be told from what it was.
pub(super) fn of(uri: &ObjectUri, metadata: &Metadata) -> ObjectStat {
    let modified = i128::from(metadata.mtime()) * NANOS + i128::from(metadata.mtime_nsec());
    let etag = format!("{:x}-{modified:x}-{:x}", metadata.ino(), metadata.size());
    let micros = i64::try_from(modified.div_euclid(1_000)).unwrap_or(i64::MAX);
    let last_modified = Timestamp::from_micros(micros);
    ObjectStat {
        uri: uri.clone(),
        version: ObjectVersion::of(None, Some(&etag), metadata.size(), last_modified),
        version_id: None,
        etag: Some(etag),
        size: metadata.size(),
        last_modified,
    }
}
