//! Rows of samples as Parquet, written by the stand-in's own code.

use lakehand_domain::shape::{ColumnShape, ColumnType};
use lakehand_domain::value::{ColumnValues, RowBatch};
use lakehand_redshift_standin::fixture::{Codec, Column, Values, parquet};

/// The bytes of a part.
pub(crate) fn encode(columns: &[ColumnShape], batches: &[RowBatch]) -> bytes::Bytes {
    let columns: Vec<Column> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let values = batches.iter().map(|batch| &batch.columns[at]);
            Column::new(&column.name, gathered(column.column_type, values))
        })
        .collect();
    parquet(&columns, Codec::Zstd).unwrap()
}

fn gathered<'a>(column_type: ColumnType, batches: impl Iterator<Item = &'a ColumnValues>) -> Values {
    let mut integers = Vec::new();
    let mut doubles = Vec::new();
    let mut texts = Vec::new();
    let mut booleans = Vec::new();
    let mut decimals = Vec::new();
    for values in batches {
        match values {
            ColumnValues::Boolean(values) => booleans.extend(values.iter().copied()),
            ColumnValues::Integer(values) | ColumnValues::Timestamp(values) => integers.extend(values.iter().copied()),
            ColumnValues::Date(values) => integers.extend(values.iter().map(|value| value.map(i64::from))),
            ColumnValues::Double(values) => doubles.extend(values.iter().copied()),
            ColumnValues::Text(values) => texts.extend(values.iter().cloned()),
            ColumnValues::Decimal { unscaled, .. } => decimals.extend(unscaled.iter().copied()),
        }
    }
    let narrow = |value: i64| i32::try_from(value).unwrap();
    let integer = |values: Vec<Option<i64>>| values.into_iter().map(|value| value.map(narrow)).collect();
    match column_type {
        ColumnType::Boolean => Values::Boolean(booleans),
        ColumnType::Smallint => {
            Values::Small(integers.into_iter().map(|value| value.map(|value| i16::try_from(value).unwrap())).collect())
        }
        ColumnType::Integer => Values::Integer(integer(integers)),
        ColumnType::Date => Values::Date(integer(integers)),
        ColumnType::Bigint => Values::Big(integers),
        #[expect(clippy::cast_possible_truncation, reason = "samples of reals are singles")]
        ColumnType::Real => Values::Real(doubles.into_iter().map(|value| value.map(|value| value as f32)).collect()),
        ColumnType::Double => Values::Double(doubles),
        ColumnType::Decimal { precision, scale } => Values::Decimal(precision, scale, decimals),
        ColumnType::Varchar { .. } | ColumnType::Json => Values::Text(texts),
        ColumnType::Timestamp | ColumnType::Timestamptz => Values::Timestamp(integers),
    }
}
