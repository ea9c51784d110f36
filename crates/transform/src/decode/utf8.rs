//! Checks a chunk's text once, at memory speed, and line by line only where something is wrong.

use std::borrow::Cow;

use memchr::memchr_iter;

/// A chunk as text.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    /// The text. Lines that are not valid UTF-8 have each byte beyond ASCII replaced by one of ASCII, so that all places
    /// stay where they are.
    pub(super) text: Cow<'a, str>,
    /// The lines that are not valid, in order.
    pub(super) broken: Vec<Invalid>,
}

/// A line that is not valid UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Invalid {
    /// Where the line starts.
    pub(super) line_start: usize,
    /// The first byte that is wrong.
    pub(super) at: usize,
}

impl<'a> Checked<'a> {
    /// Checks these bytes, which end with a line end.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => Self { text: Cow::Borrowed(text), broken: Vec::new() },
            Err(_) => Self::by_line(bytes),
        }
    }

    #[cold]
    fn by_line(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        let mut broken = Vec::new();
        let mut line_start = 0;
        let ends = memchr_iter(b'\n', bytes).map(|end| end + 1);
        for end in ends.chain((bytes.last() != Some(&b'\n')).then_some(bytes.len())) {
            let line = &bytes[line_start..end];
            match simdutf8::compat::from_utf8(line) {
                Ok(line) => text.push_str(line),
                Err(error) => {
                    broken.push(Invalid { line_start, at: line_start + error.valid_up_to() });
                    text.extend(line.iter().map(|&byte| if byte.is_ascii() { char::from(byte) } else { '?' }));
                }
            }
            line_start = end;
        }
        Self { text: Cow::Owned(text), broken }
    }
}
