//! Queues: messages that come, and dead letters.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lakehand_domain::port::queue::Queue;
use lakehand_queue::sqlite::{QueueOptions, Redrive, SqliteQueue};

use super::{clock, make_folder_of};
use crate::settings::Settings;
use crate::settings::location::Location;

/// The queues of an embedded file.
const QUEUE: &str = "arrivals";
const DEAD_LETTERS: &str = "dead_letters";

/// A backstop set high: lakehand counts a file's attempts itself.
pub(super) const MAX_RECEIVES: u32 = 1000;

/// The queue that messages come from.
pub(super) async fn open(settings: &Settings) -> anyhow::Result<Arc<dyn Queue>> {
    match &settings.queue {
        Location::Sqlite(path) => {
            let redrive = Redrive { max_receives: MAX_RECEIVES, dead_letters: DEAD_LETTERS.to_owned() };
            embedded(path, QUEUE, Some(redrive)).await
        }
        other => unusable(other),
    }
}

/// The queue that dead letters go to.
pub(super) async fn open_dead_letters(settings: &Settings) -> anyhow::Result<Arc<dyn Queue>> {
    match (&settings.queue, &settings.aws.dead_letters) {
        (Location::Sqlite(path), _) => embedded(path, DEAD_LETTERS, None).await,
        (other, _) => unusable(other),
    }
}

async fn embedded(path: &Path, name: &'static str, redrive: Option<Redrive>) -> anyhow::Result<Arc<dyn Queue>> {
    make_folder_of(path)?;
    let told = format!("open the queue sqlite://{} (queue.url)", path.display());
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || SqliteQueue::open(&path, name, QueueOptions { redrive }, clock()));
    let queue = opened.await.context("open a backend")?.with_context(|| told)?;
    Ok(Arc::new(queue))
}

/// Settings refuse this; it is said all the same.
fn unusable<T>(location: &Location) -> anyhow::Result<T> {
    anyhow::bail!("queue.url: {location} is no queue")
}
