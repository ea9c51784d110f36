//! JSON of any layout: its documents, each made a line of its own, found without holding more than one.
//!
//! Documents are the objects at the top, the elements of a list at the top, or those of the list at a path. Where one
//! ends is told by its brackets alone; what stands within is judged where all records are. Line ends between the tokens
//! of a document become spaces, so that it is one line; where they were, and the line of the file on which it began, is kept
//! beside it.

mod bytes;
mod document;

use lakehand_dataset::path::FieldPath;
use lakehand_dataset::transformer::TransformError;
use lakehand_domain::reject::Rule;

use self::bytes::{Bytes, Place};
use self::document::{Begin, Found, Keep, Layout};
use super::budget::Budget;
use super::text::Text;
use crate::decode::json_text::unescape;
use crate::decode::slot::narrow;
use crate::piece::{Chunk, Fault};

/// The most documents in a chunk, so that tiny ones do not make pieces many times their size.
const MAX_DOCUMENTS: usize = 1 << 16;
/// The longest key that is compared with a path.
const KEY_BYTES: usize = 64 << 10;
/// What is skipped is checked to be JSON where it is no longer than this.
const CHECKED_BYTES: usize = 1 << 20;

/// The chunks of one member.
pub(crate) struct Documents {
    bytes: Bytes,
    path: Vec<String>,
    /// For each key of the path, whether its object has had it.
    met: Vec<bool>,
    state: State,
    /// Whether a list was found at the path.
    found: bool,
    /// Whether there was any value at the top.
    begun: bool,
    /// Documents so far.
    count: u64,
    layout: Layout,
    target: usize,
    max_line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Top,
    /// In an object on the path, at this depth: a key, or its end.
    Object(usize),
    /// In the same, behind a comma: a key.
    Key(usize),
    /// In the same, behind a value.
    Behind(usize),
    /// In the list: an element, or its end.
    List,
    /// Behind a comma: an element.
    Element,
    /// Behind an element.
    Next,
}

/// What a chunk is made of, and of what it has too much.
struct Made {
    lines: Vec<u8>,
    places: Vec<u64>,
    faults: Vec<Fault>,
    /// Where line ends within documents were.
    breaks: Vec<u32>,
}

impl Documents {
    /// At the start of a member; `path` leads to the list of documents, or is empty.
    pub(crate) fn new(text: Text, path: &[String], chunk_bytes: usize, max_line: usize) -> Self {
        Self {
            bytes: Bytes::new(text),
            path: path.to_vec(),
            met: vec![false; path.len()],
            state: State::Top,
            found: path.is_empty(),
            begun: false,
            count: 0,
            layout: Layout::default(),
            target: chunk_bytes,
            max_line,
        }
    }

    /// The next chunk, in the buffer given; `None` after the last.
    pub(crate) fn next(&mut self, mut reuse: Vec<u8>, budget: &mut Budget) -> Result<Option<Chunk>, TransformError> {
        reuse.clear();
        let mut made = Made { lines: reuse, places: Vec::new(), faults: Vec::new(), breaks: Vec::new() };
        while made.lines.len() < self.target && made.places.len() < MAX_DOCUMENTS {
            if !self.step(&mut made, budget)? {
                break;
            }
        }
        if made.places.is_empty() {
            return Ok(None);
        }
        Ok(Some(Chunk {
            faults: made.faults,
            breaks: made.breaks,
            places: Some(made.places),
            charset: self.bytes.charset(),
            ..Chunk::of_lines(made.lines)
        }))
    }

    /// One token of the layout, or one document. False at the end.
    fn step(&mut self, made: &mut Made, budget: &mut Budget) -> Result<bool, TransformError> {
        self.bytes.skip_space(budget)?;
        let Some(next) = self.bytes.peek(budget)? else { return self.end() };
        let nested = !self.path.is_empty();
        self.begun = true;
        match (self.state, next) {
            (State::Top, b'{') if nested => {
                self.bytes.step();
                self.met.fill(false);
                self.state = State::Object(0);
            }
            (State::Top, b'[') if nested => {
                return self.unreadable(format_args!(
                    "is a list at its top, and source.records leads to {} of an object; write the path from the \
                     elements, or leave it out",
                    self.path_text()
                ));
            }
            (State::Top, b'[') => {
                self.bytes.step();
                self.state = State::List;
            }
            (State::Top, b'{') => self.document(made, State::Top, budget)?,
            (State::Top, _) => return self.unreadable(format_args!("is no JSON document")),
            (State::Object(depth) | State::Behind(depth), b'}') => {
                self.bytes.step();
                self.state = depth.checked_sub(1).map_or(State::Top, State::Behind);
            }
            (State::Behind(depth), b',') => {
                self.bytes.step();
                self.state = State::Key(depth);
            }
            (State::Object(depth) | State::Key(depth), b'"') => self.member(depth, budget)?,
            (State::Object(_) | State::Key(_), _) => {
                return self.unreadable(format_args!("has no key in quotes where one should be"));
            }
            (State::Behind(_), _) => {
                return self.unreadable(format_args!("has no comma and no end of the object where one should be"));
            }
            (State::List | State::Next, b']') => {
                self.bytes.step();
                self.state = self.path.len().checked_sub(1).map_or(State::Top, State::Behind);
            }
            (State::Next, b',') => {
                self.bytes.step();
                self.state = State::Element;
            }
            (State::Next, _) => {
                return self.unreadable(format_args!("has no comma and no end of the list where one should be"));
            }
            (State::Element | State::List, b',' | b']') => {
                // The comma before it promised an element.
                made.fault(self.bytes.line(), "an element is missing here, between commas or before the end", false);
                self.count += 1;
                self.state = State::Next;
            }
            (State::Element | State::List, _) => self.document(made, State::Next, budget)?,
        }
        Ok(true)
    }

    /// Whether the file may end here.
    fn end(&self) -> Result<bool, TransformError> {
        let what = match self.state {
            State::Top if !self.begun => {
                return Err(TransformError::Unreadable {
                    message: "holds no JSON document; deliver the file again".to_owned(),
                });
            }
            State::Top if self.found => return Ok(false),
            State::Top => {
                return Err(TransformError::Unreadable {
                    message: format!(
                        "has no list {}, where source.records says that its records are",
                        self.path_text()
                    ),
                });
            }
            State::Object(_) | State::Key(_) | State::Behind(_) => "an object",
            State::List | State::Element | State::Next => "a list",
        };
        self.unreadable(format_args!("is cut off within {what}; deliver the file again"))
    }

    /// One document as a line.
    fn document(&mut self, made: &mut Made, after: State, budget: &mut Budget) -> Result<(), TransformError> {
        let line = self.bytes.line();
        let start = made.lines.len();
        let in_list = after == State::Next;
        let begin = self.bytes.begin(self.layout);
        let mut keep = Keep { into: &mut made.lines, start, most: self.max_line, length: 0 };
        self.state = after;
        let found = self.bytes.document(&begin, &mut keep, budget)?;
        let mut wrong = None;
        match found {
            Found::Whole(layout) => self.layout = self.layout.and(layout),
            Found::CutOff => {
                let what = format_args!("is cut off within the document that begins in line {line}; deliver it again");
                return self.unreadable(what);
            }
            Found::Broken(what, at) => {
                if !self.bytes.resume(&begin, in_list, &mut keep, budget)? {
                    return self.unreadable(format_args!(
                        "is broken in line {at}, within the document that begins in line {line}: {what}, and where the \
                         next one begins cannot be told"
                    ));
                }
                if in_list && self.bytes.peek(budget)? != Some(b']') {
                    self.state = State::Element;
                }
                wrong = Some(format!("{what} in line {at}; reading goes on where the next document begins its line"));
            }
        }
        let length = keep.length;
        made.places.push(line);
        self.count += 1;
        let number = made.places.len() as u64;
        let cut = length > self.max_line as u64;
        if let Some(message) = wrong {
            let text = made.lines[start..].trim_ascii_end();
            let text = text.strip_suffix(b",").unwrap_or(text).trim_ascii_end();
            let kept = start + text.len();
            made.lines.truncate(kept);
            made.faults.push(Fault { line: number, rule: Rule::Syntax, message, column: None, byte: None, cut });
        } else if cut {
            let message = format!(
                "the record has {length} bytes, more than the {} allowed; raise source.max_line_bytes if such records \
                 are right",
                self.max_line
            );
            made.faults.push(Fault { line: number, rule: Rule::LineTooLong, message, column: None, byte: None, cut });
        }
        for (at, byte) in made.lines.iter_mut().enumerate().skip(start).filter(|(_, byte)| **byte == b'\n') {
            *byte = b' ';
            made.breaks.push(narrow(at));
        }
        made.lines.push(b'\n');
        Ok(())
    }

    /// A key of an object on the path, and its value.
    fn member(&mut self, depth: usize, budget: &mut Budget) -> Result<(), TransformError> {
        let mut text = Vec::new();
        let mut keep = Keep { into: &mut text, start: 0, most: KEY_BYTES, length: 0 };
        let found = self.bytes.document(&Begin::default(), &mut keep, budget)?;
        if !matches!(found, Found::Whole(_)) || keep.length > KEY_BYTES as u64 {
            return self.unreadable(format_args!("has a key that does not end"));
        }
        let raw = String::from_utf8_lossy(text.get(1..text.len().saturating_sub(1)).unwrap_or_default()).into_owned();
        let mut key = String::new();
        let is_text = unescape(&raw, &mut key);
        self.bytes.skip_space(budget)?;
        if self.bytes.peek(budget)? != Some(b':') {
            return self.unreadable(format_args!("has no colon behind the key {raw:?}"));
        }
        self.bytes.step();
        self.bytes.skip_space(budget)?;
        self.state = State::Behind(depth);
        if !is_text || key != self.path[depth] {
            return self.skip(budget);
        }
        if std::mem::replace(&mut self.met[depth], true) {
            return self.unreadable(format_args!("has the key {key:?} twice, and it is not known which is meant"));
        }
        let last = depth + 1 == self.path.len();
        match self.bytes.peek(budget)? {
            Some(b'{') if !last => {
                self.bytes.step();
                self.met[depth + 1..].fill(false);
                self.state = State::Object(depth + 1);
                Ok(())
            }
            Some(b'[') if last => {
                self.bytes.step();
                self.found = true;
                self.state = State::List;
                Ok(())
            }
            Some(b'n') => {
                // No list at all is one without elements.
                self.found |= last;
                self.skip(budget)
            }
            Some(_) => {
                let what = if last { "no list" } else { "no object" };
                self.unreadable(format_args!("has {what} at {key:?}, on the way of source.records"))
            }
            None => self.end().map(|_| ()),
        }
    }

    /// A value that nothing is wanted of.
    fn skip(&mut self, budget: &mut Budget) -> Result<(), TransformError> {
        let mut text = Vec::new();
        let mut keep = Keep { into: &mut text, start: 0, most: CHECKED_BYTES, length: 0 };
        let found = self.bytes.document(&Begin::default(), &mut keep, budget)?;
        let whole = keep.length <= CHECKED_BYTES as u64;
        match found {
            Found::Whole(_) if !whole || serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok() => Ok(()),
            Found::Whole(_) => self.unreadable(format_args!("has a value before here that is no JSON")),
            Found::Broken(what, at) => self.unreadable(format_args!("is broken in line {at}: {what}")),
            Found::CutOff => self.unreadable(format_args!("is cut off within a value; deliver the file again")),
        }
    }

    fn path_text(&self) -> String {
        format!("{}[]", FieldPath { from_record: false, keys: self.path.clone() })
    }

    /// The file's verdict, and where.
    fn unreadable<T>(&self, what: std::fmt::Arguments<'_>) -> Result<T, TransformError> {
        let Place { line, column } = self.bytes.place();
        Err(TransformError::Unreadable {
            message: format!("{what} (line {line}, byte {column}, after {} documents)", self.count),
        })
    }
}

impl Made {
    fn fault(&mut self, place: u64, message: &str, cut: bool) {
        self.places.push(place);
        self.lines.push(b'\n');
        let line = self.places.len() as u64;
        let message = message.to_owned();
        self.faults.push(Fault { line, rule: Rule::Syntax, message, column: None, byte: None, cut });
    }
}
