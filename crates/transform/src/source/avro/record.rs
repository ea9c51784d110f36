//! Records of blocks as lines of JSON.

use std::sync::Arc;

use lakehand_dataset::transformer::TransformError;
use lakehand_domain::reject::Rule;

use super::super::written::Line;
use super::schema::{Schema, Type, Write};
use super::{Block, damaged};
use crate::piece::{Fault, Rows};

/// Deeper than this a record is damaged; JSON is refused there too.
const MAX_DEPTH: usize = 128;

/// Some blocks of a file.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) schema: Arc<Schema>,
    pub(super) blocks: Vec<Block>,
}

impl Rows for Blocks {
    fn render(&self, into: &mut Vec<u8>, max_line: usize) -> Result<Vec<Fault>, TransformError> {
        let mut faults = Vec::new();
        let mut number = 0;
        for block in &self.blocks {
            let mut rest = block.bytes.as_slice();
            for record in 1..=block.records {
                number += 1;
                let mut line = Line::new(into, max_line);
                if self.value(self.schema.root, &mut rest, &mut line, 0).is_none() {
                    let at = block.bytes.len() - rest.len();
                    return damaged(
                        block.at,
                        block.before,
                        format_args!("goes wrong at byte {at} of its content, in its record {record}"),
                    );
                }
                faults.extend(line.finish(number));
            }
            if !rest.is_empty() {
                let left = rest.len();
                return damaged(block.at, block.before, format_args!("has {left} bytes behind its records"));
            }
        }
        Ok(faults)
    }
}

/// A number of variable length; `None` where there is none.
pub(super) fn long(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            // The sign is the lowest bit.
            return Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
        }
    }
    None
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn sized<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(long(bytes)?).ok()?;
    take(bytes, length)
}

impl Blocks {
    /// Writes one value; `None` where its bytes are none.
    fn value<'a>(&'a self, at: usize, bytes: &mut &[u8], line: &mut Line<'a>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match &self.schema.types[at] {
            Type::Null => line.raw(b"null"),
            Type::Boolean => match take(bytes, 1)? {
                [0] => line.boolean(false),
                [1] => line.boolean(true),
                _ => return None,
            },
            Type::Integer => line.integer(long(bytes)?),
            Type::Single => line.double(f64::from(f32::from_le_bytes(take(bytes, 4)?.try_into().ok()?))),
            Type::Double => line.double(f64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
            Type::Bytes { length, write } => {
                let value = match length {
                    Some(length) => take(bytes, *length)?,
                    None => sized(bytes)?,
                };
                write_bytes(value, *write, line);
            }
            Type::Enum(symbols) => line.text(symbols.get(usize::try_from(long(bytes)?).ok()?)?),
            Type::Date => line.date(long(bytes)?),
            Type::Time(per_second) => line.time(long(bytes)?, *per_second),
            Type::Timestamp { per_second, instant } => line.timestamp(long(bytes)?, *per_second, *instant),
            Type::Array(element) => {
                let mut first = true;
                line.raw(b"[");
                items(bytes, |bytes| {
                    if !std::mem::take(&mut first) {
                        line.raw(b",");
                    }
                    self.value(*element, bytes, line, depth + 1)
                })?;
                line.raw(b"]");
            }
            Type::Map(value) => {
                let mut first = true;
                line.raw(b"{");
                items(bytes, |bytes| {
                    if !std::mem::take(&mut first) {
                        line.raw(b",");
                    }
                    line.utf8(sized(bytes)?);
                    line.raw(b":");
                    self.value(*value, bytes, line, depth + 1)
                })?;
                line.raw(b"}");
            }
            Type::Union(branches) => {
                let branch = *branches.get(usize::try_from(long(bytes)?).ok()?)?;
                self.value(branch, bytes, line, depth + 1)?;
            }
            Type::Record(fields) => {
                for field in fields {
                    line.raw(field.key.as_bytes());
                    if depth == 0 {
                        line.column = &field.name;
                    }
                    self.value(field.at, bytes, line, depth + 1)?;
                }
                line.raw(if fields.is_empty() { b"{}" } else { b"}" });
            }
        }
        Some(())
    }
}

/// The items of an array or a map, in its own blocks.
fn items(bytes: &mut &[u8], mut item: impl FnMut(&mut &[u8]) -> Option<()>) -> Option<()> {
    loop {
        let mut count = long(bytes)?;
        if count == 0 {
            return Some(());
        }
        if count < 0 {
            // Its size in bytes follows, for those who skip it.
            long(bytes)?;
            count = count.checked_neg()?;
        }
        // Items may have no bytes, but not any number of them.
        if u64::try_from(count).ok()? > (bytes.len() as u64).max(1 << 20) {
            return None;
        }
        for _ in 0..count {
            item(bytes)?;
        }
    }
}

fn write_bytes(value: &[u8], write: Write, line: &mut Line<'_>) {
    match write {
        Write::Text => line.utf8(value),
        Write::Hexadecimal => line.hexadecimal(value),
        Write::Uuid => line.uuid(value),
        Write::Decimal(scale) => {
            // Big endian, with the sign in the first bit; more bytes than needed repeat it.
            let negative = value.first().is_some_and(|first| *first >= 0x80);
            let filler = if negative { 0xff } else { 0 };
            let extra = value.len().saturating_sub(16);
            let kept = &value[extra..];
            let sign_kept = kept.first().is_none_or(|first| (*first >= 0x80) == negative);
            if value[..extra].iter().any(|byte| *byte != filler) || !sign_kept {
                return line.wrong(Rule::Precision, "has more than 38 digits".to_owned());
            }
            let mut wide = [filler; 16];
            wide[16 - kept.len()..].copy_from_slice(kept);
            line.decimal(i128::from_be_bytes(wide), scale);
        }
    }
}
