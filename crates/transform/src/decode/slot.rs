//! The places of one record's values, before any of them has a type.

use super::number::Number;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The field is not there.
    Absent,
    /// A JSON null, or an empty field that means null.
    Null,
    /// JSON `true`.
    True,
    /// JSON `false`.
    False,
    /// A JSON number.
    Number,
    /// A text without escapes: its bytes are those of the chunk.
    Text,
    /// A text with escapes: its bytes stand in the scratch.
    Escaped,
    /// A text with an escape that stands for no character: half of a surrogate pair.
    Broken,
    /// A JSON object.
    Object,
    /// A JSON array.
    Array,
}

/// One value's place: a range of the chunk, and what was learned while scanning it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// What stands there.
    pub(crate) kind: Kind,
    /// Where it starts in the chunk; within the quotes of a text.
    pub(crate) start: u32,
    /// Where it ends in the chunk; within the quotes of a text.
    pub(crate) end: u32,
    /// Of a number: its digits. Of an escaped text: its range in the scratch, start above end.
    pub(crate) number: Number,
}

impl Slot {
    /// The place of a field that is not there.
    pub(crate) const ABSENT: Self = Self::of(Kind::Absent, 0, 0);

    /// A value that is a range of the chunk.
    pub(crate) const fn of(kind: Kind, start: usize, end: usize) -> Self {
        let number = Number { mantissa: 0, exponent: 0, negative: false, fractional: false, wide: false };
        Self { kind, start: narrow(start), end: narrow(end), number }
    }

    /// An escaped text whose plain form is a range of the scratch.
    pub(crate) fn escaped(start: usize, end: usize, scratch: std::ops::Range<usize>) -> Self {
        let mut slot = Self::of(Kind::Escaped, start, end);
        slot.number.mantissa = u64::from(narrow(scratch.start)) << 32 | u64::from(narrow(scratch.end));
        slot
    }

    /// The range in the scratch of an escaped text.
    #[allow(clippy::cast_possible_truncation, reason = "two 32-bit halves were put together by `escaped`")]
    pub(crate) fn scratch(self) -> (u32, u32) {
        ((self.number.mantissa >> 32) as u32, self.number.mantissa as u32)
    }
}

/// Places are 32 bits wide; the source keeps chunks far below that.
#[allow(clippy::cast_possible_truncation, reason = "chunks are far below 4 GiB, see source")]
pub(crate) const fn narrow(at: usize) -> u32 {
    debug_assert!(at <= u32::MAX as usize);
    at as u32
}

/// The slots of records that were read and are still to become rows, filled by a format's reader: record after record.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// How many slots a record has.
    width: usize,
    /// Where the slots of the record start that is being filled, or looked at.
    at: usize,
    /// The records' own values.
    slots: Vec<Slot>,
    /// The values of each exploded list of the record begun last, element after element.
    pub(crate) lists: Vec<ListSlots>,
    /// The plain forms of escaped texts, and what was rescued, of all records.
    pub(crate) scratch: String,
    /// The fields that are being rescued of the record begun last, as they stand within an object.
    pub(crate) rescued: String,
}

/// The slots of all elements of one list.
#[derive(Debug, Default)]
pub(crate) struct ListSlots {
    /// How many slots an element has.
    pub(crate) width: usize,
    /// How many elements.
    pub(crate) elements: usize,
    /// All of them, element after element.
    pub(crate) slots: Vec<Slot>,
}

impl Records {
    /// None, each to have so many slots, and so many for the elements of each list.
    pub(crate) fn new(width: usize, widths: &[usize]) -> Self {
        let list = |&width: &usize| ListSlots { width, elements: 0, slots: Vec::new() };
        let lists = widths.iter().map(list).collect();
        Self { width, at: 0, slots: Vec::new(), lists, scratch: String::new(), rescued: String::new() }
    }

    /// Begins a record behind those that are there, nothing of it being known.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.at = self.slots.len();
        self.slots.resize(self.at + self.width, Slot::ABSENT);
        self.rescued.clear();
        for list in &mut self.lists {
            list.elements = 0;
            list.slots.clear();
        }
    }

    /// Takes the record back that was begun last.
    pub(crate) fn withdraw(&mut self) {
        self.slots.truncate(self.at);
    }

    /// Forgets all records.
    pub(crate) fn clear(&mut self) {
        self.at = 0;
        self.slots.clear();
        self.scratch.clear();
    }

    /// Looks at the record of this number, the first being 0.
    pub(crate) fn look_at(&mut self, number: usize) {
        self.at = number * self.width;
    }

    /// Fills a slot of the record begun last.
    #[inline]
    pub(crate) fn put(&mut self, slot: usize, value: Slot) {
        self.slots[self.at + slot] = value;
    }

    /// The fields rescued since there were so many bytes of them, as an object in the scratch; `None` where there are none.
    pub(crate) fn take_rescued(&mut self, since: usize) -> Option<std::ops::Range<usize>> {
        let fields = self.rescued.get(since..).filter(|fields| !fields.is_empty())?;
        let start = self.scratch.len();
        self.scratch.push('{');
        self.scratch.push_str(fields);
        self.scratch.push('}');
        self.rescued.truncate(since);
        Some(start..self.scratch.len())
    }

    /// A slot of the record that is looked at.
    #[inline]
    pub(crate) fn slot(&self, slot: usize) -> &Slot {
        &self.slots[self.at + slot]
    }

    /// The same slot of every record.
    #[inline]
    pub(crate) fn column(&self, slot: usize) -> impl Iterator<Item = &Slot> {
        self.slots.iter().skip(slot).step_by(self.width.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_records_that_are_done() {
        let mut records = Records::new(2, &[]);
        records.begin();
        records.put(1, Slot::of(Kind::True, 3, 7));
        records.scratch.push_str("escaped");
        records.begin();
        assert_eq!((records.slot(1).kind, records.slots.len()), (Kind::Absent, 4), "the next one begins with nothing");
        records.look_at(0);
        assert_eq!(records.slot(1).kind, Kind::True);
        records.clear();
        assert!(records.slots.is_empty() && records.scratch.is_empty(), "or they would grow with the file");
    }
}
