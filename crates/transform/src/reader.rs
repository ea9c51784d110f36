//! Parts of the lake as rows, for warehouses that take rows and not files.

use std::io::{Cursor, Read};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use lakehand_domain::fault::Cause;
use lakehand_domain::manifest::Part;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore, StoreError};
use lakehand_domain::port::row_reader::{PartError, PartReader, RowReader};
use lakehand_domain::shape::{ColumnShape, ColumnType};
use lakehand_domain::value::{ColumnValues, RowBatch};
use polars::prelude::{
    DataFrame, FileMetadataRef, ParallelStrategy, ParquetReader, PolarsError, PolarsResult, SerReader, Series,
};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::types::NativeType;

use crate::encode::PartSchema;

/// Rows of one batch.
const BATCH_ROWS: usize = 8192;

/// Reads parts from an object store. A part is held in memory while it is read: its size is the manifest's.
#[derive(Debug)]
pub struct PartFiles {
    store: Arc<dyn ObjectStore>,
}

impl PartFiles {
    /// Over this store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    async fn fetch(&self, part: &Part) -> Result<Bytes, PartError> {
        let uri = &part.uri;
        let stat = self.store.stat(uri).await.map_err(|error| store_error(uri, error))?;
        if stat.size != part.bytes {
            return Err(mismatch(uri, format!("it has {} bytes, not {}", stat.size, part.bytes)));
        }
        let most = usize::try_from(part.bytes).map_err(|_| mismatch(uri, "it is larger than memory".to_owned()))?;
        match self.store.open(&stat, None).await.map_err(|error| store_error(uri, error))? {
            ObjectBody::File { file, .. } => {
                let read = tokio::task::spawn_blocking(move || {
                    let mut bytes = Vec::with_capacity(most);
                    // One byte more than it should have tells whether it grew.
                    file.take(most as u64 + 1).read_to_end(&mut bytes).map(|_| bytes)
                });
                let bytes =
                    read.await.map_err(|error| io(uri, error.into()))?.map_err(|error| io(uri, error.into()))?;
                Ok(Bytes::from(bytes))
            }
            ObjectBody::Stream(mut stream) => {
                let mut bytes = Vec::with_capacity(most);
                while let Some(chunk) = stream.next().await {
                    bytes.extend_from_slice(&chunk.map_err(|error| store_error(uri, error))?);
                    if bytes.len() > most {
                        break;
                    }
                }
                Ok(Bytes::from(bytes))
            }
        }
    }
}

#[async_trait]
impl PartReader for PartFiles {
    async fn open(&self, part: &Part, columns: &[ColumnShape]) -> Result<Box<dyn RowReader>, PartError> {
        let bytes = self.fetch(part).await?;
        let (part, columns) = (part.clone(), columns.to_vec());
        let uri = part.uri.clone();
        let opened = tokio::task::spawn_blocking(move || PartRows::open(bytes, &part, columns));
        let rows = opened.await.map_err(|error| io(&uri, error.into()))??;
        Ok(Box::new(rows))
    }
}

/// The rows of one part in memory.
pub(crate) struct PartRows {
    uri: ObjectUri,
    bytes: Bytes,
    columns: Vec<ColumnShape>,
    metadata: FileMetadataRef,
    group: usize,
    group_start: usize,
    frame: Option<DataFrame>,
    at: usize,
}

impl PartRows {
    /// Checks that the bytes are those of the manifest before any is decoded.
    pub(crate) fn open(bytes: Bytes, part: &Part, columns: Vec<ColumnShape>) -> Result<Self, PartError> {
        let uri = &part.uri;
        if bytes.len() as u64 != part.bytes {
            return Err(mismatch(uri, format!("it has {} bytes, not {}", bytes.len(), part.bytes)));
        }
        let checksum = &blake3::hash(&bytes).to_hex()[..32];
        if checksum != part.checksum {
            return Err(mismatch(uri, format!("its checksum is {checksum}, not {}", part.checksum)));
        }
        let metadata = ParquetReader::new(Cursor::new(bytes.clone()))
            .get_metadata()
            .map(Arc::clone)
            .map_err(|error| mismatch(uri, format!("it is not Parquet: {error}")))?;
        if metadata.num_rows as u64 != part.rows {
            return Err(mismatch(uri, format!("it has {} rows, not {}", metadata.num_rows, part.rows)));
        }
        let expected = PartSchema::of(&columns, 1).map_err(|error| io(uri, error.into()))?;
        let (expected, found) = (expected.parquet.fields(), metadata.schema().fields());
        if expected != found {
            let differing = expected.iter().zip(found).find(|(expected, found)| expected != found);
            let what = match differing {
                Some((expected, found)) if expected.name() == found.name() => {
                    format!("its column {} has another type", found.name())
                }
                Some((expected, found)) => {
                    format!("it has column {} where {} should be", found.name(), expected.name())
                }
                None => format!("it has {} columns, not {}", found.len(), expected.len()),
            };
            return Err(mismatch(uri, what));
        }
        Ok(Self { uri: uri.clone(), bytes, columns, metadata, group: 0, group_start: 0, frame: None, at: 0 })
    }

    fn decode_group(&self, rows: usize) -> PolarsResult<DataFrame> {
        let mut reader = ParquetReader::new(Cursor::new(self.bytes.clone()));
        reader.set_metadata(Arc::clone(&self.metadata));
        // One thread: warehouses read several parts at once.
        reader.read_parallel(ParallelStrategy::None).with_slice(Some((self.group_start, rows))).finish()
    }

    fn batch(&self, frame: &DataFrame, rows: usize) -> PolarsResult<RowBatch> {
        let columns = self
            .columns
            .iter()
            .map(|column| {
                let series = frame.column(&column.name)?.as_materialized_series().slice(i64_of(self.at), rows);
                values_of(&series.rechunk(), column.column_type)
            })
            .collect::<PolarsResult<Vec<_>>>()?;
        Ok(RowBatch { columns, rows })
    }
}

impl RowReader for PartRows {
    fn next(&mut self) -> Result<Option<RowBatch>, PartError> {
        loop {
            if let Some(frame) = &self.frame {
                let rows = BATCH_ROWS.min(frame.height() - self.at);
                if rows > 0 {
                    let batch = self.batch(frame, rows).map_err(|error| io(&self.uri, error.into()))?;
                    self.at += rows;
                    return Ok(Some(batch));
                }
                self.group_start += frame.height();
                self.frame = None;
                self.at = 0;
            }
            let Some(group) = self.metadata.row_groups.get(self.group) else { return Ok(None) };
            let frame = self.decode_group(group.num_rows()).map_err(|error| io(&self.uri, error.into()))?;
            self.group += 1;
            self.frame = Some(frame);
        }
    }
}

/// The values of one column in the domain's exact types.
pub(crate) fn values_of(series: &Series, column_type: ColumnType) -> PolarsResult<ColumnValues> {
    let array = series.chunks().first().map(AsRef::as_ref);
    Ok(match column_type {
        ColumnType::Boolean => ColumnValues::Boolean(match array {
            None => Vec::new(),
            Some(array) => downcast::<BooleanArray>(array)?.iter().collect(),
        }),
        ColumnType::Smallint => ColumnValues::Integer(numbers::<i16, _>(array, i64::from)?),
        ColumnType::Integer => ColumnValues::Integer(numbers::<i32, _>(array, i64::from)?),
        ColumnType::Bigint => ColumnValues::Integer(numbers::<i64, _>(array, |value| value)?),
        ColumnType::Real => ColumnValues::Double(numbers::<f32, _>(array, f64::from)?),
        ColumnType::Double => ColumnValues::Double(numbers::<f64, _>(array, |value| value)?),
        ColumnType::Decimal { scale, .. } => {
            ColumnValues::Decimal { scale, unscaled: numbers::<i128, _>(array, |value| value)? }
        }
        ColumnType::Varchar { .. } | ColumnType::Json => ColumnValues::Text(match array {
            None => Vec::new(),
            Some(array) => downcast::<Utf8ViewArray>(array)?.iter().map(|text| text.map(str::to_owned)).collect(),
        }),
        ColumnType::Date => ColumnValues::Date(numbers::<i32, _>(array, |value| value)?),
        ColumnType::Timestamp | ColumnType::Timestamptz => {
            ColumnValues::Timestamp(numbers::<i64, _>(array, |value| value)?)
        }
    })
}

fn numbers<T: NativeType, V>(array: Option<&dyn Array>, convert: impl Fn(T) -> V) -> PolarsResult<Vec<Option<V>>> {
    let Some(array) = array else { return Ok(Vec::new()) };
    Ok(downcast::<PrimitiveArray<T>>(array)?.iter().map(|value| value.map(|value| convert(*value))).collect())
}

fn downcast<A: Array + 'static>(array: &dyn Array) -> PolarsResult<&A> {
    array
        .as_any()
        .downcast_ref::<A>()
        .ok_or_else(|| PolarsError::SchemaMismatch(format!("a column decoded as {:?}", array.dtype()).into()))
}

fn i64_of(at: usize) -> i64 {
    i64::try_from(at).unwrap_or(i64::MAX)
}

fn mismatch(uri: &ObjectUri, message: String) -> PartError {
    PartError::Mismatch { uri: uri.clone(), message }
}

fn io(uri: &ObjectUri, source: Cause) -> PartError {
    PartError::Io { uri: uri.clone(), source }
}

fn store_error(uri: &ObjectUri, error: StoreError) -> PartError {
    match error {
        StoreError::NotFound { .. } => PartError::Gone { uri: uri.clone() },
        error => io(uri, error.into()),
    }
}

#[cfg(test)]
mod tests;
