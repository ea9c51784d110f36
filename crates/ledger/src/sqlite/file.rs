//! The file of the embedded ledger: its tables, and what its failures are to the port.

use std::path::Path;

use lakehand_domain::fault::Effect;
use lakehand_domain::id::LedgerId;
use lakehand_domain::port::ledger::LedgerError;
use lakehand_sqlite::failure::Failure;
use lakehand_sqlite::file::{Layout, open};
use rusqlite::Connection;

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

const LAYOUT: Layout = Layout {
    holds: "ledger",
    // "lhLE".
    application: 0x6c68_4c45,
    version: 1,
    tables: TABLES,
};

/// Opens the file, makes sure that its tables are there, and reads its name, which is `new_identity` in a new file. A
/// message is deleted because an entry says that its file is written: the entry outlives a power cut.
pub(super) fn open_file(path: &Path, new_identity: &LedgerId) -> Result<(Connection, LedgerId), LedgerError> {
    let connection = open(path, &LAYOUT, |transaction| {
        transaction.execute("INSERT INTO identity (id) VALUES (?1)", [new_identity.as_str()]).map(drop)
    })
    .map_err(|failure| failed("open", failure))?;
    let identity: String =
        connection.query_row("SELECT id FROM identity", [], |row| row.get(0)).map_err(not_applied("open"))?;
    Ok((connection, LedgerId::new(identity)))
}

/// What a failure is to the caller of the ledger.
pub(super) fn failed(operation: &'static str, failure: Failure) -> LedgerError {
    match failure {
        Failure::Denied(source) => LedgerError::Denied { operation, source },
        Failure::Newer(message) => LedgerError::Unintelligible { operation, message },
        Failure::Busy(source) => LedgerError::Unavailable { operation, effect: Effect::NotApplied, source },
        Failure::Failed { effect, source } => LedgerError::Unavailable { operation, effect, source },
    }
}

/// What an error is that came before anything was committed.
pub(super) fn not_applied(operation: &'static str) -> impl Fn(rusqlite::Error) -> LedgerError {
    move |error| failed(operation, Failure::of(error, Effect::NotApplied))
}
