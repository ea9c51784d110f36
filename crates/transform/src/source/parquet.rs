//! Parquet: row groups decoded one after the other, their rows written as JSON where records are decoded.

mod rows;
mod types;

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::transformer::{Content, TransformError};
use polars_arrow::array::Array;
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::datatypes::Field;
use polars_buffer::Buffer;
use polars_error::PolarsResult;
use polars_parquet::parquet::page::CompressedPage;
use polars_parquet::read::{BasicDecompressor, ColumnChunkMetadata, FileMetadata, PageReader, column_iter_to_arrays};

use self::rows::{Column, RowsOfGroup};
use self::types::Node;
use super::budget::Budget;
use super::pinned::{read_at, read_exact_at};
use super::schema::{self, Shape};
use crate::piece::Chunk;

/// The most rows of a chunk.
const MAX_ROWS: usize = 1 << 16;
/// A footer larger than this is held for an attack.
const MAX_FOOTER_BYTES: u64 = 256 << 20;
/// The least memory a value takes once it is decoded.
const VALUE_BYTES: u64 = 8;

/// The row groups of one file.
pub(crate) struct RowGroups {
    content: Content,
    metadata: FileMetadata,
    columns: Vec<(Field, Node)>,
    binary_is_text: bool,
    max_block_bytes: u64,
    chunk_bytes: usize,
    next_group: usize,
    current: Option<Group>,
    /// Rows of the groups before the current one.
    rows_before: u64,
}

/// A row group that is decoded.
struct Group {
    columns: Arc<Vec<Column>>,
    rows: usize,
    at: usize,
    rows_a_chunk: usize,
}

impl RowGroups {
    /// Reads the footer, and refuses what the definition cannot be filled from.
    pub(crate) fn open(
        content: Content,
        dataset: &Dataset,
        binary_is_text: bool,
        chunk_bytes: usize,
    ) -> Result<Self, TransformError> {
        let len = content.len();
        let mut tail = [0; 8];
        if len >= 12 {
            read_exact_at(&content, len - 8, &mut tail)?;
        }
        if &tail[4..] != b"PAR1" {
            return unreadable(format!(
                "is a Parquet file cut off at byte {len}: it does not end with the mark of its footer; deliver the file \
                 again"
            ));
        }
        let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
        if footer > MAX_FOOTER_BYTES.min(len - 12) {
            return unreadable(format!("is a damaged Parquet file: its footer cannot have {footer} bytes"));
        }
        let mut reader = ContentReader { content: content.clone(), at: 0 };
        let metadata = guarded("its footer", || polars_parquet::read::read_metadata(&mut reader))?;
        let types = guarded("its schema", || types::of(&metadata))?;
        schema::check(
            dataset,
            &Shape::Record(types.iter().map(|(field, node)| (field.name.to_string(), node.shape())).collect()),
        )?;
        let wanted = schema::wanted(dataset);
        let is_wanted =
            |field: &Field| wanted.as_ref().is_none_or(|names| names.iter().any(|name| *name == field.name));
        Ok(Self {
            content,
            columns: types.into_iter().filter(|(field, _)| is_wanted(field)).collect(),
            metadata,
            binary_is_text,
            max_block_bytes: dataset.source.max_block_bytes(),
            chunk_bytes,
            next_group: 0,
            current: None,
            rows_before: 0,
        })
    }

    /// The next chunk, its rows still to be written; `None` after the last.
    pub(crate) fn next(&mut self, budget: &mut Budget) -> Result<Option<Chunk>, TransformError> {
        loop {
            if let Some(group) = &mut self.current {
                let to = group.rows.min(group.at + group.rows_a_chunk);
                if group.at < to {
                    let rows = RowsOfGroup {
                        columns: Arc::clone(&group.columns),
                        rows: group.at..to,
                        binary_is_text: self.binary_is_text,
                    };
                    group.at = to;
                    return Ok(Some(Chunk { rows: Some(Box::new(rows)), ..Chunk::of_lines(Vec::new()) }));
                }
                self.rows_before += group.rows as u64;
                self.current = None;
            }
            if self.next_group == self.metadata.row_groups.len() {
                return Ok(None);
            }
            let group = self.group(budget)?;
            self.next_group += 1;
            self.current = Some(group);
        }
    }

    fn group(&self, budget: &mut Budget) -> Result<Group, TransformError> {
        let number = self.next_group + 1;
        let group = &self.metadata.row_groups[self.next_group];
        let rows = group.num_rows();
        let mut bytes = 0_u64;
        for (field, _) in &self.columns {
            for column in group.columns_under_root_iter(&field.name).into_iter().flatten() {
                let claimed = u64::try_from(column.uncompressed_size()).unwrap_or(0);
                bytes = bytes.saturating_add(claimed.max((rows as u64).saturating_mul(VALUE_BYTES)));
            }
        }
        if bytes > self.max_block_bytes {
            return unreadable(format!(
                "has a row group of {bytes} bytes in the columns that are read, its {number}., more than the {} allowed; \
                 write smaller row groups, or raise source.max_block_bytes: a row group is held in memory whole",
                self.max_block_bytes
            ));
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut unfolded = 0;
        let mut key_start = "{";
        for (field, node) in &self.columns {
            let place = format!("its column {:?} in row group {number}", field.name.as_str());
            let chunks: Vec<&ColumnChunkMetadata> =
                group.columns_under_root_iter(&field.name).map(Iterator::collect).unwrap_or_default();
            let mut pages = Vec::with_capacity(chunks.len());
            for chunk in &chunks {
                let bytes = self.column_bytes(chunk, &place)?;
                self.judge_pages(chunk, &bytes, &place, &mut unfolded, budget)?;
                pages.push(bytes);
            }
            let array = guarded(&place, || {
                let primitive = |chunk: &&ColumnChunkMetadata| {
                    types::primitive_as_read(&chunk.descriptor().descriptor.primitive_type)
                };
                let primitives: Vec<_> = chunks.iter().map(primitive).collect();
                let (readers, types) = chunks
                    .iter()
                    .zip(&primitives)
                    .zip(pages)
                    .map(|((chunk, primitive), bytes)| {
                        let pages = PageReader::new(Cursor::new(bytes), chunk, Vec::new(), usize::MAX);
                        (BasicDecompressor::new(pages, Vec::new()), primitive)
                    })
                    .unzip();
                let (arrays, _) = column_iter_to_arrays(readers, types, field.clone(), None)?;
                match <[Box<dyn Array>; 1]>::try_from(arrays) {
                    Ok([array]) => Ok(array),
                    Err(arrays) => concatenate(&arrays.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()),
                }
            })?;
            if array.len() != rows {
                return unreadable(format!("is a damaged Parquet file: {place} has {} of {rows} rows", array.len()));
            }
            let key = format!("{key_start}{}:", serde_json::Value::from(field.name.as_str()));
            key_start = ",";
            columns.push(Column { name: field.name.to_string(), key, node: node.clone(), array });
        }
        let a_row = usize::try_from(bytes).unwrap_or(usize::MAX) / rows.max(1) + 1;
        let rows_a_chunk = (self.chunk_bytes / a_row).clamp(1, MAX_ROWS);
        Ok(Group { columns: Arc::new(columns), rows, at: 0, rows_a_chunk })
    }

    fn column_bytes(&self, chunk: &ColumnChunkMetadata, place: &str) -> Result<Buffer<u8>, TransformError> {
        let range = guarded(place, || Ok(chunk.byte_range()))?;
        if range.start > range.end || range.end > self.content.len() {
            return unreadable(format!(
                "is a damaged Parquet file: {place} should lie from byte {} to {} of {}",
                range.start,
                range.end,
                self.content.len()
            ));
        }
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
        read_exact_at(&self.content, range.start, &mut bytes)?;
        Ok(Buffer::from_vec(bytes))
    }

    /// What the pages of a column say that they unfold to is believed only within the limits. `total` counts those of all
    /// columns of the row group, whatever its footer claims of them.
    fn judge_pages(
        &self,
        chunk: &ColumnChunkMetadata,
        bytes: &Buffer<u8>,
        place: &str,
        total: &mut u64,
        budget: &mut Budget,
    ) -> Result<(), TransformError> {
        let mut pages = PageReader::new(Cursor::new(bytes.clone()), chunk, Vec::new(), usize::MAX);
        let mut is_first = true;
        while let Some(page) = guarded(place, || Ok(pages.next().transpose()?))? {
            let unfolded = match &page {
                CompressedPage::Data(page) => Some(page.uncompressed_size()),
                // The library keeps that of a dictionary to itself. There is one, and it comes first.
                CompressedPage::Dict(_) if is_first => uncompressed_size(bytes.as_slice()),
                CompressedPage::Dict(_) => None,
            };
            let Some(unfolded) = unfolded else {
                return unreadable(format!(
                    "is a damaged Parquet file: {place} has a dictionary that is not where and what it should be; \
                     deliver the file again"
                ));
            };
            is_first = false;
            *total = total.saturating_add(unfolded as u64);
            if *total > self.max_block_bytes {
                return unreadable(format!(
                    "has pages of {total} bytes and more in its row group {}, up to {place}: more than the {} allowed; \
                     write smaller row groups, or raise source.max_block_bytes: a row group is held in memory whole",
                    self.next_group + 1,
                    self.max_block_bytes
                ));
            }
            budget.add(unfolded)?;
        }
        Ok(())
    }
}

/// What the header of the page that starts here says it unfolds to (Parquet's `PageHeader` in Thrift's compact protocol:
/// the first field is its type, the second this, each an i32 behind a byte that says so).
fn uncompressed_size(page: &[u8]) -> Option<usize> {
    const NEXT_FIELD_IS_I32: u8 = 0x15;
    let (_, rest) = varint(page.strip_prefix(&[NEXT_FIELD_IS_I32])?)?;
    let (size, _) = varint(rest.strip_prefix(&[NEXT_FIELD_IS_I32])?)?;
    // Zigzag: positive numbers are the even ones.
    (size % 2 == 0).then_some(usize::try_from(size / 2).ok()?)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[at + 1..]));
        }
    }
    None
}

fn unreadable<T>(message: String) -> Result<T, TransformError> {
    Err(TransformError::Unreadable { message })
}

/// Runs the library on bytes that may be anything. What it refuses, and what it panics on, is the file's fault.
fn guarded<T>(what: &str, read: impl FnOnce() -> PolarsResult<T>) -> Result<T, TransformError> {
    let message = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => format!("is Parquet that cannot be read, in {what}: {error}; deliver the file again"),
        Err(_) => format!("is Parquet that cannot be read, in {what}: the reader gave up; deliver the file again"),
    };
    unreadable(message)
}

/// The pinned bytes as the library reads them.
struct ContentReader {
    content: Content,
    at: u64,
}

impl Read for ContentReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.content.len() {
            return Ok(0);
        }
        let left = usize::try_from(self.content.len() - self.at).unwrap_or(usize::MAX);
        let want = into.len().min(left);
        let read = read_at(&self.content, self.at, &mut into[..want])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for ContentReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.content.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
