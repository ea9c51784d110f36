//! Cuts a stream of bytes into chunks of whole records, at places that depend on the bytes alone.

use lakehand_dataset::transformer::TransformError;
use lakehand_domain::reject::Rule;
use memchr::{memchr, memchr_iter, memrchr};

use super::quotes::Quotes;
use crate::piece::Refused;

/// What is kept of a line that is too long to be held.
const KEPT_BYTES: usize = 64 << 10;

/// How large a buffer is at first.
const FIRST_BYTES: usize = 64 << 10;

/// The most lines in a chunk, so that sparse lines do not make pieces many times their size.
const MAX_LINES: usize = 1 << 16;

/// More bytes than this read again because of quotes that are never closed make the stream unreadable: it is not
/// delimited text with this quote at all, and following it further could take for ever.
const MAX_STRAY_BYTES: u64 = 8 << 30;

/// Where bytes come from; 0 at the end.
pub(crate) type ReadBytes<'a> = dyn FnMut(&mut [u8]) -> Result<usize, TransformError> + 'a;

/// A chunk's bytes.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Whole records, ending with a line end.
    pub(crate) bytes: Vec<u8>,
    /// Set where they are the first bytes of one line that is refused.
    pub(crate) refused: Option<Refused>,
}

/// Cuts one member.
///
/// A chunk is `target` bytes cut back to the last record end within. Where there is none the chunk grows until it holds
/// one, up to the longest line allowed; a longer line becomes a chunk of its own, of which only the beginning is kept.
#[derive(Debug)]
pub(crate) struct Cutter {
    target: usize,
    max_line: usize,
    quotes: Option<Quotes>,
    /// Read already, and belonging to the next chunk.
    carry: Vec<u8>,
    ended: bool,
    strayed_bytes: u64,
}

impl Cutter {
    /// At the start of a member.
    pub(crate) fn new(target: usize, max_line: usize, quotes: Option<Quotes>) -> Self {
        // A record with quotes is followed no further than the longest line allowed, so that where it would end does
        // not depend on what else is in its chunk.
        let target = if quotes.is_some() { target.min(max_line) } else { target };
        Self { target: target.max(1), max_line, quotes, carry: Vec::new(), ended: false, strayed_bytes: 0 }
    }

    /// The next chunk, in the buffer given; `None` after the last.
    pub(crate) fn next(&mut self, reuse: Vec<u8>, read: &mut ReadBytes<'_>) -> Result<Option<Cut>, TransformError> {
        let mut bytes = reuse;
        let mut filled = self.carry.len();
        if bytes.len() < filled {
            bytes.resize(filled, 0);
        }
        bytes[..filled].copy_from_slice(&self.carry);
        self.carry.clear();
        if let Some(quotes) = &mut self.quotes {
            quotes.reset();
        }
        let limit = self.max_line.saturating_add(1);
        let mut want = self.target.max(filled);
        loop {
            filled = self.fill(&mut bytes, filled, want, read)?;
            if filled == 0 {
                return Ok(None);
            }
            if let Some(end) = self.record_end(&bytes[..filled]) {
                self.carry.extend_from_slice(&bytes[end..filled]);
                bytes.truncate(end);
                return Ok(Some(Cut { bytes: with_line_end(bytes), refused: None }));
            }
            if self.ended || filled >= limit {
                bytes.truncate(filled);
                return self.refuse(bytes, read).map(Some);
            }
            want = (filled * 2).min(limit);
        }
    }

    /// Reads until `want` bytes are there or the stream ends.
    fn fill(
        &mut self,
        bytes: &mut Vec<u8>,
        mut filled: usize,
        want: usize,
        read: &mut ReadBytes<'_>,
    ) -> Result<usize, TransformError> {
        while filled < want && !self.ended {
            if bytes.len() == filled {
                // A small file never pays for a large buffer.
                bytes.resize(want.min((filled * 2).max(FIRST_BYTES)), 0);
            }
            let room = bytes.len().min(want);
            match read(&mut bytes[filled..room])? {
                0 => self.ended = true,
                more => filled += more,
            }
        }
        Ok(filled)
    }

    /// Just behind the last record that is whole.
    fn record_end(&mut self, bytes: &[u8]) -> Option<usize> {
        if let Some(quotes) = &mut self.quotes {
            quotes.follow(bytes, self.ended);
            if self.ended && !quotes.is_quoted() {
                return Some(bytes.len());
            }
            return quotes.last_record_end(bytes);
        }
        if let Some(at) = memchr_iter(b'\n', bytes).nth(MAX_LINES - 1) {
            return Some(at + 1);
        }
        if self.ended {
            return Some(bytes.len());
        }
        memrchr(b'\n', bytes).map(|at| at + 1)
    }

    /// The first line of these bytes is no record, or the beginning of one that is too long.
    fn refuse(&mut self, mut bytes: Vec<u8>, read: &mut ReadBytes<'_>) -> Result<Cut, TransformError> {
        if self.quotes.as_ref().is_some_and(Quotes::is_quoted)
            && let Some(end) = memchr(b'\n', &bytes).map(|at| at + 1).or_else(|| self.ended.then_some(bytes.len()))
        {
            return self.refuse_stray(bytes, end);
        }
        // A line end within the bytes is one within quotes that are closed, in a record that is too long all the same.
        if let Some(end) = memchr(b'\n', &bytes) {
            return self.refuse_stray(bytes, end + 1);
        }
        let mut length = bytes.len() as u64;
        bytes.truncate(KEPT_BYTES.min(self.max_line).max(1));
        let mut buffer = vec![0; KEPT_BYTES];
        loop {
            let more = read(&mut buffer)?;
            if more == 0 {
                self.ended = true;
                break;
            }
            if let Some(end) = memchr(b'\n', &buffer[..more]) {
                length += end as u64;
                self.carry.extend_from_slice(&buffer[end + 1..more]);
                break;
            }
            length += more as u64;
        }
        let message = format!(
            "the line has {length} bytes, more than the {} allowed; raise source.max_line_bytes if such lines are right",
            self.max_line
        );
        let refused = Refused { rule: Rule::LineTooLong, message, cut: true };
        Ok(Cut { bytes: with_line_end(bytes), refused: Some(refused) })
    }

    /// Gives up the first line, in which a quote opens a record that does not end, and goes on with the next.
    fn refuse_stray(&mut self, mut bytes: Vec<u8>, end: usize) -> Result<Cut, TransformError> {
        self.strayed_bytes += bytes.len() as u64;
        if self.strayed_bytes > MAX_STRAY_BYTES {
            return Err(TransformError::Unreadable {
                message: "has too many quotes that are never closed; set the quote of the csv format to the one the \
                          files use, or to none"
                    .to_owned(),
            });
        }
        self.carry.extend_from_slice(&bytes[end..]);
        bytes.truncate(end);
        let message = if self.ended {
            "a quote is opened and not closed before the end of the file".to_owned()
        } else {
            format!("a quote is opened and its record does not end within {} bytes", self.max_line)
        };
        let refused = Refused { rule: Rule::Syntax, message, cut: false };
        Ok(Cut { bytes: with_line_end(bytes), refused: Some(refused) })
    }
}

/// Adds the line end that the last line of a file may lack.
fn with_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    bytes
}
