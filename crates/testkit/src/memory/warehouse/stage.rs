//! Copying parts into staging tables of a name nobody else has.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_domain::id::Nonce;
use lakehand_domain::manifest::{Manifest, Part, TableManifest};
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::port::warehouse::WarehouseError;
use lakehand_domain::shape::{ColumnShape, ColumnType, FamilyShape, TableShape, lineage};
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_domain::warehousing::Staging;

use super::state::{Cell, Row, Staged, view_name};
use super::{Engine, denied, never_ensured};

pub(super) async fn stage(
    engine: &Arc<Engine>,
    shape: &FamilyShape,
    name: &Nonce,
    manifests: &[Arc<Manifest>],
) -> Result<Staging, WarehouseError> {
    engine.pace.step().await?;
    {
        let mut state = engine.state();
        if state.family(&shape.family).is_none() {
            return Err(never_ensured("stage", &shape.family));
        }
        if state.staged.contains_key(name) {
            return Err(denied("stage", format!("staging {name} is there already")));
        }
        state.staged.insert(name.clone(), Staged { family: shape.family.clone(), rows: BTreeMap::new() });
    }
    match copy(engine, shape, manifests).await {
        Ok(rows) => {
            engine.pace.step().await?;
            let mut state = engine.state();
            // Where somebody has dropped it meanwhile, its tables are not made again.
            let Some(staged) = state.staged.get_mut(name) else {
                return Err(denied("stage", format!("staging {name} was dropped while it was copied into")));
            };
            staged.rows = rows;
            Ok(Staging { name: name.clone(), manifests: manifests.to_vec() })
        }
        Err(error) => {
            engine.state().drop_staging(name);
            Err(error)
        }
    }
}

async fn copy(
    engine: &Engine,
    shape: &FamilyShape,
    manifests: &[Arc<Manifest>],
) -> Result<BTreeMap<String, Vec<Arc<Row>>>, WarehouseError> {
    let mut rows: BTreeMap<String, Vec<Arc<Row>>> = BTreeMap::new();
    for manifest in manifests {
        for table in &manifest.tables {
            let known = |known: &&TableShape| known.name == table.table && known.dataset == manifest.dataset;
            let Some(known) = shape.tables.iter().find(known) else { continue };
            if table.columns != known.part_columns() {
                return Err(mismatch(manifest, "its columns are not those of the table"));
            }
            let copied = rows.entry(view_name(known)).or_default();
            let before = copied.len();
            for part in &table.parts {
                copied.extend(read(engine, manifest, table, part).await?);
            }
            if (copied.len() - before) as u64 != table.rows {
                return Err(mismatch(manifest, "its parts have other rows than it says"));
            }
        }
    }
    Ok(rows)
}

fn mismatch(manifest: &Manifest, message: &str) -> WarehouseError {
    PartError::Mismatch { uri: manifest.object.uri.clone(), message: message.to_owned() }.into()
}

async fn read(
    engine: &Engine,
    manifest: &Manifest,
    table: &TableManifest,
    part: &Part,
) -> Result<Vec<Arc<Row>>, WarehouseError> {
    let mut reader = engine.parts.open(part, &table.columns).await?;
    let mut rows = Vec::new();
    while let Some(batch) = reader.next()? {
        for at in 0..batch.rows {
            rows.push(Arc::new(row(&table.columns, &batch, at)?));
        }
    }
    let amiss = |message: &str| PartError::Mismatch { uri: part.uri.clone(), message: message.to_owned() };
    if rows.len() as u64 != part.rows {
        return Err(amiss("it has other rows than its manifest says").into());
    }
    let object = Cell::Text(manifest.object.uri.to_string());
    if rows.iter().any(|row| row.load != manifest.load_id || row.value(lineage::OBJECT) != Some(&object)) {
        return Err(amiss("its rows are of another load").into());
    }
    Ok(rows)
}

fn row(columns: &[ColumnShape], batch: &RowBatch, at: usize) -> Result<Row, WarehouseError> {
    let mut values = BTreeMap::new();
    for (column, all) in columns.iter().zip(&batch.columns) {
        let value = cell(all, at);
        let refused = |message: &str| WarehouseError::Data { message: format!("column {}: {message}", column.name) };
        match (&value, column.column_type) {
            (None, _) if column.required => return Err(refused("null in a column that is required")),
            (Some(Cell::Text(text)), ColumnType::Varchar { bytes }) if text.len() > bytes as usize => {
                return Err(refused("a text is too long"));
            }
            _ => {}
        }
        values.insert(column.name.clone(), value);
    }
    let load = values.get(lineage::LOAD_ID).and_then(Option::as_ref).map(Cell::text).unwrap_or_default();
    Ok(Row { load: lakehand_domain::id::LoadId::new(load), values })
}

fn cell(values: &ColumnValues, at: usize) -> Option<Cell> {
    match values {
        ColumnValues::Boolean(values) => values[at].map(Cell::Boolean),
        ColumnValues::Integer(values) => values[at].map(Cell::Integer),
        ColumnValues::Double(values) => values[at].map(|value| Cell::Double(ordered(value))),
        ColumnValues::Decimal { scale, unscaled } => {
            unscaled[at].map(|unscaled| Cell::Decimal { scale: *scale, unscaled })
        }
        ColumnValues::Text(values) => values[at].clone().map(Cell::Text),
        ColumnValues::Date(values) => values[at].map(Cell::Date),
        ColumnValues::Timestamp(values) => values[at].map(Cell::Timestamp),
    }
}

/// The bits of a double as an integer that compares as the number does.
fn ordered(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    if bits < 0 { bits ^ i64::MAX } else { bits }
}
