//! Columns of a row group into compressed Parquet pages. Deterministic: the same values give the same bytes.

mod plain;

use std::cell::RefCell;
use std::sync::Arc;

use lakehand_domain::shape::ColumnShape;
use polars::prelude::{PolarsError, PolarsResult};
use polars_arrow::array::{Array, DictionaryArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::page::{CompressedDictPage, Page};
use polars_parquet::write::{
    CompressedDataPage, CompressedPage, CompressionOptions, Encoding, ParquetType, SchemaDescriptor, StatisticsOptions,
    Version, WriteOptions, array_to_columns, to_parquet_schema,
};
use zstd::bulk::Compressor;

use crate::physical::arrow_type;

/// Below this a dictionary costs more than it saves.
const SMALL_GROUP_ROWS: usize = 2000;

/// The zstd level at which numbers of a fixed width are compressed, unless more than [`THOROUGH_LEVEL`] is asked for.
/// Higher ones search longer for repetitions that numbers do not have: level 3 takes one and a half to six times as long
/// for at most three hundredths fewer bytes.
const NUMBERS_LEVEL: i32 = 1;
/// Levels up to this are chosen for speed.
const THOROUGH_LEVEL: i32 = 3;

/// How the parts of one table are written.
#[derive(Debug, Clone)]
pub(crate) struct PartSchema {
    /// Field by field, as polars names them; written into the footer for readers that know Arrow.
    pub(crate) arrow: ArrowSchema,
    /// Field by field, as Parquet names them.
    pub(crate) parquet: SchemaDescriptor,
    /// zstd level.
    pub(crate) level: i32,
}

impl PartSchema {
    /// For parts of these columns.
    pub(crate) fn of(columns: &[ColumnShape], level: i32) -> PolarsResult<Self> {
        let arrow: ArrowSchema = columns
            .iter()
            .map(|column| {
                let name = column.name.as_str();
                (name.into(), Field::new(name.into(), arrow_type(column.column_type), !column.required))
            })
            .collect();
        let parquet = to_parquet_schema(&arrow)?;
        Ok(Self { arrow, parquet, level })
    }

    /// The name of a column.
    pub(crate) fn name(&self, column: usize) -> &str {
        self.parquet.fields()[column].name()
    }

    /// Page size is polars' default of 1 MB; the length of statistics of texts is set, since unset it would come from
    /// the environment.
    pub(crate) fn options() -> WriteOptions {
        WriteOptions {
            statistics: StatisticsOptions {
                min_value: true,
                max_value: true,
                distinct_count: false,
                null_count: true,
                binary_statistics_truncate_length: Some(64),
            },
            version: Version::V1,
            compression: CompressionOptions::Zstd(None),
            data_page_size: None,
        }
    }
}

/// The values of one column of a row group, as they were gathered.
#[derive(Debug)]
pub(crate) enum ColumnData {
    /// Piece by piece.
    Arrays(Vec<Box<dyn Array>>),
    /// The same text in every row.
    Constant(Arc<str>),
    /// Numbers of 64 bits, none null.
    Longs(Vec<i64>),
    /// Numbers of 32 bits, none null.
    Integers(Vec<i32>),
}

impl ColumnData {
    /// What encoding it will cost, roughly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Arrays(arrays) => arrays.iter().map(|array| crate::gather::value_bytes(array.as_ref())).sum(),
            Self::Constant(_) => 0,
            Self::Longs(values) => 8 * values.len(),
            Self::Integers(values) => 4 * values.len(),
        }
    }
}

/// One column of a row group, ready to be written.
#[derive(Debug)]
pub(crate) struct EncodedColumn {
    /// A dictionary, where there is one, then the data.
    pub(crate) pages: Vec<CompressedPage>,
    /// Their size.
    pub(crate) bytes: u64,
}

impl EncodedColumn {
    fn add(&mut self, page: Page, level: i32) -> PolarsResult<()> {
        let (page, bytes) = compress(page, level)?;
        self.pages.push(page);
        self.bytes += bytes as u64;
        Ok(())
    }
}

/// Encodes and compresses one column of a row group.
pub(crate) fn encode_column(
    schema: &PartSchema,
    column: usize,
    data: ColumnData,
    rows: usize,
) -> PolarsResult<EncodedColumn> {
    let parquet_type: ParquetType = schema.parquet.fields()[column].clone();
    let (array, encoding) = match data {
        ColumnData::Arrays(arrays) => {
            let array = match <[Box<dyn Array>; 1]>::try_from(arrays) {
                Ok([array]) => array,
                Err(arrays) => concatenate(&arrays.iter().map(AsRef::as_ref).collect::<Vec<_>>())?,
            };
            let encoding = encoding(array.dtype(), rows);
            (array, encoding)
        }
        ColumnData::Constant(value) => {
            let keys = PrimitiveArray::from_vec(vec![0u8; rows]);
            let values = Utf8ViewArray::from_slice_values([value]).boxed();
            (DictionaryArray::try_from_keys(keys, values, false)?.boxed(), Encoding::RleDictionary)
        }
        ColumnData::Longs(values) => (PrimitiveArray::from_vec(values).boxed(), Encoding::Plain),
        ColumnData::Integers(values) => {
            let array = PrimitiveArray::from_vec(values).boxed();
            let encoding = encoding(array.dtype(), rows);
            (array, encoding)
        }
    };
    let is_number = !matches!(array.dtype(), ArrowDataType::Utf8View | ArrowDataType::Dictionary(..));
    let level = if is_number && schema.level <= THOROUGH_LEVEL { NUMBERS_LEVEL } else { schema.level };
    let mut encoded = EncodedColumn { pages: Vec::new(), bytes: 0 };
    if let Some(page) = plain::page(array.as_ref(), &parquet_type, encoding) {
        encoded.add(Page::Data(page?), level)?;
        return Ok(encoded);
    }
    for column in array_to_columns(array, parquet_type, PartSchema::options(), &[encoding])? {
        for page in column {
            encoded.add(page?, level)?;
        }
    }
    Ok(encoded)
}

/// A dictionary where it may help; the encoder itself gives it up where there are too many values.
fn encoding(data_type: &ArrowDataType, rows: usize) -> Encoding {
    if rows < SMALL_GROUP_ROWS || matches!(data_type, ArrowDataType::Boolean | ArrowDataType::Decimal(..)) {
        Encoding::Plain
    } else {
        Encoding::RleDictionary
    }
}

struct Zstd {
    level: i32,
    compressor: Compressor<'static>,
    scratch: Vec<u8>,
}

thread_local! {
    // polars makes a new context for each page, which costs small files most of their time.
    static ZSTD: RefCell<Option<Zstd>> = const { RefCell::new(None) };
}

fn compress(page: Page, level: i32) -> PolarsResult<(CompressedPage, usize)> {
    let codec = CompressionOptions::Zstd(None).into();
    Ok(match page {
        Page::Data(page) => {
            let bytes = compressed(page.buffer(), level)?;
            let size = bytes.len();
            let rows = page.num_rows().unwrap_or(page.num_values());
            let header = page.header().clone();
            let plain = page.buffer().len();
            let page = CompressedDataPage::new(header, CowBuffer::Owned(bytes), codec, plain, page.descriptor, rows);
            (CompressedPage::Data(page), size)
        }
        Page::Dict(page) => {
            let bytes = compressed(&page.buffer, level)?;
            let size = bytes.len();
            let plain = page.buffer.len();
            let page = CompressedDictPage::new(CowBuffer::Owned(bytes), codec, plain, page.num_values, page.is_sorted);
            (CompressedPage::Dict(page), size)
        }
    })
}

fn compressed(bytes: &[u8], level: i32) -> PolarsResult<Vec<u8>> {
    ZSTD.with_borrow_mut(|slot| {
        let zstd = match slot {
            Some(zstd) => zstd,
            None => slot.insert(Zstd { level, compressor: Compressor::new(level)?, scratch: Vec::new() }),
        };
        if zstd.level != level {
            zstd.compressor.set_compression_level(level)?;
            zstd.level = level;
        }
        zstd.scratch.clear();
        zstd.scratch.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        zstd.compressor.compress_to_buffer(bytes, &mut zstd.scratch)?;
        Ok::<_, std::io::Error>(zstd.scratch.as_slice().to_vec())
    })
    .map_err(PolarsError::from)
}

#[cfg(test)]
mod tests;
