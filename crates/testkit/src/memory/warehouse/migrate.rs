//! A changed definition: one transaction under the fence.

use std::sync::Arc;

use lakehand_domain::port::warehouse::{MigrateOutcome, MigrationPlan, PlannedChange, PlannedStep, WarehouseError};
use lakehand_domain::shape::{ColumnShape, Contest, FamilyShape, TableShape};
use lakehand_domain::warehousing::Fence;

use super::Engine;
use super::contest::stand;
use super::state::{Family, FenceRow, State, Table, view_name};
use super::transaction::{Object, Transaction, Write};

pub(super) async fn migrate(
    engine: &Arc<Engine>,
    fence: &Fence,
    shape: &FamilyShape,
) -> Result<MigrateOutcome, WarehouseError> {
    let mut transaction = Transaction::begin(engine, &shape.family)?;
    transaction.statement(&[Object::Fence]).await?;
    if !transaction.view.is_held(fence) {
        return Ok(MigrateOutcome::FenceLost);
    }
    let row = transaction.view.fence.clone();
    transaction.write(Write::Fence(in_force(row, shape)));
    transaction.statement(&[Object::Rows]).await?;
    for table in &shape.tables {
        if let Some(message) = of_other_family(&engine.state(), shape, table) {
            return Ok(MigrateOutcome::Refused { message });
        }
        match next(&transaction.view, table) {
            Ok(next) => transaction.write(Write::Table(view_name(table), next)),
            Err(message) => return Ok(MigrateOutcome::Refused { message }),
        }
    }
    for (id, standing) in stand(&transaction.view) {
        transaction.write(Write::Stand(id, standing));
    }
    transaction.end().await?;
    Ok(MigrateOutcome::InForce)
}

/// What a migration would do.
pub(super) fn plan(state: &State, shape: &FamilyShape) -> MigrationPlan {
    let empty = Family::default();
    let family = state.family(&shape.family).unwrap_or(&empty);
    if let Some(over) = shape.definitions.iter().find(|definition| family.fence.retired.contains(definition)) {
        return MigrationPlan::Refused { message: format!("definition {} was in force before", over.fingerprint) };
    }
    let mut changes = Vec::new();
    for table in &shape.tables {
        if let Some(message) = of_other_family(state, shape, table) {
            return MigrationPlan::Refused { message };
        }
        let next = match next(family, table) {
            Ok(next) => next,
            Err(message) => return MigrationPlan::Refused { message },
        };
        let told = format!("{}.{}", table.dataset, table.name);
        let Some(known) = family.tables.get(&view_name(table)) else {
            changes.push(PlannedChange { table: told, step: PlannedStep::Create });
            continue;
        };
        changes.extend(steps(known, &next).into_iter().map(|step| PlannedChange { table: told.clone(), step }));
    }
    MigrationPlan::Changes(changes)
}

fn steps(known: &Table, next: &Table) -> Vec<PlannedStep> {
    let mut steps = Vec::new();
    for column in &next.shape.columns {
        let (column, becomes) = (column.name.clone(), column.column_type);
        match known.columns.iter().find(|there| there.name == column) {
            None => steps.push(PlannedStep::Add { column, becomes }),
            Some(there) if there.column_type != becomes => {
                steps.push(PlannedStep::Retype { column, is: there.column_type.to_string(), becomes });
            }
            Some(_) => {}
        }
    }
    for column in &known.shape.columns {
        if !next.shape.columns.iter().any(|kept| kept.name == column.name) {
            steps.push(PlannedStep::Hide { column: column.name.clone() });
        }
    }
    let decides = |shape: &TableShape| (shape.contest.clone(), shape.has_where, shape.references.clone());
    if decides(&known.shape) != decides(&next.shape) {
        steps.push(PlannedStep::Recompute);
    }
    steps
}

/// Why a table cannot be of this family, where it is of another.
fn of_other_family(state: &State, shape: &FamilyShape, table: &TableShape) -> Option<String> {
    let owner = state.owner_of(&view_name(table)).filter(|owner| *owner != shape.family)?;
    let name = &table.name;
    Some(format!(
        "table {name} was loaded into family {owner}: give its dataset another name, and replay its files into it"
    ))
}

fn in_force(row: FenceRow, shape: &FamilyShape) -> FenceRow {
    let (mut in_force, mut retired) = (row.in_force.clone(), row.retired.clone());
    let is_redefined = |known: &lakehand_domain::shape::DefinitionInForce| {
        shape.definitions.iter().any(|definition| definition.dataset == known.dataset)
    };
    let (out, kept): (Vec<_>, Vec<_>) = in_force.drain(..).partition(is_redefined);
    retired.extend(out);
    retired.retain(|known| !shape.definitions.contains(known));
    retired.sort();
    retired.dedup();
    let in_force = kept.into_iter().chain(shape.definitions.iter().cloned()).collect();
    FenceRow { in_force, retired, ..row }
}

/// The table as it is to be, or why it cannot be.
fn next(family: &Family, shape: &TableShape) -> Result<Table, String> {
    let name = view_name(shape);
    let told = format!("{}.{}", shape.dataset, shape.name);
    let is_empty = !family.rows().any(|kept| kept.table == name);
    let mut columns = family.tables.get(&name).map(|table| table.columns.clone()).unwrap_or_default();
    for column in &shape.columns {
        match columns.iter_mut().find(|there| there.name == column.name) {
            None => columns.push(column.clone()),
            Some(there) if is_empty || there.column_type.widens_to(column.column_type) => *there = column.clone(),
            Some(there) => {
                return Err(format!(
                    "column {} of {told} holds {} and is to hold {}",
                    column.name, there.column_type, column.column_type
                ));
            }
        }
    }
    if let Contest::Upsert { key, version } = &shape.contest {
        let find = |name: &String| shape.columns.iter().find(|column| column.name == *name);
        if let Some(bad) = key.iter().find(|name| find(name).is_none_or(|column: &ColumnShape| !column.required)) {
            return Err(format!("key column {bad} of {told} does not exist or is not required"));
        }
        if let Some(bad) = version.iter().find(|name| find(name).is_none()) {
            return Err(format!("version column {bad} of {told} does not exist"));
        }
        let is_null =
            |column: &String| family.rows().any(|kept| kept.table == name && kept.row.value(column).is_none());
        if let Some(bad) = key.iter().find(|column| is_null(column)) {
            return Err(format!("rows of {told} have no {bad}, which is to be of the key"));
        }
    }
    let must = shape.contest.must_be_said();
    let has_said = |load: &_| {
        let marker = family.markers().find(|marker| marker.load_id == *load);
        marker.is_some_and(|marker| must.iter().all(|name| marker.scopes.contains_key(name)))
    };
    if !must.is_empty() && family.rows().any(|kept| kept.table == name && !has_said(&kept.row.load)) {
        return Err(format!("rows of {told} are of loads that do not say {}", must.join(", ")));
    }
    Ok(Table { shape: shape.clone(), columns })
}
