//! Making files that become visible whole: written under a hidden name, put to disk, renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use lakehand_domain::fault::Effect;
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{PutCondition, PutOutcome, StoreError};

use super::path::{WRITING, own_name};
use super::{Durability, classify, read};

/// A file under a hidden name beside its target. Dropped before it is published, it is removed.
#[derive(Debug)]
pub(super) struct Temporary {
    hidden: PathBuf,
    target: PathBuf,
    durability: Durability,
}

impl Temporary {
    /// Creates the hidden file and the folders above it.
    pub(super) fn create(target: PathBuf, durability: Durability) -> io::Result<(Self, File)> {
        let mut folders_made = false;
        loop {
            let hidden = target.with_file_name(own_name(WRITING));
            match OpenOptions::new().write(true).create_new(true).open(&hidden) {
                Ok(file) => return Ok((Self { hidden, target, durability }, file)),
                // Another process has the name, or died with it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::NotFound && !folders_made => {
                    make_folders(folder_of(&target), durability)?;
                    folders_made = true;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How it is put to disk.
    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    /// Shows the file, whole, under its name. It was closed, so that a watcher is told of it once.
    pub(super) fn publish(
        self,
        operation: &'static str,
        uri: &ObjectUri,
        condition: PutCondition,
    ) -> Result<PutOutcome, StoreError> {
        let not_applied = |error| classify::writing(operation, uri, Effect::NotApplied, error);
        match condition {
            PutCondition::Always => std::fs::rename(&self.hidden, &self.target).map_err(not_applied)?,
            // A link, unlike a rename, does not replace what is there.
            PutCondition::IfAbsent => match std::fs::hard_link(&self.hidden, &self.target) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(PutOutcome::Exists),
                other => {
                    other.map_err(not_applied)?;
                    // Watchers take a file as complete when it is renamed or closed, and a link is neither.
                    drop(OpenOptions::new().append(true).open(&self.target));
                }
            },
        }
        sync_folder(folder_of(&self.target), self.durability)
            .map_err(|error| classify::writing(operation, uri, Effect::Unknown, error))?;
        Ok(PutOutcome::Written)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing under this name; what cannot be removed now is swept later.
        drop(std::fs::remove_file(&self.hidden));
    }
}

/// Puts a file that was written to its end to disk, and closes it.
pub(super) fn close(
    operation: &'static str,
    uri: &ObjectUri,
    file: File,
    durability: Durability,
) -> Result<(), StoreError> {
    if durability == Durability::Full {
        file.sync_all().map_err(|error| classify::writing(operation, uri, Effect::NotApplied, error))?;
    }
    drop(file);
    Ok(())
}

/// Writes a whole object.
pub(super) fn put(
    uri: &ObjectUri,
    target: PathBuf,
    bytes: &[u8],
    condition: PutCondition,
    durability: Durability,
) -> Result<PutOutcome, StoreError> {
    let not_applied = |error| classify::writing("put", uri, Effect::NotApplied, error);
    let (temporary, mut file) = Temporary::create(target, durability).map_err(not_applied)?;
    file.write_all(bytes).map_err(not_applied)?;
    close("put", uri, file, durability)?;
    temporary.publish("put", uri, condition)
}

/// Copies exactly one version.
pub(super) fn copy(
    from: &ObjectStat,
    source: &Path,
    to: &ObjectUri,
    target: PathBuf,
    durability: Durability,
) -> Result<(), StoreError> {
    let not_applied = |error| classify::writing("copy", to, Effect::NotApplied, error);
    let (mut original, _) = read::open("copy", from, source)?;
    let (temporary, mut copied) = Temporary::create(target, durability).map_err(not_applied)?;
    io::copy(&mut original, &mut copied).map_err(not_applied)?;
    // Written to in place while it was copied, it would be two versions in one.
    read::still("copy", from, &original)?;
    close("copy", to, copied, durability)?;
    temporary.publish("copy", to, PutCondition::Always).map(drop)
}

/// The folder a file lies in. Every path here begins with a slash and has a name, so that there is one.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// Makes what was renamed, linked or removed in a folder outlive a power cut.
pub(super) fn sync_folder(folder: &Path, durability: Durability) -> io::Result<()> {
    match durability {
        Durability::Full => File::open(folder)?.sync_all(),
        Durability::None => Ok(()),
    }
}

fn make_folders(folder: &Path, durability: Durability) -> io::Result<()> {
    let mut made_in = Vec::new();
    for missing in folder.ancestors() {
        if missing.try_exists()? {
            break;
        }
        made_in.push(folder_of(missing));
    }
    std::fs::create_dir_all(folder)?;
    made_in.into_iter().try_for_each(|folder| sync_folder(folder, durability))
}
