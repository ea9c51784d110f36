//! One script on its way: sent, looked at until it ends, and stopped where it takes too long or nobody waits for it.
//!
//! Any statement may be stopped at any moment. A script that is one transaction is there or not, and the others are
//! harmless to repeat; what became of one that was stopped is in doubt, as that of any whose answer is lost: a staging is
//! made anew under another name, and what became of a commit the fence and the markers say. To leave it running is what
//! does harm: the next attempt waits behind it, for its locks and for a place among the statements that may be active.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_redshiftdata::types::ExecutionMode;
use lakehand_aws::{Kind, classify};
use lakehand_domain::backoff::Backoff;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::digest;
use lakehand_domain::timestamp::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Script;
use super::request::{Described, State, described, submit};
use crate::redshift::budget::Budget;
use crate::redshift::options::{RedshiftOptions, Target};
use crate::redshift::trouble::Trouble;

/// The pause between two looks at a statement, where the service does not itself wait for it.
const LOOKS: Backoff = Backoff { first: Duration::from_millis(200), most: Duration::from_secs(10) };
/// A look that came back sooner than this did not wait for the statement.
const AT_ONCE: Duration = Duration::from_secs(1);
/// A statement that is to be stopped has this long to end.
pub(super) const STOPPING: Duration = Duration::from_secs(30);
/// How often it is told so.
const STOP_AGAIN: Duration = Duration::from_secs(5);

/// How long one script may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From when it was sent.
    pub(super) statement: Duration,
    /// Its call has to be over by then; `None`: it is no part of a call.
    pub(super) until: Option<Timestamp>,
}

/// The Data API, asked for one database.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) sdk: aws_sdk_redshiftdata::Client,
    pub(super) target: Target,
    pub(super) database: String,
    pub(super) budget: Budget,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wait: Duration,
    seed: String,
    sent: AtomicU64,
}

impl Api {
    pub(super) fn new(sdk: aws_sdk_redshiftdata::Client, options: &RedshiftOptions, clock: Arc<dyn Clock>) -> Self {
        let budget =
            Budget::new(Arc::clone(&clock), options.requests_per_second, options.burst, options.max_active_statements);
        Self {
            sdk,
            target: options.target.clone(),
            database: options.database.clone(),
            budget,
            clock,
            wait: options.wait,
            seed: options.worker.clone(),
            sent: AtomicU64::new(0),
        }
    }

    /// Sends a script and waits for its end. Nothing is told of one that finished.
    pub(super) async fn carry(
        self: Arc<Self>,
        script: Script,
        mode: ExecutionMode,
        limits: Limits,
        given_up: CancellationToken,
    ) -> Result<(String, Option<Described>), Trouble> {
        let name = &script.name;
        // Held until the statement has ended, whoever still waits for it.
        let _active = self.turn(name, limits, &given_up).await?;
        let begun = self.clock.now();
        let deadline = begun.plus(limits.statement);
        let deadline = limits.until.map_or(deadline, |until| until.min(deadline));
        let token = self.token(&script);
        // A request that is cut off may have been taken, and nobody could stop what it began: it is waited for in any case.
        let sent = submit(&self, &script, mode, &token).await;
        let (id, state) = sent.map_err(|failure| Trouble::submit(name, failure))?;
        let Some(id) = id else {
            return Err(Trouble::Doubt { name: name.clone(), message: "the answer names no statement".to_owned() });
        };
        let end = match state {
            State::Finished => None,
            // What failed, only a description tells.
            State::Failed | State::Aborted => Some(self.describe(name, &id).await?),
            State::Running => {
                let ended = tokio::select! {
                    biased;
                    () = given_up.cancelled() => {
                        tracing::debug!(statement.name = %name, statement.id = %id, "nobody waits for the statement any more: it is stopped");
                        None
                    }
                    ended = self.look(name, &id, deadline) => ended?,
                };
                match ended {
                    Some(described) => Some(described),
                    None => Some(self.stop(name, &id, deadline.since(begun)).await?),
                }
            }
        };
        let millis = self.clock.now().since(begun).as_millis();
        tracing::debug!(statement.name = %name, statement.id = %id, statements = script.sqls.len(), duration_ms = millis, "statement ended");
        Ok((id, end))
    }

    /// Waits for a place among the active statements, and for a request that may be made. Who gives up meanwhile, or is
    /// too late, leaves nothing behind.
    async fn turn(
        &self,
        name: &str,
        limits: Limits,
        given_up: &CancellationToken,
    ) -> Result<Option<OwnedSemaphorePermit>, Trouble> {
        let unsent = |why: &str| Trouble::Unsent { name: name.to_owned(), why: why.to_owned() };
        let left = limits.until.map(|until| until.since(self.clock.now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(unsent("the statements before it took all the time of the call"));
        }
        let turn = async {
            let active = self.budget.statement().await;
            self.budget.request().await;
            active
        };
        let late = async {
            match left {
                Some(left) => self.clock.sleep(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = given_up.cancelled() => Err(unsent("nobody waits for it")),
            active = turn => Ok(active),
            () = late => Err(unsent("others took all places and requests that there are")),
        }
    }

    /// The same for the same statement sent once, another for each time it is sent.
    fn token(&self, script: &Script) -> String {
        let sent = self.sent.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![b"client token", self.seed.as_bytes(), &sent, script.name.as_bytes()];
        parts.extend(script.sqls.iter().map(String::as_bytes));
        digest(&parts)
    }

    /// What became of a statement that has ended.
    pub(super) async fn describe(&self, name: &str, id: &str) -> Result<Described, Trouble> {
        let described = self.look(name, id, self.clock.now().plus(STOPPING * 10)).await?;
        described.ok_or_else(|| {
            let message = "it has ended, and cannot be described".to_owned();
            Trouble::Doubt { name: name.to_owned(), message }
        })
    }

    /// Looks at a statement until it has ended; `None`: it had not by then. A look that fails says nothing of the
    /// statement, and is taken again; a statement that the service does not know any more may have come to anything.
    async fn look(&self, name: &str, id: &str, until: Timestamp) -> Result<Option<Described>, Trouble> {
        let mut looks = 0;
        loop {
            let left = until.since(self.clock.now());
            if left.is_zero() {
                return Ok(None);
            }
            self.budget.request().await;
            let asked = self.clock.now();
            let seconds = i32::try_from(self.wait.min(left).as_secs()).ok().filter(|seconds| *seconds > 0);
            match self.sdk.describe_statement().id(id).set_wait_time_seconds(seconds).send().await {
                Ok(answer) => {
                    let described = described(&answer);
                    if described.state != State::Running {
                        return Ok(Some(described));
                    }
                }
                Err(error) => {
                    let failure = classify(error);
                    if !matches!(failure.kind, Kind::Throttled | Kind::Unavailable | Kind::Condition) {
                        let message = format!("it cannot be described: {}", failure.cause);
                        return Err(Trouble::Doubt { name: name.to_owned(), message });
                    }
                    tracing::debug!(statement.name = %name, statement.id = %id, error = %failure.cause, "a look at a statement failed");
                }
            }
            let now = self.clock.now();
            if now.since(asked) < AT_ONCE {
                looks += 1;
                self.clock.sleep(LOOKS.delay(looks, id).min(until.since(now))).await;
            }
        }
    }

    /// Stops a statement, and waits until it has ended. It may have finished or failed meanwhile.
    async fn stop(&self, name: &str, id: &str, limit: Duration) -> Result<Described, Trouble> {
        let until = self.clock.now().plus(STOPPING);
        loop {
            self.budget.request().await;
            if let Err(error) = self.sdk.cancel_statement().id(id).send().await {
                let failure = classify(error);
                tracing::debug!(statement.name = %name, statement.id = %id, error = %failure.cause, "a statement is not stopped");
            }
            let again = self.clock.now().plus(STOP_AGAIN).min(until);
            match self.look(name, id, again).await? {
                Some(described) if matches!(described.state, State::Finished | State::Failed) => return Ok(described),
                Some(_) => {
                    let message = format!("it did not end within {} s and was stopped", limit.as_secs());
                    return Err(Trouble::Doubt { name: name.to_owned(), message });
                }
                None if self.clock.now() < until => {}
                None => {
                    tracing::warn!(statement.name = %name, statement.id = %id, "a statement cannot be stopped");
                    let message = format!("it did not end within {} s and cannot be stopped", limit.as_secs());
                    return Err(Trouble::Doubt { name: name.to_owned(), message });
                }
            }
        }
    }
}
