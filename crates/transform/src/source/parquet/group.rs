//! A row group while it is read, and the rows of it that are decoded.

use std::sync::Arc;

use polars_arrow::array::{Array, BinaryViewArray, Utf8ViewArray};
use polars_arrow::datatypes::Field;
use polars_buffer::Buffer;

use super::rows::{Column, RowsOfGroup};

/// A row group.
#[derive(Default)]
pub(super) struct Group {
    /// From 1.
    pub(super) number: usize,
    pub(super) rows: usize,
    /// Rows decoded so far.
    pub(super) at: usize,
    pub(super) rows_a_slice: usize,
    /// The bytes of a row as the pages have them, on average.
    pub(super) a_row: usize,
    /// What is held of each column.
    pub(super) columns: Vec<Held>,
    /// The bytes that its pages unfold to.
    pub(super) unfolded: u64,
    /// The bytes of the texts decoded so far, each as often as it stands there.
    pub(super) texts: u64,
    /// How many of these were counted against what the file may expand to.
    pub(super) counted: u64,
}

/// What is held in memory of a column of a row group.
pub(super) enum Held {
    /// All of its rows: the library decodes lists and records whole.
    Array(Box<dyn Array>),
    /// Its pages as they stand in the file.
    Bytes(Vec<Buffer<u8>>),
    /// Its pages are read again for each slice.
    Nothing,
}

impl Group {
    /// A column of it, for messages.
    pub(super) fn place(&self, field: &Field) -> String {
        format!("its column {:?} in row group {}", field.name.as_str(), self.number)
    }
}

/// Rows of a row group, decoded.
pub(super) struct Slice {
    pub(super) columns: Arc<Vec<Column>>,
    pub(super) rows: usize,
    pub(super) at: usize,
    pub(super) rows_a_chunk: usize,
}

impl Slice {
    /// The next rows that make a chunk.
    pub(super) fn next(&mut self, binary_is_text: bool) -> Option<RowsOfGroup> {
        let to = self.rows.min(self.at + self.rows_a_chunk);
        let rows = self.at..to;
        self.at = to;
        (!rows.is_empty()).then(|| RowsOfGroup { columns: Arc::clone(&self.columns), rows, binary_is_text })
    }
}

/// The bytes of the texts of a column, each as often as it stands there, though a dictionary has it once. Of nested
/// columns none are counted: they are held whole.
pub(super) fn text_bytes(array: &dyn Array) -> u64 {
    let any = array.as_any();
    let bytes = any
        .downcast_ref::<Utf8ViewArray>()
        .map(Utf8ViewArray::total_bytes_len)
        .or_else(|| any.downcast_ref::<BinaryViewArray>().map(BinaryViewArray::total_bytes_len));
    bytes.unwrap_or(0) as u64
}
