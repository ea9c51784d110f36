//! What can go wrong inside, and which error of the port it is.

use lakehand_aws::{Failure, Kind};
use lakehand_domain::fault::{Effect, Fault};
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::port::warehouse::WarehouseError;

/// A failure that does not know yet which call of the port it is part of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A request to the Data API failed.
    #[error("{request} {name}")]
    Call {
        /// `submit`, `describe`, `result`.
        request: &'static str,
        /// The name of the statement.
        name: String,
        /// How.
        kind: Kind,
        /// Whether what the statement does may have happened.
        effect: Effect,
        /// What was said.
        #[source]
        source: lakehand_domain::fault::Cause,
    },
    /// The statement was not sent: its turn did not come in time.
    #[error("{name} was not sent: {why}")]
    Unsent {
        /// The name of the statement.
        name: String,
        /// Why not.
        why: String,
    },
    /// The statement ran, failed, and was rolled back.
    #[error(transparent)]
    Failed(Failed),
    /// What became of the statement cannot be known.
    #[error("what became of {name} is not known: {message}")]
    Doubt {
        /// The name of the statement.
        name: String,
        /// Why not.
        message: String,
    },
    /// Something was in the way, and is not any more.
    #[error("{0}")]
    Mended(String),
    /// What lakehand wrote into its own tables does not read back.
    #[error("a table of lakehand's own holds what lakehand did not write")]
    Own(#[from] serde_json::Error),
    /// Something is not as it has to be; an operator has to act.
    #[error("{0}")]
    Refused(String),
    /// The rows of a file are refused.
    #[error("rows are refused: {0}")]
    Data(String),
    /// A part cannot be read.
    #[error("read a part")]
    Part(#[from] PartError),
    /// The lake refused or failed.
    #[error("use the lake")]
    Store(#[from] StoreError),
}

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
#[error("{name}, statement {} of {of}: {message}", .at.map_or_else(|| "?".to_owned(), |at| (at + 1).to_string()))]
pub(crate) struct Failed {
    /// The name of the script.
    pub(crate) name: String,
    /// Which statement of it failed, from 0; `None` where none did: the transaction itself failed to commit.
    pub(crate) at: Option<usize>,
    /// How many statements it has.
    pub(crate) of: usize,
    /// Redshift's own number of the statement that failed.
    pub(crate) query_id: Option<i64>,
    /// The warehouse's own words.
    pub(crate) message: String,
}

impl Failed {
    /// What the words mean.
    pub(crate) fn meaning(&self) -> Meaning {
        Meaning::of(&self.message)
    }

    /// Whether what the script does may have happened. A statement that fails takes those before it back. Where none is
    /// told to have failed, or the last one, it may have been the commit, of which nobody knows what became when the
    /// service lost the warehouse meanwhile.
    pub(crate) fn effect(&self) -> Effect {
        let is_before_the_end = self.at.is_some_and(|at| at + 1 < self.of);
        let is_refusal = matches!(self.meaning(), Meaning::Conflict | Meaning::Denied) && self.at.is_some();
        if is_before_the_end || is_refusal { Effect::NotApplied } else { Effect::Unknown }
    }
}

/// What the warehouse's words for a failed statement mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Another transaction was in the way.
    Conflict,
    /// The warehouse is paused, resizing, full, or lost the connection.
    Unavailable,
    /// It refuses: a right, a schema or a table is missing.
    Denied,
    /// Nothing that is known.
    Unclear,
}

/// 1023: serializable isolation violation. 1018: a table was made, or dropped, after the transaction's snapshot was
/// taken. Both are to be retried (Redshift, "Managing concurrent write operations").
const CONFLICTS: [&str; 9] = [
    "error: 1018",
    "error: 1023",
    "error:1018",
    "error:1023",
    "serializable isolation violation",
    "could not serialize",
    "deadlock",
    "conflict with concurrent transaction",
    "concurrently updated",
];

const UNAVAILABLE: [&str; 21] = [
    "paused",
    "resizing",
    "resize",
    "maintenance",
    "not available",
    "unavailable",
    "restart",
    "shutting down",
    "shut down",
    "connection",
    "timed out",
    "timeout",
    "cancel",
    "disk full",
    "out of memory",
    "read-only",
    "read only",
    "too many",
    "slowdown",
    "slow down",
    "internal error",
];

const DENIED: [&str; 14] = [
    "permission denied",
    "must be owner",
    "must be superuser",
    "not authorized",
    "unauthorized",
    "access denied",
    "accessdenied",
    "forbidden",
    "does not exist",
    "already exists",
    "syntax error",
    "not supported",
    "password authentication",
    "depend on it",
];

impl Meaning {
    pub(crate) fn of(message: &str) -> Self {
        let text = message.to_ascii_lowercase();
        // Names of files are nobody's words.
        let words = text.split_whitespace().filter(|word| !word.contains("s3://"));
        let text = words.collect::<Vec<_>>().join(" ");
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if says(&CONFLICTS) {
            Self::Conflict
        } else if says(&UNAVAILABLE) {
            Self::Unavailable
        } else if says(&DENIED) {
            Self::Denied
        } else {
            Self::Unclear
        }
    }
}

impl Trouble {
    /// A request that is refused, or fails, before the statement has an id.
    pub(crate) fn submit(name: &str, failure: Failure) -> Self {
        Self::Call {
            request: "submit",
            name: name.to_owned(),
            kind: failure.kind,
            effect: failure.effect,
            source: failure.cause,
        }
    }

    /// A request for the answer of a statement that may have run.
    pub(crate) fn answer(name: &str, failure: Failure) -> Self {
        let (kind, source) = (failure.kind, failure.cause);
        Self::Call { request: "result of", name: name.to_owned(), kind, effect: Effect::Unknown, source }
    }

    /// The error of the port, told by the call that failed.
    pub(crate) fn of(self, operation: &'static str) -> WarehouseError {
        let unavailable = |effect, source| WarehouseError::Unavailable { operation, effect, source };
        match self {
            Self::Data(message) => WarehouseError::Data { message },
            Self::Part(part) => WarehouseError::Part(part),
            Self::Call { effect, .. } if effect == Effect::Unknown => unavailable(effect, Box::new(self)),
            Self::Call { kind, effect, ref source, .. } => match kind {
                // A paused cluster is told as a request that is not valid.
                Kind::Invalid if Meaning::of(&source.to_string()) == Meaning::Unavailable => {
                    unavailable(effect, Box::new(self))
                }
                Kind::Denied | Kind::NotFound | Kind::Invalid => {
                    WarehouseError::Denied { operation, source: Box::new(self) }
                }
                Kind::Condition | Kind::Throttled | Kind::Unavailable => unavailable(effect, Box::new(self)),
            },
            Self::Failed(failed) => {
                let effect = failed.effect();
                match failed.meaning() {
                    Meaning::Conflict => WarehouseError::Conflict { operation, source: Box::new(failed) },
                    Meaning::Denied if effect == Effect::NotApplied => {
                        WarehouseError::Denied { operation, source: Box::new(failed) }
                    }
                    _ => unavailable(effect, Box::new(failed)),
                }
            }
            Self::Mended(_) => WarehouseError::Conflict { operation, source: Box::new(self) },
            Self::Unsent { .. } => unavailable(Effect::NotApplied, Box::new(self)),
            Self::Doubt { .. } => unavailable(Effect::Unknown, Box::new(self)),
            Self::Store(StoreError::Denied { .. } | StoreError::Foreign { .. }) => {
                WarehouseError::Denied { operation, source: Box::new(self) }
            }
            Self::Store(ref error) => unavailable(error.effect(), Box::new(self)),
            Self::Own(_) | Self::Refused(_) => WarehouseError::Denied { operation, source: Box::new(self) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_redshift_means_by_them() {
        for (message, meaning) in [
            ("ERROR: 1023\n  Detail: Serializable isolation violation on table - 107917", Meaning::Conflict),
            ("ERROR: 1018 DETAIL: Relation does not exist.", Meaning::Conflict),
            ("ERROR: deadlock detected", Meaning::Conflict),
            ("ERROR: could not serialize access due to concurrent update", Meaning::Conflict),
            ("ERROR: could not complete because of conflict with concurrent transaction", Meaning::Conflict),
            ("Redshift cluster lake is paused", Meaning::Unavailable),
            ("ERROR: Query (150) cancelled on user's request", Meaning::Unavailable),
            ("ERROR: Disk Full", Meaning::Unavailable),
            ("ERROR: permission denied for schema lakehand", Meaning::Denied),
            ("ERROR: relation \"lakehand.fence_x\" does not exist", Meaning::Denied),
            ("length exceeds in s3://lake/timeout/permission_denied.parquet", Meaning::Unclear),
            ("ERROR: Invalid digit, Value 'r', Pos 0, Type: Integer", Meaning::Unclear),
            ("invalid input syntax for type integer: \"0!a\"", Meaning::Unclear),
        ] {
            assert_eq!(Meaning::of(message), meaning, "{message}");
        }
    }

    #[test]
    fn every_failure_says_whether_it_may_have_happened() {
        let failed = |at, message: &str| {
            let (name, message) = ("n".to_owned(), message.to_owned());
            Trouble::Failed(Failed { name, at, of: 3, query_id: None, message }).of("commit")
        };
        assert!(matches!(failed(Some(1), "ERROR: 1023"), WarehouseError::Conflict { .. }));
        assert!(matches!(failed(None, "ERROR: 1023"), WarehouseError::Conflict { .. }));
        assert!(matches!(failed(Some(1), "permission denied"), WarehouseError::Denied { .. }));
        assert_eq!(failed(Some(1), "what is this").effect(), Effect::NotApplied);
        // No statement failed, so that it was the commit.
        assert_eq!(failed(None, "what is this").effect(), Effect::Unknown);
        assert_eq!(failed(None, "permission denied").effect(), Effect::Unknown);
        // The last one may stand for it.
        assert_eq!(failed(Some(2), "the connection was lost").effect(), Effect::Unknown);
        assert_eq!(failed(Some(2), "permission denied").effect(), Effect::NotApplied);
        let call = |kind, effect, text: &str| {
            Trouble::submit("n", Failure { kind, effect, code: None, status: None, cause: text.into() }).of("commit")
        };
        let no = Effect::NotApplied;
        assert!(matches!(call(Kind::Denied, no, "AccessDenied"), WarehouseError::Denied { .. }));
        assert!(matches!(call(Kind::Invalid, no, "ValidationException: no"), WarehouseError::Denied { .. }));
        assert!(matches!(call(Kind::Invalid, no, "cluster is paused"), WarehouseError::Unavailable { .. }));
        assert_eq!(call(Kind::Throttled, Effect::Unknown, "slow").effect(), Effect::Unknown);
        // Once the statement has run, no failure to fetch its answer makes it undone.
        let failure =
            Failure { kind: Kind::Denied, effect: no, code: None, status: None, cause: "AccessDenied".into() };
        assert_eq!(Trouble::answer("n", failure).of("take_fence").effect(), Effect::Unknown);
        let doubt = Trouble::Doubt { name: "n".to_owned(), message: "gone".to_owned() };
        assert_eq!(doubt.of("commit").effect(), Effect::Unknown);
    }
}
