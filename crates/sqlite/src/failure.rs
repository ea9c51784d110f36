//! What an error of SQLite means, before it becomes the error of a port.

use lakehand_domain::fault::{Cause, Effect};
use rusqlite::ErrorCode;

/// What a failure means. It is no error itself: the port's error takes the cause out of it, so that no text says twice
/// that SQLite failed.
#[derive(Debug)]
pub enum Failure {
    /// Others kept the file locked for longer than the wait; nothing happened.
    Busy(Cause),
    /// The file cannot be used, or is of something else; nothing happened, and an operator has to act.
    Denied(Cause),
    /// A newer lakehand wrote the file; nothing happened. The text names the file and both versions.
    Newer(String),
    /// The disk is full or fails, or the statement did.
    Failed {
        /// Whether the call may have happened all the same.
        effect: Effect,
        /// What SQLite said.
        source: Cause,
    },
}

impl Failure {
    /// What `error` means to a call that may have had this `effect`: [`Effect::Unknown`] for a COMMIT, which may be
    /// found in the log after a crash even though it failed.
    pub fn of(error: rusqlite::Error, effect: Effect) -> Self {
        match error.sqlite_error_code() {
            // SQLite leaves a transaction open whose COMMIT is busy, and rolling it back then undoes it.
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(Box::new(error)),
            Some(
                ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt,
            ) if effect == Effect::NotApplied => Self::Denied(Box::new(error)),
            _ => Self::Failed { effect, source: Box::new(error) },
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    #[test]
    fn every_code_says_whether_it_may_have_happened() {
        type Is = fn(&Failure, Effect) -> bool;
        let busy: Is = |failure, _| matches!(failure, Failure::Busy(_));
        let denied: Is = |failure, _| matches!(failure, Failure::Denied(_));
        let failed: Is = |failure, asked| matches!(failure, Failure::Failed { effect, .. } if *effect == asked);
        let table = [
            (ffi::SQLITE_BUSY, busy, busy),
            (ffi::SQLITE_LOCKED, busy, busy),
            (ffi::SQLITE_PERM, denied, failed),
            (ffi::SQLITE_READONLY, denied, failed),
            (ffi::SQLITE_CANTOPEN, denied, failed),
            (ffi::SQLITE_NOTADB, denied, failed),
            (ffi::SQLITE_CORRUPT, denied, failed),
            (ffi::SQLITE_FULL, failed, failed),
            (ffi::SQLITE_IOERR, failed, failed),
            (ffi::SQLITE_NOMEM, failed, failed),
            (ffi::SQLITE_ERROR, failed, failed),
        ];
        for (code, before, at_commit) in table {
            for (effect, is) in [(Effect::NotApplied, before), (Effect::Unknown, at_commit)] {
                let failure = Failure::of(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None), effect);
                assert!(is(&failure, effect), "code {code}, {effect:?}: {failure:?}");
            }
        }
        let failure = Failure::of(rusqlite::Error::QueryReturnedNoRows, Effect::NotApplied);
        assert!(failed(&failure, Effect::NotApplied), "what has no code of SQLite's: {failure:?}");
    }
}
