//! What has been seen and not been named yet. All of it is bounded: what has no room is missed, and said to be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tokio::sync::Notify;

use super::event::is_passed_over;

/// Paths kept at most.
const ROOM: usize = 20_000;

/// What the thread that reads events and the one that names files both have.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) seen: Mutex<Seen>,
    /// Something new was seen.
    pub(super) arrived: Notify,
}

/// What has been seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Complete, as far as events say.
    ready: BTreeSet<PathBuf>,
    /// May still be written to: how they looked last, if they were looked at.
    unsettled: BTreeMap<PathBuf, Option<Look>>,
    /// New folders to be walked, with the number of their notice: noticed again meanwhile, one is walked again.
    folders: BTreeMap<PathBuf, u64>,
    notices: u64,
    missed: Option<String>,
    lost_roots: BTreeSet<PathBuf>,
}

/// Size and times of a file; while it is written they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look(u64, u64, i64, i64);

impl Look {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec())
    }

    fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().filter(Metadata::is_file).map(|metadata| Self::of(&metadata))
    }
}

/// What is to be looked at.
#[derive(Debug)]
pub(super) struct Due {
    ready: Vec<PathBuf>,
    unsettled: Vec<PathBuf>,
    folders: BTreeMap<PathBuf, u64>,
}

/// How it looked.
#[derive(Debug, Default)]
pub(super) struct Looked {
    gone: Vec<PathBuf>,
    unsettled: Vec<(PathBuf, Look)>,
    walked: Vec<(PathBuf, Look)>,
    missed: Option<String>,
}

impl Seen {
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.unsettled.is_empty() && self.folders.is_empty()
    }

    fn has_room(&mut self) -> bool {
        let has_room = self.ready.len() + self.unsettled.len() + self.folders.len() < ROOM;
        if !has_room {
            self.miss("more files appeared at once than are kept");
        }
        has_room
    }

    /// The file is complete.
    pub(super) fn complete(&mut self, path: &Path) {
        self.unsettled.remove(path);
        if !self.ready.contains(path) && self.has_room() {
            self.ready.insert(path.to_owned());
        }
    }

    /// The file may still be written to.
    pub(super) fn unsettled(&mut self, path: &Path) {
        if !self.unsettled.contains_key(path) && self.has_room() {
            self.unsettled.insert(path.to_owned(), None);
        }
    }

    /// The folder is new: files may have come into it before it was watched.
    pub(super) fn folder(&mut self, path: &Path) {
        self.notices += 1;
        if self.folders.contains_key(path) || self.has_room() {
            self.folders.insert(path.to_owned(), self.notices);
        }
    }

    /// Something was not seen.
    pub(super) fn miss(&mut self, why: &str) {
        self.missed.get_or_insert_with(|| why.to_owned());
    }

    pub(super) fn take_missed(&mut self) -> Option<String> {
        self.missed.take()
    }

    /// A watched folder is gone.
    pub(super) fn lose_root(&mut self, root: &Path) {
        self.miss(&format!("the folder {} was removed or renamed", root.display()));
        self.lost_roots.insert(root.to_owned());
    }

    pub(super) fn lost_root(&self) -> Option<PathBuf> {
        self.lost_roots.first().cloned()
    }

    pub(super) fn found_again(&mut self, root: &Path) {
        self.lost_roots.remove(root);
    }

    /// What is to be looked at now, `most_ready` of what is ready at most. It stays here too until [`Seen::settle`], so that a look that is given up costs
    /// nothing.
    pub(super) fn due(&self, most_ready: usize) -> Due {
        Due {
            ready: self.ready.iter().take(most_ready).cloned().collect(),
            unsettled: self.unsettled.keys().cloned().collect(),
            folders: self.folders.clone(),
        }
    }

    pub(super) fn settle(&mut self, due: Due, looked: Looked) {
        for path in looked.gone {
            self.ready.remove(&path);
            self.unsettled.remove(&path);
        }
        for (path, look) in looked.unsettled {
            // What was completed meanwhile is not here any more.
            match self.unsettled.get_mut(&path) {
                Some(before) if *before == Some(look) => self.complete(&path),
                Some(before) => *before = Some(look),
                None => {}
            }
        }
        for (folder, notice) in due.folders {
            if self.folders.get(&folder) == Some(&notice) {
                self.folders.remove(&folder);
            }
        }
        for (path, look) in looked.walked {
            if !self.ready.contains(&path) && !self.unsettled.contains_key(&path) && self.has_room() {
                self.unsettled.insert(path, Some(look));
            }
        }
        if let Some(why) = looked.missed {
            self.miss(&why);
        }
    }

    pub(super) fn take_ready(&mut self, most: usize) -> Vec<PathBuf> {
        let taken: Vec<PathBuf> = self.ready.iter().take(most).cloned().collect();
        for path in &taken {
            self.ready.remove(path);
        }
        taken
    }
}

impl Due {
    /// Looks at everything once. A file that was renamed or removed since is not named.
    pub(super) fn look(&self, roots: &[PathBuf]) -> Looked {
        let mut looked = Looked::default();
        for path in &self.ready {
            if Look::at(path).is_none() {
                looked.gone.push(path.clone());
            }
        }
        for path in &self.unsettled {
            match Look::at(path) {
                Some(look) => looked.unsettled.push((path.clone(), look)),
                None => looked.gone.push(path.clone()),
            }
        }
        for folder in self.folders.keys() {
            walk(folder, roots, &mut looked);
        }
        looked
    }
}

fn walk(folder: &Path, roots: &[PathBuf], looked: &mut Looked) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        // Renamed or removed meanwhile.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            looked.missed = Some(format!("{}: {error}", folder.display()));
            return;
        }
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if is_passed_over(&path, roots) {
            continue;
        }
        if looked.walked.len() >= ROOM {
            looked.missed = Some("more files appeared at once than are kept".to_owned());
            return;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(&path, roots, looked),
            _ => looked.walked.extend(Look::at(&path).map(|look| (path, look))),
        }
    }
}
