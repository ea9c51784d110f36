//! Objects: where they are, which version they are, and how versions are ordered.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// Where an object lies: `scheme://bucket/key`, or `file:///absolute/path`. The key is as the store holds it, never
/// URL-encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectUri {
    text: String,
    scheme_end: usize,
    bucket_end: usize,
}

/// A text that is no object URI.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an object URI such as s3://bucket/key or file:///folder/file")]
pub struct ObjectUriError {
    text: String,
}

impl ObjectUri {
    /// Reads `scheme://bucket/key` or `file:///path`. A prefix (a URI that ends in `/`, or has no key) is accepted.
    pub fn parse(text: &str) -> Result<Self, ObjectUriError> {
        let refuse = || ObjectUriError { text: text.to_owned() };
        let scheme_end = text.find("://").ok_or_else(refuse)?;
        let scheme = &text[..scheme_end];
        if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()) {
            return Err(refuse());
        }
        let rest = &text[scheme_end + 3..];
        let bucket_len = rest.find('/').unwrap_or(rest.len());
        if (scheme == "file") != (bucket_len == 0) || (scheme == "file" && rest.is_empty()) {
            return Err(refuse());
        }
        Ok(Self { text: text.to_owned(), scheme_end, bucket_end: scheme_end + 3 + bucket_len })
    }

    /// `s3`, `file`, …
    pub fn scheme(&self) -> &str {
        &self.text[..self.scheme_end]
    }

    /// The bucket; empty for `file`.
    pub fn bucket(&self) -> &str {
        &self.text[self.scheme_end + 3..self.bucket_end]
    }

    /// The key without its leading slash (one slash only: a key may itself begin with another). For `file`, the
    /// absolute path without its leading slash.
    pub fn key(&self) -> &str {
        self.text[self.bucket_end..].strip_prefix('/').unwrap_or("")
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The last part of the key.
    pub fn file_name(&self) -> &str {
        self.key().rsplit('/').next().unwrap_or("")
    }

    /// Whether the name says that its writer is not done with it: `.name`, `name.tmp`, `name.part` and their like. Only
    /// of files: stores of objects show an object when it is whole.
    pub fn is_unfinished(&self) -> bool {
        self.scheme() == "file" && is_unfinished_name(self.file_name())
    }

    /// The object or prefix `relative` below this prefix, with exactly one slash between the two.
    #[must_use]
    pub fn join(&self, relative: &str) -> Self {
        let base = self.text.strip_suffix('/').unwrap_or(&self.text);
        let bucket_end = self.bucket_end.min(base.len());
        Self { text: format!("{base}/{relative}"), scheme_end: self.scheme_end, bucket_end }
    }

    /// Whether this lies below `prefix`, folder by folder: `a/bc` does not lie below `a/b`.
    pub fn is_below(&self, prefix: &Self) -> bool {
        let base = prefix.text.strip_suffix('/').unwrap_or(&prefix.text);
        self.text.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// Whether this is the name of a file that its writer is not done with.
pub fn is_unfinished_name(name: &str) -> bool {
    const ENDINGS: [&str; 8] = [".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".swp", "~"];
    let name = name.to_ascii_lowercase();
    name.starts_with('.') || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

impl TryFrom<String> for ObjectUri {
    type Error = ObjectUriError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ObjectUri> for String {
    fn from(uri: ObjectUri) -> Self {
        uri.text
    }
}

impl fmt::Display for ObjectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Names the content of an object: its version id where the store keeps versions, else eTag, size and last-modified.
/// It comes from the store's stat alone, never from an event or a listing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectVersion(String);

impl ObjectVersion {
    /// The version of what a stat says. A version id of `null` (an object from before versioning) is none.
    pub fn of(version_id: Option<&str>, etag: Option<&str>, size: u64, last_modified: Timestamp) -> Self {
        match version_id {
            Some(id) if !id.is_empty() && id != "null" => Self(id.to_owned()),
            _ => {
                let etag = etag.unwrap_or("").trim_matches('"');
                Self(format!("{etag}-{size}-{}", last_modified.micros()))
            }
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the store says of one object now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectStat {
    /// Where it lies.
    pub uri: ObjectUri,
    /// Which content it is.
    pub version: ObjectVersion,
    /// The store's version id, where it keeps versions: pins reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The store's eTag: pins reads where there is no version id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When this version was written, by the store's clock.
    pub last_modified: Timestamp,
}

impl ObjectStat {
    /// How this version is ordered among the versions of all objects.
    pub fn order(&self) -> Order {
        Order(format!("{}|{}", self.last_modified, self.version))
    }
}

/// The order of object versions: last-modified, then the version's name. As text it compares by its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Order(String);

impl Order {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes a text that was an order before, as read back from a marker.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_come_apart_and_together() {
        let uri = ObjectUri::parse("s3://landing/a/b c+é.json").unwrap();
        assert_eq!((uri.scheme(), uri.bucket(), uri.key()), ("s3", "landing", "a/b c+é.json"));
        assert_eq!(uri.file_name(), "b c+é.json");
        let path = ObjectUri::parse("file:///data/in/x.zip").unwrap();
        assert_eq!((path.bucket(), path.key()), ("", "data/in/x.zip"));
        assert_eq!(ObjectUri::parse("s3://lake").unwrap().join("a/b").as_str(), "s3://lake/a/b");
        assert_eq!(ObjectUri::parse("s3://lake/").unwrap().join("a").key(), "a");
        assert_eq!(ObjectUri::parse("s3://b//lead").unwrap().key(), "/lead");
        for bad in ["", "x", "s3:/a/b", "file://host/x", "s3:///x", "S3://a/b", "file://"] {
            assert!(ObjectUri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unfinished_files_are_known_by_their_names() {
        let is = |text: &str| ObjectUri::parse(text).unwrap().is_unfinished();
        for unfinished in ["file:///in/.a.zip", "file:///in/a.zip.part", "file:///in/a.tmp", "file:///in/a~"] {
            assert!(is(unfinished), "{unfinished}");
        }
        for whole in ["file:///in/a.zip", "file:///.in/a.part1", "s3://in/.a.zip", "s3://in/a.tmp"] {
            assert!(!is(whole), "{whole}");
        }
    }

    #[test]
    fn below_goes_folder_by_folder() {
        let base = ObjectUri::parse("file:///a/b").unwrap();
        assert!(ObjectUri::parse("file:///a/b/c").unwrap().is_below(&base));
        assert!(!ObjectUri::parse("file:///a/bc").unwrap().is_below(&base));
        assert!(!base.is_below(&base));
    }

    #[test]
    fn a_null_version_id_is_none() {
        let at = Timestamp::from_micros(5);
        assert_eq!(ObjectVersion::of(Some("v1"), Some("e"), 3, at).as_str(), "v1");
        assert_eq!(ObjectVersion::of(Some("null"), Some("\"e\""), 3, at).as_str(), "e-3-5");
        assert_eq!(ObjectVersion::of(None, Some("e"), 3, at), ObjectVersion::of(Some(""), Some("e"), 3, at));
    }

    #[test]
    fn order_is_by_time_then_version() {
        let stat = |micros, version: &str| ObjectStat {
            uri: ObjectUri::parse("s3://b/k").unwrap(),
            version: ObjectVersion::of(Some(version), None, 0, Timestamp::default()),
            version_id: None,
            etag: None,
            size: 0,
            last_modified: Timestamp::from_micros(micros),
        };
        assert!(stat(1, "z").order() < stat(2, "a").order());
        assert!(stat(2, "a").order() < stat(2, "b").order());
        assert!(stat(999_999, "a").order() < stat(1_000_000, "a").order());
    }
}
