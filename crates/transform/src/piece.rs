//! What one chunk of decompressed bytes becomes: typed columns of accepted records, and rejects.
//!
//! A piece knows only its own chunk. The ordered stage, which sees pieces in the order of their chunks, adds the
//! number of lines before it.

use std::cell::OnceCell;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use lakehand_dataset::transformer::TransformError;
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
    /// Lines that the source knows to be no records, in order; their text is there all the same.
    pub(crate) faults: Vec<Fault>,
    /// Where records are no lines of the file but were each given one here: the line of the member on which each begins.
    pub(crate) places: Option<Vec<u64>>,
    /// Where in `bytes` spaces stand in place of line ends that records had, for which lines would have been more than one.
    pub(crate) breaks: Vec<u32>,
    /// The bytes with those line ends, once they were asked for.
    pub(crate) original: OnceCell<Vec<u8>>,
    /// Records that are still to be written as lines of JSON; `bytes` is empty until then.
    pub(crate) rows: Option<Box<dyn Rows>>,
    /// How the text was encoded in the file.
    pub(crate) charset: &'static str,
    /// Whether lines of the file ended with carriage returns alone; those within quotes are line ends too then.
    pub(crate) bare_returns: bool,
}

impl Chunk {
    /// Lines of text, with nothing to be said of them.
    pub(crate) fn of_lines(bytes: Vec<u8>) -> Self {
        Self {
            number: 0,
            member: None,
            begins_member: false,
            bytes,
            preamble: 0,
            header: None,
            refused: None,
            faults: Vec::new(),
            places: None,
            breaks: Vec::new(),
            original: OnceCell::new(),
            rows: None,
            charset: "UTF-8",
            bare_returns: false,
        }
    }

    /// Bytes as they stood in the file, line ends and all.
    pub(crate) fn raw(&self, range: Range<usize>) -> &[u8] {
        let bytes = if self.breaks.is_empty() {
            &self.bytes
        } else {
            self.original.get_or_init(|| {
                let mut bytes = self.bytes.clone();
                break_lines(&mut bytes, &self.breaks);
                bytes
            })
        };
        bytes.get(range).unwrap_or_default()
    }

    /// Puts line ends back where records had them; for when no line is read any more.
    pub(crate) fn restore(&mut self) {
        break_lines(&mut self.bytes, &self.breaks);
        self.breaks.clear();
    }

    /// Writes rows as lines, where there are any still to be written; a record of more bytes than `max_line` is a fault.
    pub(crate) fn render(&mut self, max_line: usize) -> Result<(), TransformError> {
        if let Some(rows) = self.rows.take() {
            self.bytes.clear();
            self.faults = rows.render(&mut self.bytes, max_line)?;
        }
        Ok(())
    }
}

fn break_lines(bytes: &mut [u8], breaks: &[u32]) {
    for at in breaks {
        if let Some(byte) = bytes.get_mut(*at as usize) {
            *byte = b'\n';
        }
    }
}

/// Records of a format with types of its own, which become lines of JSON where decoding is done in parallel.
pub(crate) trait Rows: Debug + Send {
    /// Appends a line for each record; those that cannot be written are faults, with as much of them as there is.
    fn render(&self, into: &mut Vec<u8>, max_line: usize) -> Result<Vec<Fault>, TransformError>;
}

/// Why a line is no record, known before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line relative to the chunk, its first line being 1.
    pub(crate) line: u64,
    /// The rule it breaks.
    pub(crate) rule: Rule,
    /// What is wrong, in words.
    pub(crate) message: String,
    /// The path at fault, where it is one path's fault.
    pub(crate) column: Option<String>,
    /// The byte of the record at which it was seen, from 1.
    pub(crate) byte: Option<u64>,
    /// Whether the line is less than the record.
    pub(crate) cut: bool,
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
    /// Physical lines in the chunk, blank and header lines too; records where these are no lines of the file.
    pub(crate) lines: u64,
    /// See [`Chunk::places`].
    pub(crate) places: Option<Vec<u64>>,
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
