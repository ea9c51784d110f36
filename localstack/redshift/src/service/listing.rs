//! ListStatements.

use serde_json::{Value, json};

use super::Service;
use crate::api::answer;
use crate::api::error::ApiError;
use crate::api::request::ListStatements;
use crate::database::Warehouse;
use crate::statement::{State, Statement};

/// The most statements of one page.
const LARGEST_PAGE: i64 = 100;

/// The newest first; finished ones where no status is asked for, as the service does.
pub(super) fn list(service: &Service, request: &ListStatements) -> Result<Value, ApiError> {
    if request.cluster_identifier.is_some() && request.workgroup_name.is_some() {
        return Err(ApiError::validation("WorkgroupName and ClusterIdentifier cannot both be specified"));
    }
    // Zero is as good as nothing.
    let size = request.max_results.filter(|size| *size != 0).unwrap_or(LARGEST_PAGE);
    let size = usize::try_from(size).ok().filter(|_| (1..=LARGEST_PAGE).contains(&size));
    let size = size.ok_or_else(|| ApiError::validation(format!("MaxResults must be between 0 and {LARGEST_PAGE}")))?;
    let before = match request.next_token.as_deref() {
        None => u64::MAX,
        Some(token) => token.parse().map_err(|_| ApiError::validation("Invalid NextToken"))?,
    };
    let wanted = wanted(request.status.as_deref())?;
    let mut found = service
        .registry
        .newest_first()
        .into_iter()
        .filter(|(number, statement)| *number < before && matches(statement, request))
        .map(|(number, statement)| (number, statement.now(), statement))
        .filter(|(_, progress, _)| wanted.is_none_or(|state| progress.state == state))
        .peekable();
    let mut page = Vec::new();
    let mut last = 0;
    while page.len() < size {
        let Some((number, progress, statement)) = found.next() else { break };
        page.push(answer::listed(&statement, &progress));
        last = number;
    }
    let mut answer = json!({ "Statements": page });
    if found.peek().is_some() {
        answer["NextToken"] = json!(last.to_string());
    }
    Ok(answer)
}

fn wanted(status: Option<&str>) -> Result<Option<State>, ApiError> {
    Ok(Some(match status {
        Some("ALL") => return Ok(None),
        None | Some("FINISHED") => State::Finished,
        Some("SUBMITTED") => State::Submitted,
        Some("PICKED") => State::Picked,
        Some("STARTED") => State::Started,
        Some("FAILED") => State::Failed,
        Some("ABORTED") => State::Aborted,
        Some(other) => return Err(ApiError::validation(format!("Status {other:?} is unknown"))),
    }))
}

fn matches(statement: &Statement, request: &ListStatements) -> bool {
    let asked = &statement.asked;
    let name = request
        .statement_name
        .as_ref()
        .is_none_or(|prefix| asked.name.as_ref().is_some_and(|name| name.starts_with(prefix)));
    let database = request.database.as_ref().is_none_or(|database| *database == asked.target.database);
    let (workgroup, cluster) = match &asked.target.warehouse {
        Warehouse::Workgroup(name) => (Some(name), None),
        Warehouse::Cluster(name) => (None, Some(name)),
    };
    let warehouse = request.workgroup_name.as_ref().is_none_or(|name| Some(name) == workgroup)
        && request.cluster_identifier.as_ref().is_none_or(|name| Some(name) == cluster);
    name && database && warehouse
}
