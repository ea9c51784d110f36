//! Holds a transform in its middle until a test lets it go on.

use std::sync::mpsc;
use std::time::Duration;

use crate::tiny::Tiny;

pub(crate) struct Gate {
    entered: tokio::sync::mpsc::UnboundedReceiver<()>,
    /// The transform goes on once this is dropped.
    shut: Option<mpsc::Sender<()>>,
}

impl Gate {
    pub(crate) fn shut(tiny: &Tiny) -> Self {
        let (enter, entered) = tokio::sync::mpsc::unbounded_channel();
        let (shut, open) = mpsc::channel::<()>();
        tiny.during(move || {
            // A test that is over neither listens nor answers.
            if enter.send(()).is_ok() {
                open.recv().ok();
            }
        });
        Self { entered, shut: Some(shut) }
    }

    pub(crate) async fn reached(&mut self) {
        self.entered.recv().await.expect("the transform is there");
    }

    pub(crate) fn open(&mut self) {
        drop(self.shut.take());
    }
}

/// Waits, in real time, for what other tasks and threads bring about.
pub(crate) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let found = async {
        while !check().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Gives other tasks and threads a moment of real time to react; returns as soon as `check` says they did.
pub(crate) async fn reaction(mut check: impl FnMut() -> bool) {
    let reacted = async {
        while !check() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_millis(200), reacted).await.unwrap_or_default();
}
