//! Where a value of JSON ends, told by its brackets and quotes alone; and where the next one begins after one that is
//! broken, told by the layout.

use lakehand_dataset::transformer::TransformError;

use super::super::budget::Budget;
use super::bytes::{Bytes, Place};
use crate::decode::json_text::plain_end;

/// What is kept of a document that is too long to be held.
const KEPT_BYTES: usize = 64 << 10;
/// Deeper than this nothing is followed; records are refused far above it.
const MAX_DEPTH: usize = 1 << 20;

/// How a value ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// With its own bracket, quote or last character.
    Whole(Layout),
    /// Not: what is wrong, and in which line.
    Broken(&'static str, u64),
    /// The text ended first.
    CutOff,
}

/// What the documents so far say of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Layout {
    /// Whether a line within one began just as documents begin theirs.
    ambiguous: bool,
    /// Whether one had several lines.
    several: bool,
}

impl Layout {
    /// With what one more says.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { ambiguous: self.ambiguous || other.ambiguous, several: self.several || other.several }
    }
}

/// How a document begins its line, where it does.
#[derive(Debug, Default)]
pub(crate) struct Begin {
    indent: Option<Vec<u8>>,
    opening: u8,
    layout: Layout,
}

/// A line within a document that begins just as documents begin theirs, behind a comma.
#[derive(Debug, Clone, Copy)]
struct Another {
    place: Place,
    /// Where it starts in what is kept.
    at: usize,
}

/// Where a value is kept.
pub(crate) struct Keep<'a> {
    pub(crate) into: &'a mut Vec<u8>,
    /// Where it starts in there.
    pub(crate) start: usize,
    /// Of a value of more bytes only the beginning is kept.
    pub(crate) most: usize,
    /// Its bytes so far.
    pub(crate) length: u64,
}

impl Keep<'_> {
    fn add(&mut self, bytes: &[u8]) {
        let held = self.length <= self.most as u64;
        self.length += bytes.len() as u64;
        if self.length <= self.most as u64 {
            self.into.extend_from_slice(bytes);
        } else if held {
            let kept = KEPT_BYTES.min(self.most).max(1);
            let more = kept.saturating_sub(self.into.len() - self.start).min(bytes.len());
            self.into.extend_from_slice(&bytes[..more]);
            self.into.truncate(self.start + kept);
        }
    }

    /// Forgets what was kept from a place on.
    fn truncate(&mut self, at: usize) {
        self.into.truncate(at);
        self.length = (at - self.start) as u64;
    }
}

/// The start of a line within a document, as far as it is like that of the document itself.
#[derive(Debug, Clone, Copy)]
enum LineStart {
    /// So much of the indent was met.
    Like(usize),
    Unlike,
}

impl Bytes {
    /// How the document whose first byte comes next begins.
    pub(crate) fn begin(&self, layout: Layout) -> Begin {
        let opening = self.buffer.get(self.at).copied().unwrap_or(0);
        Begin { indent: self.indent.clone(), opening, layout }
    }

    /// Takes one value, from its first byte to its last.
    pub(crate) fn document(
        &mut self,
        begin: &Begin,
        keep: &mut Keep<'_>,
        budget: &mut Budget,
    ) -> Result<Found, TransformError> {
        let mut another = None;
        let first_line = self.line();
        let found = self.follow(begin, keep, &mut another, budget)?;
        let first_alone = self.line() == first_line;
        if let Found::Whole(_) = found {
            return Ok(Found::Whole(Layout { ambiguous: another.is_some(), several: !first_alone }));
        }
        // What looks like the next document is it, where the layout can be trusted and this one is broken anyway.
        if let Some(another) = another
            && begin.is_trusted(&keep.into[keep.start..])
            && another.at <= keep.into.len()
        {
            let again = keep.into.split_off(another.at);
            keep.truncate(another.at);
            self.back(&again, another.place, begin.indent.as_deref().unwrap_or_default());
            return Ok(Found::Broken("the document does not end", another.place.line));
        }
        Ok(found)
    }

    fn follow(
        &mut self,
        begin: &Begin,
        keep: &mut Keep<'_>,
        another: &mut Option<Another>,
        budget: &mut Budget,
    ) -> Result<Found, TransformError> {
        let whole = Ok(Found::Whole(Layout::default()));
        let mut open: Vec<u8> = Vec::new();
        let mut line_start = LineStart::Unlike;
        let mut last = 0;
        self.indent = None;
        loop {
            let Some(byte) = self.peek(budget)? else { return Ok(Found::CutOff) };
            if open.is_empty() && last != 0 && matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':' | b'}' | b']')
            {
                return whole;
            }
            let indent = begin.indent.as_deref();
            match byte {
                b'\n' => {
                    keep.add(b"\n");
                    self.new_line();
                    self.indent = None;
                    line_start = LineStart::Like(0);
                    continue;
                }
                b' ' | b'\t' | b'\r' => {
                    line_start = match (line_start, indent) {
                        (LineStart::Like(met), Some(indent)) if indent.get(met) == Some(&byte) => {
                            LineStart::Like(met + 1)
                        }
                        _ => LineStart::Unlike,
                    };
                    self.take(1, keep);
                    continue;
                }
                _ => {}
            }
            if let (LineStart::Like(met), Some(indent), None) = (line_start, indent, &another)
                && (met, byte, last) == (indent.len(), begin.opening, b',')
            {
                *another = Some(Another { place: self.place(), at: keep.into.len() });
            }
            line_start = LineStart::Unlike;
            // Further on there would be no way back to it.
            if another.is_some()
                && keep.length + self.buffer.len() as u64 > keep.most as u64
                && begin.is_trusted(&keep.into[keep.start..])
            {
                return Ok(Found::Broken("the document does not end", self.line()));
            }
            last = byte;
            match byte {
                b'"' => {
                    if let Some(broken) = self.text(keep, budget)? {
                        return Ok(broken);
                    }
                }
                b'{' | b'[' => {
                    self.take(1, keep);
                    open.push(byte + 2);
                    if open.len() > MAX_DEPTH {
                        return Ok(Found::Broken("brackets are nested deeper than a million", self.line()));
                    }
                    continue;
                }
                b'}' | b']' => {
                    if open.pop() != Some(byte) {
                        return Ok(Found::Broken("a bracket closes another than was opened last", self.line()));
                    }
                    self.take(1, keep);
                }
                _ => {
                    let rest = &self.buffer[self.at + 1..self.filled];
                    let ends = |byte: &u8| {
                        matches!(byte, b'"' | b'{' | b'[' | b'}' | b']' | b'\n' | b' ' | b'\t' | b'\r' | b',' | b':')
                    };
                    let run = rest.iter().position(ends).unwrap_or(rest.len()) + 1;
                    self.take(run, keep);
                    if open.is_empty() && self.peek(budget)?.is_none() {
                        return whole;
                    }
                    continue;
                }
            }
            if open.is_empty() {
                return whole;
            }
        }
    }

    /// Takes a text with its quotes; where it goes wrong, that.
    fn text(&mut self, keep: &mut Keep<'_>, budget: &mut Budget) -> Result<Option<Found>, TransformError> {
        self.take(1, keep);
        loop {
            let Some(first) = self.peek(budget)? else { return Ok(Some(Found::CutOff)) };
            match first {
                b'"' => {
                    self.take(1, keep);
                    return Ok(None);
                }
                b'\n' => return Ok(Some(Found::Broken("a text is not closed", self.line()))),
                b'\\' => {
                    self.take(1, keep);
                    match self.peek(budget)? {
                        None => return Ok(Some(Found::CutOff)),
                        Some(b'\n') => return Ok(Some(Found::Broken("a text is not closed", self.line()))),
                        Some(_) => self.take(1, keep),
                    }
                }
                _ => {
                    // What may not stand in a text is found where records are read.
                    let end = plain_end(&self.buffer[..self.filled], self.at).min(self.filled);
                    self.take((end - self.at).max(1), keep);
                }
            }
        }
    }

    /// Takes bytes of the buffer, none of them a line end.
    fn take(&mut self, bytes: usize, keep: &mut Keep<'_>) {
        keep.add(&self.buffer[self.at..self.at + bytes]);
        self.pass(bytes);
    }

    /// After a broken document that began its line: goes on to the next line that begins with a document behind the same
    /// indent, or, in a list, with the list's end behind no more. False where there is none, or where the layout does
    /// not tell.
    pub(crate) fn resume(
        &mut self,
        begin: &Begin,
        in_list: bool,
        keep: &mut Keep<'_>,
        budget: &mut Budget,
    ) -> Result<bool, TransformError> {
        let Some(indent) = begin.indent.as_deref() else { return Ok(false) };
        if !begin.is_trusted(&keep.into[keep.start..]) {
            return Ok(false);
        }
        loop {
            let Some(next) = self.peek(budget)? else { return Ok(false) };
            let here = self.indent.as_deref();
            if next == begin.opening && here == Some(indent) {
                return Ok(true);
            }
            if in_list && next == b']' && here.is_some_and(|here| indent.starts_with(here)) {
                return Ok(true);
            }
            while let Some(byte) = self.peek(budget)? {
                if byte == b'\n' {
                    break;
                }
                let rest = &self.buffer[self.at..self.filled];
                let run = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                self.take(run, keep);
                self.indent = None;
            }
            self.keep_space(keep, budget)?;
        }
    }

    /// Takes white space, and keeps it.
    fn keep_space(&mut self, keep: &mut Keep<'_>, budget: &mut Budget) -> Result<(), TransformError> {
        while let Some(byte) = self.peek(budget)? {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                break;
            }
            keep.add(&[byte]);
            self.step_space(byte);
        }
        Ok(())
    }
}

impl Begin {
    /// Whether a line that begins like this document, `text` being what is kept of it, is the next document. Where
    /// nothing is indented, lines within a document may begin as documents do.
    fn is_trusted(&self, text: &[u8]) -> bool {
        let first_line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let told = self.indent.as_ref().is_some_and(|indent| !indent.is_empty())
            || self.layout.several
            || first_line.trim_ascii().len() > 1;
        told && self.indent.is_some() && !self.layout.ambiguous
    }
}
