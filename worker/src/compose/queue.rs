//! Queues: messages that come, and dead letters.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lakehand_aws::Service;
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::redrive::RedriveAll;
use lakehand_queue::sqlite::{QueueOptions, Redrive, SqliteQueue};
use lakehand_queue::sqs::{QueueAddress, SqsOptions, SqsQueue};

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
        Location::Sqs(queue) => Ok(Arc::new(sqs(settings, queue, "queue.url").await?)),
        other => unusable(other),
    }
}

/// The queue that dead letters go to.
pub(super) async fn open_dead_letters(settings: &Settings) -> anyhow::Result<Arc<dyn Queue>> {
    match (&settings.queue, &settings.aws.dead_letters) {
        (Location::Sqlite(path), _) => embedded(path, DEAD_LETTERS, None).await,
        (_, Some(Location::Sqs(queue))) => Ok(Arc::new(sqs(settings, queue, "queue.dead_letters_url").await?)),
        (other, _) => unusable(other),
    }
}

/// The move of all dead letters by the service itself, where it has one.
pub(super) async fn redrive_all(settings: &Settings) -> anyhow::Result<Option<Arc<dyn RedriveAll>>> {
    let (Location::Sqs(queue), Some(Location::Sqs(letters))) = (&settings.queue, &settings.aws.dead_letters) else {
        return Ok(None);
    };
    let queue = sqs(settings, queue, "queue.url").await?;
    let letters = sqs(settings, letters, "queue.dead_letters_url").await?;
    Ok(Some(Arc::new(letters.redrive_to(&queue))))
}

/// What is amiss with how the queues are set up, in words for an operator.
pub(super) async fn concerns(settings: &Settings) -> anyhow::Result<Vec<String>> {
    let (Location::Sqs(queue), Some(Location::Sqs(letters))) = (&settings.queue, &settings.aws.dead_letters) else {
        return Ok(Vec::new());
    };
    let queue = sqs(settings, queue, "queue.url").await?;
    let letters = sqs(settings, letters, "queue.dead_letters_url").await?;
    Ok(queue.facts().concerns(letters.facts()))
}

async fn sqs(settings: &Settings, queue: &str, key: &str) -> anyhow::Result<SqsQueue> {
    let config = lakehand_aws::connect(&settings.aws.options.of(Service::Sqs)).await;
    let options = SqsOptions { queue: QueueAddress::parse(queue)? };
    SqsQueue::open(&config, options, clock()).await.with_context(|| format!("open the queue {queue} ({key})"))
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
