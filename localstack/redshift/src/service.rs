//! The operations of the Data API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::answer;
use crate::api::error::ApiError;
use crate::api::request::{
    BatchExecuteStatement, CancelStatement, DescribeStatement, ExecuteStatement, GetStatementResult, ListStatements,
};
use crate::clock::Clock;
use crate::database::{Databases, Target};
use crate::executor;
use crate::faults::{Event, Fault, Faults};
use crate::meter::Meter;
use crate::options::{Limits, StandinOptions};
use crate::registry::{Registry, Submitted};
use crate::sessions::Sessions;
use crate::statement::{Asked, State, Statement};

mod check;
mod listing;

/// The longest time a call may wait for its statement to end.
const LONGEST_WAIT: i64 = 30;

/// All that a call needs.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) databases: Databases,
    pub(crate) registry: Registry,
    pub(crate) sessions: Sessions,
    pub(crate) meter: Meter,
    pub(crate) faults: Faults,
    /// Whether the cluster is paused.
    pub(crate) paused: AtomicBool,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    /// As many as statements may run at once.
    pub(crate) connections: Semaphore,
    /// What runs in the background.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the stand-in stops.
    pub(crate) stop: CancellationToken,
}

/// What a call comes to.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What is answered.
    pub(crate) answer: Result<Value, ApiError>,
    /// Whether the connection is cut instead.
    pub(crate) lost: bool,
}

impl Service {
    pub(crate) fn new(options: &StandinOptions) -> Self {
        let tasks = TaskTracker::new();
        Self {
            databases: Databases::new(
                options.postgres.clone(),
                options.instance.clone(),
                options.isolation,
                tasks.clone(),
            ),
            registry: Registry::new(options.limits.clone(), Arc::clone(&options.clock)),
            sessions: Sessions::new(options.limits.active_sessions),
            meter: Meter::new(options.limits.quota),
            faults: Faults::new(options.seed),
            paused: AtomicBool::new(false),
            s3: options.s3.client(),
            limits: options.limits.clone(),
            clock: Arc::clone(&options.clock),
            connections: Semaphore::new(options.limits.connections),
            tasks,
            stop: CancellationToken::new(),
        }
    }

    /// Does what the operation says, with whatever the fault switches have against it.
    pub(crate) async fn call(self: &Arc<Self>, operation: &str, body: &[u8]) -> Outcome {
        let told = Told::of(body);
        let event = Event { operation, name: told.name.as_deref(), sqls: &told.sqls };
        if self.faults.strike(event, |fault| matches!(fault, Fault::LoseRequest)).is_some() {
            return Outcome { answer: Ok(Value::Null), lost: true };
        }
        let answer = self.answer(operation, body, event).await;
        if let Some(Fault::SlowAnswer { millis }) =
            self.faults.strike(event, |fault| matches!(fault, Fault::SlowAnswer { .. }))
        {
            let _elapsed = timeout(Duration::from_millis(millis), self.stop.cancelled()).await;
        }
        let lost = answer.is_ok() && self.faults.strike(event, |fault| matches!(fault, Fault::LoseAnswer)).is_some();
        Outcome { answer, lost }
    }

    async fn answer(self: &Arc<Self>, operation: &str, body: &[u8], event: Event<'_>) -> Result<Value, ApiError> {
        if !self.meter.count(operation, self.clock.now_micros()) {
            return Err(ApiError::throttled());
        }
        match self.faults.strike(event, |fault| matches!(fault, Fault::Throttle | Fault::Refuse { .. })) {
            Some(Fault::Refuse { code, message, status }) => return Err(ApiError { code, message, status }),
            Some(_) => return Err(ApiError::throttled()),
            None => {}
        }
        let submits = matches!(operation, "ExecuteStatement" | "BatchExecuteStatement");
        if submits && self.paused.load(Ordering::SeqCst) {
            return Err(ApiError::paused());
        }
        match operation {
            "ExecuteStatement" => self.execute(parsed(body)?).await,
            "BatchExecuteStatement" => self.batch_execute(parsed(body)?).await,
            "DescribeStatement" => self.describe(parsed(body)?).await,
            "GetStatementResult" => self.result(parsed(body)?).await,
            "CancelStatement" => self.cancel(&parsed::<CancelStatement>(body)?),
            "ListStatements" => listing::list(self, &parsed::<ListStatements>(body)?),
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("the stand-in does not imitate the operation {operation:?}"),
            )),
        }
    }

    async fn execute(self: &Arc<Self>, request: ExecuteStatement) -> Result<Value, ApiError> {
        let target = self.target(Whereabouts {
            workgroup: request.workgroup_name,
            cluster: request.cluster_identifier,
            database: request.database,
            db_user: request.db_user.as_ref(),
            secret_arn: request.secret_arn.as_ref(),
            session: request.session_id.as_ref(),
        })?;
        let sql = request.sql.ok_or_else(|| ApiError::validation("Sql must not be null"))?;
        let asked = Asked {
            target,
            parameters: check::parameters(request.parameters, std::slice::from_ref(&sql))?,
            sqls: vec![sql],
            batch: None,
            name: check::name(request.statement_name)?,
            db_user: request.db_user,
            secret_arn: request.secret_arn,
            result_format: check::format(request.result_format.as_deref())?,
            session: request.session_id,
            keep_session: check::keep_alive(request.session_keep_alive_seconds)?,
        };
        check::sqls(&asked.sqls)?;
        self.submit(asked, check::token(request.client_token)?, check::wait(request.wait_time_seconds)?).await
    }

    async fn batch_execute(self: &Arc<Self>, request: BatchExecuteStatement) -> Result<Value, ApiError> {
        let target = self.target(Whereabouts {
            workgroup: request.workgroup_name,
            cluster: request.cluster_identifier,
            database: request.database,
            db_user: request.db_user.as_ref(),
            secret_arn: request.secret_arn.as_ref(),
            session: request.session_id.as_ref(),
        })?;
        let sqls = request.sqls.unwrap_or_default();
        check::batch(&sqls)?;
        check::sqls(&sqls)?;
        let mode = answer::mode(request.execution_mode.as_deref())
            .ok_or_else(|| ApiError::validation("ExecutionMode must be TRANSACTION or AUTO_COMMIT"))?;
        let asked = Asked {
            target,
            parameters: check::parameters(request.parameters, &sqls)?,
            sqls,
            batch: Some(mode),
            name: check::name(request.statement_name)?,
            db_user: request.db_user,
            secret_arn: request.secret_arn,
            result_format: check::format(request.result_format.as_deref())?,
            session: request.session_id,
            keep_session: check::keep_alive(request.session_keep_alive_seconds)?,
        };
        self.submit(asked, check::token(request.client_token)?, check::wait(request.wait_time_seconds)?).await
    }

    /// Where a statement is to run: where its session is, if it has one.
    fn target(&self, told: Whereabouts<'_>) -> Result<Target, ApiError> {
        let Some(session) = told.session else { return check::target(told) };
        let target = self.sessions.target(session, self.clock.now_micros())?;
        let elsewhere = told.workgroup.is_some() || told.cluster.is_some() || told.database.is_some();
        if elsewhere && check::target(told)? != target {
            return Err(ApiError::validation("SessionId is of another database"));
        }
        Ok(target)
    }

    async fn submit(
        self: &Arc<Self>,
        asked: Asked,
        token: Option<String>,
        wait: Option<Duration>,
    ) -> Result<Value, ApiError> {
        let (target, named, keep) = (asked.target.clone(), asked.session.clone(), asked.keep_session);
        let session = || match (named, keep) {
            (Some(id), keep) => self.sessions.claim(&id, keep, self.clock.now_micros()).map(|()| Some(id)),
            (None, Some(seconds)) => {
                let id = self.registry.next_id();
                self.sessions.open(&id, target, seconds, self.clock.now_micros()).map(|()| Some(id))
            }
            (None, None) => Ok(None),
        };
        let statement = match self.registry.submit(asked, token, session)? {
            Submitted::New(statement) => {
                self.tasks.spawn(executor::run(Arc::clone(self), Arc::clone(&statement)));
                statement
            }
            Submitted::Known(statement) => statement,
            Submitted::Forgotten(id) => return Ok(json!({ "Id": id })),
        };
        self.wait(&statement, wait).await;
        Ok(answer::accepted(&statement, wait.is_some()))
    }

    async fn wait(&self, statement: &Statement, wait: Option<Duration>) {
        if let Some(wait) = wait {
            tokio::select! {
                _ = timeout(wait, statement.ended()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn describe(&self, request: DescribeStatement) -> Result<Value, ApiError> {
        let (statement, part) = self.find(&request.id)?;
        self.wait(&statement, check::wait(request.wait_time_seconds)?).await;
        let progress = statement.now();
        match part {
            None => Ok(answer::described(&statement, &progress)),
            Some(at) => Ok(answer::part(&statement, at, &progress.parts[at], &statement.asked.sqls[at])),
        }
    }

    async fn result(&self, request: GetStatementResult) -> Result<Value, ApiError> {
        let (statement, part) = self.find(&request.id)?;
        self.wait(&statement, check::wait(request.wait_time_seconds)?).await;
        let progress = statement.now();
        let none =
            || ApiError::not_found("Query does not have result. Please check query status with DescribeStatement.");
        if progress.state != State::Finished || statement.asked.batch.is_some() && part.is_none() {
            return Err(none());
        }
        let result = progress.parts.get(part.unwrap_or(0)).and_then(|part| part.result.clone()).ok_or_else(none)?;
        let start = match request.next_token {
            None => 0,
            Some(token) => token
                .parse()
                .ok()
                .filter(|start| *start < result.rows.len())
                .ok_or_else(|| ApiError::validation("Invalid NextToken"))?,
        };
        let end = result.rows.len().min(start + self.limits.page_rows);
        let records: Vec<Vec<Value>> = result.rows[start..end]
            .iter()
            .map(|row| result.columns.iter().zip(row).map(|(column, value)| column.field(value.as_deref())).collect())
            .collect();
        let mut answer = json!({
            "Records": records,
            "ColumnMetadata": result.columns.iter().map(crate::result::Column::metadata).collect::<Vec<_>>(),
            "TotalNumRows": result.rows.len(),
        });
        if end < result.rows.len() {
            answer["NextToken"] = json!(end.to_string());
        }
        Ok(answer)
    }

    fn cancel(&self, request: &CancelStatement) -> Result<Value, ApiError> {
        let (statement, _) = self.find(&request.id)?;
        let state = statement.now().state;
        if state.is_final() {
            let state = json!(state);
            return Err(ApiError::validation(format!(
                "Could not cancel a query that is already in {} state with ID: {}",
                state.as_str().unwrap_or_default(),
                request.id
            )));
        }
        statement.cancel.cancel();
        Ok(json!({ "Status": true }))
    }

    /// The statement of this number, and which of its parts is meant.
    fn find(&self, id: &str) -> Result<(Arc<Statement>, Option<usize>), ApiError> {
        let (whole, part) = check::id(id)?;
        let statement = self.registry.find(whole).ok_or_else(|| ApiError::not_found("Query does not exist."))?;
        match part {
            Some(at) if at == 0 || at > statement.asked.sqls.len() || statement.asked.batch.is_none() => {
                Err(ApiError::not_found("Query does not exist."))
            }
            part => Ok((statement, part.map(|at| at - 1))),
        }
    }
}

/// What fault switches look at in a request.
#[derive(Debug, Default)]
struct Told {
    name: Option<String>,
    sqls: Vec<String>,
}

impl Told {
    fn of(body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let sqls = body["Sqls"].as_array().map(|sqls| sqls.iter().filter_map(text).collect());
        Self {
            name: text(&body["StatementName"]),
            sqls: sqls.unwrap_or_else(|| text(&body["Sql"]).into_iter().collect()),
        }
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::new("SerializationException", error.to_string()))
}

/// The values of named parameters.
type Parameters = BTreeMap<String, String>;

/// Where and as whom a request says that its statement is to run.
#[derive(Debug)]
struct Whereabouts<'a> {
    workgroup: Option<String>,
    cluster: Option<String>,
    database: Option<String>,
    db_user: Option<&'a String>,
    secret_arn: Option<&'a String>,
    session: Option<&'a String>,
}
