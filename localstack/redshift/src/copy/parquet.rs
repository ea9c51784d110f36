//! Reads a Parquet file into the columns of a table: by position, by exact type.

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor, SchemaDescriptor};
use tokio::sync::mpsc::Sender;

use super::cell::Cell;
use super::column::{Target, TargetKind};
use super::nested::Nested;
use super::problem::{COLUMN_COUNT, DOES_NOT_FIT, MISSING, Problem, UNREADABLE};
use super::values;

/// Rows that go to PostgreSQL together.
const ROWS_AT_ONCE: usize = 1_024;

/// What a COPY asks of the files it reads.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Demands {
    /// Columns that a file lacks at its end are null.
    pub(crate) fill_record: bool,
    /// What stands for bytes that are no UTF-8.
    pub(crate) accept_invalid_chars: Option<char>,
    /// Nested columns become JSON.
    pub(crate) serialize_to_json: bool,
}

/// A column of a row group, on its way.
enum Source<'a> {
    Flat(Box<ColumnReader>, ColumnDescPtr),
    Nested(Nested<'a>),
}

/// Reads the file and sends its rows on, in batches. Blocks; ends early where nobody listens any more.
pub(crate) fn read(
    url: &str,
    bytes: Bytes,
    targets: &[Target],
    demands: Demands,
    to: &Sender<Vec<Vec<Cell>>>,
) -> Result<u64, Problem> {
    let broken = |error: parquet::errors::ParquetError| {
        Problem::of_file(UNREADABLE, url, format!("Invalid Parquet file: {error} File name: {url}"))
    };
    let reader = SerializedFileReader::new(bytes).map_err(broken)?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr();
    let columns = check(url, schema, targets, demands)?;
    for group in metadata.row_groups() {
        for chunk in group.columns() {
            if !matches!(chunk.compression(), Compression::UNCOMPRESSED | Compression::SNAPPY | Compression::ZSTD(_)) {
                let codec = chunk.compression();
                return Err(Problem::of_file(
                    UNREADABLE,
                    url,
                    format!("[stand-in] the codec {codec:?} is not imitated. File name: {url}"),
                ));
            }
        }
    }
    let mut row = 0_u64;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(broken)?;
        let mut sources = Vec::with_capacity(columns.len());
        for (root, leaf) in columns.iter().enumerate() {
            sources.push(match leaf {
                Some(leaf) => {
                    Source::Flat(Box::new(group.get_column_reader(*leaf).map_err(broken)?), schema.column(*leaf))
                }
                None => Source::Nested(Nested::new(group.as_ref(), schema, root).map_err(broken)?),
            });
        }
        let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        while left > 0 {
            let count = left.min(ROWS_AT_ONCE);
            let mut rows: Vec<Vec<Cell>> = (0..count).map(|_| Vec::with_capacity(targets.len())).collect();
            for (source, target) in sources.iter_mut().zip(targets) {
                let cells = match source {
                    Source::Flat(reader, column) => values::take(reader, column, count),
                    Source::Nested(nested) => nested.take(count),
                };
                let cells = cells.map_err(broken)?;
                for (offset, (cell, row_cells)) in cells.into_iter().zip(&mut rows).enumerate() {
                    let number = row + offset as u64 + 1;
                    row_cells.push(fit(cell, target, demands).map_err(|why| why.at(url, number, target))?);
                }
            }
            for target in &targets[columns.len()..] {
                if target.not_null {
                    return Err(Misfit::Missing.at(url, row + 1, target));
                }
                for row in &mut rows {
                    row.push(Cell::Null);
                }
            }
            row += count as u64;
            left -= count;
            if to.blocking_send(rows).is_err() {
                return Ok(row);
            }
        }
    }
    Ok(row)
}

/// The columns of the file that go to the targets, in order, once each of them is known to be what its target is: the
/// number of its leaf, or `None` where it is nested.
fn check(
    url: &str,
    schema: &SchemaDescriptor,
    targets: &[Target],
    demands: Demands,
) -> Result<Vec<Option<usize>>, Problem> {
    let roots = schema.root_schema().get_fields();
    if roots.len() != targets.len() && !(demands.fill_record && roots.len() < targets.len()) {
        return Err(Problem::of_file(
            COLUMN_COUNT,
            url,
            format!(
                "Unmatched number of columns between table and file. Table columns: {}, Data columns: {}, File name: {url}",
                targets.len(),
                roots.len()
            ),
        ));
    }
    let mut columns = Vec::with_capacity(roots.len());
    for (at, (root, target)) in roots.iter().zip(targets).enumerate() {
        let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == at);
        let Some(leaf) = leaf else { return Err(incompatible(url, root.name(), target)) };
        let column = schema.column(leaf);
        if root.is_primitive() && column.max_rep_level() == 0 {
            if !values::is_exactly(&column, target.kind) {
                return Err(incompatible(url, &schema_of(&column), target));
            }
            columns.push(Some(leaf));
        } else if demands.serialize_to_json && target.kind == TargetKind::Super {
            columns.push(None);
        } else {
            return Err(incompatible(url, &format!("group {}", root.name()), target));
        }
    }
    Ok(columns)
}

fn incompatible(url: &str, found: &str, target: &Target) -> Problem {
    let context = format!(
        "File '{url}' has an incompatible Parquet schema for column '{}'. Column type: {}, Parquet schema: {}",
        target.name,
        target.kind.told(),
        found
    );
    Problem {
        code: DOES_NOT_FIT,
        context,
        file: url.to_owned(),
        row: 0,
        column: target.name.clone(),
        column_type: target.kind.told(),
    }
}

/// A column of the file as Redshift shows it.
fn schema_of(column: &ColumnDescriptor) -> String {
    let physical = match column.physical_type() {
        Physical::BOOLEAN => "boolean",
        Physical::INT32 => "int32",
        Physical::INT64 => "int64",
        Physical::INT96 => "int96",
        Physical::FLOAT => "float",
        Physical::DOUBLE => "double",
        Physical::BYTE_ARRAY => "binary",
        Physical::FIXED_LEN_BYTE_ARRAY => "fixed_len_byte_array",
    };
    let meaning = match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Decimal(decimal)), _) => format!(" (DECIMAL({},{}))", decimal.precision, decimal.scale),
        (Some(LogicalType::Timestamp(time)), _) if time.unit == TimeUnit::NANOS => " (TIMESTAMP(NANOS))".to_owned(),
        (_, ConvertedType::DECIMAL) => format!(" (DECIMAL({},{}))", column.type_precision(), column.type_scale()),
        (_, ConvertedType::NONE) => String::new(),
        (_, converted) => format!(" ({converted})"),
    };
    let optional = if column.max_def_level() > 0 { "optional" } else { "required" };
    format!("{optional} {physical} {}{meaning}", column.path().string())
}

/// Why a value does not go into its column.
enum Misfit {
    TooLong(usize, usize),
    Missing,
    Invalid(&'static str),
}

impl Misfit {
    fn at(self, url: &str, row: u64, target: &Target) -> Problem {
        let name = &target.name;
        let (code, context) = match self {
            Self::TooLong(has, may) => (
                DOES_NOT_FIT,
                format!(
                    "The length of the data column {name} is longer than the length defined in the table. Table: {may}, Data: {has}, File name: {url}"
                ),
            ),
            Self::Missing => {
                (MISSING, format!("Missing data for not-null field: column {name}, row {row}, File name: {url}"))
            }
            Self::Invalid(what) => (DOES_NOT_FIT, format!("{what}: column {name}, row {row}, File name: {url}")),
        };
        Problem { code, context, file: url.to_owned(), row, column: name.clone(), column_type: target.kind.told() }
    }
}

/// The longest string in a SUPER column, in bytes.
const LONGEST_SUPER_TEXT: usize = 65_535;

fn fit(cell: values::Raw, target: &Target, demands: Demands) -> Result<Cell, Misfit> {
    let cell = match cell {
        values::Raw::Cell(cell) => cell,
        values::Raw::Bytes(bytes) => {
            let text = match (String::from_utf8(bytes), demands.accept_invalid_chars) {
                (Ok(text), _) => text,
                (Err(error), Some(one)) => {
                    String::from_utf8_lossy(error.as_bytes()).replace(char::REPLACEMENT_CHARACTER, &one.to_string())
                }
                (Err(_), None) => return Err(Misfit::Invalid("Invalid UTF-8 character")),
            };
            if text.contains('\0') {
                return Err(Misfit::Invalid("Invalid null byte"));
            }
            match target.kind {
                TargetKind::Varchar(may) | TargetKind::Char(may) if text.len() > may => {
                    return Err(Misfit::TooLong(text.len(), may));
                }
                TargetKind::Char(_) if !text.is_ascii() => {
                    return Err(Misfit::Invalid("Multibyte character in a CHAR column"));
                }
                // A string becomes a SUPER string, not what it may hold of JSON.
                TargetKind::Super if text.len() > LONGEST_SUPER_TEXT => {
                    return Err(Misfit::TooLong(text.len(), LONGEST_SUPER_TEXT));
                }
                TargetKind::Super => Cell::Json(serde_json::Value::String(text).to_string()),
                _ => Cell::Text(text),
            }
        }
    };
    if cell == Cell::Null && target.not_null {
        return Err(Misfit::Missing);
    }
    Ok(cell)
}
