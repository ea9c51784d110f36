//! Delimited text: fields by RFC 4180, each to the slot of its name.

use std::borrow::Cow;
use std::sync::Arc;

use lakehand_dataset::dataset::{CsvHeader, UnknownFields};
use lakehand_dataset::transformer::TransformError;
use lakehand_domain::reject::Rule;
use memchr::{memchr, memchr_iter};

use super::json_text::either;
use super::plan::CsvPlan;
use super::slot::{Kind, Records, Slot};
use super::walk::Failure;
use crate::piece::Header;
use crate::source::quotes::is_escaped;

/// The most names a message lists.
const SHOWN_NAMES: usize = 200;

/// Names in quotes, as many as a message should have.
pub(crate) fn list_names(names: &mut dyn Iterator<Item = &String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    while shown.len() < SHOWN_NAMES
        && let Some(name) = names.next()
    {
        shown.push(format!("{name:?}"));
    }
    let more = names.count();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}

/// Which field of a file goes to which slot.
#[derive(Debug)]
pub(super) struct Mapping {
    header: Arc<Header>,
    slots: Vec<Option<usize>>,
    /// Where fields that are not wanted are rescued, the name of each field as a key of JSON.
    keys: Vec<String>,
}

impl Mapping {
    /// By the names of the fields. A wanted field that is there twice makes the file unreadable, and so does a field that
    /// is not wanted where those are refused. A field that the header does not name is null in all records, as a key that
    /// is missing is elsewhere, unless a column needs it: old files go on being read when a definition gets a column. A
    /// header that names no wanted field is another file's, and where fields are numbered they are all there.
    pub(super) fn new(header: Arc<Header>, plan: &CsvPlan) -> Result<Self, TransformError> {
        let names = &header.names;
        let slot_of = |name: &String| plan.fields.iter().find(|field| field.name == *name).map(|field| field.slot);
        let slots: Vec<Option<usize>> = names.iter().map(slot_of).collect();
        let is_another = slots.iter().all(Option::is_none) || plan.format.header != CsvHeader::Names;
        let missing = plan.fields.iter().filter(|field| !names.contains(&field.name));
        let missing = missing.filter(|field| is_another || field.is_needed);
        let missing = list_names(&mut missing.map(|field| &field.name));
        if !missing.is_empty() {
            let message = format!(
                "has no column {missing}; its header has {}; deliver the columns, or change the definition",
                list_names(&mut names.iter())
            );
            return Err(TransformError::Unreadable { message });
        }
        let rescues = plan.unknown == UnknownFields::Rescue;
        let meant = plan.fields.iter().map(|field| &field.name);
        for field in meant.chain(names.iter().filter(|_| rescues)) {
            let places = names.iter().zip(1..).filter(|(name, _)| *name == field).map(|(_, place)| place);
            let places = places.map(|place: usize| place.to_string()).collect::<Vec<_>>();
            if places.len() > 1 {
                let message = format!(
                    "has the column {field:?} more than once, as its fields {}, and it is not known which is meant; \
                     deliver names that differ, or give source.csv.names with header = true",
                    places.join(" and ")
                );
                return Err(TransformError::Unreadable { message });
            }
        }
        let unknown =
            list_names(&mut names.iter().zip(&slots).filter(|(_, slot)| slot.is_none()).map(|(name, _)| name));
        if plan.unknown == UnknownFields::Reject && !unknown.is_empty() {
            let message = format!(
                "has the column {unknown}, which the definition does not know, and unknown_fields is reject; add it to \
                 the definition"
            );
            return Err(TransformError::Unreadable { message });
        }
        let key = |name: &String| format!("{}:", serde_json::Value::from(name.as_str()));
        let keys = if rescues { names.iter().map(key).collect() } else { Vec::new() };
        Ok(Self { header, slots, keys })
    }

    /// Keeps a field that is not wanted, where those are rescued.
    fn rescue(&self, field: usize, text: &str, records: &mut Records) {
        let Some(key) = self.keys.get(field) else { return };
        if !records.rescued.is_empty() {
            records.rescued.push(',');
        }
        records.rescued.push_str(key);
        records.rescued.push_str(&serde_json::Value::from(text).to_string());
    }

    /// Whether it is that of this header.
    pub(super) fn is_of(&self, header: &Arc<Header>) -> bool {
        Arc::ptr_eq(&self.header, header)
    }
}

/// A record that was read, or that could not be.
#[derive(Debug)]
pub(super) struct ReadRecord {
    /// Where its line end is.
    pub(super) end: usize,
    /// Line ends within its quoted fields.
    pub(super) inner_lines: u32,
    /// Why it is refused.
    pub(super) failure: Option<Box<Failure>>,
}

/// Reads the record that starts here into the record begun last. The text must end with a line end.
///
/// `returns`: carriage returns within quotes are line ends too.
pub(super) fn read(
    text: &str,
    start: usize,
    plan: &CsvPlan,
    mapping: &Mapping,
    returns: bool,
    records: &mut Records,
) -> ReadRecord {
    let bytes = text.as_bytes();
    let delimiter = plan.format.delimiter;
    let mut record = ReadRecord { end: start, inner_lines: 0, failure: None };
    let mut field = 0;
    let mut at = start;
    loop {
        let slot = mapping.slots.get(field).copied().flatten();
        let before = at;
        if plan.format.quote.is_some() && bytes.get(at) == plan.format.quote.as_ref() {
            at = quoted(text, at, plan, slot, records, &mut record);
            if slot.is_none() && plan.rescued.is_some() {
                mapping.rescue(field, &quoted_text(text, before, at, plan), records);
            }
            if returns {
                let content = bytes.get(before..at).unwrap_or_default();
                record.inner_lines += u32::try_from(memchr_iter(b'\r', content).count()).unwrap_or(u32::MAX);
            }
        } else {
            let end = either(bytes, at, delimiter, b'\n');
            let last = bytes.get(end) != Some(&delimiter);
            let carriage_return = last && end > at && bytes.get(end - 1) == Some(&b'\r');
            let content_end = end - usize::from(carriage_return);
            let null = content_end == at && plan.format.empty_is_null;
            if let Some(slot) = slot {
                records.put(slot, Slot::of(if null { Kind::Null } else { Kind::Text }, at, content_end));
            } else if plan.rescued.is_some() && !null {
                mapping.rescue(field, text.get(at..content_end).unwrap_or_default(), records);
            }
            at = end;
        }
        field += 1;
        if bytes.get(at) != Some(&delimiter) {
            break;
        }
        at += 1;
    }
    record.end = at;
    if let Some(slot) = plan.rescued
        && let Some(rescued) = records.take_rescued(0)
    {
        records.put(slot, Slot::escaped(start, at, rescued));
    }
    if record.failure.is_none() && field != mapping.slots.len() {
        let message = format!("the line has {field} fields and the header {}", mapping.slots.len());
        record.failure =
            Some(Box::new(Failure { rule: Rule::Ragged, at: start, path: None, message: Cow::Owned(message) }));
    }
    record
}

/// A quoted field; returns where its delimiter or line end is.
fn quoted(
    text: &str,
    open: usize,
    plan: &CsvPlan,
    slot: Option<usize>,
    records: &mut Records,
    record: &mut ReadRecord,
) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[open];
    let start = open + 1;
    let mut doubled = false;
    let mut close = start;
    loop {
        let Some(found) = bytes.get(close..).and_then(|rest| memchr(quote, rest)) else {
            // The source cuts no chunk within quotes, so that this is a defect seen as the line's fault.
            record.failure.get_or_insert_with(|| Failure::syntax(open, "a quote is opened and not closed"));
            return bytes.len().saturating_sub(1).max(open);
        };
        close += found;
        if is_escaped(bytes, close, plan.format.escape) {
            doubled = true;
            close += 1;
            continue;
        }
        if bytes.get(close + 1) != Some(&quote) {
            break;
        }
        doubled = true;
        close += 2;
    }
    let content = bytes.get(start..close).unwrap_or_default();
    record.inner_lines += u32::try_from(memchr_iter(b'\n', content).count()).unwrap_or(u32::MAX);
    if let Some(slot) = slot {
        doubled |= plan.format.escape.is_some_and(|escape| memchr(escape, content).is_some());
        let value = if doubled {
            let from = records.scratch.len();
            let escape = plan.format.escape.map(char::from);
            unquote(text.get(start..close).unwrap_or_default(), char::from(quote), escape, &mut records.scratch);
            Slot::escaped(start, close, from..records.scratch.len())
        } else {
            Slot::of(Kind::Text, start, close)
        };
        records.put(slot, value);
    }
    let after = close + 1;
    match (bytes.get(after), bytes.get(after + 1)) {
        (Some(&next), _) if next == plan.format.delimiter || next == b'\n' => after,
        (Some(b'\r'), Some(b'\n')) => after + 1,
        _ => {
            record
                .failure
                .get_or_insert_with(|| Failure::syntax(after, "something follows the closing quote of a field"));
            either(bytes, after, plan.format.delimiter, b'\n')
        }
    }
}

/// What the quoted field holds that stands between two places. Nothing where it is not closed, which is a failure.
fn quoted_text(text: &str, open: usize, end: usize, plan: &CsvPlan) -> String {
    let (Some(quote), field) = (plan.format.quote.map(char::from), text.get(open..end).unwrap_or_default()) else {
        return String::new();
    };
    let inside = field.strip_prefix(quote).and_then(|field| field.trim_end_matches('\r').strip_suffix(quote));
    let mut plain = String::new();
    unquote(inside.unwrap_or_default(), quote, plan.format.escape.map(char::from), &mut plain);
    plain
}

/// Two quotes are one, and an escape before a quote or an escape is none.
fn unquote(text: &str, quote: char, escape: Option<char>, into: &mut String) {
    let marks = [quote, escape.unwrap_or(quote)];
    let mut rest = text;
    while let Some(at) = rest.find(marks) {
        let (head, tail) = rest.split_at(at);
        into.push_str(head);
        let mut tail = tail.chars();
        let mark = tail.next().unwrap_or(quote);
        let mut behind = tail.clone();
        match behind.next() {
            Some(taken) if taken == quote || (escape == Some(mark) && escape == Some(taken)) => {
                into.push(taken);
                rest = behind.as_str();
            }
            _ => {
                into.push(mark);
                rest = tail.as_str();
            }
        }
    }
    into.push_str(rest);
}
