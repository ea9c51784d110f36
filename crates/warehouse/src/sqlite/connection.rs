//! Connections to the file: how one is opened, a few that are kept, transactions, and work on threads that may block.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lakehand_domain::port::warehouse::WarehouseError;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::trouble::Trouble;

/// How long a transaction waits for another to end before it is a conflict.
const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections kept for the next call.
const MOST_IDLE: usize = 4;
/// The layout of lakehand's own tables, kept in the file's `user_version`.
const LAYOUT: i64 = 1;

/// How a transaction ends when nothing failed.
pub(crate) enum End<T> {
    /// Commit, and this is the answer.
    Keep(T),
    /// Roll back, and this is the answer.
    Undo(T),
}

/// The file and its idle connections.
#[derive(Debug)]
pub(crate) struct Connections {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    /// Opens the file, which is made where it is not there, and lays out lakehand's registers.
    pub(crate) fn open(path: &Path) -> Result<Self, Trouble> {
        let mut connection = connect(path)?;
        write_ahead(&mut connection)?;
        lay_out(&mut connection)?;
        Ok(Self { path: path.to_owned(), idle: Mutex::new(vec![connection]) })
    }

    /// Runs `work` on a thread that may block, with a connection of its own. Once begun it goes on to its end, also
    /// when the caller does not wait for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        operation: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, WarehouseError> {
        let connections = Arc::clone(self);
        tokio::task::spawn_blocking(move || connections.with(work))
            .await
            .unwrap_or(Err(Trouble::BrokenOff))
            .map_err(|trouble| trouble.of(operation))
    }

    /// Runs `work` on this thread.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let result = work(&mut connection);
        // After a failure the connection may be in any state: it is closed.
        if result.is_ok() && connection.is_autocommit() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MOST_IDLE {
                idle.push(connection);
            }
        }
        result
    }

    /// A connection that cannot write.
    pub(crate) fn read_only(&self) -> Result<Connection, Trouble> {
        let connection = Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    }
}

/// One transaction, which owns the file's only write lock from its first statement on and so sees all that was
/// committed before it.
pub(crate) fn transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<End<T>, Trouble>,
) -> Result<T, Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match work(&transaction)? {
        End::Keep(answer) => {
            transaction.commit().map_err(Trouble::Commit)?;
            Ok(answer)
        }
        End::Undo(answer) => {
            transaction.rollback()?;
            Ok(answer)
        }
    }
}

fn connect(path: &Path) -> Result<Connection, Trouble> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // FULL: a commit that was answered survives the loss of power. Names of tables that are being replaced in a
    // migration stay as views wrote them (legacy_alter_table).
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864; \
         PRAGMA legacy_alter_table = ON;",
    )?;
    Ok(connection)
}

/// A file system that has no shared memory leaves the mode as it was, and then readers would wait for writers.
fn write_ahead(connection: &mut Connection) -> Result<(), Trouble> {
    let mode = lakehand_sqlite::file::write_ahead(connection)?;
    if mode == "wal" {
        Ok(())
    } else {
        Err(Trouble::Refused(format!("the file's journal mode stays {mode:?}, not \"wal\"")))
    }
}

fn layout(connection: &Connection) -> Result<i64, Trouble> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

fn lay_out(connection: &mut Connection) -> Result<(), Trouble> {
    match layout(connection)? {
        LAYOUT => return Ok(()),
        0 => {}
        other => {
            return Err(Trouble::Refused(format!(
                "the file has layout {other}, this lakehand knows {LAYOUT}: use the one that made it, or another file"
            )));
        }
    }
    transaction(connection, |transaction| {
        if layout(transaction)? == 0 {
            transaction.execute_batch(&format!(
                "CREATE TABLE lakehand_families (family TEXT PRIMARY KEY) WITHOUT ROWID;
                 CREATE TABLE lakehand_tables (
                   name TEXT PRIMARY KEY, family TEXT NOT NULL, dataset TEXT NOT NULL, shape TEXT NOT NULL
                 ) WITHOUT ROWID;
                 CREATE TABLE lakehand_stagings (
                   name TEXT PRIMARY KEY, family TEXT NOT NULL, nonce TEXT NOT NULL, dataset TEXT NOT NULL,
                   table_name TEXT NOT NULL
                 ) WITHOUT ROWID;
                 PRAGMA user_version = {LAYOUT};"
            ))?;
        }
        Ok(End::Keep(()))
    })
}
