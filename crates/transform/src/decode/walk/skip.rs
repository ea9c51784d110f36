//! Values that nothing is wanted of: their syntax is checked, and nothing is kept.

use super::super::{json_text, number};
use super::{Failure, MAX_DEPTH, Walk, Walked, skip_space};

impl Walk<'_> {
    /// A value that nothing is wanted of; checked all the same.
    pub(super) fn skip(&mut self, at: usize, depth: u32) -> Walked {
        match self.byte(at) {
            b'"' => match json_text::scan(self.bytes, at + 1) {
                Ok(scanned) => Ok(scanned.close + 1),
                Err((at, message)) => Err(Failure::syntax(at, message)),
            },
            b'-' | b'0'..=b'9' => match number::scan(self.bytes, at) {
                Ok((end, _)) => Ok(end),
                Err(at) => Err(Failure::syntax(at, "a number is not written as JSON writes numbers")),
            },
            b't' => self.literal(at, b"true"),
            b'f' => self.literal(at, b"false"),
            b'n' => self.literal(at, b"null"),
            b'{' => self.skip_object(at, depth),
            b'[' => self.skip_array(at, depth),
            b'\n' => Err(Failure::syntax(at, "the line ends where a value should be")),
            _ => Err(Failure::syntax(at, "this is no JSON value")),
        }
    }

    pub(super) fn skip_object(&mut self, at: usize, depth: u32) -> Walked {
        if depth >= MAX_DEPTH {
            return Err(Failure::syntax(at, "objects and arrays are nested deeper than 128"));
        }
        let mut at = skip_space(self.bytes, at + 1);
        if self.byte(at) == b'}' {
            return Ok(at + 1);
        }
        loop {
            at = skip_space(self.bytes, self.key_end(at)?.1);
            at = skip_space(self.bytes, self.skip(at, depth + 1)?);
            match self.byte(at) {
                b',' => at = skip_space(self.bytes, at + 1),
                b'}' => return Ok(at + 1),
                b'\n' => return Err(Failure::syntax(at, "the line ends within an object")),
                _ => return Err(Failure::syntax(at, "a comma or the end of the object should be here")),
            }
        }
    }

    pub(super) fn skip_array(&mut self, at: usize, depth: u32) -> Walked {
        if depth >= MAX_DEPTH {
            return Err(Failure::syntax(at, "objects and arrays are nested deeper than 128"));
        }
        let mut at = skip_space(self.bytes, at + 1);
        if self.byte(at) == b']' {
            return Ok(at + 1);
        }
        loop {
            at = skip_space(self.bytes, self.skip(at, depth + 1)?);
            match self.byte(at) {
                b',' => at = skip_space(self.bytes, at + 1),
                b']' => return Ok(at + 1),
                b'\n' => return Err(Failure::syntax(at, "the line ends within an array")),
                _ => return Err(Failure::syntax(at, "a comma or the end of the array should be here")),
            }
        }
    }
}
