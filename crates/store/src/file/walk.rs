//! Listing the files below a folder, in the order of their keys.

use std::collections::BinaryHeap;
use std::fs::{DirEntry, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::{ListPage, StoreError};

use super::path::is_own;
use super::{classify, version};

/// So many names of one folder are in memory at once. A folder with more is read again for the next ones.
const NAMES: usize = 20_000;

/// A page of the files below `folder`. A folder that is missing has no files, as a prefix of a bucket.
pub(super) fn list(
    prefix: &ObjectUri,
    folder: &Path,
    after: Option<&str>,
    limit: usize,
) -> Result<ListPage, StoreError> {
    let limit = limit.max(1);
    let mut walk = Walk { after, wanted: limit.saturating_add(1), names: NAMES, found: Vec::new(), above: Vec::new() };
    let base = prefix.key().strip_suffix('/').unwrap_or(prefix.key());
    let base = if base.is_empty() { String::new() } else { format!("{base}/") };
    walk.folder(folder, &base)?;
    let mut objects = walk.found;
    let more = objects.len() > limit;
    objects.truncate(limit);
    let next = objects.last().filter(|_| more).map(|last| last.uri.key().to_owned());
    Ok(ListPage { objects, next })
}

struct Walk<'a> {
    after: Option<&'a str>,
    wanted: usize,
    names: usize,
    found: Vec<ObjectStat>,
    /// Device and inode of the folders on the way down: a link back to one of them is a loop.
    above: Vec<(u64, u64)>,
}

impl Walk<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= self.wanted
    }

    /// Walks a folder whose files have keys that begin with `base`.
    fn folder(&mut self, folder: &Path, base: &str) -> Result<(), StoreError> {
        let uri = uri_of(base);
        let metadata = match std::fs::metadata(folder) {
            Err(error) if is_gone(error.kind()) => return Ok(()),
            other => other.map_err(|error| classify::reading("list", &uri, error))?,
        };
        if !metadata.is_dir() {
            return Ok(());
        }
        self.above.push((metadata.dev(), metadata.ino()));
        let mut last = None;
        while !self.is_full() {
            let names = self.next_names(folder, base, last.as_deref(), &uri)?;
            for name in &names {
                if self.is_full() {
                    break;
                }
                match name.strip_suffix('/') {
                    Some(below) => self.folder(&folder.join(below), &format!("{base}{name}"))?,
                    None => self.file(&folder.join(name), &format!("{base}{name}"))?,
                }
            }
            if names.len() < self.names {
                break;
            }
            last = names.into_iter().next_back();
        }
        self.above.pop();
        Ok(())
    }

    fn file(&mut self, path: &Path, key: &str) -> Result<(), StoreError> {
        let uri = uri_of(key);
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => self.found.push(version::of(&uri, &metadata)),
            Ok(_) => {}
            Err(error) if is_gone(error.kind()) => {}
            Err(error) => return Err(classify::reading("list", &uri, error)),
        }
        Ok(())
    }

    /// The first names of a folder after `last`, in the order of their keys. Folders end in a slash, which puts them
    /// where the keys below them belong.
    fn next_names(
        &self,
        folder: &Path,
        base: &str,
        last: Option<&str>,
        uri: &ObjectUri,
    ) -> Result<Vec<String>, StoreError> {
        let failed = |error| classify::reading("list", uri, error);
        let entries = match std::fs::read_dir(folder) {
            Err(error) if is_gone(error.kind()) => return Ok(Vec::new()),
            // A folder below that we may not read must not hide all the others; the prefix itself is refused aloud.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && self.above.len() > 1 => {
                tracing::warn!(folder = %folder.display(), "a folder may not be read, and is passed over");
                return Ok(Vec::new());
            }
            other => other.map_err(failed)?,
        };
        let mut names = BinaryHeap::new();
        for entry in entries {
            let name = match entry.and_then(|entry| self.name_of(&entry)) {
                Err(error) if is_gone(error.kind()) => None,
                other => other.map_err(failed)?,
            };
            let Some(name) = name else { continue };
            if last.is_some_and(|last| name.as_str() <= last) || !self.is_after(base, &name) {
                continue;
            }
            names.push(name);
            if names.len() > self.names {
                names.pop();
            }
        }
        Ok(names.into_sorted_vec())
    }

    /// Whether the file, or anything below the folder, can have a key after the one asked for.
    fn is_after(&self, base: &str, name: &str) -> bool {
        let Some(after) = self.after else { return true };
        let key = format!("{base}{name}");
        key.as_str() > after || (name.ends_with('/') && after.starts_with(&key))
    }

    /// The name of an entry that may hold objects, with a slash at its end for a folder.
    fn name_of(&self, entry: &DirEntry) -> io::Result<Option<String>> {
        let name = match entry.file_name().into_string() {
            Ok(name) if is_own(&name) => return Ok(None),
            Ok(name) => name,
            Err(_) => {
                tracing::warn!(path = ?entry.path(), "a file whose name is not UTF-8 is passed over: rename it");
                return Ok(None);
            }
        };
        let kind = entry.file_type()?;
        let (is_folder, is_file) = if kind.is_symlink() {
            match std::fs::metadata(entry.path()) {
                Ok(target) => (target.is_dir() && !self.is_loop(&target), target.is_file()),
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
                // A link to nothing, or to itself, is nothing.
                Err(_) => (false, false),
            }
        } else {
            (kind.is_dir(), kind.is_file())
        };
        Ok(if is_folder { Some(name + "/") } else { is_file.then_some(name) })
    }

    fn is_loop(&self, folder: &Metadata) -> bool {
        self.above.contains(&(folder.dev(), folder.ino()))
    }
}

/// It went away while the walk came to it, or was never there.
fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn uri_of(key: &str) -> ObjectUri {
    // Unwrap safety: any text after the third slash is a key.
    ObjectUri::parse(&format!("file:///{key}")).expect("a path is a file URI")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_more_names_than_are_kept_is_listed_whole_and_in_order() {
        let folder = tempfile::TempDir::new().unwrap();
        let base = format!("{}/", folder.path().to_str().unwrap().trim_start_matches('/'));
        let mut expected = Vec::new();
        for number in 0..23 {
            // Some folders are empty: they take up names and give no files.
            let path = folder.path().join(format!("{number}"));
            if number % 3 == 0 {
                std::fs::create_dir(&path).unwrap();
            }
            if number % 6 == 0 {
                std::fs::write(path.join("deep"), "x").unwrap();
                expected.push(format!("{base}{number}/deep"));
            } else if number % 3 != 0 {
                std::fs::write(&path, "x").unwrap();
                expected.push(format!("{base}{number}"));
            }
        }
        expected.sort_unstable();
        for names in [1, 2, 5, 22, 23, 24] {
            let mut walk = Walk { after: None, wanted: 100, names, found: Vec::new(), above: Vec::new() };
            walk.folder(folder.path(), &base).unwrap();
            let keys: Vec<&str> = walk.found.iter().map(|stat| stat.uri.key()).collect();
            assert_eq!(keys, expected, "{names} names at once");
        }
    }
}
