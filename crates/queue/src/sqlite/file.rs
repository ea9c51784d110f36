//! The file of the embedded queues: opening it, its tables, and what its errors mean.

use std::path::Path;
use std::time::Duration;

use lakehand_domain::fault::{Cause, Effect};
use lakehand_domain::port::queue::QueueError;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// Marks a file as a lakehand queue: "lhQU".
const APPLICATION: i32 = 0x6c68_5155;

/// The version of the tables below. A file of an older version would be brought up to it here.
const VERSION: i32 = 1;

/// How long a writer waits for the other writers of the file.
const BUSY: Duration = Duration::from_secs(10);

/// Rows are never numbered twice, so that a receipt means one delivery for ever.
const TABLES: &str = "
    CREATE TABLE message (
        seq            INTEGER PRIMARY KEY AUTOINCREMENT,
        queue          TEXT    NOT NULL,
        id             TEXT    NOT NULL,
        body           TEXT    NOT NULL,
        sent_at        INTEGER NOT NULL,
        visible_at     INTEGER NOT NULL,
        received_at    INTEGER NOT NULL DEFAULT 0,
        delivery_count INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX message_by_due ON message (queue, visible_at, seq);
";

/// Opens the file and makes sure that its tables are there.
pub(super) fn open_file(path: &Path) -> Result<Connection, QueueError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| refused(format!("the folder {} cannot be made: {error}", folder.display())))?;
    }
    let failed = |error| classify("open", error, Effect::NotApplied);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    become_write_ahead(&mut connection).map_err(failed)?;
    // A message is acknowledged to its sender once: it must outlive a power cut from then on.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    prepare(&mut connection, path)?;
    Ok(connection)
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

fn prepare(connection: &mut Connection, path: &Path) -> Result<(), QueueError> {
    let failed = |error| classify("open", error, Effect::NotApplied);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let number = |query: &str| transaction.query_row(query, [], |row| row.get::<_, i32>(0)).map_err(failed);
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (application, version) {
        (APPLICATION, VERSION) => return Ok(()),
        (APPLICATION, newer) => {
            return Err(refused(format!(
                "{} has version {newer} of the queue's tables, this lakehand knows version {VERSION}: use the lakehand \
                 that wrote it, or a newer one",
                path.display()
            )));
        }
        (0, 0) if tables == 0 => {}
        _ => {
            return Err(refused(format!(
                "{} is a SQLite file of something else: give the queue a file of its own",
                path.display()
            )));
        }
    }
    transaction.execute_batch(TABLES).map_err(failed)?;
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failed)?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(failed)?;
    transaction.commit().map_err(|error| classify("open", error, Effect::Unknown))
}

fn refused(message: String) -> QueueError {
    QueueError::Denied { operation: "open", source: Cause::from(message) }
}

/// What an error of SQLite means to the caller; `effect` is what it would mean for a call that is not refused.
pub(super) fn classify(operation: &'static str, error: rusqlite::Error, effect: Effect) -> QueueError {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::PermissionDenied
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::NotADatabase
            | ErrorCode::DatabaseCorrupt,
        ) if effect == Effect::NotApplied => QueueError::Denied { operation, source: Box::new(error) },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            QueueError::Unavailable { operation, effect: Effect::NotApplied, source: Box::new(error) }
        }
        _ => QueueError::Unavailable { operation, effect, source: Box::new(error) },
    }
}
