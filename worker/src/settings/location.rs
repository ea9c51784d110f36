//! Where a backend lies, as its URL says. A scheme that this build does not have is refused here, by name.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use lakehand_domain::object::ObjectUri;
use lakehand_queue::sqs::QueueAddress;

/// What a URL is for; decides which schemes it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Where messages come from.
    Queue,
    /// Where files land.
    Landing,
    /// Where Parquet goes.
    Lake,
    /// What has become of every file.
    Ledger,
    /// Where rows go.
    Warehouse,
}

impl Role {
    /// The schemes of this build, as people write them.
    pub(crate) fn built(self) -> &'static str {
        match self {
            Self::Landing | Self::Lake => "file:///FOLDER (or a path such as ./landing) and s3://BUCKET/PREFIX",
            Self::Queue => {
                "sqlite:///FILE (or sqlite://./FILE), sqs://NAME, sqs://ACCOUNT/NAME and the https:// URL of an SQS queue"
            }
            Self::Ledger => "sqlite:///FILE (or sqlite://./FILE) and dynamodb://TABLE",
            Self::Warehouse => "sqlite:///FILE (or sqlite://./FILE) and redshift://WORKGROUP-OR-CLUSTER/DATABASE",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Landing => "landing",
            Self::Lake => "lake",
            Self::Ledger => "ledger",
            Self::Warehouse => "warehouse",
        }
    }
}

/// Where a backend lies. It never holds a secret, so it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A folder of this machine; absolute.
    Folder(PathBuf),
    /// An SQLite database; absolute.
    Sqlite(PathBuf),
    /// A prefix of an S3 bucket, or the whole bucket.
    S3(ObjectUri),
    /// An SQS queue, by its name or by its URL.
    Sqs(String),
    /// A DynamoDB table.
    DynamoDb(String),
    /// A database of a Redshift workgroup or cluster.
    Redshift {
        /// The workgroup or cluster.
        name: String,
        /// The database.
        database: String,
    },
}

impl Location {
    /// Reads a URL for a role; relative paths begin at `base`.
    pub(crate) fn parse(role: Role, text: &str, base: &Path) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            None => match text.split_once(':') {
                // A drive letter or a file name with a colon is no scheme; only the two known ones are.
                Some((scheme @ ("file" | "sqlite"), rest)) => (scheme, rest),
                _ => ("", text),
            },
        };
        let wants_folder = matches!(role, Role::Landing | Role::Lake);
        let wanted = format!("this build has {}", role.built());
        let told = |why: String| format!("{}: {why}; {wanted}", redacted(text));
        match (scheme, role) {
            ("", _) if !wants_folder => Err(format!("{text:?} has no scheme; {wanted}")),
            ("" | "file", _) if wants_folder => {
                Ok(Self::Folder(path_of(rest, base).map_err(|why| format!("{why}; {wanted}"))?))
            }
            ("sqlite", _) if !wants_folder => {
                Ok(Self::Sqlite(path_of(rest, base).map_err(|why| format!("{why}; {wanted}"))?))
            }
            ("s3", _) if wants_folder => s3(text).map_err(told),
            ("sqs" | "https" | "http", Role::Queue) => sqs(text).map_err(told),
            ("dynamodb", Role::Ledger) => named(rest, "table", 255, "-_.").map(Self::DynamoDb).map_err(told),
            ("redshift", Role::Warehouse) if !rest.contains('@') => redshift(rest).map_err(told),
            _ => Err(format!("{} is no {} of this build ({scheme}://); {wanted}", redacted(text), role.name())),
        }
    }

    /// The path, of what lies on this machine.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) | Self::Sqlite(path) => Some(path),
            Self::S3(_) | Self::Sqs(_) | Self::DynamoDb(_) | Self::Redshift { .. } => None,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::S3(uri) => write!(f, "{uri}"),
            Self::Sqs(queue) if queue.contains("://") => f.write_str(queue),
            Self::Sqs(queue) => write!(f, "sqs://{queue}"),
            Self::DynamoDb(table) => write!(f, "dynamodb://{table}"),
            Self::Redshift { name, database } => write!(f, "redshift://{name}/{database}"),
        }
    }
}

/// A bucket's name is 3 to 63 bytes of lower case letters, digits, dots and hyphens (S3, "Bucket naming rules").
fn s3(text: &str) -> Result<Location, String> {
    let uri = ObjectUri::parse(text.trim_end_matches('/')).map_err(|error| error.to_string())?;
    named(uri.bucket(), "bucket", 63, "-.")?;
    if uri.key().split('/').any(str::is_empty) && !uri.key().is_empty() {
        return Err("its prefix holds an empty folder name".to_owned());
    }
    Ok(Location::S3(uri))
}

/// What holds an @ may hold a password: nothing of it is repeated.
fn sqs(text: &str) -> Result<Location, String> {
    if text.contains(['@', '?']) {
        return Err("it is neither a queue's name nor its URL".to_owned());
    }
    QueueAddress::parse(text).map_err(|error| error.to_string())?;
    Ok(Location::Sqs(text.strip_prefix("sqs://").unwrap_or(text).to_owned()))
}

fn redshift(rest: &str) -> Result<Location, String> {
    let (name, database) = rest.split_once('/').ok_or("it names no database")?;
    let name = named(name, "workgroup or cluster", 64, "-")?;
    let database = named(database, "database", 127, "-_$")?;
    Ok(Location::Redshift { name, database })
}

/// A name of letters, digits and the bytes of `also`.
fn named(text: &str, what: &str, most: usize, also: &str) -> Result<String, String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || also.as_bytes().contains(&byte);
    if text.is_empty() {
        return Err(format!("it names no {what}"));
    }
    if text.len() > most || !text.bytes().all(is_fine) {
        // What is no name may be a secret in the wrong place: it is not repeated.
        return Err(format!("a {what} is named by letters, digits and {also:?}, at most {most}"));
    }
    Ok(text.to_owned())
}

fn path_of(text: &str, base: &Path) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("it names no path".to_owned());
    }
    if text.contains('\0') {
        return Err("it holds a zero byte".to_owned());
    }
    Ok(absolute(Path::new(text), base))
}

/// The path from `base`, with `.` and `..` taken out by their names. It need not exist.
pub(crate) fn absolute(path: &Path, base: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in base.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            other => whole.push(other),
        }
    }
    whole
}

/// A URL without what may be secret: passwords, and the values of its query.
pub(crate) fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let mut text = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    // A password may hold slashes and question marks: everything up to the last @ may be one.
    let shown = match rest.rsplit_once('@') {
        Some((user, host)) => {
            text.push_str(user.split(':').next().unwrap_or(""));
            text.push_str(":***@");
            host
        }
        None => rest,
    };
    match shown.split_once('?') {
        Some((place, query)) => {
            let names = query.split('&').map(|pair| format!("{}=***", pair.split('=').next().unwrap_or("")));
            text.push_str(place);
            text.push('?');
            text.push_str(&names.collect::<Vec<_>>().join("&"));
        }
        None => text.push_str(shown),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_begin_at_the_base() {
        let base = Path::new("/etc/lakehand");
        for text in ["./landing", "landing", "file:./landing", "file:///etc/lakehand/landing", "file://x/../landing"] {
            let location = Location::parse(Role::Landing, text, base).unwrap();
            assert_eq!(location.path(), Some(Path::new("/etc/lakehand/landing")), "{text}");
        }
        let queue = Location::parse(Role::Queue, "sqlite://./q.sqlite", base).unwrap();
        assert_eq!(queue.to_string(), "sqlite:///etc/lakehand/q.sqlite");
    }

    #[test]
    fn places_of_aws_read_back_as_written() {
        let base = Path::new("/");
        for (role, text) in [
            (Role::Queue, "sqs://arrivals"),
            (Role::Queue, "sqs://123456789012/arrivals"),
            (Role::Queue, "https://sqs.eu-central-1.amazonaws.com/123456789012/arrivals"),
            (Role::Queue, "http://127.0.0.1:4566/000000000000/arrivals"),
            (Role::Landing, "s3://landing"),
            (Role::Lake, "s3://lake/a/b"),
            (Role::Ledger, "dynamodb://lakehand"),
            (Role::Warehouse, "redshift://group/dev"),
        ] {
            let location = Location::parse(role, text, base).unwrap();
            assert_eq!((location.to_string().as_str(), location.path()), (text, None));
        }
        assert_eq!(Location::parse(Role::Lake, "s3://lake/", base).unwrap().to_string(), "s3://lake");
    }

    #[test]
    fn passwords_never_show() {
        for secret in ["hunter2", "hun/ter2", "hun?ter2", "hun@ter2", "hun:ter2"] {
            assert_eq!(redacted(&format!("postgres://me:{secret}@host/db")), "postgres://me:***@host/db", "{secret}");
        }
        assert_eq!(redacted("s3://bucket/key?X-Amz-Signature=abc&b"), "s3://bucket/key?X-Amz-Signature=***&b=***");
    }

    #[test]
    fn schemes_of_other_builds_are_refused_without_their_secrets() {
        let base = Path::new("/");
        let refusal = Location::parse(Role::Warehouse, "redshift://me:hunter2@group/db?token=abc", base).unwrap_err();
        assert!(refusal.contains("redshift://me:***@group/db?token=***"), "{refusal}");
        assert!(refusal.contains("this build has sqlite://"), "{refusal}");
        assert!(!refusal.contains("hunter2") && !refusal.contains("abc"), "{refusal}");
        for (role, text) in [
            (Role::Queue, "kafka://queue"),
            (Role::Queue, "./queue"),
            (Role::Queue, "sqs://"),
            (Role::Queue, "sqs://queue.fifo"),
            (Role::Queue, "https://sqs.eu-central-1.amazonaws.com/queue"),
            (Role::Landing, "sqs://queue"),
            (Role::Landing, "s3://"),
            (Role::Landing, "s3://bucket//x"),
            (Role::Ledger, "dynamodb://a/b"),
            (Role::Warehouse, "redshift://group"),
            (Role::Lake, "sqlite:///x"),
            (Role::Ledger, "sqlite://"),
        ] {
            assert!(Location::parse(role, text, base).is_err(), "{text}");
        }
    }
}
