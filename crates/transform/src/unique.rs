//! Columns whose values no two records of a file may share.
//!
//! What is remembered of a value is 128 bits of a hash, and of how many values is bounded.

use std::collections::{BTreeMap, HashSet};

use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::transformer::TransformError;
use lakehand_domain::reject::{Reject, Rule};
use lakehand_domain::shape::ColumnType;
use polars_arrow::array::Array;

use crate::derive::{Batch, Misfit, Rows, text_of};
use crate::gather::gather;
use crate::physical::scalar_at;

/// The most values that are remembered of one file: about 400 MB of them.
const MAX_VALUES: usize = 10_000_000;
/// The most bytes of an offending value that a reject keeps.
const VALUE_BYTES: usize = 200;

/// The records of a table's rows, and its columns.
type TableRows<'a> = (&'a [u32], &'a [Box<dyn Array>]);

/// The unique columns of a dataset.
#[derive(Debug)]
pub(crate) struct Uniques {
    columns: Vec<Unique>,
}

#[derive(Debug, Clone)]
struct Unique {
    table: usize,
    column: usize,
    column_type: ColumnType,
    name: String,
}

/// One value of a unique column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UniqueValue {
    /// The line of its record, relative to the chunk.
    record: u32,
    /// Which of the unique columns.
    column: u32,
    hash: [u8; 16],
}

impl Uniques {
    /// Of this dataset.
    pub(crate) fn of(dataset: &Dataset) -> Self {
        let mut columns = Vec::new();
        for (at, table) in dataset.tables.iter().enumerate() {
            for (number, (column, shape)) in table.columns.iter().zip(&table.shape.columns).enumerate() {
                if column.rules.unique {
                    let name = format!("{}.{}", table.shape.name, shape.name);
                    columns.push(Unique { table: at, column: number, column_type: shape.column_type, name });
                }
            }
        }
        Self { columns }
    }

    /// The values of a chunk, in the order of their records; each table by the records of its rows and its columns.
    pub(crate) fn values(&self, tables: &[TableRows<'_>]) -> Vec<UniqueValue> {
        let mut values = Vec::new();
        for (unique, number) in self.columns.iter().zip(0_u32..) {
            let Some((records, columns)) = tables.get(unique.table) else { continue };
            let Some(array) = columns.get(unique.column) else { continue };
            for (row, record) in records.iter().enumerate() {
                let Some(text) = text_of(scalar_at(array.as_ref(), row), unique.column_type) else { continue };
                let mut hasher = blake3::Hasher::new();
                hasher.update(&number.to_le_bytes()).update(text.as_bytes());
                let hash = hasher.finalize().as_bytes().first_chunk::<16>().copied().unwrap_or_default();
                values.push(UniqueValue { record: *record, column: number, hash });
            }
        }
        values.sort_by_key(|value| value.record);
        values
    }
}

/// What was seen of a file so far, record after record.
#[derive(Debug)]
pub(crate) struct SeenValues {
    uniques: Uniques,
    seen: HashSet<[u8; 16]>,
}

impl SeenValues {
    /// At the start of a file.
    pub(crate) fn new(dataset: &Dataset) -> Self {
        Self { uniques: Uniques::of(dataset), seen: HashSet::new() }
    }

    /// Rejects the records of the next batch that have a value of an earlier record, or one twice themselves: they are
    /// taken out of its tables. A record that is rejected leaves none of its values behind.
    pub(crate) fn judge(&mut self, batch: &mut Batch) -> Result<(), TransformError> {
        let mut struck: BTreeMap<u32, u32> = BTreeMap::new();
        for values in batch.unique.chunk_by(|one, other| one.record == other.record) {
            let twice = |(at, value): (usize, &UniqueValue)| {
                let before = values[..at].iter().any(|other| other.hash == value.hash);
                (before || self.seen.contains(&value.hash)).then_some(value.column)
            };
            if let Some(column) = values.iter().enumerate().find_map(twice) {
                struck.insert(values[0].record, column);
            } else {
                self.seen.extend(values.iter().map(|value| value.hash));
            }
        }
        if self.seen.len() > MAX_VALUES {
            return Err(TransformError::Unreadable {
                message: format!(
                    "has more than {MAX_VALUES} values in unique columns, which is as many as are remembered; split \
                     the file, or make the column the key of an upsert table instead"
                ),
            });
        }
        if struck.is_empty() {
            return Ok(());
        }
        let rejects: Vec<Reject> =
            struck.iter().filter_map(|(record, column)| self.reject(*record, *column, batch)).collect();
        batch.rejects.extend(rejects);
        batch.rejects.sort_by_key(|reject| reject.record);
        for places in &mut batch.tables {
            for rows in places.iter_mut() {
                strike(rows, &struck);
            }
            places.retain(|rows| !rows.record.is_empty());
        }
        Ok(())
    }

    fn reject(&self, record: u32, column: u32, batch: &Batch) -> Option<Reject> {
        let unique = self.uniques.columns.get(column as usize)?;
        let value = batch.tables.get(unique.table)?.iter().find_map(|rows| {
            let row = rows.record.iter().position(|other| *other == record)?;
            text_of(scalar_at(rows.columns.get(unique.column)?.as_ref(), row), unique.column_type)
        });
        let value = value.map(|value| value[..value.floor_char_boundary(VALUE_BYTES)].to_owned());
        let message = "stands in the file before, and the column is unique".to_owned();
        Some(batch.kept.as_ref()?.reject(record, &unique.name, Misfit { rule: Rule::Unique, message, value }))
    }
}

fn strike(rows: &mut Rows, struck: &BTreeMap<u32, u32>) {
    let kept: Vec<u32> =
        (0_u32..).zip(&rows.record).filter(|(_, record)| !struck.contains_key(record)).map(|(row, _)| row).collect();
    if kept.len() == rows.record.len() {
        return;
    }
    for column in &mut rows.columns {
        *column = gather(column.as_ref(), &kept);
    }
    if !rows.element.is_empty() {
        rows.element = kept.iter().map(|row| rows.element[*row as usize]).collect();
    }
    rows.record = kept.iter().map(|row| rows.record[*row as usize]).collect();
}
