//! The manifest of a COPY.

use serde::Deserialize;

use super::problem::{MANIFEST, Problem};

/// A file to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The bucket.
    pub(crate) bucket: String,
    /// The key.
    pub(crate) key: String,
    /// Whether it is an error if it is not there.
    pub(crate) mandatory: bool,
    /// How many bytes it must have.
    pub(crate) content_length: Option<i64>,
}

impl Listed {
    /// The object's URL.
    pub(crate) fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

#[derive(Deserialize)]
struct Manifest {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    url: String,
    // Redshift's default, which lets a missing file go unnoticed.
    #[serde(default)]
    mandatory: bool,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    content_length: Option<i64>,
}

/// Reads a manifest: the files in its order, one that is listed twice is there twice.
pub(crate) fn parse(url: &str, bytes: &[u8]) -> Result<Vec<Listed>, Problem> {
    let refuse = |context: String| Problem::of_file(MANIFEST, url, context);
    let manifest: Manifest = serde_json::from_slice(bytes)
        .map_err(|error| refuse(format!("The manifest {url} cannot be parsed: {error}")))?;
    let mut listed = Vec::with_capacity(manifest.entries.len());
    for entry in manifest.entries {
        let path = entry.url.strip_prefix("s3://").and_then(|path| path.split_once('/'));
        let Some((bucket, key)) = path.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()) else {
            return Err(refuse(format!(
                "The manifest {url} lists '{}', which is no full URL of an S3 object",
                entry.url
            )));
        };
        let meta =
            entry.meta.ok_or_else(|| refuse(format!("File entry does not have 'meta' key. File: {}", entry.url)))?;
        let length = meta
            .content_length
            .ok_or_else(|| refuse(format!("File entry does not have 'content_length' key. File: {}", entry.url)))?;
        listed.push(Listed {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            mandatory: entry.mandatory,
            content_length: Some(length),
        });
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_full_urls_and_lengths() {
        let parsed = parse("s3://b/m", br#"{"entries":[{"url":"s3://b/x/y","meta":{"content_length":7}}]}"#).unwrap();
        let one = Listed { bucket: "b".into(), key: "x/y".into(), mandatory: false, content_length: Some(7) };
        assert_eq!(parsed, [one]);
    }

    #[test]
    fn a_manifest_without_content_length_is_refused() {
        for (text, told) in [
            (r#"{"entries":[{"url":"s3://b/x","mandatory":true}]}"#, "does not have 'meta' key"),
            (r#"{"entries":[{"url":"s3://b/x","meta":{}}]}"#, "does not have 'content_length' key"),
            (r#"{"entries":[{"url":"x","meta":{"content_length":7}}]}"#, "no full URL"),
            (r#"{"entries":[{"url":"s3://b/","meta":{"content_length":7}}]}"#, "no full URL"),
            (r#"{"files":[]}"#, "cannot be parsed"),
        ] {
            let problem = parse("s3://b/m", text.as_bytes()).unwrap_err();
            assert!(problem.context.contains(told), "{problem:?}");
            assert_eq!(problem.code, MANIFEST);
        }
    }
}
