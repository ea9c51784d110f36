//! Where records of delimited text end when quotes may hold line ends.

use lakehand_dataset::dataset::CsvFormat;
use memchr::{memchr, memchr_iter, memrchr};

/// How far apart states are kept, so that finding the last record end reads little twice.
const CHECKPOINT_BYTES: usize = 64 << 10;

/// Follows quotes through a buffer that grows at its end.
///
/// A quote opens only at the start of a field; within quotes two are one, and one closes. A quote elsewhere is text.
/// The decoder of delimited text reads by the same rules.
#[derive(Debug)]
pub(crate) struct Quotes {
    delimiter: u8,
    quote: u8,
    escape: Option<u8>,
    comment: Option<u8>,
    state: State,
    checkpoints: Vec<State>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// All quotes before this byte have been followed.
    at: usize,
    /// Whether this byte stands within quotes.
    quoted: bool,
    /// Where the last line outside quotes begins; followed only where lines may be comments.
    line: usize,
}

impl Quotes {
    /// At the start of a record, at the start of the buffer.
    pub(crate) fn new(format: &CsvFormat, quote: u8) -> Self {
        Self {
            delimiter: format.delimiter,
            quote,
            escape: format.escape,
            comment: format.comment,
            state: State::default(),
            checkpoints: vec![State::default()],
        }
    }

    /// Begins anew with another buffer, at the start of a record.
    pub(crate) fn reset(&mut self) {
        self.state = State::default();
        self.checkpoints.clear();
        self.checkpoints.push(State::default());
    }

    /// Whether the buffer ends within quotes, as far as it has been followed.
    pub(crate) fn is_quoted(&self) -> bool {
        self.state.quoted
    }

    /// Follows quotes to the end of the buffer, which may have grown since. `complete`: nothing more comes.
    pub(crate) fn follow(&mut self, bytes: &[u8], complete: bool) {
        while self.state.at < bytes.len() {
            let until = bytes.len().min((self.state.at / CHECKPOINT_BYTES + 1) * CHECKPOINT_BYTES);
            let before = self.state;
            self.state = self.run(bytes, before, until, complete, |_, _| {});
            if self.state.at == before.at {
                // A quote at the end of the buffer: what follows decides what it is.
                return;
            }
            if self.checkpoints.last().is_some_and(|last| self.state.at >= last.at + CHECKPOINT_BYTES) {
                self.checkpoints.push(self.state);
            }
        }
    }

    /// Just behind the last line end outside quotes, where there is one.
    pub(crate) fn last_record_end(&self, bytes: &[u8]) -> Option<usize> {
        let mut until = self.state.at;
        for &checkpoint in self.checkpoints.iter().rev() {
            let mut last = None;
            self.run(bytes, checkpoint, until, true, |from, to| {
                last = memrchr(b'\n', &bytes[from..to.min(until)]).map(|at| from + at + 1).or(last);
            });
            if last.is_some() {
                return last;
            }
            until = checkpoint.at;
        }
        None
    }

    /// Just behind the first line end outside quotes, where there is one.
    pub(crate) fn first_record_end(&self, bytes: &[u8]) -> Option<usize> {
        let mut first = None;
        self.run(bytes, State::default(), bytes.len(), true, |from, to| {
            first = first.or_else(|| memchr(b'\n', &bytes[from..to]).map(|at| from + at + 1));
        });
        first
    }

    /// Follows quotes from a state up to `until`, naming each stretch outside quotes.
    fn run(
        &self,
        bytes: &[u8],
        from: State,
        until: usize,
        complete: bool,
        mut unquoted: impl FnMut(usize, usize),
    ) -> State {
        let State { mut at, mut quoted, mut line } = from;
        let mut outside_from = at;
        let mut skip_to = at;
        // Lines have been looked for up to here.
        let mut lines_to = at;
        let start = at;
        for found in memchr_iter(self.quote, bytes.get(start..until).unwrap_or_default()) {
            let quote_at = start + found;
            if quote_at < skip_to {
                continue;
            }
            if quoted {
                match bytes.get(quote_at + 1) {
                    _ if is_escaped(bytes, quote_at, self.escape) => {}
                    Some(&next) if next == self.quote => skip_to = quote_at + 2,
                    None if !complete => return State { at: quote_at, quoted: true, line },
                    _ => {
                        quoted = false;
                        outside_from = quote_at + 1;
                    }
                }
            } else {
                let opens = quote_at
                    .checked_sub(1)
                    .is_none_or(|before| bytes[before] == b'\n' || bytes[before] == self.delimiter);
                if let Some(comment) = self.comment {
                    line = line_start(bytes, lines_to.max(outside_from), quote_at).unwrap_or(line);
                    lines_to = quote_at;
                    if bytes[line] == comment {
                        continue;
                    }
                }
                if opens {
                    unquoted(outside_from, quote_at);
                    quoted = true;
                }
            }
        }
        at = until.max(skip_to).max(at);
        if !quoted {
            unquoted(outside_from.min(until), until);
            if self.comment.is_some() {
                line = line_start(bytes, lines_to.max(outside_from).min(until), until).unwrap_or(line);
            }
        }
        State { at, quoted, line }
    }
}

/// Whether an odd number of escapes stands before the quote at a place within quotes.
pub(crate) fn is_escaped(bytes: &[u8], quote_at: usize, escape: Option<u8>) -> bool {
    let Some(escape) = escape else { return false };
    bytes[..quote_at].iter().rev().take_while(|byte| **byte == escape).count() % 2 == 1
}

/// Just behind the last line end between two places.
fn line_start(bytes: &[u8], from: usize, to: usize) -> Option<usize> {
    memrchr(b'\n', &bytes[from..to]).map(|at| from + at + 1)
}
