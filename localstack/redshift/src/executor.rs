//! Runs a statement that was accepted, in the background.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use crate::connection::{Around, Connection, Done};
use crate::faults::{Event, Fault};
use crate::history;
use crate::service::Service;
use crate::sql::cursor::ObjectName;
use crate::sql::parameter;
use crate::sql::plan::Plan;
use crate::sql::refusal::Refusal;
use crate::sql::statement;
use crate::sql::token;
use crate::statement::{Mode, Progress, State, Statement};
use crate::trouble::{Circumstances, Trouble};

/// How often a statement that is to end is told so again: a cancellation that comes between two queries of ours is lost.
const CANCEL_AGAIN: Duration = Duration::from_millis(200);
/// What a statement's error says when the service has lost the database before it knew whether the commit was done.
const LOST: &str = "ERROR: the connection to the database was lost while the statement ran";

/// How a statement ended.
type Ended = Result<(), Trouble>;

/// Runs it to its end, whatever that is.
pub(crate) async fn run(service: Arc<Service>, statement: Arc<Statement>) {
    let runner = Runner { service: &service, statement: &statement };
    let _guard = Guard(&runner);
    let ended = runner.run().await;
    if let Some(id) = &statement.session {
        // Only where it did not come so far as to give it back itself.
        service.sessions.release(id);
    }
    runner.end(ended);
    if runner.strikes(|fault| matches!(fault, Fault::Expire)).is_some() {
        service.registry.expire(&statement.id);
    }
}

/// Lets a statement end even if what runs it does not come to its end.
struct Guard<'a, 'b>(&'a Runner<'b>);

impl Drop for Guard<'_, '_> {
    fn drop(&mut self) {
        if !self.0.statement.has_ended() {
            self.0.end(Err(Trouble::Fault("ERROR: internal error of the stand-in".to_owned())));
        }
    }
}

struct Runner<'a> {
    service: &'a Service,
    statement: &'a Statement,
}

impl Runner<'_> {
    async fn run(&self) -> Ended {
        let cancel = &self.statement.cancel;
        // A session has a connection of its own, and does not wait for others'.
        let _permit = if self.statement.session.is_some() {
            None
        } else {
            tokio::select! {
                permit = self.service.connections.acquire() => Some(permit.map_err(|_| Trouble::Cancelled)?),
                () = cancel.cancelled() => return Err(Trouble::Cancelled),
            }
        };
        self.change(|progress, now| {
            progress.state = State::Picked;
            progress.updated = now;
        });
        let session = self.statement.session.as_deref();
        let mut connection = match session.and_then(|id| self.service.sessions.connection(id)) {
            Some(connection) => connection,
            None => self.service.databases.connect(&self.statement.asked.target).await?,
        };
        let ended = self.run_on(&mut connection).await;
        let lost = matches!(ended, Err(Trouble::Connection(_)));
        if !lost && !connection.is_explicit() {
            connection.rollback().await;
        }
        if let Some(id) = session {
            let now = self.service.clock.now_micros();
            self.service.sessions.give_back(id, (!lost).then_some(connection), now);
        } else if ended.is_ok() {
            self.service.databases.give_back(&self.statement.asked.target, connection);
        }
        ended
    }

    async fn run_on(&self, connection: &mut Connection) -> Ended {
        let pid = connection.pid();
        self.change(|progress, now| {
            progress.state = State::Started;
            progress.updated = now;
            progress.started = Some(now);
            progress.pid = pid;
        });
        match self.statement.asked.batch {
            Some(Mode::Transaction) => self.transaction(connection).await,
            Some(Mode::AutoCommit) | None => self.each(connection).await,
        }
    }

    /// All in one transaction.
    async fn transaction(&self, connection: &mut Connection) -> Ended {
        if !connection.is_explicit() {
            connection.begin().await?;
        }
        let mut written = None;
        for at in 0..self.statement.asked.sqls.len() {
            written = self.part(connection, at, true).await?.or(written);
        }
        self.commit(connection, written).await.map_err(|(trouble, circumstances)| {
            let last = self.statement.asked.sqls.len() - 1;
            self.part_failed(last, &trouble, circumstances);
            trouble
        })
    }

    /// Each in a transaction of its own; one that fails does not keep the others from running.
    async fn each(&self, connection: &mut Connection) -> Ended {
        let mut ended = Ok(());
        for at in 0..self.statement.asked.sqls.len() {
            if !connection.is_explicit() {
                connection.begin().await?;
            }
            let done = match self.part(connection, at, false).await {
                Ok(_) if connection.is_explicit() => Ok(()),
                Ok(written) => self.commit(connection, written).await.map_err(|(trouble, circumstances)| {
                    self.part_failed(at, &trouble, circumstances);
                    trouble
                }),
                Err(trouble) => Err(trouble),
            };
            if matches!(done, Err(Trouble::Cancelled | Trouble::Connection(_))) {
                return done;
            }
            ended = ended.and(done);
        }
        ended
    }

    /// Runs one statement. Returns the table that it wrote.
    async fn part(&self, connection: &mut Connection, at: usize, block: bool) -> Result<Option<ObjectName>, Trouble> {
        let query = self.service.registry.next_query();
        self.change(|progress, now| {
            let part = &mut progress.parts[at];
            (part.state, part.updated, part.started, part.query) = (State::Started, now, Some(now), query);
        });
        let plan = self.plan(at).map_err(Trouble::from).and_then(|plan| match self.fails(at) {
            Some(message) => Err(Trouble::Fault(message)),
            None => Ok(plan),
        });
        let (done, written, circumstances) = match plan {
            Err(trouble) => {
                self.undo(connection).await;
                (Err(trouble), None, Circumstances { query, ..Circumstances::default() })
            }
            Ok(plan) => {
                let (done, circumstances) = self.run_plan(connection, &plan, query, block).await;
                (done, plan.written().cloned(), circumstances)
            }
        };
        match done {
            Ok(done) => {
                self.change(|progress, now| {
                    let part = &mut progress.parts[at];
                    (part.state, part.updated, part.rows) = (State::Finished, now, done.rows);
                    part.result = done.result.map(Arc::new);
                });
                Ok(written)
            }
            Err(trouble) => {
                self.part_failed(at, &trouble, circumstances);
                Err(trouble)
            }
        }
    }

    async fn run_plan(
        &self,
        connection: &mut Connection,
        plan: &Plan,
        query: i64,
        block: bool,
    ) -> (Result<Done, Trouble>, Circumstances) {
        let service = self.service;
        let around = Around {
            block,
            s3: service.s3.clone(),
            result_bytes: service.limits.result_bytes,
            cancel: self.statement.cancel.clone(),
        };
        let began = service.clock.now_micros();
        let mut done = cancellable(connection, plan, &around, &self.statement.cancel).await;
        if done.is_ok() && self.statement.cancel.is_cancelled() {
            done = Err(Trouble::Cancelled);
        }
        let mut circumstances = Circumstances { query, ..Circumstances::default() };
        if let Err(trouble) = &done {
            self.undo(connection).await;
            if let Some(table) = plan.written() {
                circumstances.table = connection.table_number(table).await;
                circumstances.merge = matches!(plan, Plan::Write { sql, .. } if sql.starts_with("merge"));
            }
            tracing::debug!(query, error = trouble.told(circumstances), "statement failed");
        }
        if let Plan::Copy(copy) = plan {
            let times = (began, service.clock.now_micros());
            history::record(&service.databases, &self.statement.asked.target, copy, query, times, &done).await;
        }
        (done, circumstances)
    }

    fn plan(&self, at: usize) -> Result<Plan, Refusal> {
        let asked = &self.statement.asked;
        let mut statements = token::statements(token::tokens(&asked.sqls[at])?);
        let Some(mut tokens) = statements.pop() else { return Err(Refusal::new("the statement is empty")) };
        if !statements.is_empty() {
            return Err(Refusal::new("cannot insert multiple commands into a prepared statement"));
        }
        parameter::bind(&mut tokens, &asked.parameters)?;
        statement::plan(&tokens)
    }

    /// What was done in the transaction is undone. One that was begun explicitly takes nothing more until its end.
    async fn undo(&self, connection: &mut Connection) {
        if connection.is_explicit() {
            connection.fail().await;
        } else {
            connection.rollback().await;
        }
    }

    /// Commits, with whatever the fault switches have against it.
    async fn commit(
        &self,
        connection: &mut Connection,
        written: Option<ObjectName>,
    ) -> Result<(), (Trouble, Circumstances)> {
        let cancel = &self.statement.cancel;
        let because = |trouble: Trouble| (trouble, Circumstances::default());
        if let Some(Fault::SlowCommit { millis }) = self.strikes(|fault| matches!(fault, Fault::SlowCommit { .. })) {
            // Over at once if it is cancelled.
            let _elapsed = timeout(Duration::from_millis(millis), cancel.cancelled()).await;
        }
        if cancel.is_cancelled() || self.strikes(|fault| matches!(fault, Fault::AbortBeforeCommit)).is_some() {
            connection.rollback().await;
            return Err(because(Trouble::Cancelled));
        }
        if self.strikes(|fault| matches!(fault, Fault::FailBeforeCommit)).is_some() {
            connection.rollback().await;
            return Err(because(Trouble::Fault(LOST.to_owned())));
        }
        if let Err(trouble) = connection.commit().await {
            let mut circumstances = Circumstances::default();
            if let Some(table) = &written {
                circumstances.table = connection.table_number(table).await;
            }
            return Err((trouble, circumstances));
        }
        if self.strikes(|fault| matches!(fault, Fault::FailAfterCommit)).is_some() {
            return Err(because(Trouble::Fault(LOST.to_owned())));
        }
        Ok(())
    }

    /// What a fault switch has this statement of the batch say instead of running it.
    fn fails(&self, at: usize) -> Option<String> {
        let asked = &self.statement.asked;
        let operation = if asked.batch.is_some() { "BatchExecuteStatement" } else { "ExecuteStatement" };
        let event = Event { operation, name: asked.name.as_deref(), sqls: &asked.sqls[at..=at] };
        match self.service.faults.strike(event, |fault| matches!(fault, Fault::Fail { .. }))? {
            Fault::Fail { message } => Some(message),
            _ => None,
        }
    }

    fn strikes(&self, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let asked = &self.statement.asked;
        let operation = if asked.batch.is_some() { "BatchExecuteStatement" } else { "ExecuteStatement" };
        self.service.faults.strike(Event { operation, name: asked.name.as_deref(), sqls: &asked.sqls }, wanted)
    }

    fn part_failed(&self, at: usize, trouble: &Trouble, circumstances: Circumstances) {
        let state = if matches!(trouble, Trouble::Cancelled) { State::Aborted } else { State::Failed };
        let error = trouble.told(circumstances);
        self.change(|progress, now| {
            let part = &mut progress.parts[at];
            (part.state, part.updated, part.rows, part.result) = (state, now, -1, None);
            part.error = Some(error);
        });
    }

    fn end(&self, ended: Ended) {
        let batch = self.statement.asked.batch.is_some();
        self.change(|progress, now| {
            for part in progress.parts.iter_mut().filter(|part| !part.state.is_final()) {
                (part.state, part.updated) = (State::Aborted, now);
            }
            progress.updated = now;
            let Err(trouble) = ended else {
                progress.state = State::Finished;
                return;
            };
            progress.state = if matches!(trouble, Trouble::Cancelled) { State::Aborted } else { State::Failed };
            let failed = progress.parts.iter().position(|part| part.error.is_some());
            progress.error =
                Some(match failed.and_then(|at| progress.parts[at].error.clone().map(|error| (at, error))) {
                    Some((at, error)) if batch => format!("Query #{} failed with {error}", at + 1),
                    Some((_, error)) => error,
                    None => trouble.told(Circumstances::default()),
                });
        });
    }

    fn change(&self, change: impl FnOnce(&mut Progress, i64)) {
        let now = self.service.clock.now_micros();
        self.statement.progress.send_modify(|progress| change(progress, now));
    }
}

/// Runs a statement, and stops it when it is cancelled.
async fn cancellable(
    connection: &mut Connection,
    plan: &Plan,
    around: &Around,
    cancel: &CancellationToken,
) -> Result<Done, Trouble> {
    let token = connection.cancel_token();
    let mut work = pin!(connection.run(plan, around));
    tokio::select! {
        done = &mut work => return done,
        () = cancel.cancelled() => {}
    }
    loop {
        if let Err(error) = token.cancel_query(NoTls).await {
            tracing::debug!(%error, "cancel a statement");
        }
        if let Ok(done) = timeout(CANCEL_AGAIN, &mut work).await {
            return match done {
                Err(Trouble::Connection(what)) => Err(Trouble::Connection(what)),
                _ => Err(Trouble::Cancelled),
            };
        }
    }
}
