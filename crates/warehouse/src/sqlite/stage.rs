//! Staging: parts of the lake copied into tables of their own, outside any commit.
//!
//! Parts are opened on the async side, one ahead, and written by a thread that may block. The write lock of the file is
//! held for some rows at a time, so that other workers commit in between. When the caller goes away, or anything
//! fails, the tables are dropped again; what a killed process leaves is found by its name and swept.

use std::sync::Arc;

use lakehand_domain::id::{FamilyId, Nonce};
use lakehand_domain::manifest::{Manifest, Part, TableManifest};
use lakehand_domain::port::row_reader::{PartError, PartReader, RowReader};
use lakehand_domain::port::warehouse::WarehouseError;
use lakehand_domain::shape::{ColumnShape, FamilyShape, TableShape, lineage};
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_domain::warehousing::Staging;
use rusqlite::{Connection, OptionalExtension, Statement, params};
use tokio::sync::mpsc;

use crate::fit::{check_manifest, find_table, told};

use super::bind::{bind, is_kind};
use super::connection::{Connections, End, transaction};
use super::ddl::{RowsColumn, quoted_list};
use super::names::{self, quote};
use super::trouble::Trouble;

/// Rows written under one hold of the file's write lock.
const ROWS_A_TRANSACTION: usize = 50_000;

/// A part that was opened, on its way to the thread that writes.
struct OpenPart {
    manifest: Arc<Manifest>,
    table: usize,
    part: usize,
    reader: Box<dyn RowReader>,
}

enum Job {
    Write(OpenPart),
    Finish,
}

/// Copies the parts of the manifests into staging tables named by `name`.
pub(crate) async fn stage(
    connections: &Arc<Connections>,
    parts: &dyn PartReader,
    shape: &FamilyShape,
    name: &Nonce,
    manifests: &[Arc<Manifest>],
) -> Result<Staging, WarehouseError> {
    for manifest in manifests {
        check_manifest(shape, manifest)?;
    }
    let (jobs, inbox) = mpsc::channel(1);
    let write = {
        let (mut shape, name) = (shape.clone(), name.clone());
        shape.tables.retain(|table| manifests.iter().any(|manifest| manifest.dataset == table.dataset));
        connections.run("stage", move |connection| write_all(connection, &shape, &name, inbox))
    };
    let (opened, written) = tokio::join!(open_all(parts, manifests, jobs), write);
    // Where opening fails the writer only says that it was broken off.
    opened?;
    written?;
    Ok(Staging { name: name.clone(), manifests: manifests.to_vec() })
}

async fn open_all(
    parts: &dyn PartReader,
    manifests: &[Arc<Manifest>],
    jobs: mpsc::Sender<Job>,
) -> Result<(), PartError> {
    for manifest in manifests {
        for (table, described) in manifest.tables.iter().enumerate() {
            for (part, file) in described.parts.iter().enumerate() {
                let reader = parts.open(file, &described.columns).await?;
                let job = Job::Write(OpenPart { manifest: Arc::clone(manifest), table, part, reader });
                if jobs.send(job).await.is_err() {
                    // The writer has failed and says why.
                    return Ok(());
                }
            }
        }
    }
    drop(jobs.send(Job::Finish).await);
    Ok(())
}

fn write_all(
    connection: &mut Connection,
    shape: &FamilyShape,
    name: &Nonce,
    mut inbox: mpsc::Receiver<Job>,
) -> Result<(), Trouble> {
    transaction(connection, |transaction| create(transaction, shape, name))?;
    // Rows that a loss of power takes from a staging table are missed by the commit's guard; a commit makes durable
    // what lies before it in the log.
    connection.execute_batch("PRAGMA synchronous = NORMAL")?;
    let result = write_jobs(connection, shape, name, &mut inbox);
    connection.execute_batch("PRAGMA synchronous = FULL")?;
    if result.is_err()
        && let Err(error) = transaction(connection, |transaction| drop_tables(transaction, name))
    {
        tracing::warn!(staging.name = %name, error = %error, "staging tables are left to the sweeper");
    }
    result
}

fn write_jobs(
    connection: &mut Connection,
    shape: &FamilyShape,
    name: &Nonce,
    inbox: &mut mpsc::Receiver<Job>,
) -> Result<(), Trouble> {
    loop {
        match inbox.blocking_recv() {
            Some(Job::Write(part)) => write_part(connection, shape, name, part)?,
            Some(Job::Finish) => return Ok(()),
            None => return Err(Trouble::BrokenOff),
        }
    }
}

fn write_part(
    connection: &mut Connection,
    shape: &FamilyShape,
    name: &Nonce,
    mut open: OpenPart,
) -> Result<(), Trouble> {
    let described = &open.manifest.tables[open.table];
    let part = &described.parts[open.part];
    let Some(table) = find_table(shape, &open.manifest, described) else {
        return Err(mismatch(part, "its table is not in the definition"));
    };
    let insert = Insert::new(table, &open.manifest, described, part);
    let sql = insert.sql(&names::staging(&shape.family, name, table));
    let mut rows = 0;
    let mut at_end = false;
    while !at_end {
        let wrote = transaction(connection, |transaction| {
            let mut statement = transaction.prepare(&sql)?;
            let mut wrote = 0;
            while wrote < ROWS_A_TRANSACTION {
                let Some(batch) = open.reader.next()? else {
                    at_end = true;
                    break;
                };
                insert.write(&mut statement, &batch)?;
                wrote += batch.rows;
            }
            Ok(End::Keep(wrote))
        })?;
        rows += wrote;
    }
    // A table's count is the sum of its parts'; the last part answers for both.
    let all: u64 = described.parts.iter().map(|part| part.rows).sum();
    if rows as u64 != part.rows || all != described.rows {
        return Err(mismatch(
            part,
            &format!(
                "it holds {rows} rows of load {}, its manifest says {} of the table's {}",
                open.manifest.load_id, part.rows, described.rows
            ),
        ));
    }
    Ok(())
}

fn mismatch(part: &Part, message: &str) -> Trouble {
    Trouble::Part(PartError::Mismatch { uri: part.uri.clone(), message: message.to_owned() })
}

/// How the rows of one part are written.
struct Insert<'a> {
    table: &'a TableShape,
    part: &'a Part,
    manifest: &'a Manifest,
    /// The columns of the part, in its order, as the definition declares them, each with the one text that all its
    /// rows have to have, where the manifest knows it.
    columns: Vec<(ColumnShape, Option<&'a str>)>,
}

impl<'a> Insert<'a> {
    fn new(table: &'a TableShape, manifest: &'a Manifest, described: &TableManifest, part: &'a Part) -> Self {
        let declared = table.part_columns();
        let columns = described
            .columns
            .iter()
            .map(|column| {
                let known = declared.iter().find(|declared| declared.name == column.name).unwrap_or(column);
                let fixed = match column.name.as_str() {
                    lineage::LOAD_ID => Some(manifest.load_id.as_str()),
                    lineage::OBJECT => Some(manifest.object.uri.as_str()),
                    lineage::ORDER => Some(manifest.order.as_str()),
                    _ => None,
                };
                (known.clone(), fixed)
            })
            .collect();
        Self { table, part, manifest, columns }
    }

    fn sql(&self, staging: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(column, _)| column.name.as_str()).collect();
        let parameters: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        format!("INSERT INTO {} ({}) VALUES ({})", quote(staging), quoted_list("", &names), parameters.join(", "))
    }

    fn write(&self, statement: &mut Statement<'_>, batch: &RowBatch) -> Result<(), Trouble> {
        if batch.columns.len() != self.columns.len() {
            return Err(mismatch(
                self.part,
                &format!("it has {} columns, its manifest says {}", batch.columns.len(), self.columns.len()),
            ));
        }
        for ((column, fixed), values) in self.columns.iter().zip(&batch.columns) {
            if values.len() != batch.rows || !is_kind(column.column_type, values) {
                return Err(mismatch(self.part, &format!("column {} is no {}", column.name, column.column_type)));
            }
            if let (Some(fixed), ColumnValues::Text(texts)) = (fixed, values)
                && let Some(other) = texts.iter().find(|text| text.as_deref() != Some(fixed))
            {
                return Err(mismatch(self.part, &format!("{} is {other:?}, and not {fixed:?}", column.name)));
            }
        }
        let mut scratch = String::with_capacity(64);
        for row in 0..batch.rows {
            for (at, ((column, _), values)) in self.columns.iter().zip(&batch.columns).enumerate() {
                bind(statement, at + 1, column, values, row, &mut scratch)
                    .map_err(|bad| bad.at(|| self.place(&column.name, batch, row)))?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }

    fn place(&self, column: &str, batch: &RowBatch, row: usize) -> String {
        let at = self.columns.iter().position(|(column, _)| column.name == lineage::RECORD);
        let record = match at.map(|at| &batch.columns[at]) {
            Some(ColumnValues::Integer(records)) => records[row].unwrap_or_default(),
            _ => 0,
        };
        let (load, object) = (&self.manifest.load_id, &self.manifest.object.uri);
        format!("load {load}, object {object}, record {record}, column {column} of {}", told(self.table))
    }
}

fn create(transaction: &Connection, shape: &FamilyShape, name: &Nonce) -> Result<End<()>, Trouble> {
    for table in &shape.tables {
        let staging = names::staging(&shape.family, name, table);
        let columns: Vec<String> = table
            .part_columns()
            .iter()
            .map(|column| {
                let RowsColumn { name, declared } = RowsColumn::new(&column.name, column.column_type);
                format!("{} {declared}", quote(&name))
            })
            .collect();
        // Fails where the name is taken: no second copy goes into one staging table.
        transaction
            .execute(
                "INSERT INTO lakehand_stagings (name, family, nonce, dataset, table_name) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![staging, shape.family.as_str(), name.as_str(), table.dataset.as_str(), table.name],
            )
            .map_err(|error| match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::ConstraintViolation) => {
                    Trouble::Refused(format!("staging {name} is there already: stage under a new name"))
                }
                _ => Trouble::Sql(error),
            })?;
        transaction.execute_batch(&format!("CREATE TABLE {} ({})", quote(&staging), columns.join(", ")))?;
    }
    Ok(End::Keep(()))
}

/// The staging table of this table under this name, if it is there.
pub(crate) fn find(
    connection: &Connection,
    family: &FamilyId,
    name: &Nonce,
    table: &TableShape,
) -> Result<Option<String>, Trouble> {
    Ok(connection
        .query_row(
            "SELECT s.name FROM lakehand_stagings AS s JOIN sqlite_master AS m ON m.type = 'table' AND m.name = s.name \
             WHERE s.family = ?1 AND s.nonce = ?2 AND s.dataset = ?3 AND s.table_name = ?4",
            params![family.as_str(), name.as_str(), table.dataset.as_str(), table.name],
            |row| row.get(0),
        )
        .optional()?)
}

/// Drops all staging tables of this name.
pub(crate) fn drop_tables(transaction: &Connection, name: &Nonce) -> Result<End<()>, Trouble> {
    let mut statement = transaction.prepare("SELECT name FROM lakehand_stagings WHERE nonce = ?1")?;
    let tables = statement.query_map([name.as_str()], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    if tables.is_empty() {
        return Ok(End::Undo(()));
    }
    for table in tables {
        transaction.execute_batch(&format!("DROP TABLE IF EXISTS {}", quote(&table)))?;
    }
    transaction.execute("DELETE FROM lakehand_stagings WHERE nonce = ?1", [name.as_str()])?;
    Ok(End::Keep(()))
}

/// The names of all stagings of the family.
pub(crate) fn names_of(connection: &Connection, family: &FamilyId) -> Result<Vec<Nonce>, Trouble> {
    let mut statement =
        connection.prepare("SELECT DISTINCT nonce FROM lakehand_stagings WHERE family = ?1 ORDER BY nonce")?;
    let names = statement.query_map([family.as_str()], |row| Ok(Nonce::new(row.get::<_, String>(0)?)))?;
    Ok(names.collect::<Result<_, _>>()?)
}
