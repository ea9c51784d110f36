//! Answers.

use serde_json::{Map, Value, json};

use crate::database::Warehouse;
use crate::statement::{Mode, Part, Progress, Statement};

/// The answer to ExecuteStatement and BatchExecuteStatement.
pub(crate) fn accepted(statement: &Statement, waited: bool) -> Value {
    let mut answer = whereabouts(statement);
    answer.insert("Id".to_owned(), json!(statement.id));
    answer.insert("CreatedAt".to_owned(), seconds(statement.created));
    if waited {
        let progress = statement.now();
        answer.insert("Status".to_owned(), json!(progress.state));
        answer.insert("HasResultSet".to_owned(), json!(progress.parts.iter().any(|part| part.result.is_some())));
        answer.insert("RedshiftPid".to_owned(), json!(progress.pid));
    }
    Value::Object(answer)
}

/// The answer to DescribeStatement of a whole.
pub(crate) fn described(statement: &Statement, progress: &Progress) -> Value {
    let mut answer = whereabouts(statement);
    let asked = &statement.asked;
    let mut put = |name: &str, value: Value| {
        answer.insert(name.to_owned(), value);
    };
    put("Id", json!(statement.id));
    put("CreatedAt", seconds(statement.created));
    put("UpdatedAt", seconds(progress.updated));
    put("Status", json!(progress.state));
    put("Duration", json!(progress.duration()));
    put("RedshiftPid", json!(progress.pid));
    put("HasResultSet", json!(progress.parts.iter().any(|part| part.result.is_some())));
    put("ResultFormat", json!(asked.result_format));
    if let Some(error) = &progress.error {
        put("Error", json!(error));
    }
    if !asked.parameters.is_empty() {
        let parameters: Vec<Value> =
            asked.parameters.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        put("QueryParameters", json!(parameters));
    }
    if let Some(mode) = asked.batch {
        let parts = progress.parts.iter().zip(&asked.sqls).enumerate();
        let parts: Vec<Value> = parts.map(|(at, (part, sql))| self::part(statement, at, part, sql)).collect();
        put("SubStatements", json!(parts));
        put("ExecutionMode", json!(mode));
        put("ResultRows", json!(-1));
        put("ResultSize", json!(-1));
        put("RedshiftQueryId", json!(0));
    } else if let (Some(part), Some(sql)) = (progress.parts.first(), asked.sqls.first()) {
        put("QueryString", json!(sql));
        put("ResultRows", json!(part.rows));
        put("ResultSize", json!(part.size()));
        put("RedshiftQueryId", json!(part.query));
    }
    Value::Object(answer)
}

/// One statement of a batch.
pub(crate) fn part(statement: &Statement, at: usize, part: &Part, sql: &str) -> Value {
    let mut answer = json!({
        "Id": format!("{}:{}", statement.id, at + 1),
        "CreatedAt": seconds(statement.created),
        "UpdatedAt": seconds(part.updated),
        "QueryString": sql,
        "Status": part.state,
        "Duration": part.duration(),
        "ResultRows": part.rows,
        "ResultSize": part.size(),
        "RedshiftQueryId": part.query,
        "HasResultSet": part.result.is_some(),
    });
    if let Some(error) = &part.error {
        answer["Error"] = json!(error);
    }
    answer
}

/// One line of ListStatements.
pub(crate) fn listed(statement: &Statement, progress: &Progress) -> Value {
    let asked = &statement.asked;
    let mut answer = json!({
        "Id": statement.id,
        "Status": progress.state,
        "CreatedAt": seconds(statement.created),
        "UpdatedAt": seconds(progress.updated),
        "IsBatchStatement": asked.batch.is_some(),
        "ResultFormat": asked.result_format,
    });
    if asked.batch.is_some() {
        answer["QueryStrings"] = json!(asked.sqls);
    } else {
        answer["QueryString"] = json!(asked.sqls.first());
    }
    for (member, value) in
        [("StatementName", &asked.name), ("SecretArn", &asked.secret_arn), ("SessionId", &statement.session)]
    {
        if let Some(value) = value {
            answer[member] = json!(value);
        }
    }
    answer
}

fn whereabouts(statement: &Statement) -> Map<String, Value> {
    let asked = &statement.asked;
    let mut found = Map::new();
    found.insert("Database".to_owned(), json!(asked.target.database));
    match &asked.target.warehouse {
        Warehouse::Workgroup(name) => found.insert("WorkgroupName".to_owned(), json!(name)),
        Warehouse::Cluster(name) => found.insert("ClusterIdentifier".to_owned(), json!(name)),
    };
    for (member, value) in
        [("DbUser", &asked.db_user), ("SecretArn", &asked.secret_arn), ("SessionId", &statement.session)]
    {
        if let Some(value) = value {
            found.insert(member.to_owned(), json!(value));
        }
    }
    found
}

/// A moment as awsJson has it: seconds since 1970, to the millisecond.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are far below what a double holds")]
pub(crate) fn seconds(micros: i64) -> Value {
    json!((micros / 1_000) as f64 / 1_000.0)
}

/// Whether the mode is one that there is.
pub(crate) fn mode(name: Option<&str>) -> Option<Mode> {
    match name {
        None | Some("TRANSACTION") => Some(Mode::Transaction),
        Some("AUTO_COMMIT") => Some(Mode::AutoCommit),
        Some(_) => None,
    }
}
