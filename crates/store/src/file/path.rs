//! From object URI to path, and the hidden names that the store keeps to itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::StoreError;

/// What begins so is the store's own and no object: it begins with a dot, so that shells, patterns and other people's
/// watchers pass over it too.
const OWN: &str = ".lakehand-";

/// Ends the name of a file on its way.
pub(super) const WRITING: &str = ".tmp";

/// Ends the name of a folder that hides a file on its way out.
pub(super) const DELETING: &str = ".out";

/// The path of an object.
pub(super) fn of(uri: &ObjectUri) -> Result<PathBuf, StoreError> {
    if uri.key().is_empty() { Err(foreign(uri)) } else { checked(uri, uri.key()) }
}

/// The path of a prefix, which is a folder with or without a slash at its end.
pub(super) fn of_prefix(uri: &ObjectUri) -> Result<PathBuf, StoreError> {
    checked(uri, uri.key().strip_suffix('/').unwrap_or(uri.key()))
}

/// One file has one key: what the file system would resolve to another spelling is refused.
fn checked(uri: &ObjectUri, key: &str) -> Result<PathBuf, StoreError> {
    let plain = |segment: &str| !matches!(segment, "" | "." | "..") && !is_own(segment) && !segment.contains('\0');
    if uri.scheme() != "file" || !(key.is_empty() || key.split('/').all(plain)) {
        return Err(foreign(uri));
    }
    Ok(PathBuf::from(format!("/{key}")))
}

fn foreign(uri: &ObjectUri) -> StoreError {
    StoreError::Foreign { uri: uri.clone(), store: "file" }
}

/// Whether a name is one of the store's hidden ones.
pub(super) fn is_own(name: &str) -> bool {
    name.starts_with(OWN)
}

/// A hidden name that this process has not given before. Another process may have the same (in containers all have
/// the same id), so that what is called so is to be created anew or not at all.
pub(super) fn own_name(ending: &str) -> String {
    static GIVEN: AtomicU64 = AtomicU64::new(0);
    format!("{OWN}{}-{}{ending}", std::process::id(), GIVEN.fetch_add(1, Ordering::Relaxed))
}
