//! From chunks of lines to typed columns of accepted records, and rejects.
//!
//! A [`Plan`] is compiled once for an object and shared; each worker has a [`Decoder`] of its own, which learns the
//! order in which keys come. A format's reader fills the slots of a record (`walk` for JSON, `csv` for delimited text),
//! `record` makes typed rows of them by the rules of each column, and only then are they pushed to builders; so a reject
//! is never undone.

mod block;
mod coerce;
mod complaint;
mod csv;
mod hide;
pub(crate) mod json_text;
mod learned;
mod number;
mod ordinary;
mod plan;
mod record;
mod reject;
mod rules;
pub(crate) mod slot;
#[cfg(test)]
pub(crate) mod tests;
mod texts;
mod time;
mod trie;
mod utf8;
mod walk;

use std::ops::Range;
use std::sync::Arc;

use lakehand_dataset::transformer::TransformError;
use lakehand_domain::reject::{Reject, Rule};
use memchr::{memchr, memchr_iter};

use self::block::Block;
pub(crate) use self::coerce::NUL;
use self::csv::Mapping;
pub(crate) use self::csv::list_names;
pub(crate) use self::number::stands_for;
pub(crate) use self::plan::{Plan, WITHHELD};
use self::record::{RowMaker, TableBuilders};
use self::reject::Refusal;
pub(crate) use self::rules::unfit_length;
use self::slot::{Records, narrow};
use self::texts::Texts;
use self::utf8::Checked;
use self::walk::{Walker, skip_space};
use crate::piece::{Chunk, Fault, Piece};

/// Decodes chunks, one at a time. What it has learned from earlier chunks makes it faster and changes no result.
#[derive(Debug)]
pub(crate) struct Decoder {
    plan: Arc<Plan>,
    walker: Walker,
    records: Records,
    /// Line and place of each of the records.
    waiting: Vec<(u64, Range<usize>)>,
    maker: RowMaker,
    /// Where rows can be made column by column.
    block: Option<Block>,
    mapping: Option<Mapping>,
    /// Rows of each table in the chunk before: how many there may be in the next.
    expected: Vec<usize>,
}

/// What has become of a chunk so far.
struct Progress<'a> {
    chunk: &'a Chunk,
    builders: Vec<TableBuilders>,
    rejects: Vec<Reject>,
    accepted: Vec<(u32, Range<u32>)>,
    lines: u64,
    records: u64,
    /// Whether records are no lines of the file, and were each made one.
    made: bool,
    /// Whether the dataset masks columns, so that what is not read is not shown.
    withhold: bool,
    /// Whether a NUL character stands somewhere in the chunk.
    has_nul: bool,
}

impl Decoder {
    fn new(plan: Arc<Plan>) -> Self {
        let (width, widths) = plan.widths();
        Self {
            walker: Walker::new(&plan.trie),
            records: Records::new(width, &widths),
            waiting: Vec::new(),
            maker: RowMaker::new(Arc::clone(&plan)),
            block: plan.is_columnar().then(|| Block::new(&plan)),
            mapping: None,
            expected: vec![0; plan.tables.len()],
            plan,
        }
    }

    /// Makes rows one by one, though they could be made column by column.
    #[cfg(test)]
    pub(crate) fn make_one_by_one(&mut self) {
        self.block = None;
    }

    /// Decodes one chunk. Fails only where the whole object cannot be read, such as for a missing header column.
    pub(crate) fn decode(&mut self, chunk: &mut Chunk) -> Result<Piece, TransformError> {
        let plan = Arc::clone(&self.plan);
        let made = chunk.places.is_some() || chunk.rows.is_some();
        chunk.render(plan.max_line)?;
        let places = chunk.places.take();
        let chunk = &*chunk;
        let builders = plan.tables.iter().zip(&self.expected).map(|(table, &rows)| TableBuilders::new(table, rows));
        let preamble = chunk.bytes.get(..chunk.preamble).unwrap_or_default();
        let mut progress = Progress {
            chunk,
            builders: builders.collect(),
            rejects: Vec::new(),
            accepted: Vec::new(),
            lines: memchr_iter(b'\n', preamble).count() as u64,
            records: 0,
            made,
            withhold: !plan.masked.is_empty(),
            has_nul: plan.csv.is_some() && memchr(0, &chunk.bytes).is_some(),
        };
        if let Some(refused) = &chunk.refused {
            progress.lines += 1;
            progress.records += 1;
            let raw = without_line_end(&chunk.bytes);
            let refusal = Refusal { line: progress.lines, raw, start: 0 };
            let mut reject = refusal.plain(refused.rule, refused.message.clone().into());
            reject.raw_cut |= refused.cut;
            progress.reject(reject);
        } else {
            let checked = Checked::new(&chunk.bytes);
            match &plan.csv {
                None => self.jsonl(&checked, &mut progress),
                Some(_) => self.csv(&checked, &mut progress)?,
            }
        }
        // Records that wait are judged after lines that are none.
        progress.rejects.sort_by_key(|reject| reject.line);
        self.expected = progress.builders.iter().map(TableBuilders::rows).collect();
        Ok(Piece {
            number: chunk.number,
            member: chunk.member.clone(),
            begins_member: chunk.begins_member,
            lines: progress.lines,
            places,
            records: progress.records,
            tables: progress.builders.into_iter().map(TableBuilders::finish).collect(),
            rejects: progress.rejects,
            accepted: progress.accepted,
        })
    }

    fn jsonl(&mut self, checked: &Checked<'_>, progress: &mut Progress<'_>) {
        let text = checked.text.as_ref();
        let bytes = text.as_bytes();
        let mut broken = checked.broken.iter().peekable();
        let mut faults = progress.chunk.faults.iter().peekable();
        let mut at = progress.chunk.preamble;
        while at < bytes.len() {
            let start = at;
            progress.lines += 1;
            let line = progress.lines;
            if let Some(fault) = faults.next_if(|fault| fault.line == line) {
                let end = line_end(bytes, start);
                progress.records += 1;
                progress.reject_fault(fault, start, end);
                while broken.next_if(|invalid| invalid.line_start == start).is_some() {}
                at = end + 1;
                continue;
            }
            let first = skip_space(bytes, start);
            if bytes.get(first).is_none_or(|&byte| byte == b'\n') {
                at = first + 1;
                continue;
            }
            progress.records += 1;
            if let Some(invalid) = broken.next_if(|invalid| invalid.line_start == start) {
                let end = line_end(bytes, invalid.at);
                progress.reject_utf8(start, end, invalid.at);
                at = end + 1;
                continue;
            }
            self.records.begin();
            let walked = self.walker.document(text, first, &self.plan.trie, &mut self.records);
            let end = match &walked {
                Ok(end) => *end,
                Err(failure) => line_end(bytes, failure.at.max(start)),
            };
            at = end + 1;
            if end - start > self.plan.max_line {
                self.records.withdraw();
                progress.reject_long(line, start, end, self.plan.max_line);
                continue;
            }
            match walked {
                Ok(_) => self.wait(line, start..end, text, progress),
                Err(failure) => {
                    self.records.withdraw();
                    let refusal = progress.refusal(line, start..end);
                    progress.reject(refusal.failure(*failure, true));
                }
            }
        }
        self.settle(text, progress);
    }

    fn csv(&mut self, checked: &Checked<'_>, progress: &mut Progress<'_>) -> Result<(), TransformError> {
        let plan = Arc::clone(&self.plan);
        let (Some(csv), Some(header)) = (&plan.csv, &progress.chunk.header) else {
            // Blank lines before a header that is still to come.
            return Ok(());
        };
        if self.mapping.as_ref().is_none_or(|mapping| !mapping.is_of(header)) {
            self.mapping = Some(Mapping::new(Arc::clone(header), csv)?);
        }
        let text = checked.text.as_ref();
        let bytes = text.as_bytes();
        let mut broken = checked.broken.iter().peekable();
        let mut at = progress.chunk.preamble;
        while broken.next_if(|invalid| invalid.at < at).is_some() {}
        while at < bytes.len() {
            let start = at;
            progress.lines += 1;
            let line = progress.lines;
            let comment = csv.format.comment.is_some() && bytes.get(start) == csv.format.comment.as_ref();
            if comment || matches!(bytes.get(start..), Some([b'\n', ..] | [b'\r', b'\n', ..])) {
                while comment && broken.next_if(|invalid| invalid.line_start == start).is_some() {}
                at = line_end(bytes, start) + 1;
                continue;
            }
            progress.records += 1;
            let Some(mapping) = &self.mapping else { break };
            self.records.begin();
            let read = csv::read(text, start, csv, mapping, progress.chunk.bare_returns, &mut self.records);
            let end = read.end.min(bytes.len() - 1);
            at = end + 1;
            progress.lines += u64::from(read.inner_lines);
            let mut invalid = None;
            while let Some(next) = broken.next_if(|invalid| invalid.at < end) {
                invalid = invalid.or(Some(next.at));
            }
            if invalid.is_none() && read.failure.is_none() && end - start <= plan.max_line {
                self.wait(line, start..end, text, progress);
                continue;
            }
            self.records.withdraw();
            if let Some(invalid) = invalid {
                progress.reject_utf8_at(line, start, end, invalid);
            } else if end - start > plan.max_line {
                progress.reject_long(line, start, end, plan.max_line);
            } else if let Some(failure) = read.failure {
                let refusal = progress.refusal(line, start..end);
                progress.reject(refusal.failure(*failure, false));
            }
        }
        self.settle(text, progress);
        Ok(())
    }

    /// A record that was read becomes rows once there are enough of them.
    #[inline]
    fn wait(&mut self, line: u64, range: Range<usize>, text: &str, progress: &mut Progress<'_>) {
        self.waiting.push((line, range));
        if self.waiting.len() >= self.block.as_ref().map_or(1, |block| block.records) {
            self.settle(text, progress);
        }
    }

    /// Makes the rows of all records that wait: column by column where all of them are in order, else one by one, which
    /// says what is wrong with which.
    fn settle(&mut self, text: &str, progress: &mut Progress<'_>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let texts = Texts { chunk: text, scratch: &self.records.scratch, plan: self.plan.texts.as_str(), masked: "" };
        let count = waiting.len();
        // JSON writes NUL as an escape, and delimited text as it is.
        let has_nul = progress.has_nul || memchr(0, self.records.scratch.as_bytes()).is_some();
        if let Some(block) = &mut self.block
            && !has_nul
            && block.make(&self.plan, &self.records, count, &texts)
        {
            block.push(&mut progress.builders, &texts);
            for (line, range) in waiting.drain(..) {
                let line = progress.accept(line, &range);
                progress.builders.iter_mut().for_each(|builders| builders.record(line));
            }
        } else {
            for (number, (line, range)) in waiting.drain(..).enumerate() {
                self.records.look_at(number);
                self.accept(line, range, text, progress);
            }
        }
        self.waiting = waiting;
        self.records.clear();
    }

    /// Makes the rows of the record that is looked at, or rejects it.
    #[inline]
    fn accept(&mut self, line: u64, range: Range<usize>, text: &str, progress: &mut Progress<'_>) {
        let texts = Texts { chunk: text, scratch: &self.records.scratch, plan: self.plan.texts.as_str(), masked: "" };
        match self.maker.make(&self.records, &texts) {
            Ok(()) => {
                let masked = std::mem::take(&mut self.maker.masked);
                let texts = Texts { masked: &masked, ..texts };
                let line = progress.accept(line, &range);
                self.maker.push(line, &mut progress.builders, &texts);
                self.maker.masked = masked;
            }
            Err(objection) => {
                let refusal = progress.refusal(line, range);
                let mut reject = refusal.objection(*objection);
                if !self.plan.masked.is_empty() {
                    hide::values(&mut reject, &self.plan, &self.records, &refusal);
                }
                progress.rejects.push(reject);
            }
        }
    }
}

impl<'a> Progress<'a> {
    /// Notes where an accepted record stands; its line.
    #[inline]
    fn accept(&mut self, line: u64, range: &Range<usize>) -> u32 {
        let content = without_line_end(&self.chunk.bytes[range.clone()]).len();
        // A chunk has far fewer lines than 32 bits count.
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.accepted.push((line, narrow(range.start)..narrow(range.start + content)));
        line
    }

    /// Rejects a record of which it is not known where its values stand.
    #[cold]
    fn reject(&mut self, mut reject: Reject) {
        // What was made a line here is none of the file's.
        if self.made {
            reject.message = reject.message.replacen("the line ", "the record ", 1);
        }
        // What stands for bytes of another encoding is less than they were.
        if reject.raw_base64.is_some() && self.chunk.charset != "UTF-8" {
            (reject.raw_base64, reject.raw_cut) = (None, true);
        }
        if self.withhold {
            hide::all(&mut reject);
        }
        self.rejects.push(reject);
    }

    fn refusal(&self, line: u64, range: Range<usize>) -> Refusal<'a> {
        Refusal { line, start: range.start, raw: without_line_end(self.chunk.raw(range)) }
    }

    #[cold]
    fn reject_fault(&mut self, fault: &Fault, start: usize, end: usize) {
        let refusal = self.refusal(fault.line, start..end);
        let mut reject = refusal.plain(fault.rule, fault.message.clone().into());
        reject.column.clone_from(&fault.column);
        reject.byte = fault.byte;
        reject.raw_cut |= fault.cut;
        self.reject(reject);
    }

    #[cold]
    fn reject_long(&mut self, line: u64, start: usize, end: usize, most: usize) {
        let message = format!(
            "the line has {} bytes, more than the {most} allowed; raise source.max_line_bytes if such lines are right",
            end - start
        );
        let reject = self.refusal(line, start..end).plain(Rule::LineTooLong, message.into());
        self.reject(reject);
    }

    #[cold]
    fn reject_utf8(&mut self, start: usize, end: usize, at: usize) {
        self.reject_utf8_at(self.lines, start, end, at);
    }

    #[cold]
    fn reject_utf8_at(&mut self, line: u64, start: usize, end: usize, at: usize) {
        let refusal = self.refusal(line, start..end);
        let message = format!("the line is not valid {}", self.chunk.charset);
        let mut reject = refusal.plain(Rule::Utf8, message.into());
        reject.byte = Some((at - start) as u64 + 1);
        self.reject(reject);
    }
}

/// Where the line that a byte belongs to ends.
fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..).and_then(|rest| memchr(b'\n', rest)).map_or(bytes.len() - 1, |found| at + found)
}

/// Without the line end, be it one byte or two.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}
