//! Requests. Members that are not known here are refused: the real service has none, and a new one may mean something.

use serde::Deserialize;

/// ExecuteStatement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ExecuteStatement {
    pub(crate) sql: Option<String>,
    pub(crate) cluster_identifier: Option<String>,
    pub(crate) secret_arn: Option<String>,
    pub(crate) db_user: Option<String>,
    pub(crate) database: Option<String>,
    // Events are not sent.
    #[expect(dead_code, reason = "accepted as the service does; there is no event bus to send to")]
    pub(crate) with_event: Option<bool>,
    pub(crate) statement_name: Option<String>,
    pub(crate) parameters: Option<Vec<Parameter>>,
    pub(crate) workgroup_name: Option<String>,
    pub(crate) client_token: Option<String>,
    pub(crate) result_format: Option<String>,
    pub(crate) session_keep_alive_seconds: Option<i64>,
    pub(crate) session_id: Option<String>,
    pub(crate) wait_time_seconds: Option<i64>,
}

/// BatchExecuteStatement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchExecuteStatement {
    pub(crate) sqls: Option<Vec<String>>,
    pub(crate) cluster_identifier: Option<String>,
    pub(crate) secret_arn: Option<String>,
    pub(crate) db_user: Option<String>,
    pub(crate) database: Option<String>,
    #[expect(dead_code, reason = "accepted as the service does; there is no event bus to send to")]
    pub(crate) with_event: Option<bool>,
    pub(crate) statement_name: Option<String>,
    pub(crate) parameters: Option<Vec<Parameter>>,
    pub(crate) workgroup_name: Option<String>,
    pub(crate) client_token: Option<String>,
    pub(crate) result_format: Option<String>,
    pub(crate) session_keep_alive_seconds: Option<i64>,
    pub(crate) session_id: Option<String>,
    pub(crate) execution_mode: Option<String>,
    pub(crate) wait_time_seconds: Option<i64>,
}

/// A value for `:name`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// DescribeStatement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct DescribeStatement {
    pub(crate) id: String,
    pub(crate) wait_time_seconds: Option<i64>,
}

/// GetStatementResult.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct GetStatementResult {
    pub(crate) id: String,
    pub(crate) next_token: Option<String>,
    pub(crate) wait_time_seconds: Option<i64>,
}

/// CancelStatement.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct CancelStatement {
    pub(crate) id: String,
}

/// ListStatements.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct ListStatements {
    pub(crate) next_token: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) statement_name: Option<String>,
    pub(crate) status: Option<String>,
    #[expect(dead_code, reason = "all callers have the same role here")]
    pub(crate) role_level: Option<bool>,
    pub(crate) database: Option<String>,
    pub(crate) cluster_identifier: Option<String>,
    pub(crate) workgroup_name: Option<String>,
}
