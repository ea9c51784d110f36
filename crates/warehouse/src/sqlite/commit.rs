//! One batch, in one transaction: fence, guard, removals, additions, markers, standing.

use std::collections::{BTreeMap, BTreeSet};

use lakehand_domain::id::{EntryId, LoadId, Nonce};
use lakehand_domain::port::warehouse::CommitOutcome;
use lakehand_domain::shape::{ColumnShape, FamilyShape, TableShape, lineage};
use lakehand_domain::warehousing::CommitRequest;
use rusqlite::Connection;

use crate::fit::{self, told};

use super::connection::End;
use super::contest::{self, Scope};
use super::ddl::{RowsColumn, quoted_list};
use super::fence::{self, unsigned};
use super::names::{self, quote};
use super::reference::Tied;
use super::trouble::Trouble;
use super::{migrate, stage, tables};

/// Commits the batch, or finds why not.
pub(crate) fn commit(
    transaction: &Connection,
    shape: &FamilyShape,
    request: &CommitRequest,
) -> Result<End<CommitOutcome>, Trouble> {
    if !fence::begin_batch(transaction, request)? {
        return Ok(End::Undo(CommitOutcome::FenceLost));
    }
    let replaced = match guard(transaction, shape, request)? {
        Guarded::Refused(message) => return Ok(End::Undo(CommitOutcome::Refused { message })),
        Guarded::Replaces(loads) => loads,
    };
    apply(transaction, shape, request, &replaced)?;
    let batches = fence::read(transaction, &shape.family)?.batches;
    Ok(End::Keep(CommitOutcome::Committed { batches }))
}

enum Guarded {
    Refused(String),
    /// The loads of older generations that this batch replaces.
    Replaces(Vec<LoadId>),
}

fn guard(transaction: &Connection, shape: &FamilyShape, request: &CommitRequest) -> Result<Guarded, Trouble> {
    let definition = &request.definition;
    let refuse = |message: String| Ok(Guarded::Refused(message));
    let now = fence::read(transaction, &shape.family)?;
    if request.fence.family != shape.family {
        return refuse(format!("the fence is of family {}, the shape of {}", request.fence.family, shape.family));
    }
    if !now.has_in_force(definition) || !shape.definitions.contains(definition) {
        return refuse(format!("definition {} of {} is not in force", definition.fingerprint, definition.dataset));
    }
    for table in shape.tables.iter().filter(|table| table.dataset == definition.dataset) {
        if tables::find(transaction, &names::view(table))?.map(|(_, known)| known).as_ref() != Some(table) {
            return refuse(format!("table {} is not what the definition in force says", told(table)));
        }
    }
    let mut entries = BTreeSet::new();
    for load in &request.loads {
        let manifest = &load.manifest;
        if let Some(message) = load.foreign(definition, &now.in_force) {
            return refuse(message);
        }
        if manifest.erasure_epoch != now.erasure_epoch {
            return refuse(format!(
                "load {} is of erasure epoch {}, the fence of {}",
                manifest.load_id, manifest.erasure_epoch, now.erasure_epoch
            ));
        }
        if let Some(message) = fit::unsaid(shape, manifest) {
            return refuse(message);
        }
        if !entries.insert(manifest.entry.clone()) {
            return refuse(format!("entry {} is listed twice", manifest.entry));
        }
    }
    let entries: Vec<EntryId> = entries.into_iter().collect();
    let mut replaced = Vec::new();
    for marker in fence::markers(transaction, &shape.family, &entries)? {
        let load = request.loads.iter().find(|load| load.manifest.entry == marker.entry);
        if load.is_some_and(|load| marker.generation >= load.manifest.generation) {
            return refuse(format!(
                "entry {} has generation {} here already, as load {}",
                marker.entry, marker.generation, marker.load_id
            ));
        }
        replaced.push(marker.load_id);
    }
    match staged_amiss(transaction, shape, request)? {
        Some(message) => refuse(message),
        None => Ok(Guarded::Replaces(replaced)),
    }
}

/// What is wrong with the staged rows of the batch, if anything.
fn staged_amiss(
    transaction: &Connection,
    shape: &FamilyShape,
    request: &CommitRequest,
) -> Result<Option<String>, Trouble> {
    let dataset_tables: Vec<&TableShape> =
        shape.tables.iter().filter(|table| table.dataset == request.definition.dataset).collect();
    for (nonce, loads) in by_staging(request) {
        for table in &dataset_tables {
            let Some(staging) = stage::find(transaction, &shape.family, nonce, table)? else {
                return Ok(Some(format!("staging {nonce} holds no table {}", told(table))));
            };
            let mut statement =
                transaction.prepare(&format!("SELECT \"_load_id\", count(*) FROM {} GROUP BY 1", quote(&staging)))?;
            let counts = statement
                .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?
                .collect::<Result<BTreeMap<_, _>, _>>()?;
            for load in &loads {
                let staged = unsigned(counts.get(load.as_str()).copied().unwrap_or(0))?;
                let expected = request
                    .loads
                    .iter()
                    .find(|candidate| &candidate.manifest.load_id == *load)
                    .and_then(|load| load.manifest.tables.iter().find(|part| part.table == table.name))
                    .map_or(0, |part| part.rows);
                if staged != expected {
                    return Ok(Some(format!(
                        "load {load} has {staged} rows staged for {}, its manifest says {expected}",
                        told(table)
                    )));
                }
            }
        }
    }
    let unknown = request
        .loads
        .iter()
        .flat_map(|load| &load.manifest.tables)
        .find(|part| part.rows > 0 && !dataset_tables.iter().any(|table| table.name == part.table));
    Ok(unknown.map(|part| format!("a manifest has rows for {}, which the definition does not have", part.table)))
}

fn by_staging(request: &CommitRequest) -> BTreeMap<&Nonce, Vec<&LoadId>> {
    let mut stagings: BTreeMap<&Nonce, Vec<&LoadId>> = BTreeMap::new();
    for load in &request.loads {
        stagings.entry(&load.staging).or_default().push(&load.manifest.load_id);
    }
    stagings
}

fn apply(
    transaction: &Connection,
    shape: &FamilyShape,
    request: &CommitRequest,
    replaced: &[LoadId],
) -> Result<(), Trouble> {
    let added: Vec<&LoadId> = request.loads.iter().map(|load| &load.manifest.load_id).collect();
    let objects: BTreeSet<&str> = request.loads.iter().map(|load| load.manifest.object.uri.as_str()).collect();
    let (added, replaced) = (serde_json::to_string(&added)?, serde_json::to_string(replaced)?);
    let objects = serde_json::to_string(&objects)?;
    let tied = Tied::find(transaction, &shape.family, &request.definition.dataset)?;
    if let Some(tied) = &tied {
        tied.watch(transaction)?;
    }
    contest::touch_scopes(transaction, &shape.family, &replaced)?;
    // Standing is decided from the markers of all live loads, so these come first; nobody sees one without the other.
    fence::write_markers(transaction, request)?;
    contest::touch_more_scopes(transaction, &shape.family, &added)?;
    for table in &tables::of_dataset(transaction, &shape.family, &request.definition.dataset)? {
        contest::touch_none(transaction, table)?;
        contest::touch(transaction, table, &replaced)?;
        transaction.execute(
            &format!(
                "DELETE FROM {} WHERE \"_load_id\" IN (SELECT value FROM json_each(?1))",
                quote(&names::rows(table))
            ),
            [&replaced],
        )?;
        // A table that the definition does not name any more gets no rows, but loses those of replaced loads.
        if shape.tables.contains(table) {
            for (nonce, loads) in by_staging(request) {
                if let Some(staging) = stage::find(transaction, &shape.family, nonce, table)? {
                    add(
                        transaction,
                        table,
                        &staged_shape(table, request, nonce),
                        &staging,
                        &serde_json::to_string(&loads)?,
                    )?;
                }
            }
        }
        contest::touch(transaction, table, &added)?;
        contest::recompute(transaction, &shape.family, table, Scope::Touched { objects: &objects })?;
    }
    contest::forget(transaction)?;
    tied.map_or(Ok(()), |tied| tied.decide(transaction))
}

/// The table as it is staged under this name: a load of an older definition is staged as it was written.
fn staged_shape(table: &TableShape, request: &CommitRequest, staging: &Nonce) -> TableShape {
    let older = request.loads.iter().find(|load| load.as_written && load.staging == *staging);
    let described = older.and_then(|load| load.manifest.tables.iter().find(|part| part.table == table.name));
    described.and_then(|described| table.as_written(described).ok()).unwrap_or_else(|| table.clone())
}

/// What a load does not bring is null, and what the table does not have any more stays in the lake.
fn add(
    transaction: &Connection,
    table: &TableShape,
    staged: &TableShape,
    staging: &str,
    loads: &str,
) -> Result<(), Trouble> {
    let there = staged.part_columns();
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for column in table.part_columns() {
        let Some(staged) = there.iter().find(|staged| staged.name == column.name) else { continue };
        let form = |of: &ColumnShape| RowsColumn::new(&of.name, of.column_type);
        values.push(migrate::converted(&form(staged), &form(&column)));
        columns.push(column.name);
    }
    let passes = if staged.has_where { contest::unrivalled(table, "") } else { "'visible'".to_owned() };
    transaction.execute(
        &format!(
            "INSERT INTO {} ({}, {}) SELECT {}, {passes} FROM {} \
             WHERE \"_load_id\" IN (SELECT value FROM json_each(?1))",
            quote(&names::rows(table)),
            quoted_list("", &columns),
            quote(lineage::STANDING),
            values.join(", "),
            quote(staging),
        ),
        [loads],
    )?;
    Ok(())
}
