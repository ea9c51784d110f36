//! What an event of the system says about files.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use lakehand_domain::object::is_unfinished_name;
use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind};

use super::seen::Seen;

/// Other systems do not say when a file is closed: there a file is unsettled whenever it changes.
const SAYS_CLOSED: bool = cfg!(target_os = "linux");

/// Takes down what an event says. Runs on the thread that reads the events: looks at single paths, never at folders.
pub(super) fn note(seen: &mut Seen, event: notify::Result<Event>, roots: &[PathBuf]) {
    let event = match event {
        Ok(event) if event.need_rescan() => return seen.miss("more happened at once than the system keeps"),
        Ok(event) => event,
        Err(error) => return seen.miss(&error.to_string()),
    };
    // A rename names the path of before and the path of now, in this order.
    let Some(path) = event.paths.last() else { return };
    if roots.contains(path) {
        if matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            seen.lose_root(path);
        }
        return;
    }
    if is_passed_over(path, roots) {
        return;
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => seen.complete(path),
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => {}
        EventKind::Modify(ModifyKind::Name(_)) => arrived(seen, path, true),
        EventKind::Create(CreateKind::Folder) => seen.folder(path),
        EventKind::Create(_) => arrived(seen, path, false),
        EventKind::Modify(ModifyKind::Data(_)) if !SAYS_CLOSED => seen.unsettled(path),
        _ => {}
    }
}

/// Something is there that was not; `whole`: it came by a rename. A file that is created is still to be written, but
/// a link, hard or soft, is to a file that was written before. (A file whose first name is gone again by now cannot be
/// told from one that is still written, and is left to who lists.)
fn arrived(seen: &mut Seen, path: &Path, whole: bool) {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => seen.folder(path),
        Ok(metadata) if whole || metadata.is_symlink() || metadata.nlink() > 1 => seen.complete(path),
        Ok(_) if !SAYS_CLOSED => seen.unsettled(path),
        // A file that is still to be closed, or is gone again.
        Ok(_) | Err(_) => {}
    }
}

/// Whether the path, from its root on, has a hidden folder in it or the name of a file that is being written.
pub(super) fn is_passed_over(path: &Path, roots: &[PathBuf]) -> bool {
    let Some(below) = roots.iter().find_map(|root| path.strip_prefix(root).ok()) else { return true };
    let is_hidden = below.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."));
    is_hidden || path.file_name().is_some_and(|name| is_unfinished_name(&name.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_or_unfinished_is_passed_over() {
        let roots = [PathBuf::from("/data/.landing")];
        for (path, passed_over) in [
            ("/data/.landing/a.json", false),
            ("/data/.landing/deep/a b.part1.json", false),
            ("/data/.landing/tmp/a.json", false),
            ("/data/.landing/.a.json.Xy12", true),
            ("/data/.landing/.git/a.json", true),
            ("/data/.landing/a.json.tmp", true),
            ("/data/.landing/a.json.PART", true),
            ("/data/.landing/a.json~", true),
            ("/data/elsewhere/a.json", true),
        ] {
            assert_eq!(is_passed_over(Path::new(path), &roots), passed_over, "{path}");
        }
    }
}
