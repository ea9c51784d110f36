//! A changed definition: tables, columns and views made as the shape says, under the fence.
//!
//! What can be refused is found by reading, before anything is changed. Schemas are made, and texts made wider, outside
//! the transaction, where Redshift does not take it inside: both are harmless to repeat, and bend nothing. All else is
//! one transaction: what the register says is there, is there.
//!
//! Columns come (null in the rows that are there) and grow wider; columns and tables that a definition drops stay, with
//! their rows. Redshift makes no column wider but a VARCHAR: for others, and for a VARCHAR whose encoding forbids it, the
//! table is copied into its next form.

pub(crate) mod plan;

use std::collections::BTreeSet;

use lakehand_domain::id::FamilyId;
use lakehand_domain::port::warehouse::{MigrateOutcome, MigrationPlan, PlannedStep};
use lakehand_domain::shape::{ColumnType, Contest, DefinitionInForce, FamilyShape, TableShape};
use lakehand_domain::warehousing::Fence;

use super::RedshiftWarehouse;
use super::client::Script;
use super::contest;
use super::ddl;
use super::ensure;
use super::limits::{MOST_STATEMENTS, worst_batch};
use super::names;
use super::physical::{RowsColumn, lineage_names};
use super::record::Record;
use super::sql::{literal, literal_list, quote};
use super::state::{Registered, read_fence, read_state, select_fence, select_state};
use super::trouble::{Meaning, Trouble};
use crate::change;
use crate::fit::told;
use plan::{Change, Move};

/// Migrates the family to this shape, or finds why not.
pub(crate) async fn migrate(
    warehouse: &RedshiftWarehouse,
    fence: &Fence,
    shape: &FamilyShape,
) -> Result<MigrateOutcome, Trouble> {
    if let Some(message) = shape_amiss(warehouse, shape) {
        return Ok(MigrateOutcome::Refused { message });
    }
    let rows = warehouse
        .client
        .ask(&format!("lakehand/migrate/{}/look", shape.family), select_state(&warehouse.names, &shape.family))
        .await?;
    let state = read_state(rows)?;
    if !state.fence.is(fence) {
        return Ok(MigrateOutcome::FenceLost);
    }
    let mut changes = match changes(warehouse, shape, &state.tables).await? {
        Ok(changes) => changes,
        Err(message) => return Ok(MigrateOutcome::Refused { message }),
    };
    make_schemas(warehouse, shape).await?;
    widen(warehouse, shape, &mut changes).await?;
    let script = |changes: &[Change]| {
        let statements = plan::transaction(&warehouse.names, fence, shape, &state, changes)?;
        Ok::<_, Trouble>(Script::new(format!("lakehand/migrate/{}/{}", shape.family, fence.token.0), statements))
    };
    let mut made = script(&changes)?;
    if made.statements() > MOST_STATEMENTS {
        // One statement a column is too many: copying takes four a table.
        changes.iter_mut().for_each(Change::copy_instead);
        made = script(&changes)?;
    }
    match warehouse.client.run(&made).await {
        Ok(_) => Ok(MigrateOutcome::InForce),
        Err(Trouble::Failed(failed))
            if failed.at == Some(plan::HOLDS_THE_FENCE) && failed.meaning() == Meaning::Unclear =>
        {
            Ok(MigrateOutcome::FenceLost)
        }
        Err(trouble) => Err(trouble),
    }
}

/// What [`migrate`] would do, by reading alone.
pub(crate) async fn plan(warehouse: &RedshiftWarehouse, shape: &FamilyShape) -> Result<MigrationPlan, Trouble> {
    if let Some(message) = shape_amiss(warehouse, shape) {
        return Ok(MigrationPlan::Refused { message });
    }
    let tables = if ensure::is_there(warehouse, &shape.family).await? {
        let sql = select_fence(&warehouse.names, &shape.family);
        let (row, mut retired) =
            read_fence(warehouse.client.ask(&format!("lakehand/plan/{}/fence", shape.family), sql).await?)?;
        retired.retain(|definition| !row.in_force.contains(definition));
        if let Some(message) = change::retired(shape, &retired) {
            return Ok(MigrationPlan::Refused { message });
        }
        let sql = select_state(&warehouse.names, &shape.family);
        read_state(warehouse.client.ask(&format!("lakehand/plan/{}/look", shape.family), sql).await?)?.tables
    } else {
        Vec::new()
    };
    let changes = match changes(warehouse, shape, &tables).await? {
        Ok(changes) => changes,
        Err(message) => return Ok(MigrationPlan::Refused { message }),
    };
    let mut planned = Vec::new();
    for change in changes {
        let known = tables.iter().find(|known| told(&known.shape) == told(&change.table));
        let steps = match known {
            None => vec![PlannedStep::Create],
            Some(known) => {
                let holds = |name: &str| {
                    let there = known.columns.iter().find(|there| there.name == name)?;
                    Some((Some(there.column_type), there.column_type.to_string()))
                };
                // An empty table is made anew.
                let is_tied_anew = change.how != Move::Remake && known.shape.references != change.table.references;
                change::steps(&known.shape, &change.table, holds, change.is_recomputed || is_tied_anew)
            }
        };
        planned.extend(change::planned(&change.table, steps));
    }
    Ok(MigrationPlan::Changes(planned))
}

/// How the tables that are there become what the shape says, or why they cannot.
async fn changes(
    warehouse: &RedshiftWarehouse,
    shape: &FamilyShape,
    tables: &[Registered],
) -> Result<Result<Vec<Change>, String>, Trouble> {
    let mut changes = Vec::new();
    for table in &shape.tables {
        let known = tables.iter().find(|known| told(&known.shape) == told(table));
        match known {
            Some(known) if known.shape.without_layout() == table.without_layout() => {}
            Some(known) => match alter(warehouse, &shape.family, known, table).await? {
                Ok(change) => changes.push(change),
                Err(message) => return Ok(Err(message)),
            },
            None => changes.push(Change::new(table, ddl::rows_columns(table), Move::Create)),
        }
    }
    Ok(match taken(warehouse, &shape.family, &changes).await? {
        Some(message) => Err(message),
        None => Ok(changes),
    })
}

/// What is wrong with a shape by itself.
fn shape_amiss(warehouse: &RedshiftWarehouse, shape: &FamilyShape) -> Option<String> {
    let kept = lineage_names();
    let mut names = BTreeSet::new();
    for table in &shape.tables {
        if let Some(message) = change::amiss(table, &kept) {
            return Some(message);
        }
        let schema = warehouse.names.schema(&table.dataset);
        if schema == warehouse.names.own_schema() || schema.starts_with("pg_") || schema == "information_schema" {
            return Some(format!("dataset {} would have the schema {schema}, which is kept: rename it", table.dataset));
        }
        for name in [names::view(table), names::rows(table)] {
            if !names.insert((schema.clone(), name.clone())) {
                return Some(format!("two tables of {} would both need the name {name}: rename one", told(table)));
            }
        }
    }
    worst_batch(shape).iter().find_map(super::StatementBudget::problem)
}

/// How a table that is there becomes what the shape says, or why it cannot.
async fn alter(
    warehouse: &RedshiftWarehouse,
    family: &FamilyId,
    known: &Registered,
    table: &TableShape,
) -> Result<Result<Change, String>, Trouble> {
    let rows = warehouse.names.rows(table);
    let key: &[String] = match &table.contest {
        Contest::Upsert { key, .. } => key,
        Contest::Append { .. } | Contest::Replace { .. } => &[],
    };
    // A column that is to come is null in all rows that are there.
    let counted = |name: &String| {
        let is_there = known.columns.iter().any(|column| column.name == *name);
        if is_there { format!("COUNT({})", quote(name)) } else { "0".to_owned() }
    };
    let counts: Vec<String> = std::iter::once("COUNT(*)".to_owned()).chain(key.iter().map(counted)).collect();
    let sql = format!("SELECT {} FROM {rows}", counts.join(", "));
    let answer = warehouse.client.ask(&format!("lakehand/migrate/{}/count", told(table)), sql).await?;
    let mut record = Record::new(answer.rows.into_iter().next().unwrap_or_default());
    let all: u64 = record.number()?;
    for name in key {
        let with: u64 = record.number()?;
        if with < all {
            return Ok(Err(change::without_key(table, all - with, name)));
        }
    }
    if all == 0 {
        // An empty table takes any shape.
        let mut columns = ddl::rows_columns(table);
        let dropped = known.columns.iter().filter(|old| !table.columns.iter().any(|column| column.name == old.name));
        columns.extend(dropped.cloned());
        return Ok(Ok(Change::new(table, columns, Move::Remake)));
    }
    if let Some(message) = unsaid(warehouse, family, table).await? {
        return Ok(Err(message));
    }
    let columns = match next_columns(known, table) {
        Ok(columns) => columns,
        Err(message) => return Ok(Err(message)),
    };
    let is_other_contest = known.shape.contest != table.contest || known.shape.has_where != table.has_where;
    let mut change = Change::new(table, columns, Move::Alter);
    change.known.clone_from(&known.columns);
    change.is_recomputed = is_other_contest;
    if change.wider().any(|(old, _)| !matches!(old.column_type, ColumnType::Varchar { .. })) {
        change.how = Move::Copy;
    }
    Ok(Ok(change))
}

/// Why rows that are there cannot be replaced by scope, if they cannot.
async fn unsaid(
    warehouse: &RedshiftWarehouse,
    family: &FamilyId,
    table: &TableShape,
) -> Result<Option<String>, Trouble> {
    let (rows, markers) = (warehouse.names.rows(table), warehouse.names.markers(family));
    let Some(sql) = contest::count_unsaid(&rows, &markers, table) else { return Ok(None) };
    let answer = warehouse.client.ask(&format!("lakehand/migrate/{}/unsaid", told(table)), sql).await?;
    let count: u64 = Record::new(answer.rows.into_iter().next().unwrap_or_default()).number()?;
    Ok((count > 0).then(|| change::without_scope(table, count, &table.contest.must_be_said())))
}

/// The columns that the table is to have: those that are there, as wide as the shape says, then those that are new.
fn next_columns(known: &Registered, table: &TableShape) -> Result<Vec<RowsColumn>, String> {
    let mut next = known.columns.clone();
    for column in &table.columns {
        let Some(there) = next.iter_mut().find(|there| there.name == column.name) else {
            next.push(RowsColumn::new(column, table));
            continue;
        };
        if !there.column_type.widens_to(column.column_type) {
            let holds = there.column_type.to_string();
            return Err(change::would_bend(table, &column.name, &holds, column.column_type));
        }
        there.column_type = column.column_type;
    }
    Ok(next)
}

/// Whether something that is none of ours has a name that is to be made.
async fn taken(
    warehouse: &RedshiftWarehouse,
    family: &FamilyId,
    changes: &[Change],
) -> Result<Option<String>, Trouble> {
    let created: Vec<&Change> = changes.iter().filter(|change| change.how == Move::Create).collect();
    if created.is_empty() {
        return Ok(None);
    }
    let schemas: BTreeSet<String> =
        created.iter().map(|change| warehouse.names.schema(&change.table.dataset)).collect();
    let schemas = literal_list(schemas.iter().map(String::as_str));
    let sql = format!(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ({schemas}) \
         UNION ALL SELECT schemaname, viewname FROM pg_views WHERE schemaname IN ({schemas})"
    );
    let mut there = BTreeSet::new();
    for row in warehouse.client.ask("lakehand/migrate/names", sql).await?.rows {
        let mut record = Record::new(row);
        there.insert((record.text()?, record.text()?));
    }
    for change in created {
        let schema = warehouse.names.schema(&change.table.dataset);
        for name in [names::view(&change.table), names::rows(&change.table)] {
            if there.contains(&(schema.clone(), name.clone())) {
                return Ok(Some(format!(
                    "table {} needs the name {schema}.{name}, which something else has in this database: rename it, or \
                     set a schema prefix; if it is of this dataset from before references made it one of family {family}, give \
                     the dataset another name and replay its files into it, or go back to the references of before",
                    told(&change.table)
                )));
            }
        }
    }
    Ok(None)
}

async fn make_schemas(warehouse: &RedshiftWarehouse, shape: &FamilyShape) -> Result<(), Trouble> {
    let schemas: BTreeSet<String> = shape.tables.iter().map(|table| warehouse.names.schema(&table.dataset)).collect();
    let list = literal_list(schemas.iter().map(String::as_str));
    let sql = format!("SELECT nspname FROM pg_namespace WHERE nspname IN ({list})");
    let there = warehouse.client.ask("lakehand/migrate/schemas", sql).await?.rows;
    let is_there = |schema: &&String| there.iter().any(|row| row.first() == Some(&Some((*schema).clone())));
    let missing = schemas.iter().filter(|schema| !is_there(schema)).map(|schema| ddl::create_schema(schema));
    for create in missing {
        warehouse.client.run(&Script::new(format!("lakehand/migrate/{}/schema", shape.family), vec![create])).await?;
    }
    Ok(())
}

/// Makes texts wider. Where Redshift does not do so in place, the table is copied.
async fn widen(warehouse: &RedshiftWarehouse, shape: &FamilyShape, changes: &mut [Change]) -> Result<(), Trouble> {
    let altered = changes.iter_mut().filter(|change| change.how == Move::Alter);
    for change in altered {
        let statements: Vec<String> =
            change.wider().map(|(_, new)| widen_column(&warehouse.names.rows(&change.table), new)).collect();
        for some in statements.chunks(MOST_STATEMENTS) {
            let script = Script::new(format!("lakehand/migrate/{}/widen", shape.family), some.to_vec());
            for words in warehouse.client.run_each(&script).await?.into_iter().flatten() {
                match Meaning::of(&words) {
                    Meaning::Conflict | Meaning::Unavailable => {
                        return Err(Trouble::Failed(super::trouble::Failed {
                            name: script.name().to_owned(),
                            at: Some(0),
                            of: some.len(),
                            query_id: None,
                            message: words,
                        }));
                    }
                    // Already that wide: somebody who did not live to say so was here before.
                    _ if is_that_wide(&words) => {}
                    Meaning::Denied | Meaning::Unclear => {
                        tracing::info!(table = %told(&change.table), "a text is made wider by copying its table: {words}");
                        change.how = Move::Copy;
                    }
                }
            }
        }
    }
    Ok(())
}

fn widen_column(rows: &str, column: &RowsColumn) -> String {
    format!("ALTER TABLE {rows} ALTER COLUMN {} TYPE {}", quote(&column.name), column.declared())
}

fn is_that_wide(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    // "target column size should be different".
    ["should be different", "same size", "already"].iter().any(|said| words.contains(said))
}

/// Makes every text of the dataset's tables as wide as the register says, and says whether any was asked for. A process
/// that was frozen in the middle of an older migration can make one narrower again.
pub(crate) async fn widen_again(
    warehouse: &RedshiftWarehouse,
    name: &str,
    tables: impl Iterator<Item = &Registered>,
) -> Result<(), Trouble> {
    let statements: Vec<String> = tables
        .flat_map(|table| {
            let rows = warehouse.names.rows(&table.shape);
            let texts = table.columns.iter().filter(|column| matches!(column.column_type, ColumnType::Varchar { .. }));
            texts.map(move |column| widen_column(&rows, column)).collect::<Vec<_>>()
        })
        .collect();
    for some in statements.chunks(MOST_STATEMENTS) {
        warehouse.client.run_each(&Script::new(name.to_owned(), some.to_vec())).await?;
    }
    Ok(())
}

/// A literal that reads as the fence row holds definitions: those of the shape, in place of others of their datasets.
pub(crate) fn in_force_literal(shape: &FamilyShape, before: &[DefinitionInForce]) -> Result<String, Trouble> {
    let is_redefined = |known: &&DefinitionInForce| shape.definitions.iter().any(|one| one.dataset == known.dataset);
    let mut in_force: Vec<DefinitionInForce> = before.iter().filter(|known| !is_redefined(known)).cloned().collect();
    in_force.extend_from_slice(&shape.definitions);
    Ok(literal(&super::state::in_force_text(&in_force)?))
}
