//! Writes small Parquet files, for tests: what lakehand writes with polars, written by other code.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, FloatType,
    Int32Type, Int64Type,
};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

/// A column with its values; `None` is null.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name, by which nothing is found.
    pub name: String,
    /// Its values.
    pub values: Values,
    /// Whether the schema allows nulls.
    pub optional: bool,
}

/// The values of a column, by what they mean.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// BOOLEAN.
    Boolean(Vec<Option<bool>>),
    /// INT32 of 16 bits, for SMALLINT.
    Small(Vec<Option<i16>>),
    /// INT32, for INTEGER.
    Integer(Vec<Option<i32>>),
    /// INT32 without a sign, for nothing.
    Unsigned(Vec<Option<u32>>),
    /// INT64, for BIGINT.
    Big(Vec<Option<i64>>),
    /// FLOAT, for REAL.
    Real(Vec<Option<f32>>),
    /// DOUBLE.
    Double(Vec<Option<f64>>),
    /// BYTE_ARRAY that is UTF-8, for VARCHAR.
    Text(Vec<Option<String>>),
    /// BYTE_ARRAY that says it is UTF-8, and perhaps is not.
    Bytes(Vec<Option<Vec<u8>>>),
    /// INT32 of days since 1970, for DATE.
    Date(Vec<Option<i32>>),
    /// INT64 of microseconds since 1970, for TIMESTAMP.
    Timestamp(Vec<Option<i64>>),
    /// INT64 of nanoseconds since 1970, for nothing.
    Nanoseconds(Vec<Option<i64>>),
    /// DECIMAL of so many digits, so many of them behind the point; values without their point. Up to 9 digits as INT32, up
    /// to 18 as INT64, else as bytes of a fixed number.
    Decimal(u8, u8, Vec<Option<i128>>),
    /// The same as bytes of no fixed number.
    LooseDecimal(u8, u8, Vec<Option<i128>>),
    /// Lists of INT64, for SUPER with SERIALIZETOJSON.
    Lists(Vec<Option<Vec<i64>>>),
}

impl Column {
    /// A column that may hold nulls.
    pub fn new(name: impl Into<String>, values: Values) -> Self {
        Self { name: name.into(), values, optional: true }
    }

    /// A column that may not.
    ///
    /// # Panics
    /// When it is written with a null in it.
    pub fn required(name: impl Into<String>, values: Values) -> Self {
        Self { name: name.into(), values, optional: false }
    }
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// Not at all.
    Uncompressed,
    /// Snappy.
    Snappy,
    /// zstd.
    #[default]
    Zstd,
}

/// A file of these columns in one row group; in none where there are no rows.
///
/// # Errors
/// Where columns differ in length.
pub fn parquet(columns: &[Column], codec: Codec) -> Result<Bytes> {
    row_groups(columns, codec, usize::MAX)
}

/// The same in row groups of at most so many rows.
///
/// # Errors
/// Where columns differ in length.
pub fn row_groups(columns: &[Column], codec: Codec, rows: usize) -> Result<Bytes> {
    let fields = columns.iter().map(|column| column.schema().map(Arc::new)).collect::<Result<Vec<_>>>()?;
    let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
    let codec = match codec {
        Codec::Uncompressed => Compression::UNCOMPRESSED,
        Codec::Snappy => Compression::SNAPPY,
        Codec::Zstd => Compression::ZSTD(ZstdLevel::default()),
    };
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let count = columns.first().map_or(0, |column| column.values.len());
    let mut start = 0;
    while start < count {
        let end = count.min(start.saturating_add(rows));
        let mut group = file.next_row_group()?;
        for column in columns {
            column.write(&mut group, start, end.min(column.values.len()))?;
        }
        group.close()?;
        start = end;
    }
    Ok(file.into_inner()?.into())
}

impl Values {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::Small(values) => values.len(),
            Self::Integer(values) | Self::Date(values) => values.len(),
            Self::Unsigned(values) => values.len(),
            Self::Big(values) | Self::Timestamp(values) | Self::Nanoseconds(values) => values.len(),
            Self::Real(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::Text(values) => values.len(),
            Self::Bytes(values) => values.len(),
            Self::Decimal(_, _, values) | Self::LooseDecimal(_, _, values) => values.len(),
            Self::Lists(values) => values.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The fewest bytes that hold so many digits with their sign.
fn width(digits: u8) -> usize {
    let mut bytes = 1;
    while bytes < 16 && 10_i128.checked_pow(u32::from(digits)).is_none_or(|most| most > 1 << (8 * bytes - 1)) {
        bytes += 1;
    }
    bytes
}

fn big_endian(value: i128, width: usize) -> Vec<u8> {
    value.to_be_bytes()[16 - width..].to_vec()
}

impl Column {
    fn schema(&self) -> Result<Type> {
        if let Values::Lists(_) = &self.values {
            let element = Type::primitive_type_builder("element", Physical::INT64);
            let element = Arc::new(element.with_repetition(Repetition::REQUIRED).build()?);
            let list =
                Type::group_type_builder("list").with_repetition(Repetition::REPEATED).with_fields(vec![element]);
            let whole = Type::group_type_builder(&self.name).with_repetition(Repetition::OPTIONAL);
            return whole.with_logical_type(Some(LogicalType::List)).with_fields(vec![Arc::new(list.build()?)]).build();
        }
        let physical = match &self.values {
            Values::Boolean(_) => Physical::BOOLEAN,
            Values::Small(_)
            | Values::Integer(_)
            | Values::Unsigned(_)
            | Values::Date(_)
            | Values::Decimal(..=9, _, _) => Physical::INT32,
            Values::Big(_)
            | Values::Timestamp(_)
            | Values::Nanoseconds(_)
            | Values::Decimal(10..=18, _, _)
            | Values::Lists(_) => Physical::INT64,
            Values::Real(_) => Physical::FLOAT,
            Values::Double(_) => Physical::DOUBLE,
            Values::Text(_) | Values::Bytes(_) | Values::LooseDecimal(..) => Physical::BYTE_ARRAY,
            Values::Decimal(..) => Physical::FIXED_LEN_BYTE_ARRAY,
        };
        let repetition = if self.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let builder = Type::primitive_type_builder(&self.name, physical).with_repetition(repetition);
        match &self.values {
            Values::Small(_) => builder.with_logical_type(Some(LogicalType::integer(16, true))),
            Values::Unsigned(_) => builder.with_logical_type(Some(LogicalType::integer(32, false))),
            Values::Text(_) | Values::Bytes(_) => builder.with_logical_type(Some(LogicalType::String)),
            Values::Date(_) => builder.with_logical_type(Some(LogicalType::Date)),
            Values::Timestamp(_) => builder.with_logical_type(Some(LogicalType::timestamp(false, TimeUnit::MICROS))),
            Values::Nanoseconds(_) => builder.with_logical_type(Some(LogicalType::timestamp(false, TimeUnit::NANOS))),
            Values::Decimal(digits, scale, _) | Values::LooseDecimal(digits, scale, _) => builder
                .with_logical_type(Some(LogicalType::decimal(i32::from(*scale), i32::from(*digits))))
                .with_precision(i32::from(*digits))
                .with_scale(i32::from(*scale))
                .with_length(i32::try_from(width(*digits)).unwrap_or(16)),
            _ => builder.with_converted_type(ConvertedType::NONE),
        }
        .build()
    }

    fn write(&self, group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, start: usize, end: usize) -> Result<()> {
        match &self.values {
            Values::Lists(values) => put_lists(group, &values[start..end]),
            Values::Boolean(values) => self.put::<BoolType, _>(group, &values[start..end], |value| *value),
            Values::Small(values) => self.put::<Int32Type, _>(group, &values[start..end], |value| i32::from(*value)),
            Values::Integer(values) | Values::Date(values) => {
                self.put::<Int32Type, _>(group, &values[start..end], |value| *value)
            }
            Values::Unsigned(values) => {
                self.put::<Int32Type, _>(group, &values[start..end], |value| value.cast_signed())
            }
            Values::Big(values) | Values::Timestamp(values) | Values::Nanoseconds(values) => {
                self.put::<Int64Type, _>(group, &values[start..end], |value| *value)
            }
            Values::Real(values) => self.put::<FloatType, _>(group, &values[start..end], |value| *value),
            Values::Double(values) => self.put::<DoubleType, _>(group, &values[start..end], |value| *value),
            Values::Text(values) => {
                self.put::<ByteArrayType, _>(group, &values[start..end], |value| ByteArray::from(value.as_str()))
            }
            Values::Bytes(values) => {
                self.put::<ByteArrayType, _>(group, &values[start..end], |value| ByteArray::from(value.clone()))
            }
            Values::LooseDecimal(digits, _, values) => {
                self.put::<ByteArrayType, _>(group, &values[start..end], |value| {
                    ByteArray::from(big_endian(*value, width(*digits)))
                })
            }
            Values::Decimal(..=9, _, values) => {
                self.put::<Int32Type, _>(group, &values[start..end], |value| i32::try_from(*value).unwrap_or(i32::MAX))
            }
            Values::Decimal(..=18, _, values) => {
                self.put::<Int64Type, _>(group, &values[start..end], |value| i64::try_from(*value).unwrap_or(i64::MAX))
            }
            Values::Decimal(digits, _, values) => {
                self.put::<FixedLenByteArrayType, _>(group, &values[start..end], |value| {
                    FixedLenByteArray::from(big_endian(*value, width(*digits)))
                })
            }
        }
    }

    fn put<T: DataType, V>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        values: &[Option<V>],
        convert: impl Fn(&V) -> T::T,
    ) -> Result<()> {
        let there: Vec<T::T> = values.iter().flatten().map(convert).collect();
        assert!(self.optional || there.len() == values.len(), "column {} is required and has a null", self.name);
        let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
        let levels = self.optional.then_some(levels.as_slice());
        let Some(mut column) = group.next_column()? else { return Ok(()) };
        column.typed::<T>().write_batch(&there, levels, None)?;
        column.close()
    }
}

fn put_lists(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, values: &[Option<Vec<i64>>]) -> Result<()> {
    let (mut there, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for list in values {
        // Null, empty, or one level for each element; all but the first repeat.
        let elements = list.as_deref().unwrap_or_default();
        if elements.is_empty() {
            definitions.push(i16::from(list.is_some()));
            repetitions.push(0);
        }
        for (at, element) in elements.iter().enumerate() {
            there.push(*element);
            definitions.push(2);
            repetitions.push(i16::from(at > 0));
        }
    }
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<Int64Type>().write_batch(&there, Some(&definitions), Some(&repetitions))?;
    column.close()
}
