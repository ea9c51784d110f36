//! How rows of a table contend for being visible.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What happens to the rows of an older version of an object when a newer one has passed its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OnRewrite {
    /// The newest version that passed wins.
    #[default]
    Replace,
    /// No contest: the rows of every version stand.
    Append,
    /// The oldest version that passed wins.
    Ignore,
}

/// How rows of a table contend for being visible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase", deny_unknown_fields)]
pub enum Contest {
    /// Every row stands, but for the contest between versions of one object.
    Append {
        /// Which version of an object wins.
        on_rewrite: OnRewrite,
    },
    /// One row a key: the newest `version` wins, nulls lose to any value, ties fall by `_order`, `_object`, `_record`
    /// (and `_element` where the table has it), the greater winning.
    Upsert {
        /// The columns of the key; all required.
        key: Vec<String>,
        /// The column that says which row is newer; without it `_order` alone decides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// A scope takes its rows, or none, from the newest complete run that speaks of it. The names of objects say of which
    /// scope and run a load speaks; what a load has said is kept in its marker, so that one without rows counts as well.
    ///
    /// A run is newer whose newest live load has the greater `_order`; ties fall by the run's own name, the greater
    /// winning. Within a run, of the versions of one object the newest wins. Rows of a run that is not complete wait.
    Replace {
        /// The captures that together name the scope; none: the table is one scope.
        scope: Vec<String>,
        /// What makes a run of several objects; without it each object is a run, and complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Run>,
    },
}

/// How several objects are one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The capture that names the run.
    pub capture: String,
    /// The capture that says how many objects of the run speak of the same scope. It is complete when so many are live;
    /// where they do not agree, the most counts.
    pub files: String,
}

impl Run {
    /// What a marker says the number of objects under.
    pub fn files_said(&self) -> String {
        format!("{FILES}{}", self.files)
    }
}

/// What stands before the name of a capture that is kept as a number of objects: no capture begins so.
const FILES: char = '#';

impl Contest {
    /// What a load must have said for its rows to contend: names in [`crate::manifest::Manifest::scopes`].
    pub fn must_be_said(&self) -> Vec<String> {
        match self {
            Self::Append { .. } | Self::Upsert { .. } => Vec::new(),
            Self::Replace { scope, run } => {
                let run = run.iter().flat_map(|run| [run.capture.clone(), run.files_said()]);
                scope.iter().cloned().chain(run).collect()
            }
        }
    }

    /// What the name of an object says, by its captures, that this contest must know. Fails where a number of objects is
    /// none.
    pub fn said(&self, captures: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, UnclearScope> {
        let mut said = BTreeMap::new();
        for name in self.must_be_said() {
            let capture = name.trim_start_matches(FILES);
            let lacking = || UnclearScope::Lacking { capture: capture.to_owned() };
            let value = captures.get(capture).ok_or_else(lacking)?;
            let value = if name.starts_with(FILES) { files(capture, value)?.to_string() } else { value.clone() };
            said.insert(name, value);
        }
        Ok(said)
    }
}

fn files(capture: &str, text: &str) -> Result<u32, UnclearScope> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_number && *number > 0);
    number.ok_or_else(|| UnclearScope::NoNumber { capture: capture.to_owned(), text: text.to_owned() })
}

/// Why the name of an object does not say of which scope or run it speaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnclearScope {
    /// It has no such capture.
    #[error(
        "its name has no {{{capture}}}, which says of which rows it speaks: name it as the pattern of the dataset says"
    )]
    Lacking {
        /// Which.
        capture: String,
    },
    /// The number of objects is none.
    #[error(
        "{{{capture}}} of its name is {text:?}, and must be the number of files of its run, 1 to {}: rename it, or correct the pattern",
        u32::MAX
    )]
    NoNumber {
        /// The capture.
        capture: String,
        /// What it is.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_name_says_its_scope_and_run() {
        let run = Run { capture: "run".to_owned(), files: "of".to_owned() };
        let contest = Contest::Replace { scope: vec!["day".to_owned()], run: Some(run) };
        let said = contest.said(&captures(&[("day", "07"), ("run", "a"), ("of", "003"), ("n", "1")])).unwrap();
        assert_eq!(said, captures(&[("day", "07"), ("run", "a"), ("#of", "3")]));
        for text in ["0", "-1", "+1", "x", "1.0", "4294967296", "٣"] {
            let error = contest.said(&captures(&[("day", "07"), ("run", "a"), ("of", text)])).unwrap_err();
            assert!(error.to_string().starts_with(&format!("{{of}} of its name is {text:?}, and must be")), "{error}");
        }
        let error = contest.said(&captures(&[("run", "a"), ("of", "1")])).unwrap_err();
        assert!(error.to_string().starts_with("its name has no {day}"), "{error}");
        let whole = Contest::Replace { scope: Vec::new(), run: None };
        assert!(whole.said(&captures(&[("day", "07")])).unwrap().is_empty());
    }

    #[test]
    fn contests_read_back_as_written() {
        let run = Run { capture: "r".to_owned(), files: "n".to_owned() };
        for (contest, text) in [
            (Contest::Replace { scope: vec!["day".to_owned()], run: None }, r#"{"mode":"replace","scope":["day"]}"#),
            (
                Contest::Replace { scope: Vec::new(), run: Some(run) },
                r#"{"mode":"replace","scope":[],"run":{"capture":"r","files":"n"}}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&contest).unwrap(), text);
            assert_eq!(serde_json::from_str::<Contest>(text).unwrap(), contest);
        }
    }
}
