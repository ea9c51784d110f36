//! Lines of text: JSON lines and delimited text, in chunks cut at record ends.

use std::sync::Arc;

use lakehand_dataset::dataset::{CsvFormat, CsvHeader, Format};
use lakehand_dataset::transformer::TransformError;

use super::budget::Budget;
use super::cut::Cutter;
use super::header;
use super::quotes::Quotes;
use super::text::Text;
use crate::piece::{Chunk, Header};

/// The chunks of one member.
pub(crate) struct Lines {
    text: Text,
    cutter: Cutter,
    csv: Option<CsvFormat>,
    header: Option<Arc<Header>>,
    /// Whether the first record is still to be found.
    heads: bool,
}

impl Lines {
    /// At the start of a member.
    pub(crate) fn new(text: Text, format: &Format, chunk_bytes: usize, max_line: usize) -> Self {
        let csv = match format {
            Format::Csv(csv) => Some(csv.clone()),
            _ => None,
        };
        let quotes = csv.as_ref().and_then(|csv| Some(Quotes::new(csv, csv.quote?)));
        let header = match csv.as_ref().map(|csv| &csv.header) {
            Some(CsvHeader::Given(names) | CsvHeader::Replaced(names)) => {
                Some(Arc::new(Header { names: names.clone() }))
            }
            _ => None,
        };
        let heads = csv.as_ref().is_some_and(|csv| !matches!(csv.header, CsvHeader::Given(_)));
        Self { text, cutter: Cutter::new(chunk_bytes, max_line, quotes), csv, header, heads }
    }

    /// The next chunk, in the buffer given; `None` after the last.
    pub(crate) fn next(&mut self, reuse: Vec<u8>, budget: &mut Budget) -> Result<Option<Chunk>, TransformError> {
        let text = &mut self.text;
        let Some(cut) = self.cutter.next(reuse, &mut |into| text.read(into, budget))? else { return Ok(None) };
        let mut preamble = 0;
        if let (Some(csv), true) = (&self.csv, self.heads) {
            if let Some(refused) = &cut.refused {
                let message = format!("has a header line that cannot be read: {}", refused.message);
                return Err(TransformError::Unreadable { message });
            }
            preamble = cut.bytes.len();
            if let Some(first) = header::find(&cut.bytes, csv)? {
                self.heads = false;
                preamble = first.end;
                match csv.header {
                    CsvHeader::Names => self.header = Some(Arc::new(first.header)),
                    CsvHeader::Numbered => {
                        let names = (1..=first.header.names.len()).map(|number| number.to_string()).collect();
                        self.header = Some(Arc::new(Header { names }));
                        preamble = first.start;
                    }
                    CsvHeader::Given(_) | CsvHeader::Replaced(_) => {}
                }
            }
        }
        Ok(Some(Chunk {
            preamble,
            header: self.header.clone(),
            refused: cut.refused,
            charset: text.charset(),
            bare_returns: text.has_bare_returns(),
            ..Chunk::of_lines(cut.bytes)
        }))
    }
}
