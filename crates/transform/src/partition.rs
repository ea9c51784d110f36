//! Which partition a row belongs to: its place in the lake, as a function of its values alone.

use std::collections::HashMap;
use std::fmt::Write;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use lakehand_dataset::dataset::{Grain, Table};
use lakehand_dataset::transformer::TransformError;
use lakehand_domain::shape::ColumnType;
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, StaticArray, Utf8ViewArray};

use crate::derive::text_of;
use crate::physical::Scalar;

/// What stands for null in the name of a partition.
const NULL: &str = "__null__";
/// What stands for the empty text, which no store takes as a name.
const EMPTY: &str = "__empty__";
/// How many parts a partition has at most, on average, because others took turns with it.
const PARTS_A_PARTITION: u64 = 10;

/// The columns that place the rows of one table.
#[derive(Debug, Clone)]
pub(crate) struct Partitions {
    by: Vec<By>,
    /// The table and how its definition places rows, in words.
    of: String,
    /// A file may have no more of them, in all of its tables.
    most: u64,
}

#[derive(Debug, Clone)]
struct By {
    column: usize,
    name: String,
    column_type: ColumnType,
    grain: Grain,
}

/// Rows of one partition in a batch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    /// `p_<column>=<value>` in order; empty where the table has no partitions.
    pub(crate) partition: Vec<String>,
    /// Positions of its rows, ascending.
    pub(crate) rows: Vec<u32>,
}

impl Partitions {
    /// Of this table. Columns it does not have were refused by the check of the definition, and are left out.
    pub(crate) fn of(table: &Table, most: u64) -> Self {
        let by = table
            .partition_by
            .iter()
            .filter_map(|partitioning| {
                let column = table.shape.columns.iter().position(|column| column.name == partitioning.column)?;
                Some(By {
                    column,
                    name: partitioning.column.clone(),
                    column_type: table.shape.columns[column].column_type,
                    grain: partitioning.grain,
                })
            })
            .collect();
        let columns = table.partition_by.iter().map(|partitioning| partitioning.column.as_str());
        let of = format!("table {}, placed by {}", table.shape.name, columns.collect::<Vec<_>>().join(" and "));
        Self { by, of, most }
    }

    /// What is said of a file whose rows lie in more partitions than it may have.
    pub(crate) fn too_many(&self) -> TransformError {
        let Self { of, most, .. } = self;
        let message = format!(
            "has rows in more than {most} partitions, the limit quality.max_partitions ({of}), and each would be a file of \
             its own; set partition_by to what has fewer values, such as month(…) of a date, or raise the limit"
        );
        TransformError::Unreadable { message }
    }

    /// What is said of a file whose partitions take turns so often that each is written in many small parts.
    pub(crate) fn too_many_parts(&self, parts: u64) -> TransformError {
        let message = format!(
            "has rows that make more than {parts} small parts, since so many partitions take turns in it ({}); set \
             partition_by to what has fewer values, such as month(…) of a date, deliver the rows sorted by it, or raise \
             quality.max_partitions, of which these are {PARTS_A_PARTITION} each",
            self.of
        );
        TransformError::Unreadable { message }
    }

    /// The most parts that a file begins because its partitions take turns.
    pub(crate) fn most_parts(&self) -> u64 {
        self.most.saturating_mul(PARTS_A_PARTITION)
    }

    /// The most partitions of a file.
    pub(crate) fn most(&self) -> u64 {
        self.most
    }

    /// Whether all rows lie in one place.
    pub(crate) fn is_none(&self) -> bool {
        self.by.is_empty()
    }

    /// Places rows, partitions in the order of their first row. Fails where there are too many.
    pub(crate) fn place(&self, columns: &[Box<dyn Array>], rows: usize) -> Result<Vec<Placed>, TransformError> {
        let mut placed: Vec<Placed> = Vec::new();
        let mut known: HashMap<Vec<Option<String>>, usize> = HashMap::new();
        let mut last: Option<(Vec<Option<String>>, usize)> = None;
        for row in 0..rows {
            let key: Vec<Option<String>> =
                self.by.iter().map(|by| value(scalar_at(columns[by.column].as_ref(), row), by)).collect();
            // Rows of one partition often stand together.
            let at = match &last {
                Some((same, at)) if *same == key => *at,
                _ => *known.entry(key.clone()).or_insert_with(|| {
                    placed.push(Placed { partition: self.names(&key), rows: Vec::new() });
                    placed.len() - 1
                }),
            };
            if placed.len() as u64 > self.most {
                return Err(self.too_many());
            }
            placed[at].rows.push(u32::try_from(row).unwrap_or(u32::MAX));
            last = Some((key, at));
        }
        Ok(placed)
    }

    fn names(&self, key: &[Option<String>]) -> Vec<String> {
        self.by
            .iter()
            .zip(key)
            .map(|(by, value)| format!("p_{}={}", by.name, value.as_deref().map_or_else(|| NULL.to_owned(), encoded)))
            .collect()
    }
}

/// One value of a column in its physical type.
pub(crate) fn scalar_at(array: &dyn Array, row: usize) -> Scalar<'_> {
    let any = array.as_any();
    let scalar = if let Some(array) = any.downcast_ref::<Utf8ViewArray>() {
        array.get(row).map(Scalar::Text)
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i64>>() {
        array.get(row).map(Scalar::Integer)
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i32>>() {
        array.get(row).map(|value| Scalar::Integer(value.into()))
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i16>>() {
        array.get(row).map(|value| Scalar::Integer(value.into()))
    } else if let Some(array) = any.downcast_ref::<BooleanArray>() {
        array.get(row).map(Scalar::Boolean)
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i128>>() {
        array.get(row).map(Scalar::Decimal)
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<f64>>() {
        array.get(row).map(Scalar::Float)
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<f32>>() {
        array.get(row).map(|value| Scalar::Float(value.into()))
    } else {
        None
    };
    scalar.unwrap_or(Scalar::Null)
}

/// The calendar day of so many days since 1970-01-01.
pub(crate) fn day(days: i64) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(days)?)
}

fn value(scalar: Scalar<'_>, by: &By) -> Option<String> {
    let Scalar::Integer(number) = scalar else { return text_of(scalar, by.column_type) };
    let at = match by.column_type {
        ColumnType::Date => day(number)?.and_hms_opt(0, 0, 0)?,
        ColumnType::Timestamp | ColumnType::Timestamptz => DateTime::from_timestamp_micros(number)?.naive_utc(),
        _ => return text_of(scalar, by.column_type),
    };
    Some(match by.grain {
        Grain::Value => return text_of(scalar, by.column_type),
        Grain::Year => format!("{:04}", at.year()),
        Grain::Month => format!("{:04}-{:02}", at.year(), at.month()),
        Grain::Day => format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()),
        Grain::Hour => format!("{:04}-{:02}-{:02}T{:02}", at.year(), at.month(), at.day(), at.hour()),
    })
}

/// Every byte but letters, digits, `.`, `_` and `-` as `%XX`, so that the name is safe in any store and says the value
/// back exactly. A value that would read as null, as empty, or as a step in a path is escaped whole.
fn encoded(value: &str) -> String {
    if value.is_empty() {
        return EMPTY.to_owned();
    }
    let literal = value != NULL && value != EMPTY && !value.bytes().all(|byte| byte == b'.');
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if literal && (byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
            text.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _infallible = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_safe_names() {
        for (value, name) in [
            ("Berlin", "Berlin"),
            ("a/b c", "a%2Fb%20c"),
            ("ä", "%C3%A4"),
            ("", "__empty__"),
            ("__empty__", "%5F%5F%65%6D%70%74%79%5F%5F"),
            ("%", "%25"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("__null__", "%5F%5F%6E%75%6C%6C%5F%5F"),
            ("2026-11-21", "2026-11-21"),
        ] {
            assert_eq!(encoded(value), name, "{value}");
        }
    }

    #[test]
    fn grains_cut_times() {
        let by = |grain, column_type| By { column: 0, name: "at".into(), column_type, grain };
        let at = Scalar::Integer(1_795_219_200_000_000 + 8 * 3_600_000_000);
        let name = |grain| value(at, &by(grain, ColumnType::Timestamptz)).unwrap();
        assert_eq!(name(Grain::Year), "2026");
        assert_eq!(name(Grain::Month), "2026-11");
        assert_eq!(name(Grain::Day), "2026-11-21");
        assert_eq!(name(Grain::Hour), "2026-11-21T08");
        assert_eq!(name(Grain::Value), "2026-11-21T08:00:00Z");
        assert_eq!(value(Scalar::Integer(-1), &by(Grain::Month, ColumnType::Date)).unwrap(), "1969-12");
    }
}
