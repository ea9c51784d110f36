//! The watch over landing folders: names files once they are complete.
//!
//! A file counts as complete when its writer closes it, when it is renamed or linked into the folder, or, in a folder
//! that was made or moved in, when it does not change between two looks. What a writer hides while it writes (a dot
//! before the name, `.tmp`, `.part` and their like after it) is passed over. Files that were there when the watch
//! began are a listing's to find, as is everything that an error says was missed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use lakehand_domain::clock::Clock;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::landing_watch::{LandingWatch, WatchError};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use self::seen::{Seen, Shared};

mod event;
mod seen;

#[cfg(test)]
mod tests;

/// How long the first appearance waits for others, and how long an unsettled file has to stay as it is.
const SETTLE: Duration = Duration::from_millis(50);

/// How often a folder that went away is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Files named at once.
const BATCH: usize = 1_000;

/// A watch over folders and all below them.
pub struct FolderWatch {
    roots: Arc<[PathBuf]>,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    /// Stops watching when it is dropped.
    watcher: Arc<Mutex<RecommendedWatcher>>,
}

impl fmt::Debug for FolderWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FolderWatch").field("roots", &self.roots).finish_non_exhaustive()
    }
}

impl FolderWatch {
    /// Begins to watch these folders. Blocks while it does: each folder below them is registered with the system.
    ///
    /// # Errors
    /// A URI is no folder of this machine, may not be read, or the system allows no more watches.
    pub fn open(roots: &[ObjectUri], clock: Arc<dyn Clock>) -> Result<Self, WatchError> {
        let paths: Arc<[PathBuf]> = roots.iter().map(root_of).collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared::default());
        let (of_handler, roots_of_handler) = (Arc::clone(&shared), Arc::clone(&paths));
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            of_handler.note(|seen| event::note(seen, event, &roots_of_handler));
        })
        .map_err(|error| WatchError { message: format!("folders cannot be watched: {error}") })?;
        let watch = Self { roots: paths, clock, shared, watcher: Arc::new(Mutex::new(watcher)) };
        for root in watch.roots.iter() {
            register(&watch.watcher, root)?;
        }
        Ok(watch)
    }

    /// Looks at what may be complete, on a thread that may block, and keeps what it finds in `shared` until it is
    /// named.
    async fn look(&self) -> Result<(), WatchError> {
        let (shared, roots) = (Arc::clone(&self.shared), Arc::clone(&self.roots));
        blocking(move || {
            let due = shared.with(|seen| seen.due(BATCH));
            let looked = due.look(&roots);
            shared.with(|seen| seen.settle(due, looked));
        })
        .await
    }

    /// Waits until a root that went away is watched again, which is told as an error: a listing is due.
    async fn find_again(&self, root: PathBuf) -> WatchError {
        loop {
            let (watcher, of_task) = (Arc::clone(&self.watcher), root.clone());
            match blocking(move || register(&watcher, &of_task)).await {
                Ok(Ok(())) => {
                    self.shared.with(|seen| seen.found_again(&root));
                    let message = format!("{} is back; what appeared meanwhile is not known", root.display());
                    return WatchError { message };
                }
                Ok(Err(_)) => self.clock.sleep(LOOK_AGAIN).await,
                Err(failed) => return failed,
            }
        }
    }
}

#[async_trait]
impl LandingWatch for FolderWatch {
    async fn next(&mut self) -> Result<Vec<ObjectUri>, WatchError> {
        loop {
            // Interest is registered before the look, so that nothing noted between the two is slept through.
            let arrived = self.shared.arrived.notified();
            if let Some(message) = self.shared.with(Seen::take_missed) {
                return Err(WatchError { message });
            }
            let (is_empty, lost) = self.shared.with(|seen| (seen.is_empty(), seen.lost_root()));
            if is_empty {
                match lost {
                    None => arrived.await,
                    Some(root) => tokio::select! {
                        again = self.find_again(root) => return Err(again),
                        () = arrived => {}
                    },
                }
                continue;
            }
            self.clock.sleep(SETTLE).await;
            self.look().await?;
            // From here on nothing waits: what is taken is named.
            let ready = self.shared.with(|seen| seen.take_ready(BATCH));
            let named: Vec<ObjectUri> = ready.iter().filter_map(|path| uri_of(path)).collect();
            if !named.is_empty() {
                return Ok(named);
            }
        }
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Seen) -> T) -> T {
        work(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, work: impl FnOnce(&mut Seen)) {
        self.with(work);
        self.arrived.notify_waiters();
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WatchError> {
    tokio::task::spawn_blocking(work).await.map_err(|panic| WatchError { message: format!("a look failed: {panic}") })
}

/// Watches a folder, anew if it was watched before.
fn register(watcher: &Mutex<RecommendedWatcher>, root: &Path) -> Result<(), WatchError> {
    let refuse =
        |why: &dyn fmt::Display| WatchError { message: format!("{} cannot be watched: {why}", root.display()) };
    let metadata = std::fs::metadata(root).map_err(|error| refuse(&error))?;
    if !metadata.is_dir() {
        return Err(refuse(&"it is no folder"));
    }
    let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
    // A watch of before is of a folder that is gone; there may be none.
    drop(watcher.unwatch(root));
    watcher.watch(root, RecursiveMode::Recursive).map_err(|error| match error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            refuse(&"the system allows no more watches: raise fs.inotify.max_user_watches, or rely on listings alone")
        }
        _ => refuse(&error),
    })
}

fn root_of(uri: &ObjectUri) -> Result<PathBuf, WatchError> {
    if uri.scheme() == "file" {
        Ok(PathBuf::from(format!("/{}", uri.key().strip_suffix('/').unwrap_or(uri.key()))))
    } else {
        Err(WatchError { message: format!("{uri} cannot be watched: it is no folder of this machine") })
    }
}

/// The path as it is, as the file store has it.
fn uri_of(path: &Path) -> Option<ObjectUri> {
    let uri = path.to_str().and_then(|text| ObjectUri::parse(&format!("file://{text}")).ok());
    if uri.is_none() {
        tracing::warn!(?path, "a file whose name is not UTF-8 is passed over: rename it");
    }
    uri
}
