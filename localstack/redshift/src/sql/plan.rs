//! What a statement turns out to be, ready to be run.

use super::cursor::ObjectName;
use crate::copy::command::Copy;

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Reads; has rows.
    Query {
        /// For PostgreSQL.
        sql: String,
        /// What it reads, as far as its words tell.
        reads: Vec<ObjectName>,
    },
    /// INSERT, UPDATE, DELETE or MERGE.
    Write {
        /// The table whose write lock is taken first.
        table: ObjectName,
        /// For PostgreSQL.
        sql: String,
        /// What it reads, as far as its words tell.
        reads: Vec<ObjectName>,
    },
    /// COPY from S3.
    Copy(Box<Copy>),
    /// LOCK of tables.
    Lock(Vec<ObjectName>),
    /// TRUNCATE, which commits.
    Truncate(ObjectName),
    /// VACUUM, which commits and does nothing else here.
    Vacuum,
    /// A definition.
    Define(Definition),
    /// CREATE VIEW.
    CreateView(View),
    /// DROP VIEW.
    DropViews(DropViews),
    /// ALTER COLUMN TYPE.
    Widen {
        /// The table.
        table: ObjectName,
        /// The column.
        column: String,
        /// The bytes it is to have room for.
        bytes: i64,
    },
    /// Runs in no transaction block.
    Outside {
        /// As errors name it.
        name: &'static str,
    },
    /// BEGIN.
    Begin,
    /// COMMIT or END.
    Commit,
    /// ROLLBACK or ABORT.
    Rollback,
    /// A setting; nothing to PostgreSQL where `sql` is `None`.
    Set {
        /// For PostgreSQL.
        sql: Option<String>,
    },
}

/// CREATE, ALTER, DROP and the like.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Definition {
    /// Tables that are locked against everybody before.
    pub(crate) locks: Vec<ObjectName>,
    /// Whether it is no error if these are not there.
    pub(crate) locks_may_miss: bool,
    /// For PostgreSQL, one after the other.
    pub(crate) sql: Vec<String>,
    /// The table whose VARCHAR columns are to be held to their bytes afterwards.
    pub(crate) measures: Option<ObjectName>,
    /// Whether what it makes is the session's alone.
    pub(crate) temporary: bool,
    /// Whether PostgreSQL's count of rows is the statement's.
    pub(crate) counts: bool,
}

/// A view that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// Its name.
    pub(crate) name: ObjectName,
    /// Whether it may take the place of one that is there.
    pub(crate) replace: bool,
    /// Whether it is WITH NO SCHEMA BINDING.
    pub(crate) late: bool,
    /// The names of its columns, in parentheses, if they are given.
    pub(crate) columns: String,
    /// What it shows, for PostgreSQL.
    pub(crate) query: String,
}

/// Views that are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DropViews {
    /// Their names.
    pub(crate) names: Vec<ObjectName>,
    /// Whether it is no error if one is not there.
    pub(crate) if_exists: bool,
    /// Whether what depends on them goes too.
    pub(crate) cascade: bool,
}

impl Plan {
    /// The tables that must be known to the transaction's snapshot.
    pub(crate) fn tables(&self) -> Vec<&ObjectName> {
        match self {
            Self::Query { reads, .. } => reads.iter().collect(),
            Self::Write { table, reads, .. } => reads.iter().chain([table]).collect(),
            Self::Copy(copy) => vec![&copy.table],
            _ => Vec::new(),
        }
    }

    /// The table it writes.
    pub(crate) fn written(&self) -> Option<&ObjectName> {
        match self {
            Self::Write { table, .. } => Some(table),
            Self::Copy(copy) => Some(&copy.table),
            _ => None,
        }
    }
}
