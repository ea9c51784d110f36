//! Where the texts of values stand: in the chunk, in the scratch of a record, or in the plan.

use super::slot::narrow;

/// Which of the three a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The chunk being decoded.
    Chunk,
    /// The record's scratch.
    Scratch,
    /// The plan: defaults, results of `map`, captures.
    Plan,
    /// What masks have left of a record's values.
    Masked,
}

/// A text by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextAt {
    /// Which text it is part of.
    pub(crate) place: Place,
    /// Where it starts.
    pub(crate) start: u32,
    /// Where it ends.
    pub(crate) end: u32,
}

impl TextAt {
    /// The part of it between two offsets.
    pub(crate) fn part(self, from: usize, to: usize) -> Self {
        Self { place: self.place, start: self.start + narrow(from), end: self.start + narrow(to) }
    }
}

/// The three places, to read from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts<'a> {
    /// See [`Place::Chunk`].
    pub(crate) chunk: &'a str,
    /// See [`Place::Scratch`].
    pub(crate) scratch: &'a str,
    /// See [`Place::Plan`].
    pub(crate) plan: &'a str,
    /// See [`Place::Masked`].
    pub(crate) masked: &'a str,
}

impl<'a> Texts<'a> {
    /// The text there. Places are made by scanners that stop at quotes, delimiters and line ends, so that they never
    /// part a character; were one wrong, the text would be empty.
    #[inline]
    pub(crate) fn get(&self, at: TextAt) -> &'a str {
        let text = match at.place {
            Place::Chunk => self.chunk,
            Place::Scratch => self.scratch,
            Place::Plan => self.plan,
            Place::Masked => self.masked,
        };
        let found = text.get(at.start as usize..at.end as usize);
        debug_assert!(found.is_some(), "{at:?} is no text of {} bytes", text.len());
        found.unwrap_or_default()
    }
}

/// The texts of a plan, each kept once it is compiled.
#[derive(Debug, Default)]
pub(crate) struct PlanTexts(String);

impl PlanTexts {
    /// Keeps one.
    pub(crate) fn keep(&mut self, text: &str) -> TextAt {
        let start = self.0.len();
        self.0.push_str(text);
        TextAt { place: Place::Plan, start: narrow(start), end: narrow(self.0.len()) }
    }

    /// All of them.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}
