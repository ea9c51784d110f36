//! Statements by the Data API: sent, waited for, and their results fetched.
//!
//! Only the SDK repeats a request, and a submit that it repeats carries the same token, so that the statement runs once.
//! Whoever sends a statement anew, does so as another one: the service remembers a token for hours, and would answer with
//! what the statement came to then. No statement outlasts its call for long: one that takes too long, or that nobody waits
//! for any more, is stopped.

mod api;
mod kept;
mod request;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_redshiftdata::types::ExecutionMode;
use lakehand_aws::classify;
use lakehand_domain::clock::Clock;
use lakehand_domain::timestamp::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::limits::{MOST_BYTES, MOST_STATEMENTS};
use super::options::RedshiftOptions;
use super::trouble::{Failed, Trouble};
use api::{Api, Limits, STOPPING};
use kept::Kept;
use request::{Described, State, read_page};
pub(crate) use request::{Rows, Value};

/// The longest name of a statement that the service takes.
const LONGEST_NAME: usize = 500;
/// A call sends several scripts, of which few are long: as long as so many of the longest all of them together may take.
const LONGEST_SCRIPTS: u32 = 4;

/// After how long a call ends by itself whose statements may take so long.
pub(crate) fn call_limit(statement: Duration) -> Duration {
    statement.saturating_mul(LONGEST_SCRIPTS).saturating_add(STOPPING)
}

/// Statements that are sent together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    /// Says to people what it is part of.
    name: String,
    sqls: Arc<[String]>,
}

impl Script {
    pub(crate) fn new(name: String, sqls: Vec<String>) -> Self {
        Self { name, sqls: sqls.into() }
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

/// The Data API, asked for one database by one call of the port.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    api: Arc<Api>,
    limits: Limits,
}

impl Client {
    pub(crate) fn new(sdk: aws_sdk_redshiftdata::Client, options: &RedshiftOptions, clock: Arc<dyn Clock>) -> Self {
        let limits = Limits { statement: options.statement_timeout, until: None };
        Self { api: Arc::new(Api::new(sdk, options, clock)), limits }
    }

    /// The same for a call that begins now, each of whose statements may take so long.
    pub(crate) fn of_call(&self, statement: Duration) -> Self {
        let until: Timestamp = self.api.clock.now().plus(statement.saturating_mul(LONGEST_SCRIPTS));
        Self { api: Arc::clone(&self.api), limits: Limits { statement, until: Some(until) } }
    }

    /// Waits until no statement is under way, not even of calls that were given up.
    pub(crate) async fn come_to_rest(&self) {
        self.api.budget.come_to_rest().await;
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
            None => self.api.describe(&script.name, &id).await?,
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
            self.api.budget.request().await;
            let request = self.api.sdk.get_statement_result().id(&id).set_next_token(next);
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
        let given_up = CancellationToken::new();
        let carried = Arc::clone(&self.api).carry(script.clone(), mode, self.limits, given_up.clone());
        Kept::new(carried.in_current_span(), given_up).await
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
