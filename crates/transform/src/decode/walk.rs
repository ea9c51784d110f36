//! Walks one JSON document: checks the syntax of all of it, and fills the slots of what is wanted.
#![allow(clippy::unnecessary_box_returns, reason = "failures are rare and large, and results are returned often")]

mod rescue;
mod skip;

use std::borrow::Cow;

use lakehand_dataset::dataset::UnknownFields;
use lakehand_domain::reject::Rule;

use super::json_text::{self, unescape};
use super::learned::{Learned, target_of};
use super::number;
use super::slot::{Kind, Records, Slot};
use super::trie::{NodeAt, Trie};

/// Deeper than this a document is refused; the walk is recursive.
const MAX_DEPTH: u32 = 128;
/// The most slots of exploded elements in one record.
const MAX_ELEMENT_SLOTS: usize = 4 << 20;

/// Why a record is refused while it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The rule it breaks.
    pub(crate) rule: Rule,
    /// The byte in the chunk at which it was seen.
    pub(crate) at: usize,
    /// The path at fault, where it is one path's fault.
    pub(crate) path: Option<String>,
    /// What is wrong.
    pub(crate) message: Cow<'static, str>,
}

impl Failure {
    /// A line that is no record of the format.
    pub(crate) fn syntax(at: usize, message: &'static str) -> Box<Self> {
        Box::new(Self { rule: Rule::Syntax, at, path: None, message: Cow::Borrowed(message) })
    }
}

type Walked = Result<usize, Box<Failure>>;

/// What a walker remembers from record to record.
#[derive(Debug)]
pub(crate) struct Walker {
    learned: Vec<Learned>,
    /// For each node the epoch in which it was last met: meeting it twice in one is a duplicate.
    met: Vec<u32>,
    epoch: u32,
    key: String,
}

/// Whose slots are being filled.
#[derive(Debug, Clone, Copy)]
struct Scope {
    /// The list, for elements.
    list: Option<usize>,
    /// Where the element's slots start.
    base: usize,
    epoch: u32,
}

struct Walk<'a> {
    text: &'a str,
    bytes: &'a [u8],
    trie: &'a Trie,
    walker: &'a mut Walker,
    records: &'a mut Records,
    record_met: bool,
}

/// The first byte at or after a place that is not white space within a line.
#[inline]
pub(crate) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

impl Walker {
    /// One that has learned nothing yet.
    pub(crate) fn new(trie: &Trie) -> Self {
        let nodes = trie.nodes.len();
        Self {
            learned: std::iter::repeat_with(Learned::default).take(nodes).collect(),
            met: vec![0; nodes],
            epoch: 0,
            key: String::new(),
        }
    }

    /// Walks the document that starts at a byte that is not white space, up to the line end, and fills the record
    /// begun last. Returns where the line end is. The text must end with a line end.
    pub(crate) fn document(&mut self, text: &str, at: usize, trie: &Trie, records: &mut Records) -> Walked {
        if self.epoch > u32::MAX / 2 {
            self.epoch = 0;
            self.met.fill(0);
        }
        self.epoch += 1;
        let scope = Scope { list: None, base: 0, epoch: self.epoch };
        let bytes = text.as_bytes();
        let mut walk = Walk { text, bytes, trie, walker: self, records, record_met: false };
        if walk.byte(at) != b'{' {
            return Err(Failure::syntax(at, "the line is not a JSON object"));
        }
        let end = walk.wanted(at, 0, scope, 0)?;
        let end = skip_space(bytes, end);
        if walk.byte(end) != b'\n' {
            return Err(Failure::syntax(end, "something follows the object on its line"));
        }
        if !walk.record_met {
            let path = trie.nodes[trie.record].path.clone();
            let message = Cow::Borrowed("the document has no record there");
            return Err(Box::new(Failure { rule: Rule::Type, at, path: Some(path), message }));
        }
        Ok(end)
    }
}

impl Walk<'_> {
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    #[cold]
    fn path_failure(&self, rule: Rule, at: usize, node: NodeAt, message: impl Into<Cow<'static, str>>) -> Box<Failure> {
        let path = self.trie.nodes[node].path.clone();
        Box::new(Failure { rule, at, path: Some(path), message: message.into() })
    }

    #[inline]
    fn set(&mut self, scope: Scope, slot: usize, value: Slot) {
        match scope.list {
            None => self.records.put(slot, value),
            Some(list) => self.records.lists[list].slots[scope.base + slot] = value,
        }
    }

    /// A value at a node: its slot, its keys, its elements.
    fn wanted(&mut self, at: usize, node_at: NodeAt, scope: Scope, depth: u32) -> Walked {
        let trie = self.trie;
        let node = &trie.nodes[node_at];
        if self.walker.met[node_at] == scope.epoch {
            return Err(self.path_failure(Rule::DuplicateKey, at, node_at, "the key occurs twice"));
        }
        self.walker.met[node_at] = scope.epoch;
        self.record_met |= node.record;
        let (end, slot) = match self.byte(at) {
            b'"' => {
                let (end, slot) = self.text(at, node.slot.is_some())?;
                (end, slot)
            }
            b'-' | b'0'..=b'9' => match number::scan(self.bytes, at) {
                Ok((end, number)) => (end, Slot { number, ..Slot::of(Kind::Number, at, end) }),
                Err(at) => return Err(Failure::syntax(at, "a number is not written as JSON writes numbers")),
            },
            b't' => (self.literal(at, b"true")?, Slot::of(Kind::True, at, at + 4)),
            b'f' => (self.literal(at, b"false")?, Slot::of(Kind::False, at, at + 5)),
            b'n' => (self.literal(at, b"null")?, Slot::of(Kind::Null, at, at + 4)),
            b'{' => {
                let end = if node.keys.is_empty() && node.unknown == UnknownFields::Ignore {
                    self.skip_object(at, depth)?
                } else if let Some(rescued) = node.rescued {
                    self.object_with_rescued(at, node_at, rescued, scope, depth)?
                } else {
                    self.object(at, node_at, scope, depth)?
                };
                (end, Slot::of(Kind::Object, at, end))
            }
            b'[' => {
                let end = match node.list {
                    Some(list) => self.elements(at, list, depth)?,
                    None => self.skip_array(at, depth)?,
                };
                (end, Slot::of(Kind::Array, at, end))
            }
            b'\n' => return Err(Failure::syntax(at, "the line ends where a value should be")),
            _ => return Err(Failure::syntax(at, "this is no JSON value")),
        };
        self.check_nesting(at, node_at, slot.kind)?;
        if let Some(wanted) = node.slot {
            self.set(scope, wanted, slot);
        }
        Ok(end)
    }

    /// Where an object or a list is wanted, nothing else will do but null.
    #[inline]
    fn check_nesting(&self, at: usize, node_at: NodeAt, kind: Kind) -> Result<(), Box<Failure>> {
        let node = &self.trie.nodes[node_at];
        if node.record {
            return match kind {
                Kind::Object => Ok(()),
                _ => Err(self.path_failure(Rule::Type, at, node_at, "the record is not an object")),
            };
        }
        let objects = !node.keys.is_empty();
        let lists = node.list.is_some();
        let right = match kind {
            Kind::Null | Kind::Absent => true,
            Kind::Object => objects || !lists,
            Kind::Array => lists || !objects,
            _ => !objects && !lists,
        };
        if right {
            return Ok(());
        }
        let message = if lists { "is not a list, from which rows are to be made" } else { "is not an object" };
        Err(self.path_failure(Rule::Type, at, node_at, message))
    }

    /// A text: just behind its closing quote, and its slot.
    #[inline]
    fn text(&mut self, at: usize, plain_form: bool) -> Result<(usize, Slot), Box<Failure>> {
        let start = at + 1;
        let scanned = json_text::scan(self.bytes, start).map_err(|(at, message)| Failure::syntax(at, message))?;
        let slot = if scanned.escaped && plain_form {
            let from = self.records.scratch.len();
            let raw = self.text.get(start..scanned.close).unwrap_or_default();
            if unescape(raw, &mut self.records.scratch) {
                Slot::escaped(start, scanned.close, from..self.records.scratch.len())
            } else {
                Slot::of(Kind::Broken, start, scanned.close)
            }
        } else {
            Slot::of(Kind::Text, start, scanned.close)
        };
        Ok((scanned.close + 1, slot))
    }

    #[inline]
    fn literal(&self, at: usize, word: &'static [u8]) -> Walked {
        if self.bytes.get(at..at + word.len()) == Some(word) {
            Ok(at + word.len())
        } else {
            Err(Failure::syntax(at, "this is no JSON value"))
        }
    }

    /// An object at a node, with the keys that are wanted of it.
    fn object(&mut self, at: usize, node_at: NodeAt, scope: Scope, depth: u32) -> Walked {
        if depth >= MAX_DEPTH {
            return Err(Failure::syntax(at, "objects and arrays are nested deeper than 128"));
        }
        let unknown = self.trie.nodes[node_at].unknown;
        let mut at = skip_space(self.bytes, at + 1);
        if self.byte(at) == b'}' {
            return Ok(at + 1);
        }
        let rescued = self.records.rescued.len();
        let mut cursor = 0;
        loop {
            let target;
            let key_at = at;
            (target, at) = match self.walker.learned[node_at].predict(self.bytes, at, cursor) {
                Some(predicted) => {
                    cursor = predicted.cursor;
                    (predicted.target, predicted.end)
                }
                None => self.key(at, node_at, &mut cursor)?,
            };
            let key = key_at..at;
            at = skip_space(self.bytes, at);
            at = match (target, unknown) {
                (Some(child), UnknownFields::Rescue) => self.wanted_in(key, at, child, rescued, scope, depth + 1)?,
                (Some(child), _) => self.wanted(at, child, scope, depth + 1)?,
                (None, UnknownFields::Ignore) => self.skip(at, depth + 1)?,
                (None, UnknownFields::Rescue) => self.rescue(key, at, rescued, depth + 1)?,
                (None, UnknownFields::Reject) => return Err(self.unknown(key_at, node_at)),
            };
            at = skip_space(self.bytes, at);
            match self.byte(at) {
                b',' => at = skip_space(self.bytes, at + 1),
                b'}' => return Ok(at + 1),
                b'\n' => return Err(Failure::syntax(at, "the line ends within an object")),
                _ => return Err(Failure::syntax(at, "a comma or the end of the object should be here")),
            }
        }
    }

    /// A key that was not expected: which node it names, and what is just behind its colon.
    #[cold]
    fn key(&mut self, at: usize, node_at: NodeAt, cursor: &mut usize) -> Result<(Option<NodeAt>, usize), Box<Failure>> {
        let (close, end) = self.key_end(at)?;
        let raw = self.text.get(at + 1..close).unwrap_or_default();
        let node = &self.trie.nodes[node_at];
        let target = if raw.contains('\\') {
            self.walker.key.clear();
            unescape(raw, &mut self.walker.key).then(|| target_of(node, &self.walker.key)).flatten()
        } else {
            target_of(node, raw)
        };
        *cursor = self.walker.learned[node_at].learn(raw.as_bytes(), target, *cursor);
        Ok((target, end))
    }

    /// The closing quote of the key here, and what is just behind its colon.
    fn key_end(&self, at: usize) -> Result<(usize, usize), Box<Failure>> {
        if self.byte(at) != b'"' {
            return Err(Failure::syntax(at, "a key in quotes should be here"));
        }
        let close = json_text::scan(self.bytes, at + 1).map_err(|(at, message)| Failure::syntax(at, message))?.close;
        let colon = skip_space(self.bytes, close + 1);
        if self.byte(colon) != b':' {
            return Err(Failure::syntax(colon, "a colon should follow the key"));
        }
        Ok((close, colon + 1))
    }

    #[cold]
    fn unknown(&self, key_at: usize, node_at: NodeAt) -> Box<Failure> {
        let raw = self.key_end(key_at).ok().and_then(|(close, _)| self.text.get(key_at + 1..close));
        let raw: String = raw.unwrap_or_default().chars().take(200).collect();
        let node = &self.trie.nodes[node_at];
        let path = match node.path.as_str() {
            "" => raw,
            _ if node.record => raw,
            above => format!("{above}.{raw}"),
        };
        let message = Cow::Borrowed("the definition does not know this field, and unknown_fields is reject");
        Box::new(Failure { rule: Rule::UnknownField, at: key_at, path: Some(path), message })
    }

    /// The elements of an exploded list.
    fn elements(&mut self, at: usize, list: usize, depth: u32) -> Walked {
        if depth >= MAX_DEPTH {
            return Err(Failure::syntax(at, "objects and arrays are nested deeper than 128"));
        }
        let element = self.trie.lists[list].element;
        let mut at = skip_space(self.bytes, at + 1);
        if self.byte(at) == b']' {
            return Ok(at + 1);
        }
        loop {
            let slots = &mut self.records.lists[list];
            let base = slots.slots.len();
            if base + slots.width > MAX_ELEMENT_SLOTS || slots.elements >= MAX_ELEMENT_SLOTS {
                let message = format!("the list has more than {} elements, too many for one record", slots.elements);
                return Err(self.path_failure(Rule::LineTooLong, at, element, message));
            }
            slots.slots.resize(base + slots.width, Slot::ABSENT);
            slots.elements += 1;
            self.walker.epoch += 1;
            let scope = Scope { list: Some(list), base, epoch: self.walker.epoch };
            at = self.wanted(at, element, scope, depth + 1)?;
            at = skip_space(self.bytes, at);
            match self.byte(at) {
                b',' => at = skip_space(self.bytes, at + 1),
                b']' => return Ok(at + 1),
                b'\n' => return Err(Failure::syntax(at, "the line ends within an array")),
                _ => return Err(Failure::syntax(at, "a comma or the end of the array should be here")),
            }
        }
    }
}
