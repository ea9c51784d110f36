//! A file of lakehand's: making it, knowing it for lakehand's own, and opening it beside other processes.

use std::path::Path;
use std::time::Duration;

use lakehand_domain::fault::{Cause, Effect};
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::failure::Failure;

#[cfg(test)]
mod tests;

/// How long a writer waits for the other writers of the file.
const BUSY: Duration = Duration::from_secs(10);

/// How long to wait for others that open the file for the first time as well, and how often.
const OPENING_PAUSE: Duration = Duration::from_millis(20);
const OPENING_ATTEMPTS: u32 = 250;

/// What a file holds.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The word for it in messages: `queue`, …
    pub holds: &'static str,
    /// Marks the file as one of these: its `application_id`.
    pub application: i32,
    /// The version of the tables: its `user_version`. A file of an older version would be brought up to it here.
    pub version: i32,
    /// The statements that make the tables.
    pub tables: &'static str,
}

/// Opens the file at `path`, which is made, with its folder and its tables, where it is missing; `fill` puts the first
/// rows into a new one, in the same transaction. What is committed survives the loss of power. Blocks for as long as
/// other processes are in the way, half a minute as a rule at most.
///
/// # Errors
/// [`Failure::Denied`] where the file cannot be opened or is of something else, [`Failure::Newer`] where a newer
/// lakehand made it, [`Failure::Busy`] and [`Failure::Failed`] where others keep it locked or the disk fails.
pub fn open(
    path: &Path,
    layout: &Layout,
    fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> Result<Connection, Failure> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| denied(format!("the folder {} cannot be made: {error}", folder.display())))?;
    }
    let mut connection = Connection::open(path).map_err(not_applied)?;
    connection.busy_timeout(BUSY).map_err(not_applied)?;
    write_ahead(&mut connection).map_err(not_applied)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(not_applied)?;
    prepare(&mut connection, path, layout, fill)?;
    Ok(connection)
}

/// Turns on the write-ahead log, which stays on for the file, and gives the journal mode the file then has. Processes
/// that do so at the same moment may meet "locked" in spite of the busy timeout: the one that does waits for the
/// writers' lock, leaves the others a moment, and looks again.
pub fn write_ahead(connection: &mut Connection) -> rusqlite::Result<String> {
    let mut attempt = 0;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error) if attempt < OPENING_ATTEMPTS && error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                attempt += 1;
                drop(connection.transaction_with_behavior(TransactionBehavior::Immediate)?);
                std::thread::park_timeout(OPENING_PAUSE);
            }
            other => return other,
        }
    }
}

fn prepare(
    connection: &mut Connection,
    path: &Path,
    layout: &Layout,
    fill: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> Result<(), Failure> {
    let Layout { holds, application, version, tables } = *layout;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(not_applied)?;
    let number = |query: &str| transaction.query_row(query, [], |row| row.get::<_, i32>(0)).map_err(not_applied);
    let (its_application, its_version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    if (its_application, its_version) == (application, version) {
        return Ok(());
    }
    if its_application == application {
        return Err(Failure::Newer(format!(
            "{} has version {its_version} of the {holds}'s tables, this lakehand knows version {version}: use the \
             lakehand that wrote it, or a newer one",
            path.display()
        )));
    }
    if (its_application, its_version, number("SELECT count(*) FROM sqlite_schema")?) != (0, 0, 0) {
        return Err(denied(format!(
            "{} is a SQLite file of something else: give the {holds} a file of its own",
            path.display()
        )));
    }
    transaction.execute_batch(tables).map_err(not_applied)?;
    fill(&transaction).map_err(not_applied)?;
    transaction.pragma_update(None, "application_id", application).map_err(not_applied)?;
    transaction.pragma_update(None, "user_version", version).map_err(not_applied)?;
    transaction.commit().map_err(|error| Failure::of(error, Effect::Unknown))
}

fn not_applied(error: rusqlite::Error) -> Failure {
    Failure::of(error, Effect::NotApplied)
}

fn denied(message: String) -> Failure {
    Failure::Denied(Cause::from(message))
}
