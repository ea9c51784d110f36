//! A statement of the Data API, or a batch of them, from its submission until it is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::database::Target;
use crate::result::ResultSet;

/// How far a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum State {
    /// Accepted; waits.
    Submitted,
    /// Chosen to be run.
    Picked,
    /// Runs.
    Started,
    /// Ran to its end.
    Finished,
    /// Did not.
    Failed,
    /// Was stopped.
    Aborted,
}

impl State {
    /// Whether nothing comes after it.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Aborted)
    }
}

/// How the statements of a batch hang together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Mode {
    /// All or none.
    #[serde(rename = "TRANSACTION")]
    Transaction,
    /// Each by itself.
    #[serde(rename = "AUTO_COMMIT")]
    AutoCommit,
}

/// What a caller asked for; the same token must ask for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Where.
    pub(crate) target: Target,
    /// The statements.
    pub(crate) sqls: Vec<String>,
    /// Values for `:name`.
    pub(crate) parameters: BTreeMap<String, String>,
    /// Whether it is a batch.
    pub(crate) batch: Option<Mode>,
    /// The name it was given.
    pub(crate) name: Option<String>,
    /// The user it runs as.
    pub(crate) db_user: Option<String>,
    /// The secret that lets it in.
    pub(crate) secret_arn: Option<String>,
    /// The form of its result.
    pub(crate) result_format: String,
    /// The session it runs in, which exists already.
    pub(crate) session: Option<String>,
    /// How long the session is to be kept after it, in seconds.
    pub(crate) keep_session: Option<i64>,
}

/// A statement that was accepted.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Its number.
    pub(crate) id: String,
    /// What was asked.
    pub(crate) asked: Asked,
    /// When, in microseconds since 1970.
    pub(crate) created: i64,
    /// The session it runs in.
    pub(crate) session: Option<String>,
    /// Stops it.
    pub(crate) cancel: CancellationToken,
    /// How far it is.
    pub(crate) progress: watch::Sender<Progress>,
}

/// How far a statement and its parts are.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    /// Of the whole.
    pub(crate) state: State,
    /// When that changed.
    pub(crate) updated: i64,
    /// When it began to run.
    pub(crate) started: Option<i64>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// The process that runs it.
    pub(crate) pid: i32,
    /// Each of its statements.
    pub(crate) parts: Vec<Part>,
}

/// One statement of a batch, or the only one.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// How far it is.
    pub(crate) state: State,
    /// When that changed.
    pub(crate) updated: i64,
    /// When it began to run.
    pub(crate) started: Option<i64>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// Rows returned or affected; -1 while nobody knows.
    pub(crate) rows: i64,
    /// Redshift's number for it.
    pub(crate) query: i64,
    /// Its rows.
    pub(crate) result: Option<Arc<ResultSet>>,
}

impl Part {
    /// How long it ran, in nanoseconds.
    pub(crate) fn duration(&self) -> i64 {
        if self.state.is_final() { ran(self.started, self.updated) } else { -1 }
    }

    /// The bytes of its result.
    pub(crate) fn size(&self) -> i64 {
        match (&self.result, self.state) {
            (Some(result), _) => i64::try_from(result.size).unwrap_or(i64::MAX),
            (None, State::Finished) => 0,
            _ => -1,
        }
    }
}

impl Progress {
    /// How long it ran, in nanoseconds.
    pub(crate) fn duration(&self) -> i64 {
        if self.state.is_final() { ran(self.started, self.updated) } else { -1 }
    }
}

fn ran(started: Option<i64>, ended: i64) -> i64 {
    started.map_or(-1, |started| (ended - started).max(0).saturating_mul(1_000))
}

impl Statement {
    /// A statement nobody has looked at.
    pub(crate) fn new(id: String, asked: Asked, session: Option<String>, now: i64) -> Self {
        let part = Part {
            state: State::Submitted,
            updated: now,
            started: None,
            error: None,
            rows: -1,
            query: 0,
            result: None,
        };
        let parts = vec![part; asked.sqls.len()];
        let progress = Progress { state: State::Submitted, updated: now, started: None, error: None, pid: 0, parts };
        Self {
            id,
            asked,
            created: now,
            session,
            cancel: CancellationToken::new(),
            progress: watch::Sender::new(progress),
        }
    }

    /// How far it is now.
    pub(crate) fn now(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Whether nothing comes any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.progress.borrow().state.is_final()
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        let mut progress = self.progress.subscribe();
        // It fails only if the sender is gone, which we hold.
        let _ended = progress.wait_for(|progress| progress.state.is_final()).await;
    }
}
