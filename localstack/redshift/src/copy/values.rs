//! The values of one flat column of a Parquet file.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescriptor;

use super::cell::Cell;
use super::column::TargetKind;

/// A value as the file has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Raw {
    /// Ready.
    Cell(Cell),
    /// Text that nobody has looked at yet.
    Bytes(Vec<u8>),
}

/// What a column of the file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Plain,
    Signed(i8),
    Text,
    Decimal(i32, i32),
    Date,
    Micros,
    Foreign,
}

/// Whether a column of the file is exactly what the table has; nothing is converted.
pub(crate) fn is_exactly(column: &ColumnDescriptor, kind: TargetKind) -> bool {
    let meaning = meaning(column);
    match (kind, column.physical_type()) {
        (TargetKind::Boolean, Physical::BOOLEAN)
        | (TargetKind::Real, Physical::FLOAT)
        | (TargetKind::Double, Physical::DOUBLE) => meaning == Meaning::Plain,
        (TargetKind::Small, Physical::INT32) => meaning == Meaning::Signed(16),
        (TargetKind::Integer, Physical::INT32) => matches!(meaning, Meaning::Plain | Meaning::Signed(32)),
        (TargetKind::Big, Physical::INT64) => matches!(meaning, Meaning::Plain | Meaning::Signed(64)),
        (TargetKind::Date, Physical::INT32) => meaning == Meaning::Date,
        (TargetKind::Timestamp, Physical::INT64) => meaning == Meaning::Micros,
        (TargetKind::Varchar(_) | TargetKind::Char(_) | TargetKind::Super, Physical::BYTE_ARRAY) => {
            meaning == Meaning::Text
        }
        (
            TargetKind::Decimal(digits, scale),
            Physical::INT32 | Physical::INT64 | Physical::FIXED_LEN_BYTE_ARRAY | Physical::BYTE_ARRAY,
        ) => meaning == Meaning::Decimal(i32::from(digits), i32::from(scale)),
        _ => false,
    }
}

fn meaning(column: &ColumnDescriptor) -> Meaning {
    match column.logical_type_ref() {
        Some(LogicalType::Integer(integer)) if integer.is_signed => Meaning::Signed(integer.bit_width),
        Some(LogicalType::String) => Meaning::Text,
        Some(LogicalType::Decimal(decimal)) => Meaning::Decimal(decimal.precision, decimal.scale),
        Some(LogicalType::Date) => Meaning::Date,
        Some(LogicalType::Timestamp(time)) if time.unit == TimeUnit::MICROS => Meaning::Micros,
        Some(_) => Meaning::Foreign,
        None => match column.converted_type() {
            ConvertedType::NONE => Meaning::Plain,
            ConvertedType::INT_8 => Meaning::Signed(8),
            ConvertedType::INT_16 => Meaning::Signed(16),
            ConvertedType::INT_32 => Meaning::Signed(32),
            ConvertedType::INT_64 => Meaning::Signed(64),
            ConvertedType::UTF8 => Meaning::Text,
            ConvertedType::DECIMAL => Meaning::Decimal(column.type_precision(), column.type_scale()),
            ConvertedType::DATE => Meaning::Date,
            ConvertedType::TIMESTAMP_MICROS => Meaning::Micros,
            _ => Meaning::Foreign,
        },
    }
}

/// The next values, nulls among them. The column has been found to be what the table has.
pub(crate) fn take(reader: &mut ColumnReader, column: &ColumnDescriptor, count: usize) -> Result<Vec<Raw>> {
    let meaning = meaning(column);
    let scale = match meaning {
        Meaning::Decimal(_, scale) => u16::try_from(scale).unwrap_or(0),
        _ => 0,
    };
    let levels = column.max_def_level() > 0;
    let cell = |cell: Cell| Ok(Raw::Cell(cell));
    match reader {
        ColumnReader::BoolColumnReader(reader) => values(reader, levels, count, |value| cell(Cell::Boolean(*value))),
        ColumnReader::Int32ColumnReader(reader) => values(reader, levels, count, |value| match meaning {
            Meaning::Signed(16) => i16::try_from(*value)
                .map(|value| Raw::Cell(Cell::Small(value)))
                .map_err(|_| ParquetError::General(format!("{value} is no 16-bit integer"))),
            Meaning::Date => cell(Cell::Date(*value)),
            Meaning::Decimal(..) => cell(Cell::Decimal(i128::from(*value), scale)),
            _ => cell(Cell::Integer(*value)),
        }),
        ColumnReader::Int64ColumnReader(reader) => values(reader, levels, count, |value| match meaning {
            Meaning::Micros => cell(Cell::Timestamp(*value)),
            Meaning::Decimal(..) => cell(Cell::Decimal(i128::from(*value), scale)),
            _ => cell(Cell::Big(*value)),
        }),
        ColumnReader::FloatColumnReader(reader) => values(reader, levels, count, |value| cell(Cell::Real(*value))),
        ColumnReader::DoubleColumnReader(reader) => values(reader, levels, count, |value| cell(Cell::Double(*value))),
        ColumnReader::ByteArrayColumnReader(reader) => values(reader, levels, count, |value| match meaning {
            Meaning::Decimal(..) => Ok(Raw::Cell(Cell::Decimal(big_endian(value.data())?, scale))),
            _ => Ok(Raw::Bytes(value.data().to_vec())),
        }),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            values(reader, levels, count, |value| Ok(Raw::Cell(Cell::Decimal(big_endian(value.data())?, scale))))
        }
        ColumnReader::Int96ColumnReader(_) => Err(ParquetError::General("INT96 is not read".to_owned())),
    }
}

fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    nullable: bool,
    count: usize,
    convert: impl Fn(&T::T) -> Result<Raw>,
) -> Result<Vec<Raw>> {
    let (mut found, mut levels): (Vec<T::T>, Vec<i16>) = (Vec::with_capacity(count), Vec::new());
    let mut records = 0;
    while records < count {
        let levels = if nullable { Some(&mut levels) } else { None };
        let (read, _, _) = reader.read_records(count - records, levels, None, &mut found)?;
        if read == 0 {
            return Err(ParquetError::EOF(format!("a column ends after {records} of {count} values")));
        }
        records += read;
    }
    if !nullable {
        return found.iter().map(convert).collect();
    }
    let mut found = found.iter();
    levels
        .iter()
        .map(|level| match if *level == 0 { None } else { found.next() } {
            None => Ok(Raw::Cell(Cell::Null)),
            Some(value) => convert(value),
        })
        .collect()
}

/// A whole number in two's complement, most significant byte first.
fn big_endian(bytes: &[u8]) -> Result<i128> {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut value: i128 = if negative { -1 } else { 0 };
    if bytes.len() > 16 {
        return Err(ParquetError::General(format!("a decimal of {} bytes", bytes.len())));
    }
    for byte in bytes {
        value = (value << 8) | i128::from(*byte);
    }
    Ok(value)
}
