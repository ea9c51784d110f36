//! Statements by the Data API: sent, waited for, and their results fetched.
//!
//! Only the SDK repeats a request, and a submit that it repeats carries the same token, so that the statement runs once.
//! Whoever sends a statement anew, does so as another one: the service remembers a token for hours, and would answer with
//! what the statement came to then.

mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_redshiftdata::types::ExecutionMode;
use lakehand_aws::{Kind, classify};
use lakehand_domain::backoff::Backoff;
use lakehand_domain::clock::Clock;
use lakehand_domain::id::digest;
use lakehand_domain::timestamp::Timestamp;

use super::budget::Budget;
use super::limits::{MOST_BYTES, MOST_STATEMENTS};
use super::options::{RedshiftOptions, Target};
use super::trouble::{Failed, Trouble};
use request::{Described, State, described, read_page};
pub(crate) use request::{Rows, Value};

/// The pause between two looks at a statement, where the service does not itself wait for it.
const LOOKS: Backoff = Backoff { first: Duration::from_millis(200), most: Duration::from_secs(10) };
/// A look that came back sooner than this did not wait for the statement.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The longest name of a statement that the service takes.
const LONGEST_NAME: usize = 500;

/// Statements that are sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Says to people what it is part of.
    name: String,
    sqls: Vec<String>,
}

impl Script {
    pub(crate) fn new(name: String, sqls: Vec<String>) -> Self {
        Self { name, sqls }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// How many statements it has.
    pub(crate) fn statements(&self) -> usize {
        self.sqls.len()
    }
}

/// A script that ran to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    id: String,
    name: String,
    statements: usize,
}

/// The Data API, asked for one database.
#[derive(Debug)]
pub(crate) struct Client {
    api: aws_sdk_redshiftdata::Client,
    target: Target,
    database: String,
    budget: Budget,
    clock: Arc<dyn Clock>,
    wait: Duration,
    statement_timeout: Duration,
    seed: String,
    sent: AtomicU64,
}

impl Client {
    pub(crate) fn new(api: aws_sdk_redshiftdata::Client, options: &RedshiftOptions, clock: Arc<dyn Clock>) -> Self {
        let budget =
            Budget::new(Arc::clone(&clock), options.requests_per_second, options.burst, options.max_active_statements);
        Self {
            api,
            target: options.target.clone(),
            database: options.database.clone(),
            budget,
            clock,
            wait: options.wait,
            statement_timeout: options.statement_timeout,
            seed: options.worker.clone(),
            sent: AtomicU64::new(0),
        }
    }

    /// Runs a script to its end, all of it or nothing: a single statement commits by itself, several are one transaction.
    pub(crate) async fn run(&self, script: &Script) -> Result<Ended, Trouble> {
        let (id, end) = self.send(script, ExecutionMode::Transaction).await?;
        let ended = Ended { id, name: script.name.clone(), statements: script.sqls.len() };
        let Some(described) = end else { return Ok(ended) };
        match described.state {
            State::Finished => Ok(ended),
            State::Failed => Err(Trouble::Failed(failed(script, described))),
            // Somebody stopped it, perhaps in the middle of its commit.
            State::Aborted | State::Running => {
                let message = format!("it was stopped: {}", described.error.unwrap_or_default());
                Err(Trouble::Doubt { name: script.name.clone(), message })
            }
        }
    }

    /// Runs each statement of a script in a transaction of its own, whatever became of those before it. Gives the words
    /// of each that failed.
    pub(crate) async fn run_each(&self, script: &Script) -> Result<Vec<Option<String>>, Trouble> {
        let (id, end) = self.send(script, ExecutionMode::AutoCommit).await?;
        let described = match end {
            Some(described) => described,
            None => self.describe(&script.name, &id, Duration::ZERO).await?,
        };
        if script.sqls.len() == 1 {
            let words = (described.state != State::Finished).then(|| described.error.unwrap_or_default());
            return Ok(vec![words]);
        }
        let words = |at: usize| match described.parts.get(at) {
            Some(part) if part.state == State::Finished => None,
            Some(part) => Some(part.error.clone().unwrap_or_default()),
            None => Some("the service was not available: it did not run".to_owned()),
        };
        Ok((0..script.sqls.len()).map(words).collect())
    }

    /// The rows that the `at`-th statement of a script (from 0) gave, at most `limit`.
    pub(crate) async fn rows(&self, ended: &Ended, at: usize, limit: usize) -> Result<Rows, Trouble> {
        let id = if ended.statements == 1 { ended.id.clone() } else { format!("{}:{}", ended.id, at + 1) };
        let mut rows = Rows::default();
        let mut next = None;
        loop {
            self.budget.request().await;
            let request = self.api.get_statement_result().id(&id).set_next_token(next);
            let page = request.send().await.map_err(|error| Trouble::answer(&ended.name, classify(error)))?;
            next = page.next_token().map(str::to_owned);
            read_page(page, &mut rows);
            if next.is_none() || rows.rows.len() >= limit {
                rows.rows.truncate(limit);
                return Ok(rows);
            }
        }
    }

    /// Runs one statement and gives its rows.
    pub(crate) async fn ask(&self, name: &str, sql: String) -> Result<Rows, Trouble> {
        let ended = self.run(&Script::new(name.to_owned(), vec![sql])).await?;
        self.rows(&ended, 0, usize::MAX).await
    }

    /// Sends a script and waits for its end. Nothing is told of one that finished.
    async fn send(&self, script: &Script, mode: ExecutionMode) -> Result<(String, Option<Described>), Trouble> {
        let longest = script.sqls.iter().map(String::len).max().unwrap_or(0);
        if script.sqls.is_empty() || script.sqls.len() > MOST_STATEMENTS || longest > MOST_BYTES {
            return Err(Trouble::Refused(format!(
                "{}: {} statements, the longest of {longest} bytes; the service takes 1 to {MOST_STATEMENTS} of \
                 {MOST_BYTES}: divide the dataset into smaller ones",
                script.name,
                script.sqls.len()
            )));
        }
        let _active = self.budget.statement().await;
        let begun = self.clock.now();
        self.budget.request().await;
        let token = self.token(script);
        let (id, state) = request::submit(self, script, mode, &token)
            .await
            .map_err(|failure| Trouble::submit(&script.name, failure))?;
        let Some(id) = id else {
            return Err(Trouble::Doubt {
                name: script.name.clone(),
                message: "the answer names no statement".to_owned(),
            });
        };
        let end = match state {
            State::Finished => None,
            // What failed, only a description tells.
            State::Failed | State::Aborted => Some(self.describe(&script.name, &id, Duration::ZERO).await?),
            State::Running => Some(self.wait_for_end(&script.name, &id, begun).await?),
        };
        let millis = self.clock.now().since(begun).as_millis();
        tracing::debug!(statement.name = %script.name, statement.id = %id, statements = script.sqls.len(), duration_ms = millis, "statement ended");
        Ok((id, end))
    }

    /// The same for the same statement sent once, another for each time it is sent.
    fn token(&self, script: &Script) -> String {
        let sent = self.sent.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![b"client token", self.seed.as_bytes(), &sent, script.name.as_bytes()];
        parts.extend(script.sqls.iter().map(String::as_bytes));
        digest(&parts)
    }

    async fn wait_for_end(&self, name: &str, id: &str, begun: Timestamp) -> Result<Described, Trouble> {
        let mut looks = 0;
        loop {
            let left = self.statement_timeout.saturating_sub(self.clock.now().since(begun));
            if left.is_zero() {
                return self.stop(name, id).await;
            }
            let asked = self.clock.now();
            let described = self.describe(name, id, self.wait.min(left)).await?;
            if described.state != State::Running {
                return Ok(described);
            }
            if self.clock.now().since(asked) < AT_ONCE {
                looks += 1;
                self.clock.sleep(LOOKS.delay(looks, id)).await;
            }
        }
    }

    /// Stops a statement that takes too long. It may have ended meanwhile.
    async fn stop(&self, name: &str, id: &str) -> Result<Described, Trouble> {
        self.budget.request().await;
        if let Err(error) = self.api.cancel_statement().id(id).send().await {
            let failure = classify(error);
            tracing::warn!(statement.name = %name, statement.id = %id, error = %failure.cause, "a statement that takes too long is not stopped");
        }
        let described = self.describe(name, id, Duration::from_secs(5)).await?;
        if matches!(described.state, State::Finished | State::Failed) {
            return Ok(described);
        }
        let message = format!("it did not end within {} s and was stopped", self.statement_timeout.as_secs());
        Err(Trouble::Doubt { name: name.to_owned(), message })
    }

    /// Looks at a statement. A look that fails says nothing of the statement, and is taken again for as long as the
    /// statement may run; a statement that the service does not know any more may have come to anything.
    async fn describe(&self, name: &str, id: &str, wait: Duration) -> Result<Described, Trouble> {
        let (begun, mut looks) = (self.clock.now(), 0);
        loop {
            self.budget.request().await;
            let seconds = i32::try_from(wait.as_secs()).ok().filter(|seconds| *seconds > 0);
            let answer = self.api.describe_statement().id(id).set_wait_time_seconds(seconds).send().await;
            let failure = match answer {
                Ok(answer) => return Ok(described(&answer)),
                Err(error) => classify(error),
            };
            let passes = matches!(failure.kind, Kind::Throttled | Kind::Unavailable | Kind::Condition);
            if !passes || self.clock.now().since(begun) >= self.statement_timeout {
                let message = format!("it cannot be described: {}", failure.cause);
                return Err(Trouble::Doubt { name: name.to_owned(), message });
            }
            looks += 1;
            self.clock.sleep(LOOKS.delay(looks, id)).await;
        }
    }
}

fn failed(script: &Script, described: Described) -> Failed {
    let of = script.sqls.len();
    let name = script.name.clone();
    if of == 1 {
        let (query_id, message) = (described.query_id, described.error.unwrap_or_default());
        return Failed { name, at: Some(0), of, query_id, message };
    }
    let at = described.parts.iter().position(|part| part.state == State::Failed);
    let part = at.and_then(|at| described.parts.get(at));
    let message = part.and_then(|part| part.error.clone()).or(described.error).unwrap_or_default();
    // Parts that did not run say nothing of the commit: only where all of them finished was it the commit that failed.
    let at = at.or_else(|| described.parts.iter().position(|part| part.state != State::Finished));
    Failed { name, at, of, query_id: part.and_then(|part| part.query_id), message }
}
