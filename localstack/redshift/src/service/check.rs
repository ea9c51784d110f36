//! What requests must be like.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{LONGEST_WAIT, Parameters, Whereabouts};
use crate::api::error::ApiError;
use crate::api::request::Parameter;
use crate::database::{Target, Warehouse};
use crate::sql::token::{self, Kind};

/// The most bytes of a statement.
const LONGEST_STATEMENT: usize = 100 * 1024;
/// The most statements of a batch.
const LARGEST_BATCH: usize = 40;
/// The longest time a session is kept: a day.
const LONGEST_SESSION: i64 = 24 * 60 * 60;

/// Where a statement is to run, and as whom.
pub(super) fn target(told: Whereabouts<'_>) -> Result<Target, ApiError> {
    let Whereabouts { workgroup, cluster, database, db_user, secret_arn, .. } = told;
    let warehouse = match (workgroup, cluster) {
        (Some(_), Some(_)) => {
            return Err(ApiError::validation("WorkgroupName and ClusterIdentifier cannot both be specified"));
        }
        (None, None) => {
            return Err(ApiError::validation("Either WorkgroupName or ClusterIdentifier must be specified"));
        }
        (Some(workgroup), None) => {
            if db_user.is_some() {
                return Err(ApiError::validation("DbUser cannot be specified with WorkgroupName"));
            }
            workgroup_name(&workgroup)?;
            Warehouse::Workgroup(workgroup)
        }
        (None, Some(cluster)) => {
            if db_user.is_some() && secret_arn.is_some() {
                return Err(ApiError::validation("DbUser and SecretArn cannot both be specified"));
            }
            cluster_name(&cluster)?;
            Warehouse::Cluster(cluster)
        }
    };
    let database =
        database.filter(|name| !name.is_empty()).ok_or_else(|| ApiError::validation("Database must be specified"))?;
    Ok(Target { warehouse, database })
}

fn workgroup_name(name: &str) -> Result<(), ApiError> {
    let arn = name.starts_with("arn:aws") && name.contains(":redshift-serverless:") && name.contains(":workgroup/");
    let letters = name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if (3..=128).contains(&name.len()) && (arn || letters && name.len() <= 63) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "WorkgroupName {name:?} is neither a name of 3 to 63 characters of a-z, 0-9 and - nor an ARN"
    )))
}

fn cluster_name(name: &str) -> Result<(), ApiError> {
    let parts = name.split('-').all(|part| {
        !part.is_empty() && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    });
    if parts && name.len() <= 63 && name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(ApiError::validation(format!("ClusterIdentifier {name:?} is no name of a cluster")))
}

/// Each statement by itself.
pub(super) fn sqls(sqls: &[String]) -> Result<(), ApiError> {
    if sqls.iter().any(|sql| sql.trim().is_empty()) {
        return Err(ApiError::validation("Sql must not be empty"));
    }
    match sqls.iter().find(|sql| sql.len() > LONGEST_STATEMENT) {
        Some(sql) => Err(ApiError::validation(format!(
            "The SQL statement has {} bytes, the maximum is {LONGEST_STATEMENT}",
            sql.len()
        ))),
        None => Ok(()),
    }
}

/// How many statements.
pub(super) fn batch(sqls: &[String]) -> Result<(), ApiError> {
    if (1..=LARGEST_BATCH).contains(&sqls.len()) {
        return Ok(());
    }
    Err(ApiError::validation(format!("Sqls must have 1 to {LARGEST_BATCH} statements, not {}", sqls.len())))
}

/// Values for `:name`: each is used by a statement at least.
pub(super) fn parameters(parameters: Option<Vec<Parameter>>, sqls: &[String]) -> Result<Parameters, ApiError> {
    let Some(parameters) = parameters else { return Ok(Parameters::new()) };
    if parameters.is_empty() {
        return Err(ApiError::validation("Parameters must not be empty"));
    }
    // What cannot be cut into tokens fails when it runs.
    let used: BTreeSet<String> = sqls
        .iter()
        .filter_map(|sql| token::tokens(sql).ok())
        .flatten()
        .filter(|token| token.kind == Kind::Parameter)
        .map(|token| token.text)
        .collect();
    let mut values = Parameters::new();
    for Parameter { name, value } in parameters {
        if value.is_empty() {
            return Err(ApiError::validation(format!("Parameter {name:?} has an empty value")));
        }
        if !used.contains(&name) {
            return Err(ApiError::validation(format!("Parameter {name:?} is not referenced by any SQL statement")));
        }
        if values.insert(name.clone(), value).is_some() {
            return Err(ApiError::validation(format!("Parameter {name:?} is given twice")));
        }
    }
    Ok(values)
}

/// The name of a statement.
pub(super) fn name(name: Option<String>) -> Result<Option<String>, ApiError> {
    match name {
        Some(name) if name.chars().count() > 2_048 => {
            Err(ApiError::validation("StatementName has more than 2048 characters"))
        }
        name => Ok(name),
    }
}

/// What makes a call the same as another.
pub(super) fn token(token: Option<String>) -> Result<Option<String>, ApiError> {
    match token {
        Some(token) if !(1..=64).contains(&token.len()) => {
            Err(ApiError::validation("ClientToken must have 1 to 64 characters"))
        }
        token => Ok(token),
    }
}

/// How a result is to be told.
pub(super) fn format(format: Option<&str>) -> Result<String, ApiError> {
    match format {
        None | Some("JSON") => Ok("JSON".to_owned()),
        _ => Err(ApiError::validation("the stand-in tells results as JSON only")),
    }
}

/// How long a call waits.
pub(super) fn wait(seconds: Option<i64>) -> Result<Option<Duration>, ApiError> {
    match seconds {
        None => Ok(None),
        Some(seconds) if (1..=LONGEST_WAIT).contains(&seconds) => Ok(Some(Duration::from_secs(seconds.unsigned_abs()))),
        Some(_) => Err(ApiError::validation(format!("WaitTimeSeconds must be between 1 and {LONGEST_WAIT}"))),
    }
}

/// How long a session is kept.
pub(super) fn keep_alive(seconds: Option<i64>) -> Result<Option<i64>, ApiError> {
    match seconds {
        Some(seconds) if !(0..=LONGEST_SESSION).contains(&seconds) => {
            Err(ApiError::validation(format!("SessionKeepAliveSeconds must be between 0 and {LONGEST_SESSION}")))
        }
        seconds => Ok(seconds),
    }
}

/// A statement's number, and which of a batch.
pub(super) fn id(id: &str) -> Result<(&str, Option<usize>), ApiError> {
    let (whole, part) = match id.split_once(':') {
        None => (id, None),
        Some((whole, part)) => (whole, Some(part)),
    };
    let groups: Vec<&str> = whole.split('-').collect();
    let lengths = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    let letters = whole.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    let part = part.map(str::parse::<usize>);
    match part.transpose() {
        Ok(part) if lengths && letters => Ok((whole, part)),
        _ => Err(ApiError::validation(
            "id must satisfy regex pattern: ^[a-z0-9]{8}(-[a-z0-9]{4}){3}-[a-z0-9]{12}(:\\d+)?$",
        )),
    }
}
