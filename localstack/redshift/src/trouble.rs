//! What goes wrong while a statement runs, in Redshift's words.

use std::error::Error as _;

use tokio_postgres::error::{DbError, SqlState};

use crate::copy::problem::{Problem, RULE};
use crate::sql::refusal::Refusal;

/// Why a statement did not finish.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Redshift has no such thing, or the stand-in has not.
    Refused(Refusal),
    /// PostgreSQL says so.
    Postgres(Box<DbError>),
    /// The connection to PostgreSQL is gone.
    Connection(String),
    /// The data of a COPY.
    Copy(Box<Problem>),
    /// It was cancelled.
    Cancelled,
    /// A table came into being after the snapshot.
    TooNew(String),
    /// A fault switch says so.
    Fault(String),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self::Copy(Box::new(problem))
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(said) = error.as_db_error() {
            return Self::Postgres(Box::new(said.clone()));
        }
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self::Connection(format!("{error}{source}"))
    }
}

/// What a failure is told with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Circumstances {
    /// The query.
    pub(crate) query: i64,
    /// The table that was written, as PostgreSQL numbers it.
    pub(crate) table: u32,
    /// Whether it was a MERGE.
    pub(crate) merge: bool,
}

/// Constraints that hold a column to its bytes begin like this; what follows is the number of bytes.
pub(crate) const BYTES_CONSTRAINT: &str = "bytes_";

impl Trouble {
    /// As DescribeStatement tells it.
    pub(crate) fn told(&self, circumstances: Circumstances) -> String {
        match self {
            Self::Refused(refusal) => format!("ERROR: {refusal}"),
            Self::Postgres(said) => told(said, circumstances),
            Self::Connection(what) => format!("ERROR: the connection to the database was lost: {what}"),
            Self::Copy(problem) => problem.told(circumstances.query),
            Self::Cancelled => format!("ERROR: Query ({}) cancelled on user's request", circumstances.query),
            Self::TooNew(table) => format!(
                "ERROR: 1018\n  Detail: Relation does not exist: {table} was made after the transaction's snapshot"
            ),
            Self::Fault(message) => message.clone(),
        }
    }
}

fn told(said: &DbError, circumstances: Circumstances) -> String {
    let code = said.code();
    if *code == SqlState::T_R_SERIALIZATION_FAILURE {
        return format!(
            "ERROR: 1023\n  Detail: Serializable isolation violation on table - {}, transactions forming the cycle are: {}, {} (pid:0)",
            circumstances.table, circumstances.query, circumstances.query
        );
    }
    if *code == SqlState::T_R_DEADLOCK_DETECTED {
        let detail = said.detail().unwrap_or_default().replace('\n', " ");
        return format!("ERROR: deadlock detected\n  Detail: {detail}");
    }
    if *code == SqlState::QUERY_CANCELED {
        return Trouble::Cancelled.told(circumstances);
    }
    if *code == SqlState::NOT_NULL_VIOLATION {
        let column = said.column().unwrap_or_default();
        return format!("ERROR: Cannot insert a NULL value into column {column}");
    }
    if *code == SqlState::CHECK_VIOLATION
        && let Some(rest) = said.constraint().and_then(|name| name.strip_prefix(BYTES_CONSTRAINT))
    {
        let bytes = rest.split('_').next().unwrap_or_default();
        return format!("ERROR: value too long for type character varying({bytes})");
    }
    // Keys are not enforced, so it is a catalogue's that is violated.
    let concurrently =
        said.message().contains("concurrently updated") || said.message().contains("concurrently deleted");
    if *code == SqlState::UNIQUE_VIOLATION || concurrently {
        return "ERROR: could not complete because of conflict with concurrent transaction".to_owned();
    }
    if *code == SqlState::CARDINALITY_VIOLATION && circumstances.merge {
        return "ERROR: Found multiple matches to update the same tuple.".to_owned();
    }
    if *code == SqlState::INVALID_TEXT_REPRESENTATION
        && let Some(text) = integer_text(said.message())
    {
        return invalid_digit(text, circumstances.query);
    }
    let position = match said.position() {
        Some(tokio_postgres::error::ErrorPosition::Original(at)) => format!("\n  Position: {at}"),
        _ => String::new(),
    };
    let detail = said.detail().map(|detail| format!("\n  Detail: {detail}")).unwrap_or_default();
    format!("ERROR: {}{detail}{position}", said.message())
}

/// The text that is no integer.
fn integer_text(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("invalid input syntax for type ")?;
    let (kind, text) = rest.split_once(": ")?;
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    matches!(kind, "integer" | "bigint" | "smallint").then_some(text)
}

/// As Redshift's compute nodes tell of text that is no integer; the text stands in the context.
fn invalid_digit(text: &str, query: i64) -> String {
    let (at, letter) = text
        .char_indices()
        .enumerate()
        .find(|(at, (_, letter))| !(letter.is_ascii_digit() || *at == 0 && matches!(letter, '-' | '+')))
        .map_or((0, ' '), |(at, (_, letter))| (at, letter));
    let error = format!("Invalid digit, Value '{letter}', Pos {at}, Type: Integer");
    format!(
        "ERROR: {error} \n  Detail: \n  {RULE}\n  error:  {error} \n  code:      1207\n  context:   {text}\n  query:     {query}\n  location:  :0\n  process:   query0_0_{query} [pid=0]\n  {RULE}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_no_integer_stands_in_the_context() {
        let text = integer_text("invalid input syntax for type integer: \"lakehand: the fence \"f\" moved\"").unwrap();
        assert_eq!(text, "lakehand: the fence \"f\" moved");
        let told = invalid_digit(text, 7);
        assert!(told.starts_with("ERROR: Invalid digit, Value 'l', Pos 0, Type: Integer "), "{told}");
        assert!(told.contains("context:   lakehand: the fence \"f\" moved\n"), "{told}");
        assert!(invalid_digit("12x", 7).contains("Value 'x', Pos 2"));
    }
}
