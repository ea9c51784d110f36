//! What one chunk of decompressed bytes becomes: typed columns of accepted records, and rejects.
//!
//! A piece knows only its own chunk. The ordered stage, which sees pieces in the order of their chunks, adds the
//! number of lines before it.

use std::ops::Range;
use std::sync::Arc;

use lakehand_domain::reject::{Reject, Rule};
use polars_arrow::array::Array;

/// Decompressed bytes cut after a line end (of a record, where a quoted field holds line ends), at offsets that depend
/// on the bytes alone.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// Counts chunks of the object from 0, over all its members.
    pub(crate) number: u64,
    /// The member of an archive these lines belong to, where the object is one. A chunk never spans members.
    pub(crate) member: Option<Arc<str>>,
    /// Whether this is the first chunk of its member, or of the object: lines are counted anew from here.
    pub(crate) begins_member: bool,
    /// The bytes, without a byte order mark. They end with a line end (one is added where the last line has none).
    pub(crate) bytes: Vec<u8>,
    /// How many bytes at the start are no records: the header line of delimited text, and blank lines before it.
    pub(crate) preamble: usize,
    /// The names of the fields of delimited text, the same for all chunks of a member.
    pub(crate) header: Option<Arc<Header>>,
    /// Set where the chunk is one single line that the source refuses. `bytes` are its first bytes then.
    pub(crate) refused: Option<Refused>,
}

/// The names of the fields of delimited text, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// In the order of the file.
    pub(crate) names: Vec<String>,
}

/// Why the source refuses a line: it is too long to be held, or a quote in it is never closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The rule it breaks.
    pub(crate) rule: Rule,
    /// What is wrong, in words.
    pub(crate) message: String,
    /// Whether `bytes` are less than the line.
    pub(crate) cut: bool,
}

/// A chunk, decoded.
#[derive(Debug)]
pub(crate) struct Piece {
    /// The chunk's number.
    pub(crate) number: u64,
    /// The chunk's member.
    pub(crate) member: Option<Arc<str>>,
    /// Whether line numbers within the member start anew here.
    pub(crate) begins_member: bool,
    /// Physical lines in the chunk, blank and header lines too.
    pub(crate) lines: u64,
    /// Records read, accepted or not. Blank lines and header lines are none.
    pub(crate) records: u64,
    /// One for each table of the dataset, in its order.
    pub(crate) tables: Vec<TablePiece>,
    /// In the order of their lines. `record` and `line` are relative to the chunk, its first line being 1; `member` is
    /// left empty; the ordered stage completes them.
    pub(crate) rejects: Vec<Reject>,
    /// The raw text of each accepted record, by its line relative to the chunk, in order: where a later step rejects a
    /// record, its text is found here.
    pub(crate) accepted: Vec<(u32, Range<u32>)>,
}

/// The accepted rows of one table in one chunk.
#[derive(Debug)]
pub(crate) struct TablePiece {
    /// For each row the line of its record, relative to the chunk, its first line being 1.
    pub(crate) record: Vec<u32>,
    /// For each row its position in the exploded list, from 1; empty for tables of whole records.
    pub(crate) element: Vec<i32>,
    /// For each declared column its values in their physical polars-arrow type, or `None` for columns that are SQL
    /// expressions. See [`crate::physical`].
    pub(crate) columns: Vec<Option<Box<dyn Array>>>,
}
