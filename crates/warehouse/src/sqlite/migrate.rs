//! A changed definition: tables, views and indexes made as the shape says, in one transaction under the fence.
//!
//! Columns come (null in the rows that are there) and grow wider; columns and tables that a definition drops stay, with
//! their rows. A change that would bend rows that are there is refused, in words that say what to do.

use lakehand_domain::id::FamilyId;
use lakehand_domain::port::warehouse::{MigrateOutcome, MigrationPlan, PlannedStep};
use lakehand_domain::shape::{Contest, FamilyShape, TableShape, has_references};
use lakehand_domain::warehousing::Fence;
use rusqlite::{Connection, params};

use crate::change;
use crate::fit::told;

use super::connection::End;
use super::contest::{self, Scope};
use super::ddl::{self, ROWS_LINEAGE, RowsColumn, quoted_list};
use super::fence::{self, signed, unsigned};
use super::names::{self, RESERVED, quote};
use super::physical::{declared_type, is_text_decimal, read_declared_type};
use super::reference;
use super::tables;
use super::trouble::Trouble;

/// The next form of a table while it is copied.
const REBUILT: &str = "lakehand_rebuilt";

/// Why a table cannot be as the shape says; `None` is that it is now.
type Refusal = Option<String>;

/// Migrates the family to this shape, or finds why not.
pub(crate) fn migrate(
    transaction: &Connection,
    fence: &Fence,
    shape: &FamilyShape,
) -> Result<End<MigrateOutcome>, Trouble> {
    if !fence::hold(transaction, fence)? {
        return Ok(End::Undo(MigrateOutcome::FenceLost));
    }
    let before = tables::of_family(transaction, &shape.family)?;
    for table in &shape.tables {
        if let Some(message) = migrate_table(transaction, &shape.family, table)? {
            return Ok(End::Undo(MigrateOutcome::Refused { message }));
        }
    }
    for definition in &shape.definitions {
        let tables: Vec<_> = shape.tables.iter().filter(|table| table.dataset == definition.dataset).collect();
        transaction.execute(
            &format!(
                "INSERT OR REPLACE INTO {} (dataset, fingerprint, tables, token) VALUES (?1, ?2, ?3, ?4)",
                names::definitions(&shape.family)
            ),
            params![
                definition.dataset.as_str(),
                definition.fingerprint.as_str(),
                serde_json::to_string(&tables)?,
                signed(fence.token.0)?
            ],
        )?;
    }
    fence::put_in_force(transaction, &shape.family, &shape.definitions)?;
    for definition in &shape.definitions {
        let had_references = has_references(&before, &definition.dataset);
        reference::redefine(transaction, &shape.family, &definition.dataset, had_references)?;
    }
    Ok(End::Keep(MigrateOutcome::InForce))
}

/// What [`migrate`] would do, by reading alone.
pub(crate) fn plan(connection: &Connection, shape: &FamilyShape) -> Result<MigrationPlan, Trouble> {
    if fence::is_there(connection, &shape.family)?
        && let Some(message) = change::retired(shape, &fence::read(connection, &shape.family)?.retired)
    {
        return Ok(MigrationPlan::Refused { message });
    }
    let mut changes = Vec::new();
    for table in &shape.tables {
        match plan_table(connection, &shape.family, table)? {
            Ok(steps) => changes.extend(change::planned(table, steps)),
            Err(message) => return Ok(MigrationPlan::Refused { message }),
        }
    }
    Ok(MigrationPlan::Changes(changes))
}

fn plan_table(
    connection: &Connection,
    family: &FamilyId,
    table: &TableShape,
) -> Result<Result<Vec<PlannedStep>, String>, Trouble> {
    if let Some(message) = amiss(table) {
        return Ok(Err(message));
    }
    let known = match find(connection, family, table)? {
        Ok(Some(known)) => known,
        Ok(None) => return Ok(taken(connection, table)?.map_or(Ok(vec![PlannedStep::Create]), Err)),
        Err(message) => return Ok(Err(message)),
    };
    if known == *table {
        return Ok(Ok(Vec::new()));
    }
    let rows = names::rows(table);
    let physical = physical_columns(connection, &rows)?;
    let is_empty = is_empty(connection, &rows)?;
    if let Err(message) = next_columns(table, &physical, is_empty) {
        return Ok(Err(message));
    }
    if let Some(message) = null_keys(connection, table, &physical)? {
        return Ok(Err(message));
    }
    if let Some(message) = unsaid(connection, family, table)? {
        return Ok(Err(message));
    }
    let holds = |name: &str| {
        let there = physical.iter().find(|there| there.name == name)?;
        let holds = read_declared_type(&there.declared);
        Some((holds, holds.map_or_else(|| there.declared.clone(), |holds| holds.to_string())))
    };
    let is_recomputed = (is_other_contest(&known, table) || known.references != table.references) && !is_empty;
    Ok(Ok(change::steps(&known, table, holds, is_recomputed)))
}

/// The shape by which the table was made, where it is there, and why its name is not to be had.
fn find(
    connection: &Connection,
    family: &FamilyId,
    table: &TableShape,
) -> Result<Result<Option<TableShape>, String>, Trouble> {
    Ok(match tables::find(connection, &names::view(table))? {
        None => Ok(None),
        Some((owner, known)) if owner != *family && told(&known) == told(table) => {
            Err(change::of_other_family(table, &owner, family))
        }
        Some((owner, known)) if told(&known) != told(table) => Err(format!(
            "table {} would be called {} here, which is {} of family {owner}: rename one of them",
            told(table),
            names::view(table),
            told(&known)
        )),
        Some((_, known)) => Ok(Some(known)),
    })
}

fn is_other_contest(known: &TableShape, table: &TableShape) -> bool {
    known.contest != table.contest || known.has_where != table.has_where
}

fn is_empty(connection: &Connection, rows: &str) -> Result<bool, Trouble> {
    let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {})", quote(rows));
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

fn migrate_table(transaction: &Connection, family: &FamilyId, table: &TableShape) -> Result<Refusal, Trouble> {
    if let Some(message) = amiss(table) {
        return Ok(Some(message));
    }
    let refusal = match find(transaction, family, table)? {
        Ok(None) => create(transaction, table)?,
        Ok(Some(known)) if known == *table => return Ok(None),
        Ok(Some(known)) => alter(transaction, family, &known, table)?,
        Err(message) => Some(message),
    };
    if refusal.is_none() {
        tables::record(transaction, family, table)?;
    }
    Ok(refusal)
}

/// What is wrong with a shape by itself.
fn amiss(table: &TableShape) -> Refusal {
    if names::view(table).starts_with(RESERVED) {
        return Some(format!("table {} would have a name that begins with {RESERVED}: rename it", told(table)));
    }
    let mut kept = ROWS_LINEAGE.to_vec();
    kept.push("_rowid_");
    change::amiss(table, &kept)
}

/// Whether something that is none of ours has a name that is to be made.
fn taken(connection: &Connection, table: &TableShape) -> Result<Refusal, Trouble> {
    let mut wanted = names::indexes(table).to_vec();
    wanted.extend([names::view(table), names::rows(table)]);
    let taken: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_master WHERE name IN (SELECT value FROM json_each(?1)) ORDER BY name")?
        .query_map([serde_json::to_string(&wanted)?], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(taken.first().map(|name| {
        format!(
            "table {} needs the name {name}, which something else has in this file: rename it, or use another file",
            told(table)
        )
    }))
}

fn create(transaction: &Connection, table: &TableShape) -> Result<Refusal, Trouble> {
    if let Some(message) = taken(transaction, table)? {
        return Ok(Some(message));
    }
    transaction.execute_batch(&ddl::create_rows(&names::rows(table), &ddl::rows_columns(table)))?;
    create_indexes(transaction, table)?;
    transaction.execute_batch(&ddl::create_view(table))?;
    Ok(None)
}

fn create_indexes(transaction: &Connection, table: &TableShape) -> Result<(), Trouble> {
    for index in names::indexes(table) {
        transaction.execute_batch(&format!("DROP INDEX IF EXISTS {}", quote(&index)))?;
    }
    for statement in ddl::create_indexes(table) {
        transaction.execute_batch(&statement)?;
    }
    Ok(())
}

fn alter(
    transaction: &Connection,
    family: &FamilyId,
    known: &TableShape,
    table: &TableShape,
) -> Result<Refusal, Trouble> {
    let rows = names::rows(table);
    let physical = physical_columns(transaction, &rows)?;
    let is_empty = is_empty(transaction, &rows)?;
    let next = match next_columns(table, &physical, is_empty) {
        Ok(next) => next,
        Err(message) => return Ok(Some(message)),
    };
    transaction.execute_batch(&format!("DROP VIEW IF EXISTS {}", quote(&names::view(table))))?;
    let is_rebuilt = next[..physical.len()] != physical;
    if is_rebuilt {
        rebuild(transaction, &rows, &physical, &next)?;
    } else {
        for column in &next[physical.len()..] {
            transaction.execute_batch(&format!(
                "ALTER TABLE {} ADD COLUMN {} {}",
                quote(&rows),
                quote(&column.name),
                column.declared
            ))?;
        }
    }
    if let Some(message) = null_keys(transaction, table, &next)? {
        return Ok(Some(message));
    }
    if let Some(message) = unsaid(transaction, family, table)? {
        return Ok(Some(message));
    }
    if is_rebuilt || known.contest != table.contest {
        create_indexes(transaction, table)?;
    }
    transaction.execute_batch(&ddl::create_view(table))?;
    if is_other_contest(known, table) && !is_empty {
        contest::recompute(transaction, family, table, Scope::All)?;
    }
    Ok(None)
}

/// Why rows that are there cannot be replaced by scope, if they cannot.
fn unsaid(connection: &Connection, family: &FamilyId, table: &TableShape) -> Result<Refusal, Trouble> {
    let rows = contest::count_unsaid(connection, family, table)?;
    Ok((rows > 0).then(|| change::without_scope(table, rows, &table.contest.must_be_said())))
}

/// The columns that the table has, lineage left out.
fn physical_columns(transaction: &Connection, rows: &str) -> Result<Vec<RowsColumn>, Trouble> {
    let mut statement = transaction.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid")?;
    let columns = statement
        .query_map([rows], |row| Ok(RowsColumn { name: row.get(0)?, declared: row.get(1)? }))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(columns.into_iter().filter(|column| !ROWS_LINEAGE.contains(&column.name.as_str())).collect())
}

/// The columns that the table is to have: those that are there, as wide as the shape says, then those that are new.
fn next_columns(table: &TableShape, physical: &[RowsColumn], is_empty: bool) -> Result<Vec<RowsColumn>, String> {
    let mut next = physical.to_vec();
    for column in &table.columns {
        let declared = declared_type(column.column_type);
        let Some(there) = next.iter_mut().find(|there| there.name == column.name) else {
            next.push(RowsColumn { name: column.name.clone(), declared });
            continue;
        };
        let old = read_declared_type(&there.declared);
        if !is_empty && !old.is_some_and(|old| old.widens_to(column.column_type)) {
            let holds = old.map_or_else(|| there.declared.clone(), |old| old.to_string());
            return Err(change::would_bend(table, &column.name, &holds, column.column_type));
        }
        there.declared = declared;
    }
    Ok(next)
}

/// Copies the table into its next form. SQLite cannot change the type of a column in place.
fn rebuild(transaction: &Connection, rows: &str, physical: &[RowsColumn], next: &[RowsColumn]) -> Result<(), Trouble> {
    let mut targets: Vec<&str> = physical.iter().map(|column| column.name.as_str()).collect();
    targets.extend(ROWS_LINEAGE);
    let mut sources: Vec<String> = physical.iter().zip(next).map(|(from, to)| converted(from, to)).collect();
    sources.extend(ROWS_LINEAGE.map(quote));
    transaction.execute_batch(&format!(
        "{}; INSERT INTO {REBUILT} ({}) SELECT {} FROM {rows}; DROP TABLE {rows}; \
         ALTER TABLE {REBUILT} RENAME TO {rows};",
        ddl::create_rows(REBUILT, next),
        quoted_list("", &targets),
        sources.join(", "),
        rows = quote(rows),
    ))?;
    Ok(())
}

/// A value in the column's next type. Of all that is wider, only a decimal that outgrows a double is kept otherwise.
pub(crate) fn converted(from: &RowsColumn, to: &RowsColumn) -> String {
    use lakehand_domain::shape::ColumnType::Decimal;
    let name = quote(&from.name);
    match (read_declared_type(&from.declared), read_declared_type(&to.declared)) {
        (Some(old @ Decimal { scale, .. }), Some(new)) if !is_text_decimal(old) && is_text_decimal(new) => {
            format!("CASE WHEN {name} IS NOT NULL THEN printf('%.{scale}f', {name}) END")
        }
        _ => name,
    }
}

/// Rows without a key cannot contend. A column that is not among those that are there is null in all of them.
fn null_keys(connection: &Connection, table: &TableShape, there: &[RowsColumn]) -> Result<Refusal, Trouble> {
    let Contest::Upsert { key, .. } = &table.contest else { return Ok(None) };
    for name in key {
        let is_there = there.iter().any(|column| column.name == *name);
        let is_null = if is_there { format!("{} IS NULL", quote(name)) } else { "1".to_owned() };
        let sql = format!("SELECT count(*) FROM {} WHERE {is_null}", quote(&names::rows(table)));
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        if rows > 0 {
            return Ok(Some(change::without_key(table, unsigned(rows)?, name)));
        }
    }
    Ok(None)
}
