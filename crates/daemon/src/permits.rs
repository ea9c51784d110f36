//! How much may be in work at once: files, their bytes, and turns at the processors.

use std::sync::Arc;

use lakehand_pipeline::intake::IntakeSettings;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in units of this many, so that a budget of any size fits the semaphore.
const UNIT: u64 = 1 << 10;

/// The most messages that are received at once.
const MOST_MESSAGES: usize = 10;

/// What is lent to messages and files, and comes back when it is dropped. Who waits longest is served first, so that a
/// large file is not overtaken for ever by small ones.
#[derive(Debug)]
pub struct Permits {
    files: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    budget: u32,
}

impl Permits {
    /// As many as the settings allow; at least one of each.
    pub fn new(settings: &IntakeSettings) -> Self {
        let units = u32::try_from(settings.max_bytes / UNIT).unwrap_or(u32::MAX);
        let budget = units.clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.max(1)));
        Self {
            files: semaphore(settings.max_files),
            bytes: semaphore(usize::try_from(budget).unwrap_or(usize::MAX)),
            turns: semaphore(settings.max_transforms),
            budget,
        }
    }

    /// Waits until a message may be received; then as many as may be, ten at most. While files wait for room none may:
    /// what was received would wait with them, out of other workers' sight.
    pub async fn messages(&self) -> Vec<OwnedSemaphorePermit> {
        let mut permits: Vec<_> = Arc::clone(&self.files).acquire_owned().await.into_iter().collect();
        drop(self.room(1).await);
        while permits.len() < MOST_MESSAGES {
            match Arc::clone(&self.files).try_acquire_owned() {
                Ok(permit) => permits.push(permit),
                Err(_) => break,
            }
        }
        permits
    }

    /// Waits until this many more bytes may be in work. More than the whole budget is the whole budget: such a file is
    /// worked on alone. `None` never happens while the permits live.
    pub async fn room(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.budget);
        Arc::clone(&self.bytes).acquire_many_owned(units).await.ok()
    }

    /// Waits for a turn at the processors.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn permits() -> Permits {
        Permits::new(&IntakeSettings { max_files: 12, max_bytes: 100 << 10, ..IntakeSettings::default() })
    }

    #[tokio::test]
    async fn a_file_beyond_the_budget_is_worked_on_alone() {
        let permits = permits();
        let small = permits.room(1).await;
        assert!(permits.room(1 << 40).now_or_never().is_none(), "the small file is in work");
        drop(small);
        let large = permits.room(1 << 40).now_or_never().flatten();
        assert!(large.is_some());
        assert!(permits.room(1).now_or_never().is_none(), "the large file has all of it");
    }

    #[tokio::test]
    async fn while_files_wait_for_room_nothing_is_received() {
        let permits = permits();
        let small = permits.room(1).await;
        assert!(permits.messages().now_or_never().is_some(), "there is room");
        let mut large = Box::pin(permits.room(1 << 40));
        assert!(futures::poll!(large.as_mut()).is_pending());
        let mut messages = Box::pin(permits.messages());
        assert!(futures::poll!(messages.as_mut()).is_pending(), "the large file waits");
        drop(small);
        let large = large.now_or_never();
        assert!(large.is_some() && futures::poll!(messages.as_mut()).is_pending(), "the large file has all of it");
        drop(large);
        assert!(messages.now_or_never().is_some());
    }

    #[tokio::test]
    async fn at_most_the_free_permits_are_received() {
        let permits = permits();
        let first = permits.messages().await;
        assert_eq!(first.len(), 10);
        assert_eq!(permits.messages().await.len(), 2);
        drop(first);
        assert_eq!(permits.messages().await.len(), 10);
    }
}
