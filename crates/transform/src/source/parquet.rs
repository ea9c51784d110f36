//! Parquet: row groups decoded one after the other, slice by slice, their rows written as JSON where records are decoded.

mod content;
mod group;
mod rows;
mod types;

use std::io::Cursor;
use std::ops::Range;
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
use polars_parquet::read::{
    BasicDecompressor, ColumnChunkMetadata, FileMetadata, Filter, PageReader, column_iter_to_arrays,
};

use self::content::ContentReader;
use self::group::{Group, Held, Slice, text_bytes};
use self::rows::Column;
use self::types::Node;
use super::budget::Budget;
use super::pinned::read_exact_at;
use super::schema::{self, Shape};
use crate::piece::Chunk;

/// The most rows of a chunk.
const MAX_ROWS: usize = 1 << 16;
/// A footer larger than this is held for an attack.
const MAX_FOOTER_BYTES: u64 = 256 << 20;
/// The least memory a value takes once it is decoded.
const VALUE_BYTES: u64 = 8;

/// So many times the bytes of a chunk are decoded of a row group at once, about; and one that has no more in the file is
/// read once.
const CHUNKS_A_SLICE: u64 = 12;

/// The row groups of one file.
pub(crate) struct RowGroups {
    content: Content,
    metadata: FileMetadata,
    columns: Vec<(Field, Node)>,
    binary_is_text: bool,
    max_block_bytes: u64,
    chunk_bytes: usize,
    next_group: usize,
    group: Option<Group>,
    slice: Option<Slice>,
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
        let mut reader = ContentReader::new(content.clone());
        let metadata = guarded("its footer", || polars_parquet::read::read_metadata(&mut reader))?;
        let types = guarded_with("its schema", "write it with other types or names", || types::of(&metadata))?;
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
            group: None,
            slice: None,
        })
    }

    /// The next chunk, its rows still to be written; `None` after the last.
    pub(crate) fn next(&mut self, budget: &mut Budget) -> Result<Option<Chunk>, TransformError> {
        loop {
            if let Some(slice) = &mut self.slice {
                if let Some(rows) = slice.next(self.binary_is_text) {
                    return Ok(Some(Chunk { rows: Some(Box::new(rows)), ..Chunk::of_lines(Vec::new()) }));
                }
                self.slice = None;
            }
            if let Some(group) = &self.group {
                if group.at < group.rows {
                    let (slice, texts) = self.slice(group)?;
                    if let Some(group) = &mut self.group {
                        group.at += slice.rows;
                        group.texts = group.texts.saturating_add(texts);
                        // What pages unfold to is counted already, a dictionary once.
                        let beyond = group.texts.saturating_sub(group.unfolded);
                        let more = beyond.saturating_sub(group.counted);
                        group.counted += more;
                        budget.add(usize::try_from(more).unwrap_or(usize::MAX))?;
                    }
                    self.slice = Some(slice);
                    continue;
                }
                self.group = None;
            }
            if self.next_group == self.metadata.row_groups.len() {
                return Ok(None);
            }
            self.group = Some(self.open_group(budget)?);
            self.next_group += 1;
        }
    }

    /// Looks at the pages of the next row group, and decodes what is to be held whole.
    fn open_group(&self, budget: &mut Budget) -> Result<Group, TransformError> {
        let number = self.next_group + 1;
        let rows = self.metadata.row_groups[self.next_group].num_rows();
        let mut group = Group { number, rows, ..Group::default() };
        let mut held = 0_u64;
        let mut in_file = 0_u64;
        for (field, _) in &self.columns {
            let nested = field.dtype().is_nested();
            let mut largest = 0;
            for chunk in self.chunks(number, field) {
                let place = group.place(field);
                let range = self.byte_range(chunk, &place)?;
                let claimed = u64::try_from(chunk.uncompressed_size()).unwrap_or(0);
                largest = range.end - range.start;
                in_file += largest;
                // Nested columns are decoded whole, and so are their values in memory.
                if nested {
                    held = held.saturating_add(claimed.max((rows as u64).saturating_mul(VALUE_BYTES)));
                }
            }
            let bytes = held.max(largest);
            if bytes > self.max_block_bytes {
                return unreadable(format!(
                    "has a row group with {bytes} bytes that are held in memory at once, its {number}., up to its column \
                     {:?}: more than the {} allowed; write smaller row groups, or raise source.max_block_bytes",
                    field.name.as_str(),
                    self.max_block_bytes
                ));
            }
        }
        let slice_bytes = (self.chunk_bytes as u64).saturating_mul(CHUNKS_A_SLICE);
        let mut nested_unfolded = 0;
        for (field, _) in &self.columns {
            let nested = field.dtype().is_nested();
            let place = group.place(field);
            let mut pages = Vec::new();
            for chunk in self.chunks(number, field) {
                let bytes = self.column_bytes(chunk, &place)?;
                let unfolded = self.judge_pages(chunk, &bytes, &place, rows, nested, budget)?;
                group.unfolded = group.unfolded.saturating_add(unfolded);
                if nested {
                    nested_unfolded += unfolded;
                    self.judge_held(nested_unfolded, &place)?;
                }
                pages.push(bytes);
            }
            let kept = in_file <= slice_bytes;
            group.columns.push(match (nested, kept) {
                (true, _) => Held::Array(self.decode(field, &group, pages, None)?),
                (false, true) => Held::Bytes(pages),
                (false, false) => Held::Nothing,
            });
        }
        let fixed = (rows as u64).saturating_mul(VALUE_BYTES).saturating_mul(self.columns.len() as u64);
        let a_row = group.unfolded.max(fixed) / (rows as u64).max(1) + 1;
        group.a_row = usize::try_from(a_row).unwrap_or(usize::MAX);
        group.rows_a_slice = usize::try_from(slice_bytes / a_row).unwrap_or(usize::MAX).max(1);
        Ok(group)
    }

    /// Decodes the next rows of a row group; and the bytes of the texts in them.
    fn slice(&self, group: &Group) -> Result<(Slice, u64), TransformError> {
        let rows = group.rows_a_slice.min(group.rows - group.at);
        let range = group.at..group.at + rows;
        let mut columns = Vec::with_capacity(self.columns.len());
        let mut texts = 0_u64;
        let mut key_start = "{";
        for ((field, node), held) in self.columns.iter().zip(&group.columns) {
            let array = match held {
                Held::Array(array) => array.sliced(range.start, rows),
                Held::Bytes(pages) => self.decode(field, group, pages.clone(), Some(range.clone()))?,
                Held::Nothing => {
                    let place = group.place(field);
                    let chunks = self.chunks(group.number, field);
                    let pages = chunks.map(|chunk| self.column_bytes(chunk, &place)).collect::<Result<_, _>>()?;
                    self.decode(field, group, pages, Some(range.clone()))?
                }
            };
            texts = texts.saturating_add(text_bytes(array.as_ref()));
            let key = format!("{key_start}{}:", serde_json::Value::from(field.name.as_str()));
            key_start = ",";
            columns.push(Column { name: field.name.to_string(), key, node: node.clone(), array });
        }
        let a_row = group.a_row.max(usize::try_from(texts).unwrap_or(usize::MAX) / rows.max(1));
        let rows_a_chunk = (self.chunk_bytes / a_row).clamp(1, MAX_ROWS);
        Ok((Slice { columns: Arc::new(columns), rows, at: 0, rows_a_chunk }, texts))
    }

    /// The parts of a column of a row group, one for each of its leaves.
    fn chunks<'a>(&'a self, number: usize, field: &Field) -> impl Iterator<Item = &'a ColumnChunkMetadata> {
        self.metadata.row_groups[number - 1].columns_under_root_iter(&field.name).into_iter().flatten()
    }

    /// Some rows of a column, or all of them.
    fn decode(
        &self,
        field: &Field,
        group: &Group,
        pages: Vec<Buffer<u8>>,
        range: Option<Range<usize>>,
    ) -> Result<Box<dyn Array>, TransformError> {
        let place = group.place(field);
        let rows = range.as_ref().map_or(group.rows, Range::len);
        let chunks: Vec<&ColumnChunkMetadata> = self.chunks(group.number, field).collect();
        let array = guarded(&place, || {
            let primitive =
                |chunk: &&ColumnChunkMetadata| types::primitive_as_read(&chunk.descriptor().descriptor.primitive_type);
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
            let filter = range.map(Filter::Range);
            let (arrays, _) = column_iter_to_arrays(readers, types, field.clone(), filter)?;
            match <[Box<dyn Array>; 1]>::try_from(arrays) {
                Ok([array]) => Ok(array),
                Err(arrays) => concatenate(&arrays.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>()),
            }
        })?;
        if array.len() != rows {
            return unreadable(format!(
                "is a damaged Parquet file: {place} has {} of {rows} rows, from row {} of it on",
                array.len(),
                group.at + 1
            ));
        }
        Ok(array)
    }

    fn byte_range(&self, chunk: &ColumnChunkMetadata, place: &str) -> Result<Range<u64>, TransformError> {
        let range = guarded(place, || Ok(chunk.byte_range()))?;
        if range.start > range.end || range.end > self.content.len() {
            return unreadable(format!(
                "is a damaged Parquet file: {place} should lie from byte {} to {} of {}",
                range.start,
                range.end,
                self.content.len()
            ));
        }
        Ok(range)
    }

    fn column_bytes(&self, chunk: &ColumnChunkMetadata, place: &str) -> Result<Buffer<u8>, TransformError> {
        let range = self.byte_range(chunk, place)?;
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
        read_exact_at(&self.content, range.start, &mut bytes)?;
        Ok(Buffer::from_vec(bytes))
    }

    /// What the pages of a column say that they unfold to is believed only within the limits; all of it, whatever the
    /// footer claims.
    fn judge_pages(
        &self,
        chunk: &ColumnChunkMetadata,
        bytes: &Buffer<u8>,
        place: &str,
        rows: usize,
        nested: bool,
        budget: &mut Budget,
    ) -> Result<u64, TransformError> {
        let mut pages = PageReader::new(Cursor::new(bytes.clone()), chunk, Vec::new(), usize::MAX);
        let mut is_first = true;
        let (mut total, mut values) = (0_u64, 0);
        while let Some(page) = guarded(place, || Ok(pages.next().transpose()?))? {
            let unfolded = match &page {
                CompressedPage::Data(page) => {
                    values += page.num_values();
                    Some(page.uncompressed_size())
                }
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
            total = total.saturating_add(unfolded as u64);
            self.judge_held(if nested { total } else { unfolded as u64 }, place)?;
            budget.add(unfolded)?;
        }
        if !nested && values != rows {
            return unreadable(format!(
                "is a damaged Parquet file: {place} has {values} values of {rows} rows; deliver the file again"
            ));
        }
        Ok(total)
    }

    /// Refuses pages that would be held in memory together, if they are too much.
    fn judge_held(&self, bytes: u64, place: &str) -> Result<(), TransformError> {
        if bytes > self.max_block_bytes {
            return unreadable(format!(
                "has pages of {bytes} bytes and more that are held in memory at once, up to {place}: more than the {} \
                 allowed; write smaller pages and row groups, or raise source.max_block_bytes",
                self.max_block_bytes
            ));
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
    guarded_with(what, "deliver the file again", read)
}

/// The same, with what to do about it.
fn guarded_with<T>(what: &str, advice: &str, read: impl FnOnce() -> PolarsResult<T>) -> Result<T, TransformError> {
    let why = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the reader gave up".to_owned(),
    };
    unreadable(format!("is Parquet that cannot be read, in {what}: {why}; {advice}"))
}
