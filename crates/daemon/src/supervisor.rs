//! Starts the daemon's tasks and waits for all of them. What the end of a task means is decided by its kind.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::DatasetId;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::daemon::DaemonError;

/// A task that panicked is begun anew after this long.
const AGAIN: Duration = Duration::from_secs(5);

/// What a task is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TaskKind {
    /// Messages to Parquet. Its end ends the daemon: without it nothing is taken in, and that must not go unseen.
    Intake,
    /// Objects to messages.
    Landing,
    /// Parquet to the warehouse, for one dataset.
    Loading(DatasetId),
    /// Set-aside entries to dead letters.
    Letters,
    /// What was abandoned.
    Sweeper,
    /// Whether anything comes.
    Freshness,
    /// How long files wait.
    Backlog,
    /// The published state. Its end ends the daemon: health would lie.
    Publisher,
}

impl TaskKind {
    /// Whether the shutdown waits for what it has under way.
    pub(crate) fn has_work(&self) -> bool {
        matches!(self, Self::Intake | Self::Loading(_))
    }
}

impl fmt::Display for TaskKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intake => f.write_str("intake"),
            Self::Landing => f.write_str("landing"),
            Self::Loading(dataset) => write!(f, "loading of {dataset}"),
            Self::Letters => f.write_str("letters"),
            Self::Sweeper => f.write_str("sweeper"),
            Self::Freshness => f.write_str("freshness"),
            Self::Backlog => f.write_str("backlog"),
            Self::Publisher => f.write_str("publisher"),
        }
    }
}

/// The tasks that run.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    set: JoinSet<()>,
    kinds: HashMap<Id, TaskKind>,
}

impl Tasks {
    pub(crate) fn spawn(&mut self, kind: TaskKind, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.set.spawn(task).id();
        self.kinds.insert(id, kind);
    }

    /// Waits for the next task to end. `None` once there is none left. A panic is an error.
    pub(crate) async fn ended(&mut self) -> Option<Result<TaskKind, DaemonError>> {
        let ended = self.set.join_next_with_id().await?;
        let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, ())| *id);
        let kind = self.kinds.remove(&id)?;
        Some(match ended {
            Ok(_) => Ok(kind),
            Err(error) => Err(DaemonError::Task { task: kind.to_string(), message: error.to_string() }),
        })
    }

    /// The tasks that still run.
    pub(crate) fn running(&self) -> impl Iterator<Item = &TaskKind> {
        self.kinds.values()
    }

    /// Drops all that still runs where it is, and waits until it is dropped.
    pub(crate) async fn abort(&mut self) {
        self.set.shutdown().await;
        self.kinds.clear();
    }
}

/// Runs a task that holds nothing that others wait for; where it panics, it is begun anew after a while.
pub(crate) async fn kept_alive<F, T>(kind: TaskKind, clock: Arc<dyn Clock>, stop: CancellationToken, mut task: F)
where
    F: FnMut() -> T + Send,
    T: Future<Output = ()> + Send,
{
    loop {
        // The task begins anew from what is durable, so that nothing half done is seen.
        let Err(panic) = std::panic::AssertUnwindSafe(task()).catch_unwind().await else { return };
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(task = %kind, panic = text.unwrap_or("without a message"), "a task panicked; it begins anew");
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = clock.sleep(AGAIN) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use lakehand_domain::timestamp::Timestamp;
    use lakehand_testkit::manual_clock::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_begins_anew() {
        let begun = AtomicU32::new(0);
        let clock = Arc::new(ManualClock::hurrying(Timestamp::default()));
        kept_alive(TaskKind::Sweeper, clock, CancellationToken::new(), || async {
            assert!(begun.fetch_add(1, Ordering::SeqCst) > 1, "not yet");
        })
        .await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_panic_is_told_with_the_name_of_its_task() {
        let mut tasks = Tasks::default();
        tasks.spawn(TaskKind::Intake, async { panic!("on purpose") });
        let error = tasks.ended().await.unwrap().unwrap_err();
        assert!(error.to_string().starts_with("task intake ended"), "{error}");
        assert!(tasks.ended().await.is_none());
    }
}
