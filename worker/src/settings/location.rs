//! Where a backend lies, as its URL says. A scheme that this build does not have is refused here, by name.

use std::fmt;
use std::path::{Component, Path, PathBuf};

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
            Self::Landing | Self::Lake => "file:///FOLDER (or a path such as ./landing)",
            Self::Queue | Self::Ledger | Self::Warehouse => "sqlite:///FILE (or sqlite://./FILE)",
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
        match scheme {
            "" if !wants_folder => Err(format!("{text:?} has no scheme; {wanted}")),
            "" | "file" if wants_folder => {
                Ok(Self::Folder(path_of(rest, base).map_err(|why| format!("{why}; {wanted}"))?))
            }
            "sqlite" if !wants_folder => {
                Ok(Self::Sqlite(path_of(rest, base).map_err(|why| format!("{why}; {wanted}"))?))
            }
            scheme => Err(format!("{} is no {} of this build ({scheme}://); {wanted}", redacted(text), role.name())),
        }
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::Sqlite(path) => path,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file://{}", path.display()),
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
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
            assert_eq!(location.path(), Path::new("/etc/lakehand/landing"), "{text}");
        }
        let queue = Location::parse(Role::Queue, "sqlite://./q.sqlite", base).unwrap();
        assert_eq!(queue.to_string(), "sqlite:///etc/lakehand/q.sqlite");
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
            (Role::Queue, "sqs://queue"),
            (Role::Queue, "./queue"),
            (Role::Landing, "s3://bucket"),
            (Role::Lake, "sqlite:///x"),
            (Role::Ledger, "sqlite://"),
        ] {
            assert!(Location::parse(role, text, base).is_err(), "{text}");
        }
    }
}
