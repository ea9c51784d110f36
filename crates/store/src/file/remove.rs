//! Deleting exactly one version, and clearing away what the dead left half-done.

use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lakehand_domain::fault::Effect;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{DeleteOutcome, StoreError};
use lakehand_domain::timestamp::Timestamp;

use super::path::{DELETING, WRITING, is_own, own_name};
use super::publish::{folder_of, sync_folder};
use super::{Durability, classify, version};

/// Deletes the file if it is the version of `pinned`.
///
/// Between a look and an unlink another version could be put in its place, and would be lost unread. So the file is
/// first renamed into a hidden folder, looked at there, and put back where it is not the one.
pub(super) fn delete(pinned: &ObjectStat, path: &Path, durability: Durability) -> Result<DeleteOutcome, StoreError> {
    match is_version(pinned, path)? {
        None => return Ok(DeleteOutcome::Deleted),
        Some(false) => return Ok(DeleteOutcome::Changed),
        Some(true) => {}
    }
    let uri = &pinned.uri;
    let not_applied = |error| classify::writing("delete", uri, Effect::NotApplied, error);
    let outcome = if std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        // The link goes; what it names may be found by other ways and stays.
        std::fs::remove_file(path).map_err(not_applied)?;
        DeleteOutcome::Deleted
    } else {
        let Some(hidden) = hide(path).map_err(not_applied)? else {
            return Ok(DeleteOutcome::Deleted);
        };
        end(pinned, path, &hidden)?
    };
    sync_folder(folder_of(path), durability)
        .map_err(|error| classify::writing("delete", uri, Effect::Unknown, error))?;
    Ok(outcome)
}

/// Removes the hidden file, or puts it back where it is another version than the one to delete.
fn end(pinned: &ObjectStat, path: &Path, hidden: &Path) -> Result<DeleteOutcome, StoreError> {
    let unknown = |error| classify::writing("delete", &pinned.uri, Effect::Unknown, error);
    let outcome = if is_version(pinned, hidden)? == Some(false) {
        put_back(hidden, path).map_err(unknown)?;
        DeleteOutcome::Changed
    } else {
        std::fs::remove_file(hidden).map_err(unknown)?;
        DeleteOutcome::Deleted
    };
    // A folder that stays is swept.
    drop(std::fs::remove_dir(folder_of(hidden)));
    Ok(outcome)
}

/// Whether the file is this version; `None`: there is no file.
fn is_version(pinned: &ObjectStat, path: &Path) -> Result<Option<bool>, StoreError> {
    match version::stat("delete", &pinned.uri, path) {
        Ok(now) => Ok(Some(now.version == pinned.version)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Moves the file, under its own name, into a hidden folder beside it; `None`: it was gone.
fn hide(path: &Path) -> io::Result<Option<PathBuf>> {
    let folder = loop {
        let folder = path.with_file_name(own_name(DELETING));
        match std::fs::create_dir(&folder) {
            Ok(()) => break folder,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    };
    let hidden = folder.join(path.file_name().unwrap_or_default());
    let moved = std::fs::rename(path, &hidden);
    if moved.is_err() {
        drop(std::fs::remove_dir(&folder));
    }
    match moved {
        Ok(()) => Ok(Some(hidden)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Shows a hidden file again, unless a newer one has taken its place: then it is a version that was overwritten.
fn put_back(hidden: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(hidden, path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        // A file system without links.
        Err(_) if !path.try_exists()? => return std::fs::rename(hidden, path),
        Err(error) => return Err(error),
    }
    std::fs::remove_file(hidden)
}

/// Clears what was last touched before `before` below `folder`; how many things.
pub(super) fn sweep(uri: &ObjectUri, folder: &Path, before: Timestamp) -> Result<u64, StoreError> {
    sweep_folder(folder, before).map_err(|error| classify::writing("sweep", uri, Effect::NotApplied, error))
}

fn sweep_folder(folder: &Path, before: Timestamp) -> io::Result<u64> {
    let mut swept = 0;
    for entry in gone_is_none(std::fs::read_dir(folder))?.into_iter().flatten() {
        let entry = entry?;
        let Some(kind) = gone_is_none(entry.file_type())? else { continue };
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        if !is_own(&name) {
            if kind.is_dir() {
                swept += match sweep_folder(&path, before) {
                    // Where we may not look, we have not written either.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => 0,
                    other => other?,
                };
            }
            continue;
        }
        let Some(metadata) = gone_is_none(entry.metadata())? else { continue };
        if metadata.mtime().saturating_mul(1_000_000) >= before.micros() {
            continue;
        }
        if kind.is_file() && name.ends_with(WRITING) {
            gone_is_none(std::fs::remove_file(&path))?;
            swept += 1;
        } else if kind.is_dir() && name.ends_with(DELETING) {
            for hidden in gone_is_none(std::fs::read_dir(&path))?.into_iter().flatten() {
                let hidden = hidden?;
                gone_is_none(put_back(&hidden.path(), &folder.join(hidden.file_name())))?;
            }
            gone_is_none(std::fs::remove_dir(&path))?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// Others clear away too.
fn gone_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
