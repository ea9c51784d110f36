//! Rejects: what is kept of a record that is refused.

use std::borrow::Cow;

use lakehand_domain::reject::{Reject, Rule};

use super::json_text::scan;
use super::record::Objection;
use super::walk::Failure;

/// The most of an offending text that is kept.
const VALUE_BYTES: usize = 200;
/// The most of a raw record that is kept.
const RAW_BYTES: usize = 64 << 10;

/// The beginning of a text, cut between characters.
pub(super) fn excerpt(text: &str) -> &str {
    cut(text, VALUE_BYTES)
}

fn cut(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// As much of a raw record as is kept, and whether that is less than all.
pub(super) fn cut_raw(raw: &str) -> (&str, bool) {
    let kept = cut(raw, RAW_BYTES);
    (kept, kept.len() < raw.len())
}

/// A record that is refused: its line in the chunk and its bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// The line in the chunk, from 1.
    pub(super) line: u64,
    /// The record without its line end.
    pub(super) raw: &'a [u8],
    /// Where it starts in the chunk.
    pub(super) start: usize,
}

impl Refusal<'_> {
    /// With a rule and its words.
    pub(super) fn plain(self, rule: Rule, message: Cow<'static, str>) -> Reject {
        let kept = self.raw.get(..RAW_BYTES).unwrap_or(self.raw);
        let mut text = String::from_utf8_lossy(kept).into_owned();
        let mut raw_cut = kept.len() < self.raw.len();
        if raw_cut && std::str::from_utf8(kept).is_err_and(|error| error.error_len().is_none()) {
            // The cut parted a character.
            text.pop();
        }
        if text.len() > RAW_BYTES {
            text.truncate(text.floor_char_boundary(RAW_BYTES));
            raw_cut = true;
        }
        let raw_base64 = std::str::from_utf8(kept).is_err_and(|error| error.error_len().is_some() || !raw_cut);
        Reject {
            object: String::new(),
            record: self.line,
            member: None,
            line: self.line,
            byte: None,
            column: None,
            rule,
            message: message.into_owned(),
            value: None,
            raw: text,
            raw_cut,
            raw_base64: raw_base64.then(|| base64(kept)),
        }
    }

    /// For a value of a column.
    pub(super) fn objection(self, objection: Objection) -> Reject {
        Reject {
            column: Some(objection.column),
            value: objection.value,
            ..self.plain(objection.complaint.rule, objection.complaint.message)
        }
    }

    /// For a line that could not be read. `is_json`: what is shown is the one value, or key, at which it goes wrong.
    pub(super) fn failure(self, failure: Failure, is_json: bool) -> Reject {
        let offset = failure.at.saturating_sub(self.start);
        let shown = if is_json { token_start(self.raw, offset) } else { offset };
        let tail = self.raw.get(shown..).unwrap_or_default();
        let tail = if is_json { tail.get(..token_end(tail)).unwrap_or(tail) } else { tail };
        let tail = String::from_utf8_lossy(tail.get(..VALUE_BYTES).unwrap_or(tail)).into_owned();
        let value = (!tail.is_empty()).then(|| excerpt(&tail).to_owned());
        Reject {
            byte: Some(offset as u64 + 1),
            column: failure.path,
            value,
            ..self.plain(failure.rule, failure.message)
        }
    }
}

/// Where the number or word begins that a place is in, if it is in one.
fn token_start(text: &[u8], at: usize) -> usize {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    if text.get(at).is_none_or(|byte| !is_part(&byte)) {
        return at;
    }
    at - text[..at].iter().rev().take_while(is_part).count()
}

/// Where the value, or whatever stands at the start, ends: as JSON has it, as far as it is JSON.
fn token_end(text: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                let close = scan(text, at + 1).map_or(text.len(), |scanned| scanned.close + 1);
                at = close;
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return at + 1 - usize::from(depth == 0 && at > 0),
            b'}' | b']' => depth -= 1,
            b',' | b':' | b' ' | b'\t' | b'\r' if depth == 0 => return at.max(1),
            _ => {}
        }
        at += 1;
    }
    at
}

/// Bytes as base64 writes them, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let sixth = (word >> (18 - 6 * digit)) & 63;
            let letter = if digit <= three.len() { char::from(DIGITS[sixth as usize]) } else { '=' };
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_base64() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"\xff\xfe\x00\x3e", "//4APg=="),
        ] {
            assert_eq!(base64(bytes), text);
        }
    }

    #[test]
    fn a_value_ends_where_it_does() {
        for (text, token) in [
            ("2}", "2"),
            ("2,\"b\":3}", "2"),
            ("\"a,b\\\"}\":1}", "\"a,b\\\"}\""),
            ("\"open}", "\"open}"),
            ("{\"a\":[1,\"]\"]} }", "{\"a\":[1,\"]\"]}"),
            ("[1,2", "[1,2"),
            ("}", "}"),
            (",1}", ","),
            ("tru }", "tru"),
            ("]}", "]"),
            ("", ""),
        ] {
            assert_eq!(&text[..token_end(text.as_bytes())], token, "{text}");
        }
    }
}
