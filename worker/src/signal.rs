//! SIGINT and SIGTERM: the first drains, the second stops at once.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::failure::{Ending, say};
use crate::settings::unit::duration_text;

/// The signals that end a worker.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens. From here on neither signal ends the process by itself.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("listen for SIGTERM")?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Begins the drain at the first signal and returns at the second, to end at once.
    pub(crate) async fn drain(mut self, shutdown: CancellationToken, deadline: Duration) -> Ending {
        let name = self.next().await;
        say(&format!(
            "lakehand: {name}: draining: nothing new is taken, work in hand ends within {} or is handed back; again to stop at once",
            duration_text(deadline)
        ));
        shutdown.cancel();
        let name = self.next().await;
        say(&format!("lakehand: {name} again: stopping at once; what was in hand comes again when its leases run out"));
        Ending::OutsideFailed
    }
}
