//! The bytes of a text one after the other, with the line they stand on.

use lakehand_dataset::transformer::TransformError;

use super::super::budget::Budget;
use super::super::text::Text;

/// How much is read at once.
const STEP: usize = 64 << 10;
/// A longer indent is none: nobody writes one.
const INDENT_BYTES: usize = 256;

/// A text being read.
pub(crate) struct Bytes {
    text: Text,
    pub(super) buffer: Vec<u8>,
    pub(super) at: usize,
    pub(super) filled: usize,
    ended: bool,
    /// Where the next byte stands.
    pub(super) place: Place,
    /// The white space at the start of the line, as long as there is nothing else.
    pub(super) indent: Option<Vec<u8>>,
}

/// Where a byte stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its line, from 1.
    pub(crate) line: u64,
    /// Its place in the line, from 1.
    pub(crate) column: u64,
}

impl Bytes {
    /// At the start of a text.
    pub(crate) fn new(text: Text) -> Self {
        Self {
            text,
            buffer: Vec::new(),
            at: 0,
            filled: 0,
            ended: false,
            place: Place { line: 1, column: 1 },
            indent: Some(Vec::new()),
        }
    }

    /// How the text was encoded.
    pub(crate) fn charset(&self) -> &'static str {
        self.text.charset()
    }

    /// Where the next byte stands.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// The line of the next byte, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.place.line
    }

    /// The next byte, which is still to be taken; `None` at the end.
    pub(crate) fn peek(&mut self, budget: &mut Budget) -> Result<Option<u8>, TransformError> {
        if self.at == self.filled && !self.fill(budget)? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.at]))
    }

    /// Takes the byte that was peeked at, which is no white space.
    pub(crate) fn step(&mut self) {
        self.pass(1);
        self.indent = None;
    }

    /// Takes white space.
    pub(crate) fn skip_space(&mut self, budget: &mut Budget) -> Result<(), TransformError> {
        while let Some(byte) = self.peek(budget)? {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                break;
            }
            self.step_space(byte);
        }
        Ok(())
    }

    /// Takes one byte of white space, which was peeked at.
    pub(super) fn step_space(&mut self, byte: u8) {
        if byte == b'\n' {
            return self.new_line();
        }
        self.pass(1);
        if let Some(indent) = &mut self.indent {
            indent.push(byte);
            if indent.len() > INDENT_BYTES {
                self.indent = None;
            }
        }
    }

    /// Passes bytes of the buffer, none of them a line end.
    pub(super) fn pass(&mut self, bytes: usize) {
        self.at += bytes;
        self.place.column += bytes as u64;
    }

    /// Takes a line end.
    pub(super) fn new_line(&mut self) {
        self.at += 1;
        self.place = Place { line: self.place.line + 1, column: 1 };
        match &mut self.indent {
            Some(indent) => indent.clear(),
            None => self.indent = Some(Vec::new()),
        }
    }

    /// Goes back to a place with these bytes, which were read from there on.
    pub(super) fn back(&mut self, bytes: &[u8], place: Place, indent: &[u8]) {
        let rest = self.buffer[self.at..self.filled].to_vec();
        self.buffer.clear();
        self.buffer.extend_from_slice(bytes);
        self.buffer.extend_from_slice(&rest);
        self.at = 0;
        self.filled = self.buffer.len();
        self.place = place;
        self.indent = Some(indent.to_vec());
    }

    /// Reads on, the buffer being used up. False at the end.
    fn fill(&mut self, budget: &mut Budget) -> Result<bool, TransformError> {
        if self.ended {
            return Ok(false);
        }
        self.at = 0;
        self.filled = 0;
        // The buffer may have grown by going back.
        self.buffer.truncate(STEP);
        self.buffer.resize(STEP, 0);
        self.filled = self.text.read(&mut self.buffer, budget)?;
        self.ended = self.filled == 0;
        Ok(!self.ended)
    }
}
