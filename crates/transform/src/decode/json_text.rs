//! Texts of JSON: finding their end, and their escapes.

use std::collections::HashSet;

/// Every byte is this.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Eight bytes at a place, padded with line ends behind the last.
#[inline]
pub(crate) fn load(bytes: &[u8], at: usize) -> u64 {
    if let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        return u64::from_le_bytes(*eight);
    }
    let mut padded = [b'\n'; 8];
    for (to, from) in padded.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *from;
    }
    u64::from_le_bytes(padded)
}

/// High bits where bytes of `word` are zero; exact up to the first that is.
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(every(1)) & !word & every(0x80)
}

/// The first quote, backslash or control byte at or after a place. A line end is a control byte, so that no scan leaves
/// its line.
#[inline]
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let word = load(bytes, at);
        let control = word.wrapping_sub(every(0x20)) & !word & every(0x80);
        let found = zeros(word ^ every(b'"')) | zeros(word ^ every(b'\\')) | control;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
}

/// The first of two bytes at or after a place; one of them must be the line end that ends the chunk.
#[inline]
pub(crate) fn either(bytes: &[u8], mut at: usize, one: u8, other: u8) -> usize {
    loop {
        let word = load(bytes, at);
        let found = zeros(word ^ every(one)) | zeros(word ^ every(other));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
}

/// A text that has been scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where its closing quote is.
    pub(crate) close: usize,
    /// Whether it has escapes.
    pub(crate) escaped: bool,
}

/// Scans a text from behind its opening quote. Err is where it goes wrong and how.
#[inline]
pub(crate) fn scan(bytes: &[u8], start: usize) -> Result<Scanned, (usize, &'static str)> {
    let at = plain_end(bytes, start);
    if bytes.get(at) == Some(&b'"') {
        return Ok(Scanned { close: at, escaped: false });
    }
    scan_escaped(bytes, at)
}

/// Goes on from the first escape or fault.
#[cold]
fn scan_escaped(bytes: &[u8], mut at: usize) -> Result<Scanned, (usize, &'static str)> {
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok(Scanned { close: at, escaped: true }),
            Some(b'\\') => match bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') => {
                    let hex = bytes.get(at + 2..at + 6).unwrap_or_default();
                    if hex.len() < 4 || !hex.iter().all(u8::is_ascii_hexdigit) {
                        return Err((at, "\\u is not followed by four hexadecimal digits"));
                    }
                    at += 6;
                }
                _ => return Err((at, "a backslash is followed by something that JSON does not escape")),
            },
            Some(b'\n') | None => return Err((at, "the line ends within a text")),
            Some(_) => return Err((at, "a control character stands in a text unescaped")),
        }
        at = plain_end(bytes, at);
    }
}

/// Appends the plain form of a text that [`scan`] has accepted. False where an escape is half of a surrogate pair and
/// so no character; what was appended is to be ignored then.
pub(crate) fn unescape(text: &str, into: &mut String) -> bool {
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        into.push_str(plain);
        let mut after = escape.chars();
        let Some(letter) = after.next() else { return false };
        rest = after.as_str();
        into.push(match letter {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let Some((unit, behind)) = code_unit(rest) else { return false };
                rest = behind;
                let code = if (0xd800..0xdc00).contains(&unit) {
                    let low = rest.strip_prefix("\\u").and_then(code_unit);
                    let Some((low @ 0xdc00..0xe000, behind)) = low else { return false };
                    rest = behind;
                    0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                } else {
                    unit
                };
                let Some(character) = char::from_u32(code) else { return false };
                character
            }
            other => other,
        });
    }
    into.push_str(rest);
    true
}

/// What is wrong with JSON whose syntax is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsound {
    /// An object within has this key twice, and readers differ on which is meant.
    DuplicateKey(String),
    /// A text within has an escape that stands for no character.
    LoneSurrogate,
}

/// Whether JSON that is kept as it came means one thing. Its syntax must have been checked.
pub(crate) fn unsound(json: &str) -> Option<Unsound> {
    let bytes = json.as_bytes();
    // Without an object and without an escape there is nothing that could be wrong.
    memchr::memchr2(b'{', b'\\', bytes)?;
    let mut open: Vec<Option<HashSet<String>>> = Vec::new();
    let mut at = 0;
    while let Some(found) = memchr_any(bytes.get(at..)?) {
        at += found;
        match bytes[at] {
            b'{' => open.push(Some(HashSet::new())),
            b'[' => open.push(None),
            b'}' | b']' => drop(open.pop()),
            _ => {
                let scanned = scan(bytes, at + 1).ok()?;
                let raw = json.get(at + 1..scanned.close)?;
                at = scanned.close;
                let mut text = String::new();
                let plain = if scanned.escaped {
                    if !unescape(raw, &mut text) {
                        return Some(Unsound::LoneSurrogate);
                    }
                    text.as_str()
                } else {
                    raw
                };
                let behind = bytes[at + 1..].iter().find(|byte| !byte.is_ascii_whitespace());
                if let (Some(b':'), Some(Some(keys))) = (behind, open.last_mut())
                    && !keys.insert(plain.to_owned())
                {
                    return Some(Unsound::DuplicateKey(plain.to_owned()));
                }
            }
        }
        at += 1;
    }
    None
}

fn memchr_any(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'{' | b'[' | b'}' | b']' | b'"'))
}

/// Four hexadecimal digits at the start, and what follows.
fn code_unit(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    u32::from_str_radix(digits, 16).ok().map(|unit| (unit, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_end_where_they_should() {
        for (text, close, escaped) in [
            ("\"", 0, false),
            ("abc\"", 3, false),
            ("abcdefgh\"", 8, false),
            ("größer als acht\"x", 17, false),
            (r#"a\"b"#, 0, true),
            (r#"a\"b""#, 4, true),
            (r#"\u00e4\\""#, 8, true),
        ] {
            let scanned = scan(text.as_bytes(), 0);
            if close == 0 && escaped {
                assert!(scanned.is_err(), "{text}");
            } else {
                assert_eq!(scanned, Ok(Scanned { close, escaped }), "{text}");
            }
        }
        for bad in ["abc", "a\tb\"", "a\nb\"", "a\\x\"", "\\u12g4\"", "\\u12\"", "\\", "a\u{1f}\""] {
            assert!(scan(bad.as_bytes(), 0).is_err(), "{bad:?}");
        }
        assert_eq!(either(b"abcdefghij;k\n", 0, b';', b'\n'), 10);
        assert_eq!(either(b"abcdefghijk\n", 0, b';', b'\n'), 11);
    }

    #[test]
    fn escapes_become_what_they_mean() {
        for (text, plain) in [
            (r"plain", Some("plain")),
            (r#"a\"b\\c\/d\b\f\n\r\t"#, Some("a\"b\\c/d\u{8}\u{c}\n\r\t")),
            (r"\u00e4\u20AC", Some("ä€")),
            (r"\ud83d\ude00!", Some("😀!")),
            (r"\u0000", Some("\0")),
            (r"\ud83d", None),
            (r"\ud83dx", None),
            (r"\ude00", None),
            (r"\ud83d\ud83d", None),
        ] {
            let mut into = String::new();
            let whole = unescape(text, &mut into);
            assert_eq!(whole.then_some(into.as_str()), plain, "{text}");
        }
    }

    #[test]
    fn json_that_means_two_things_is_found() {
        for (json, expected) in [
            (r#"{"a":1,"b":{"a":2},"c":[{"a":3},{"a":4}]}"#, None),
            (r#"{"a":"a","b":["a","a"]}"#, None),
            (r#"["{\"a\":1,\"a\":2}"]"#, None),
            (r#"{"x":[{"a":1,"a" :2}]}"#, Some(Unsound::DuplicateKey("a".to_owned()))),
            (r#"{"a":1,"\u0061":2}"#, Some(Unsound::DuplicateKey("a".to_owned()))),
            (r#"["\ud800"]"#, Some(Unsound::LoneSurrogate)),
            (r#"{"\ude00":1}"#, Some(Unsound::LoneSurrogate)),
            ("1e400", None),
        ] {
            assert_eq!(unsound(json), expected, "{json}");
        }
    }
}
