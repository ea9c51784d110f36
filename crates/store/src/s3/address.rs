//! From object URI to bucket and key, and keys as S3 writes them in headers and listings.

use std::fmt::Write as _;

use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::object_store::StoreError;

/// Bucket and key of an object.
pub(super) fn object(uri: &ObjectUri) -> Result<(&str, &str), StoreError> {
    let (bucket, key) = bucket(uri)?;
    if key.is_empty() { Err(foreign(uri)) } else { Ok((bucket, key)) }
}

/// Bucket, and what the keys below a prefix begin with: folder by folder, so with a slash at its end, or nothing.
pub(super) fn prefix(uri: &ObjectUri) -> Result<(&str, String), StoreError> {
    let (bucket, key) = bucket(uri)?;
    let slash = if key.is_empty() || key.ends_with('/') { "" } else { "/" };
    Ok((bucket, format!("{key}{slash}")))
}

fn bucket(uri: &ObjectUri) -> Result<(&str, &str), StoreError> {
    if uri.scheme() == "s3" { Ok((uri.bucket(), uri.key())) } else { Err(foreign(uri)) }
}

fn foreign(uri: &ObjectUri) -> StoreError {
    StoreError::Foreign { uri: uri.clone(), store: "s3" }
}

/// The object of a key, in the bucket of `uri`.
pub(super) fn of_key(uri: &ObjectUri, key: &str) -> Result<ObjectUri, StoreError> {
    ObjectUri::parse(&format!("s3://{}/{key}", uri.bucket())).map_err(|_| foreign(uri))
}

/// The version of `stat` as the source of a copy: URL-encoded, with slashes as they are.
pub(super) fn copy_source(stat: &ObjectStat) -> String {
    let mut source = encoded(&format!("{}/{}", stat.uri.bucket(), stat.uri.key()));
    if let Some(version) = &stat.version_id {
        source.push_str("?versionId=");
        source.push_str(&encoded(version));
    }
    source
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            // Unwrap safety: writing to a string cannot fail.
            write!(encoded, "%{byte:02X}").expect("a string takes everything");
        }
    }
    encoded
}

/// A key of a listing that was asked for with `encoding-type=url`: as in a form, a plus is a blank. `None` where it is
/// not encoded so.
pub(super) fn decoded(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (char::from(rest.next()?), char::from(rest.next()?));
                u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lakehand_domain::object::ObjectVersion;
    use lakehand_domain::timestamp::Timestamp;

    #[test]
    fn prefixes_go_folder_by_folder() {
        let prefix_of = |text: &str| prefix(&ObjectUri::parse(text).unwrap()).unwrap().1;
        assert_eq!(prefix_of("s3://bucket"), "");
        assert_eq!(prefix_of("s3://bucket/"), "");
        assert_eq!(prefix_of("s3://bucket/a"), "a/");
        assert_eq!(prefix_of("s3://bucket/a/"), "a/");
        assert_eq!(prefix_of("s3://bucket//a"), "/a/");
        for foreign in ["file:///a", "gs://bucket/a"] {
            assert!(prefix(&ObjectUri::parse(foreign).unwrap()).is_err());
        }
        assert!(object(&ObjectUri::parse("s3://bucket").unwrap()).is_err());
        assert!(object(&ObjectUri::parse("s3://bucket/").unwrap()).is_err());
    }

    #[test]
    fn keys_survive_headers_and_listings() {
        for key in ["a b+c%20é#.json", "/lead", "a//b", "e\u{301} \u{1F338}=&?;", "a\nb\u{1}", "%2F%"] {
            assert_eq!(decoded(&encoded(key)).as_deref(), Some(key));
        }
        assert_eq!(decoded("red+flower%2B.jpg").as_deref(), Some("red flower+.jpg"));
        for wrong in ["%", "%2", "%zz", "%ff"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_copy_names_its_source_and_version() {
        let mut stat = ObjectStat {
            uri: ObjectUri::parse("s3://bucket/in/a+b é.zip").unwrap(),
            version: ObjectVersion::of(None, None, 0, Timestamp::default()),
            version_id: None,
            etag: None,
            size: 0,
            last_modified: Timestamp::default(),
        };
        assert_eq!(copy_source(&stat), "bucket/in/a%2Bb%20%C3%A9.zip");
        stat.version_id = Some("3/L4+k".to_owned());
        assert_eq!(copy_source(&stat), "bucket/in/a%2Bb%20%C3%A9.zip?versionId=3/L4%2Bk");
    }
}
