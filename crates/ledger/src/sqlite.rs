//! The embedded ledger: entries in a SQLite file that several processes of one machine share.
//!
//! An entry is one JSON document beside the columns that queries need. Every change is on disk before it is answered,
//! because a message is deleted on the strength of it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lakehand_domain::entry::{Entry, EntryState, StateName};
use lakehand_domain::id::{DatasetId, EntryId, LedgerId, WorkerId};
use lakehand_domain::port::ledger::{EntryPage, EntryQuery, Ledger, LedgerError, PutEntry, StateCount};
use lakehand_domain::timestamp::Timestamp;
use lakehand_sqlite::work;
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, params};

use self::file::{failed, not_applied, open_file};

mod file;
mod query;

#[cfg(test)]
mod tests;

/// One ledger file. Several values, in one process or in several, may be open on the same file.
#[derive(Debug)]
pub struct SqliteLedger {
    identity: LedgerId,
    writer: Arc<Mutex<Connection>>,
    /// Apart from the writer, so that nobody who looks waits for a disk to be synced.
    reader: Arc<Mutex<Connection>>,
}

impl SqliteLedger {
    /// Opens the ledger at `path`, which is made, with its folder, where it is missing; a new one takes `new_identity`
    /// as its name for ever. Blocks while it does, for a few milliseconds as a rule and for half a minute at most.
    ///
    /// # Errors
    /// [`LedgerError::Denied`] where the file cannot be opened or is of something else;
    /// [`LedgerError::Unintelligible`] where a newer version of lakehand made it; [`LedgerError::Unavailable`] where
    /// another process keeps it locked or the disk fails.
    pub fn open(path: &Path, new_identity: &LedgerId) -> Result<Self, LedgerError> {
        let (writer, identity) = open_file(path, new_identity)?;
        let (reader, _) = open_file(path, new_identity)?;
        Ok(Self { identity, writer: Arc::new(Mutex::new(writer)), reader: Arc::new(Mutex::new(reader)) })
    }

    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        work::blocking(&self.reader, move |connection| work(connection))
            .await
            .map_err(|failure| failed(operation, failure))?
    }

    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let failed = move |failure| failed(operation, failure);
        work::blocking(&self.writer, move |connection| work::write(connection, failed, work)).await.map_err(failed)?
    }

    async fn change(
        &self,
        operation: &'static str,
        statement: &'static str,
        values: impl Params + Send + 'static,
    ) -> Result<usize, LedgerError> {
        self.write(operation, move |transaction| {
            transaction
                .prepare_cached(statement)
                .and_then(|mut statement| statement.execute(values))
                .map_err(not_applied(operation))
        })
        .await
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn identity(&self) -> Result<LedgerId, LedgerError> {
        Ok(self.identity.clone())
    }

    async fn get(&self, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
        let id = id.clone();
        self.read("get", move |connection| find(connection, "get", &id)).await
    }

    async fn put(&self, entry: &Entry) -> Result<PutEntry, LedgerError> {
        let entry = entry.clone();
        self.write("put", move |transaction| {
            let stored = store(transaction, &entry)?;
            if stored { Ok(PutEntry::Stored) } else { mismatch(transaction, &entry.id) }
        })
        .await
    }

    async fn list(&self, query: &EntryQuery) -> Result<EntryPage, LedgerError> {
        let statement = query::Statement::of(query)?;
        self.read("list", move |connection| {
            let rows = connection
                .prepare_cached(&statement.text)
                .and_then(|mut prepared| {
                    prepared.query_map(rusqlite::params_from_iter(&statement.values), document)?.collect()
                })
                .map_err(not_applied("list"))?;
            page(rows, statement.limit)
        })
        .await
    }

    async fn counts(&self) -> Result<Vec<StateCount>, LedgerError> {
        self.read("counts", |connection| {
            let rows: Vec<(String, String, i64, i64)> = connection
                .prepare_cached(
                    "SELECT dataset, state, count(*), min(updated) FROM entry GROUP BY dataset, state
                     ORDER BY dataset, state",
                )
                .and_then(|mut statement| {
                    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?.collect()
                })
                .map_err(not_applied("counts"))?;
            rows.into_iter()
                .map(|(dataset, state, entries, oldest)| {
                    Ok(StateCount {
                        dataset: DatasetId::new(dataset),
                        state: state_of(&state)?,
                        entries: entries.unsigned_abs(),
                        oldest: Timestamp::from_micros(oldest),
                    })
                })
                .collect()
        })
        .await
    }

    async fn hold(&self, name: &str, owner: &WorkerId, now: Timestamp, until: Timestamp) -> Result<bool, LedgerError> {
        let values = (name.to_owned(), owner.as_str().to_owned(), until.micros(), now.micros());
        let held = self
            .change(
                "hold",
                "INSERT INTO lease (name, owner, until) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
                 WHERE lease.owner = excluded.owner OR lease.until <= ?4",
                values,
            )
            .await?;
        Ok(held > 0)
    }

    async fn let_go(&self, name: &str, owner: &WorkerId) -> Result<(), LedgerError> {
        let values = (name.to_owned(), owner.as_str().to_owned());
        self.change("let_go", "DELETE FROM lease WHERE name = ?1 AND owner = ?2", values).await.map(drop)
    }

    async fn number(&self, name: &str) -> Result<Option<i64>, LedgerError> {
        let name = name.to_owned();
        self.read("number", move |connection| {
            connection
                .prepare_cached("SELECT value FROM number WHERE name = ?1")
                .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
                .map_err(not_applied("number"))
        })
        .await
    }

    async fn raise(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.change(
            "raise",
            "INSERT INTO number (name, value) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
            (name.to_owned(), value),
        )
        .await
        .map(drop)
    }

    async fn reset(&self, name: &str, value: i64) -> Result<(), LedgerError> {
        self.change(
            "reset",
            "INSERT INTO number (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name.to_owned(), value),
        )
        .await
        .map(drop)
    }
}

/// Stores the entry over the revision before its own, in one statement; whether it was that revision.
fn store(transaction: &Transaction<'_>, entry: &Entry) -> Result<bool, LedgerError> {
    let unwritable = |message: String| LedgerError::Unintelligible { operation: "put", message };
    let document = serde_json::to_string(entry).map_err(|error| unwritable(format!("entry {}: {error}", entry.id)))?;
    let revision = i64::try_from(entry.revision)
        .ok()
        .filter(|revision| *revision > 0)
        .ok_or_else(|| unwritable(format!("entry {} has revision {}: the first is 1", entry.id, entry.revision)))?;
    let statement = if revision == 1 {
        "INSERT INTO entry (id, dataset, object, state, untold, updated, revision, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING"
    } else {
        "UPDATE entry
         SET dataset = ?2, object = ?3, state = ?4, untold = ?5, updated = ?6, revision = ?7, document = ?8
         WHERE id = ?1 AND revision = ?7 - 1"
    };
    let untold = matches!(entry.state, EntryState::SetAside { told: false, .. });
    let values = params![
        entry.id.as_str(),
        entry.dataset.as_str(),
        entry.object.uri.as_str(),
        entry.state_name().as_str(),
        untold,
        entry.updated.micros(),
        revision,
        document
    ];
    transaction
        .prepare_cached(statement)
        .and_then(|mut statement| statement.execute(values))
        .map(|changed| changed > 0)
        .map_err(not_applied("put"))
}

fn mismatch(transaction: &Transaction<'_>, id: &EntryId) -> Result<PutEntry, LedgerError> {
    Ok(PutEntry::Mismatch(find(transaction, "put", id)?.map(Box::new)))
}

fn find(connection: &Connection, operation: &'static str, id: &EntryId) -> Result<Option<Entry>, LedgerError> {
    let row = connection
        .prepare_cached("SELECT id, document FROM entry WHERE id = ?1")
        .and_then(|mut statement| statement.query_row([id.as_str()], document).optional())
        .map_err(not_applied(operation))?;
    row.map(|row| read_document(operation, &row)).transpose()
}

/// An entry as its row holds it: its name and its document.
type Document = (String, String);

fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok((row.get(0)?, row.get(1)?))
}

fn read_document(operation: &'static str, (id, document): &Document) -> Result<Entry, LedgerError> {
    serde_json::from_str(document)
        .map_err(|error| LedgerError::Unintelligible { operation, message: format!("entry {id}: {error}") })
}

/// One row more than the page holds says that there is another page.
fn page(mut rows: Vec<Document>, limit: usize) -> Result<EntryPage, LedgerError> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let entries: Vec<Entry> = rows.iter().map(|row| read_document("list", row)).collect::<Result<_, _>>()?;
    let next = entries.last().filter(|_| more).map(query::token);
    Ok(EntryPage { entries, next })
}

fn state_of(text: &str) -> Result<StateName, LedgerError> {
    [StateName::Claimed, StateName::Written, StateName::Loaded, StateName::SetAside]
        .into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| LedgerError::Unintelligible { operation: "counts", message: format!("the state {text:?}") })
}
