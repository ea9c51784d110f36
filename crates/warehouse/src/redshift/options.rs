//! How a Redshift warehouse is reached and used.

use std::time::Duration;

use lakehand_domain::object::ObjectUri;

/// How a Redshift warehouse is reached and used.
#[derive(Debug, Clone, PartialEq)]
pub struct RedshiftOptions {
    /// Which warehouse.
    pub target: Target,
    /// The database.
    pub database: String,
    /// The role by which COPY reads the lake.
    pub iam_role: IamRole,
    /// Where the lists of files that COPY reads are put: below the lake, in its region, and under a name that readers of
    /// the tables do not see, such as `s3://lake/_copy`. Every process of a warehouse has the same.
    pub copy_prefix: ObjectUri,
    /// What the names of all schemas begin with; empty for none. Small letters, digits and underscores.
    pub schema_prefix: String,
    /// Begins the tokens by which a request that is sent twice is taken for one: unique over processes and restarts.
    pub worker: String,
    /// Requests a second that this process may make. The service counts those of all processes of an account together:
    /// some 20 to 30 a second, by kind of request.
    pub requests_per_second: f64,
    /// So many requests may follow at once upon a pause.
    pub burst: u32,
    /// So many statements of this process may be under way at once. The service takes 200 of all processes together.
    pub max_active_statements: usize,
    /// How long one request waits for its statement; at most 30 s.
    pub wait: Duration,
    /// A statement that runs for longer is stopped, and its outcome unknown.
    pub statement_timeout: Duration,
    /// The same for statements that move no rows; never longer than the other. A warehouse that wakes up, or has a queue,
    /// is waited for.
    pub short_statement_timeout: Duration,
}

/// A warehouse, and who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A serverless workgroup.
    Workgroup {
        /// Its name or ARN.
        name: String,
        /// The secret with user and password; without it the caller's IAM identity is the database user.
        secret_arn: Option<String>,
    },
    /// A provisioned cluster.
    Cluster {
        /// Its identifier.
        identifier: String,
        /// Who the database user is.
        user: ClusterUser,
    },
}

/// Who asks a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterUser {
    /// The caller's IAM identity.
    Iam,
    /// This database user, by temporary credentials.
    Named(String),
    /// The user of this secret.
    Secret(String),
}

/// The role by which COPY reads the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IamRole {
    /// The one that the warehouse has as its default.
    Default,
    /// This one.
    Arn(String),
}

impl RedshiftOptions {
    /// The usual settings for a target.
    pub fn new(target: Target, database: &str, copy_prefix: ObjectUri, worker: &str) -> Self {
        Self {
            target,
            database: database.to_owned(),
            iam_role: IamRole::Default,
            copy_prefix,
            schema_prefix: String::new(),
            worker: worker.to_owned(),
            requests_per_second: 5.0,
            burst: 20,
            max_active_statements: 20,
            wait: Duration::from_secs(20),
            statement_timeout: Duration::from_mins(30),
            short_statement_timeout: Duration::from_mins(10),
        }
    }

    /// What is wrong with them, each with what to do. Names go into statements as they are, so that only plain ones pass.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins = self.schema_prefix.bytes().next().is_none_or(|byte| byte.is_ascii_lowercase());
        if !begins || !self.schema_prefix.bytes().all(plain) || self.schema_prefix.len() > 20 {
            problems.push(format!(
                "schema prefix {:?} is refused: use at most 20 small letters, digits and underscores, a letter first",
                self.schema_prefix
            ));
        }
        if let IamRole::Arn(arn) = &self.iam_role
            && !(arn.starts_with("arn:")
                && arn.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/+=,.@_-".contains(&byte)))
        {
            problems.push(format!("{arn:?} is no ARN of a role: arn:aws:iam::<account>:role/<name>, or `default`"));
        }
        let path = self.copy_prefix.as_str();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b":/._-=+".contains(&byte);
        if self.copy_prefix.scheme() != "s3" || !path.bytes().all(plain) {
            problems.push(format!(
                "COPY reads from S3, and {path:?} is no plain place there: give the lake an s3:// root of letters, \
                 digits and . _ - = +"
            ));
        }
        if self.database.is_empty() {
            problems.push("no database is named: redshift://<workgroup>/<database>".to_owned());
        }
        if !(self.requests_per_second > 0.0 && self.requests_per_second.is_finite()) || self.burst == 0 {
            problems.push(
                "a process that may make no requests cannot load: requests per second and burst are 0".to_owned(),
            );
        }
        if self.max_active_statements == 0 {
            problems.push("a process that may have no statement under way cannot load".to_owned());
        }
        if self.wait > Duration::from_secs(30) {
            problems.push("a request waits for its statement for at most 30 s".to_owned());
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> RedshiftOptions {
        let target = Target::Workgroup { name: "wg".to_owned(), secret_arn: None };
        RedshiftOptions::new(target, "dev", ObjectUri::parse("s3://lake/root/_copy").unwrap(), "w")
    }

    #[test]
    fn what_would_not_be_plain_in_a_statement_is_refused() {
        assert_eq!(options().problems(), Vec::<String>::new());
        type Bend = fn(&mut RedshiftOptions);
        let bends: [(Bend, &str); 10] = [
            (|o| o.schema_prefix = "Team_".to_owned(), "schema prefix"),
            (|o| o.schema_prefix = "9".to_owned(), "schema prefix"),
            (|o| o.schema_prefix = "a\"".to_owned(), "schema prefix"),
            (|o| o.iam_role = IamRole::Arn("arn:aws:iam::1:role/x' FORMAT".to_owned()), "no ARN"),
            (|o| o.iam_role = IamRole::Arn("default".to_owned()), "no ARN"),
            (|o| o.copy_prefix = ObjectUri::parse("file:///lake/_copy").unwrap(), "COPY reads from S3"),
            (|o| o.copy_prefix = ObjectUri::parse("s3://lake/it's/_copy").unwrap(), "no plain place"),
            (|o| o.database.clear(), "no database"),
            (|o| o.requests_per_second = f64::NAN, "requests"),
            (|o| o.wait = Duration::from_secs(31), "30 s"),
        ];
        for (bend, word) in bends {
            let mut options = options();
            bend(&mut options);
            let problems = options.problems();
            assert!(problems.len() == 1 && problems[0].contains(word), "{word}: {problems:?}");
        }
    }
}
