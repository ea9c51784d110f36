//! The file of the embedded ledger: opening it, its tables, and what its errors mean.

use std::path::Path;
use std::time::Duration;

use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::id::LedgerId;
use lakehand_domain::port::ledger::LedgerError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// Marks a file as a lakehand ledger: "lhLE".
const APPLICATION: i32 = 0x6c68_4c45;

/// The version of the tables below. A file of an older version would be brought up to it here.
const VERSION: i32 = 1;

/// How long a writer waits for the other writers of the file.
const BUSY: Duration = Duration::from_secs(10);

/// What every query filters by has an index that also has the order of pages, so that no page sorts the ledger.
const TABLES: &str = "
    CREATE TABLE identity (id TEXT NOT NULL) STRICT;
    CREATE TABLE entry (
        id       TEXT    NOT NULL PRIMARY KEY,
        dataset  TEXT    NOT NULL,
        object   TEXT    NOT NULL,
        state    TEXT    NOT NULL,
        untold   INTEGER NOT NULL,
        updated  INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        document TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX entry_by_change ON entry (updated, id);
    CREATE INDEX entry_by_dataset ON entry (dataset, updated, id);
    CREATE INDEX entry_by_dataset_and_state ON entry (dataset, state, updated, id);
    CREATE INDEX entry_by_state ON entry (state, updated, id);
    CREATE INDEX entry_by_object ON entry (object, updated, id);
    CREATE INDEX entry_by_untold ON entry (updated, id) WHERE untold = 1;
    CREATE TABLE lease (name TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, until INTEGER NOT NULL) STRICT;
    CREATE TABLE number (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) STRICT;
";

/// Opens the file, makes sure that its tables are there, and reads its name, which is `new_identity` in a new file.
pub(super) fn open_file(path: &Path, new_identity: &LedgerId) -> Result<(Connection, LedgerId), LedgerError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| refused(format!("the folder {} cannot be made: {error}", folder.display())))?;
    }
    let failed = |error| classify("open", error, Effect::NotApplied);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    become_write_ahead(&mut connection).map_err(failed)?;
    // A message is deleted because an entry says that its file is written: the entry must outlive a power cut.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    prepare(&mut connection, path, new_identity)?;
    let identity: String = connection.query_row("SELECT id FROM identity", [], |row| row.get(0)).map_err(failed)?;
    Ok((connection, LedgerId::new(identity)))
}

/// Turns on the write-ahead log, which stays on for the file. Processes that do so at the same moment may meet "locked"
/// in spite of the busy timeout: the one that does waits for the writers' lock and looks again.
fn become_write_ahead(connection: &mut Connection) -> rusqlite::Result<()> {
    let mut attempt = 0;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error) if attempt < 10 && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                attempt += 1;
                drop(connection.transaction_with_behavior(TransactionBehavior::Immediate)?);
            }
            other => return other,
        }
    }
}

fn prepare(connection: &mut Connection, path: &Path, new_identity: &LedgerId) -> Result<(), LedgerError> {
    let failed = |error| classify("open", error, Effect::NotApplied);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let number = |query: &str| transaction.query_row(query, [], |row| row.get::<_, i32>(0)).map_err(failed);
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (application, version) {
        (APPLICATION, VERSION) => return Ok(()),
        (APPLICATION, newer) => {
            return Err(LedgerError::Unintelligible {
                operation: "open",
                message: format!(
                    "{} has version {newer} of the ledger's tables, this lakehand knows version {VERSION}: use the \
                     lakehand that wrote it, or a newer one",
                    path.display()
                ),
            });
        }
        (0, 0) if tables == 0 => {}
        _ => {
            return Err(refused(format!(
                "{} is a SQLite file of something else: give the ledger a file of its own",
                path.display()
            )));
        }
    }
    transaction.execute_batch(TABLES).map_err(failed)?;
    transaction.execute("INSERT INTO identity (id) VALUES (?1)", [new_identity.as_str()]).map_err(failed)?;
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    transaction.commit().map_err(|error| classify("open", error, Effect::Unknown))
}

fn refused(message: String) -> LedgerError {
    LedgerError::Denied { operation: "open", source: Cause::from(message) }
}

/// What an error of SQLite means to the caller; `effect` is what it would mean for a call that is not refused.
pub(super) fn classify(operation: &'static str, error: rusqlite::Error, effect: Effect) -> LedgerError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt,
        ) if effect == Effect::NotApplied => LedgerError::Denied { operation, source: Box::new(error) },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            LedgerError::Unavailable { operation, effect: Effect::NotApplied, source: Box::new(error) }
        }
        _ => LedgerError::Unavailable { operation, effect, source: Box::new(error) },
    }
}
