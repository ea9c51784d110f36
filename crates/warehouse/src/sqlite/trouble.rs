//! What can go wrong inside, and which error of the port it is.

use lakehand_domain::fault::Effect;
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::port::warehouse::WarehouseError;
use lakehand_sqlite::failure::Failure;
use rusqlite::ErrorCode;

/// A failure that does not know yet which call it is part of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// SQLite failed, and the transaction was rolled back.
    #[error("sqlite")]
    Sql(#[from] rusqlite::Error),
    /// COMMIT itself failed: the transaction may have become durable.
    #[error("sqlite failed to commit")]
    Commit(#[source] rusqlite::Error),
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
    /// The thread that did the work is gone.
    #[error("the work was broken off")]
    BrokenOff,
}

impl Trouble {
    /// A value of one of lakehand's own tables that cannot be.
    pub(crate) fn own(message: impl Into<String>) -> Self {
        Self::Refused(message.into())
    }

    /// The error of the port, told by the call that failed.
    pub(crate) fn of(self, operation: &'static str) -> WarehouseError {
        match self {
            Self::Data(message) => WarehouseError::Data { message },
            Self::Part(part) => WarehouseError::Part(part),
            Self::Sql(error) => of_sqlite(operation, Effect::NotApplied, error),
            Self::Commit(error) => of_sqlite(operation, Effect::Unknown, error),
            Self::BrokenOff => {
                WarehouseError::Unavailable { operation, effect: Effect::Unknown, source: Box::new(self) }
            }
            Self::Own(_) | Self::Refused(_) => WarehouseError::Denied { operation, source: Box::new(self) },
        }
    }
}

fn of_sqlite(operation: &'static str, effect: Effect, error: rusqlite::Error) -> WarehouseError {
    // A statement that SQLite does not take: a table in the file is not as lakehand made it.
    let is_refused = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::SchemaChanged | ErrorCode::Unknown)
    );
    match Failure::of(error, effect) {
        Failure::Busy(source) => WarehouseError::Conflict { operation, source },
        Failure::Denied(source) => WarehouseError::Denied { operation, source },
        Failure::Newer(message) => WarehouseError::Denied { operation, source: message.into() },
        Failure::Failed { effect: Effect::NotApplied, source } if is_refused => {
            WarehouseError::Denied { operation, source }
        }
        Failure::Failed { effect, source } => WarehouseError::Unavailable { operation, effect, source },
    }
}

#[cfg(test)]
mod tests {
    use lakehand_domain::fault::Fault;
    use rusqlite::ffi;

    use super::*;

    fn sqlite(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn every_failure_says_whether_it_may_have_happened() {
        type Is = fn(&WarehouseError) -> bool;
        let conflict: Is = |error| matches!(error, WarehouseError::Conflict { .. });
        let denied: Is = |error| matches!(error, WarehouseError::Denied { .. });
        let unavailable: Is = |error| matches!(error, WarehouseError::Unavailable { .. });
        let table = [
            (ffi::SQLITE_BUSY, conflict, conflict),
            (ffi::SQLITE_LOCKED, conflict, conflict),
            (ffi::SQLITE_READONLY, denied, unavailable),
            (ffi::SQLITE_PERM, denied, unavailable),
            (ffi::SQLITE_NOTADB, denied, unavailable),
            (ffi::SQLITE_CANTOPEN, denied, unavailable),
            (ffi::SQLITE_ERROR, denied, unavailable),
            (ffi::SQLITE_FULL, unavailable, unavailable),
            (ffi::SQLITE_IOERR, unavailable, unavailable),
            (ffi::SQLITE_NOMEM, unavailable, unavailable),
        ];
        for (code, before, at_commit) in table {
            let error = Trouble::Sql(sqlite(code)).of("commit");
            assert!(before(&error) && error.effect() == Effect::NotApplied, "{error:?}");
            let error = Trouble::Commit(sqlite(code)).of("commit");
            assert!(at_commit(&error), "{error:?}");
            let is_in_doubt = !matches!(error, WarehouseError::Conflict { .. });
            assert_eq!(error.effect() == Effect::Unknown, is_in_doubt, "{error:?}");
        }
        assert_eq!(Trouble::BrokenOff.of("stage").effect(), Effect::Unknown);
    }
}
