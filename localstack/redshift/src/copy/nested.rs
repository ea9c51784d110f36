//! Nested columns of a Parquet file as JSON, for SERIALIZETOJSON.

use std::sync::Arc;

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::RowGroupReader;
use parquet::record::{Field, Row};
use parquet::schema::types::{SchemaDescriptor, Type};
use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::values::Raw;

/// The values of one nested column, one after the other.
pub(crate) struct Nested<'a>(parquet::record::reader::RowIter<'a>);

impl<'a> Nested<'a> {
    /// Of the column that is the `root`th of the file.
    pub(crate) fn new(group: &'a dyn RowGroupReader, schema: &SchemaDescriptor, root: usize) -> Result<Self> {
        let field = Arc::clone(&schema.root_schema().get_fields()[root]);
        let alone = Type::group_type_builder(schema.root_schema().name()).with_fields(vec![field]).build()?;
        Ok(Self(group.get_row_iter(Some(alone))?))
    }

    /// The next values.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<Raw>> {
        (0..count)
            .map(|_| {
                let row =
                    self.0.next().ok_or_else(|| ParquetError::EOF("a nested column ends too early".to_owned()))??;
                let field = row.get_column_iter().next().map(|(_, field)| field);
                Ok(Raw::Cell(match field {
                    None | Some(Field::Null) => Cell::Null,
                    Some(field) => Cell::Json(value(field)?.to_string()),
                }))
            })
            .collect()
    }
}

fn value(field: &Field) -> Result<Value> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(value) => json!(value),
        Field::Byte(value) => json!(value),
        Field::Short(value) => json!(value),
        Field::Int(value) => json!(value),
        Field::Long(value) => json!(value),
        Field::Float(value) => json!(value),
        Field::Double(value) => json!(value),
        Field::Str(value) => json!(value),
        Field::Decimal(_) | Field::Date(_) | Field::TimestampMillis(_) | Field::TimestampMicros(_) => {
            json!(field.to_string())
        }
        Field::Group(row) => object(row)?,
        Field::ListInternal(list) => Value::Array(list.elements().iter().map(value).collect::<Result<_>>()?),
        Field::MapInternal(map) => {
            let entries = map.entries().iter().map(|(key, field)| {
                let key = match key {
                    Field::Str(key) => key.clone(),
                    other => other.to_string(),
                };
                Ok((key, value(field)?))
            });
            Value::Object(entries.collect::<Result<Map<_, _>>>()?)
        }
        _ => {
            return Err(ParquetError::General(
                "[stand-in] a type within a nested column that is not imitated".to_owned(),
            ));
        }
    })
}

fn object(row: &Row) -> Result<Value> {
    let members = row.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field)?)));
    Ok(Value::Object(members.collect::<Result<Map<_, _>>>()?))
}
