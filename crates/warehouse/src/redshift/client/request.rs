//! Requests as the SDK makes them, and its answers as we read them.

use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::operation::get_statement_result::GetStatementResultOutput;
use aws_sdk_redshiftdata::types::{ExecutionMode, Field, StatementStatusString, StatusString};
use lakehand_aws::{Failure, classify};

use super::api::Api;
use super::{LONGEST_NAME, Script};
use crate::redshift::options::{ClusterUser, Target};

/// How a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Finished,
    Failed,
    Aborted,
}

impl State {
    fn of(status: Option<&str>) -> Self {
        match status {
            Some("FINISHED") => Self::Finished,
            Some("FAILED") => Self::Failed,
            Some("ABORTED") => Self::Aborted,
            // SUBMITTED, PICKED, STARTED, and whatever the service may learn to say.
            _ => Self::Running,
        }
    }
}

/// What the service says of a script.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) state: State,
    pub(super) error: Option<String>,
    pub(super) query_id: Option<i64>,
    pub(super) parts: Vec<Part>,
}

/// One statement of several.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) state: State,
    pub(super) error: Option<String>,
    pub(super) query_id: Option<i64>,
}

pub(super) fn described(answer: &DescribeStatementOutput) -> Described {
    let number = |id: i64| Some(id).filter(|id| *id > 0);
    let parts = answer.sub_statements().iter().map(|part| Part {
        state: State::of(part.status().map(StatementStatusString::as_str)),
        error: part.error().map(str::to_owned),
        query_id: number(part.redshift_query_id()),
    });
    Described {
        state: State::of(answer.status().map(StatusString::as_str)),
        error: answer.error().map(str::to_owned),
        query_id: number(answer.redshift_query_id()),
        parts: parts.collect(),
    }
}

/// Sends a script: its id, and how it stands already.
pub(super) async fn submit(
    api: &Api,
    script: &Script,
    mode: ExecutionMode,
    token: &str,
) -> Result<(Option<String>, State), Failure> {
    let (workgroup, cluster, user, secret) = match &api.target {
        Target::Workgroup { name, secret_arn } => (Some(name.clone()), None, None, secret_arn.clone()),
        Target::Cluster { identifier, user } => {
            let (user, secret) = match user {
                ClusterUser::Iam => (None, None),
                ClusterUser::Named(name) => (Some(name.clone()), None),
                ClusterUser::Secret(arn) => (None, Some(arn.clone())),
            };
            (None, Some(identifier.clone()), user, secret)
        }
    };
    let name = &script.name[..script.name.floor_char_boundary(LONGEST_NAME)];
    let wait = i32::try_from(api.wait.as_secs()).ok().filter(|seconds| *seconds > 0);
    if let [sql] = &*script.sqls {
        let request = api
            .sdk
            .execute_statement()
            .set_workgroup_name(workgroup)
            .set_cluster_identifier(cluster)
            .set_db_user(user)
            .set_secret_arn(secret)
            .database(&api.database)
            .statement_name(name)
            .client_token(token)
            .set_wait_time_seconds(wait)
            .sql(sql);
        let answer = request.send().await.map_err(classify)?;
        let state = State::of(answer.status().map(StatementStatusString::as_str));
        return Ok((answer.id().map(str::to_owned), state));
    }
    let request = api
        .sdk
        .batch_execute_statement()
        .set_workgroup_name(workgroup)
        .set_cluster_identifier(cluster)
        .set_db_user(user)
        .set_secret_arn(secret)
        .database(&api.database)
        .statement_name(name)
        .client_token(token)
        .set_wait_time_seconds(wait)
        .execution_mode(mode)
        .set_sqls(Some(script.sqls.to_vec()));
    let answer = request.send().await.map_err(classify)?;
    let state = State::of(answer.status().map(StatementStatusString::as_str));
    Ok((answer.id().map(str::to_owned), state))
}

/// Rows as text; `None` is null.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
    /// The rows.
    pub(crate) rows: Vec<Vec<Value>>,
}

/// One value as text; `None` is null.
pub(crate) type Value = Option<String>;

pub(super) fn read_page(page: GetStatementResultOutput, rows: &mut Rows) {
    if rows.columns.is_empty() {
        let name = |column: &aws_sdk_redshiftdata::types::ColumnMetadata| column.name().unwrap_or_default().to_owned();
        rows.columns = page.column_metadata().iter().map(name).collect();
    }
    rows.rows.extend(page.records.into_iter().map(|row| row.into_iter().map(text).collect()));
}

fn text(field: Field) -> Value {
    match field {
        Field::StringValue(text) => Some(text),
        Field::LongValue(value) => Some(value.to_string()),
        Field::BooleanValue(value) => Some(value.to_string()),
        Field::DoubleValue(value) => Some(crate::number_text::double(value)),
        Field::BlobValue(bytes) => {
            Some(bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat())
        }
        _ => None,
    }
}
