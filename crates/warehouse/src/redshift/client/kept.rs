//! Work that outlives whoever waits for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Work that is done by whoever waits for it. Where that one goes away, the token tells the work so, and it goes on to its
/// end in the background.
pub(super) struct Kept<T: Send + 'static> {
    work: Option<BoxFuture<'static, T>>,
    given_up: CancellationToken,
}

impl<T: Send + 'static> Kept<T> {
    /// `work` comes to its end soon once `given_up` is cancelled.
    pub(super) fn new(work: impl Future<Output = T> + Send + 'static, given_up: CancellationToken) -> Self {
        Self { work: Some(Box::pin(work)), given_up }
    }
}

impl<T: Send + 'static> Future for Kept<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.work.as_mut() else { return Poll::Pending };
        let ended = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(ended)
    }
}

impl<T: Send + 'static> Drop for Kept<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        self.given_up.cancel();
        // Where the runtime is gone, so is the process.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_waited_for_is_not_told_to_end() {
        let given_up = CancellationToken::new();
        assert_eq!(Kept::new(async { 7 }, given_up.clone()).await, 7);
        assert!(!given_up.is_cancelled());
    }

    #[tokio::test]
    async fn what_is_given_up_is_told_so_and_comes_to_its_end() {
        let (given_up, is_over) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let (end, ended) = oneshot::channel();
        let (told, over) = (given_up.clone(), Arc::clone(&is_over));
        let mut kept = Kept::new(
            async move {
                told.cancelled().await;
                over.store(true, Ordering::SeqCst);
                end.send(()).unwrap();
            },
            given_up,
        );
        assert!(futures::poll!(&mut kept).is_pending());
        assert!(!is_over.load(Ordering::SeqCst));
        drop(kept);
        ended.await.unwrap();
        assert!(is_over.load(Ordering::SeqCst));
    }
}
