//! Where a value sits inside a record.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A path into nested objects: `a.b.c`; a key that holds dots or quotes is written in double quotes, `a."b.c"`.
///
/// In a table made of list elements a path is relative to the element, `$.a.b` is relative to the record, and `@` is
/// the element itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FieldPath {
    /// Whether the path starts at the record although the table is made of list elements.
    pub from_record: bool,
    /// The keys from the outside in; empty means the element itself.
    pub keys: Vec<String>,
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a path such as a.b.c: {why}")]
pub struct FieldPathError {
    text: String,
    why: &'static str,
}

impl FieldPath {
    /// Reads a path.
    pub fn parse(text: &str) -> Result<Self, FieldPathError> {
        let refuse = |why| FieldPathError { text: text.to_owned(), why };
        if text == "@" {
            return Ok(Self { from_record: false, keys: Vec::new() });
        }
        let (from_record, mut rest) = match text.strip_prefix("$.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut keys = Vec::new();
        loop {
            if let Some(quoted) = rest.strip_prefix('"') {
                let end = quoted.find('"').ok_or_else(|| refuse("a quote is not closed"))?;
                keys.push(quoted[..end].to_owned());
                rest = &quoted[end + 1..];
                if rest.is_empty() {
                    break;
                }
                rest = rest.strip_prefix('.').ok_or_else(|| refuse("a dot must follow a quoted key"))?;
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                if end == 0 {
                    return Err(refuse("a key is empty"));
                }
                if rest[..end].contains('"') {
                    return Err(refuse("a quote stands inside a key"));
                }
                if is_element(&rest[..end]) {
                    return Err(refuse(
                        "an element of a list has no path of its own; take the list as json, or make rows of it (a key that \
                         is called so stands in quotes)",
                    ));
                }
                keys.push(rest[..end].to_owned());
                if end == rest.len() {
                    break;
                }
                rest = &rest[end + 1..];
            }
        }
        Ok(Self { from_record, keys })
    }

    /// A path of one key, taken as it is; for columns of delimited files.
    pub fn key(key: impl Into<String>) -> Self {
        Self { from_record: false, keys: vec![key.into()] }
    }
}

/// Whether a key looks like the number of an element: `list[0]`.
fn is_element(key: &str) -> bool {
    let number = key.strip_suffix(']').and_then(|key| key.rsplit_once('[')).map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()))
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            return f.write_str(if self.from_record { "$" } else { "@" });
        }
        if self.from_record {
            f.write_str("$.")?;
        }
        for (at, key) in self.keys.iter().enumerate() {
            if at > 0 {
                f.write_str(".")?;
            }
            if key.contains('.') || key.is_empty() || is_element(key) {
                write!(f, "\"{key}\"")?;
            } else {
                f.write_str(key)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::FieldPath;

    #[test]
    fn paths_read_back_as_written() {
        for text in ["a", "a.b.c", "$.a.b", "a.\"b.c\".d", "@", "realEstate_baseRent", "\"l[0]\".x"] {
            assert_eq!(FieldPath::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", ".", "a.", ".a", "a..b", "\"a", "\"a\"b", "$.", "l[0]", "a.l[12].b"] {
            assert!(FieldPath::parse(bad).is_err(), "{bad}");
        }
    }
}
