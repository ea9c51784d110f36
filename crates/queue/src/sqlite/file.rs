//! The file of the embedded queues: its tables, and what its failures are to the port.

use std::path::Path;

use lakehand_domain::fault::Effect;
use lakehand_domain::port::queue::QueueError;
use lakehand_sqlite::failure::Failure;
use lakehand_sqlite::file::{Layout, open};
use rusqlite::{Connection, TransactionBehavior};

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
        delivery_count INTEGER NOT NULL DEFAULT 0,
        attributes     TEXT    NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX message_by_due ON message (queue, visible_at, seq);
";

const LAYOUT: Layout = Layout {
    holds: "queue",
    // "lhQU".
    application: 0x6c68_5155,
    version: 1,
    tables: TABLES,
};

/// Opens the file and makes sure that its tables are there. A message is acknowledged to its sender once: it outlives a
/// power cut from then on.
pub(super) fn open_file(path: &Path) -> Result<Connection, QueueError> {
    let mut connection = open(path, &LAYOUT, |_| Ok(())).map_err(|failure| failed("open", failure))?;
    add_attributes(&mut connection).map_err(not_applied("open"))?;
    Ok(connection)
}

/// Files of before have no column for attributes. It has a default, so that older processes go on with the file beside us.
fn add_attributes(connection: &mut Connection) -> rusqlite::Result<()> {
    let is_there = "SELECT count(*) FROM pragma_table_info('message') WHERE name = 'attributes'";
    let count = |connection: &Connection| connection.query_row(is_there, [], |row| row.get::<_, i64>(0));
    if count(connection)? > 0 {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been first.
    if count(&transaction)? == 0 {
        transaction.execute_batch("ALTER TABLE message ADD COLUMN attributes TEXT NOT NULL DEFAULT ''")?;
    }
    transaction.commit()
}

/// What a failure is to the caller of the queue.
pub(super) fn failed(operation: &'static str, failure: Failure) -> QueueError {
    match failure {
        Failure::Denied(source) => QueueError::Denied { operation, source },
        Failure::Newer(message) => QueueError::Denied { operation, source: message.into() },
        Failure::Busy(source) => QueueError::Unavailable { operation, effect: Effect::NotApplied, source },
        Failure::Failed { effect, source } => QueueError::Unavailable { operation, effect, source },
    }
}

/// What an error is that came before anything was committed.
pub(super) fn not_applied(operation: &'static str) -> impl Fn(rusqlite::Error) -> QueueError {
    move |error| failed(operation, Failure::of(error, Effect::NotApplied))
}
