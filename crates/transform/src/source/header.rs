//! The header line of delimited text.

use lakehand_dataset::dataset::CsvFormat;
use lakehand_dataset::transformer::TransformError;
use memchr::memchr;

use super::quotes::Quotes;
use crate::piece::Header;

/// The first record of a member.
#[derive(Debug)]
pub(crate) struct First {
    /// What its fields hold.
    pub(crate) header: Header,
    /// Where it starts, behind blank lines and comments.
    pub(crate) start: usize,
    /// Where it ends, its line end included.
    pub(crate) end: usize,
}

/// Finds the first record in the first chunk of a member. `None` where all lines are blank or comments.
pub(crate) fn find(bytes: &[u8], format: &CsvFormat) -> Result<Option<First>, TransformError> {
    let mut start = 0;
    while let Some(line) = memchr(b'\n', &bytes[start..]).map(|at| &bytes[start..start + at]) {
        let comment = format.comment.is_some() && line.first() == format.comment.as_ref();
        if !matches!(line, b"" | b"\r") && !comment {
            break;
        }
        start += line.len() + 1;
    }
    let rest = &bytes[start..];
    if rest.is_empty() {
        return Ok(None);
    }
    let end = match format.quote {
        Some(quote) => Quotes::new(format, quote).first_record_end(rest),
        None => memchr(b'\n', rest).map(|at| at + 1),
    };
    let end = end.unwrap_or(rest.len());
    let line = rest[..end].strip_suffix(b"\n").unwrap_or(&rest[..end]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Ok(line) = std::str::from_utf8(line) else {
        return Err(TransformError::Unreadable {
            message: "has a header line that is not valid UTF-8; deliver the file as UTF-8, or name its encoding in source.encoding".to_owned(),
        });
    };
    if has_bare_return(line, format.quote) {
        return Err(TransformError::Unreadable {
            message: "ends its lines with carriage returns alone, as old spreadsheets do; deliver the file with line \
                      feeds"
                .to_owned(),
        });
    }
    Ok(Some(First { header: Header { names: names(line, format) }, start, end: start + end }))
}

/// Whether a carriage return stands outside quotes. A file without line feeds is one line as long as itself, and may
/// well have quotes further on.
pub(crate) fn has_bare_return(line: &str, quote: Option<u8>) -> bool {
    let mut quoted = false;
    line.bytes().any(|byte| {
        quoted ^= Some(byte) == quote;
        byte == b'\r' && !quoted
    })
}

/// Splits a line into names; quotes as everywhere in the format.
fn names(line: &str, format: &CsvFormat) -> Vec<String> {
    let (delimiter, quote) = (char::from(format.delimiter), format.quote.map(char::from));
    let mut names = Vec::new();
    let mut name = String::new();
    let mut rest = line.chars().peekable();
    let (mut quoted, mut begun) = (false, false);
    let escape = format.escape.map(char::from);
    while let Some(next) = rest.next() {
        let taken = rest.peek().filter(|after| Some(**after) == quote || Some(**after) == escape).copied();
        if let (true, true, Some(taken)) = (quoted, Some(next) == escape, taken) {
            rest.next();
            name.push(taken);
        } else if quoted && Some(next) == quote {
            if rest.peek() == Some(&next) {
                rest.next();
                name.push(next);
            } else {
                quoted = false;
            }
        } else if !quoted && next == delimiter {
            names.push(std::mem::take(&mut name));
            begun = false;
            continue;
        } else if !begun && Some(next) == quote {
            quoted = true;
        } else {
            name.push(next);
        }
        begun = true;
    }
    names.push(name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_as_fields_are() {
        let format = CsvFormat { delimiter: b';', escape: Some(b'\\'), comment: Some(b'#'), ..CsvFormat::plain() };
        let cases: [(&str, &[&str], usize); 8] = [
            ("a;b\n1;2\n", &["a", "b"], 4),
            ("\n\r\na;b\r\n", &["a", "b"], 8),
            ("\"a;b\";\"c\"\"d\"\n", &["a;b", "c\"d"], 13),
            ("\"a\nb\";c\nx;y\n", &["a\nb", "c"], 8),
            ("a;;\n", &["a", "", ""], 4),
            ("# it's \"so\n\n#\"\na;b\n", &["a", "b"], 19),
            ("\"a\\\";\\\\\";b\\c\n", &["a\";\\", "b\\c"], 13),
            ("größe;5\"\n", &["größe", "5\""], 11),
        ];
        for (text, expected, bytes) in cases {
            let first = find(text.as_bytes(), &format).unwrap().unwrap();
            assert_eq!(first.header.names, expected, "{text:?}");
            assert_eq!(first.end, bytes, "{text:?}");
        }
        assert!(find(b"\n\n", &format).unwrap().is_none());
        assert!(find(b"a\xff;b\n", &format).is_err());
        assert!(find(b"a;b\r1;2\r\n", &format).is_err());
    }
}
