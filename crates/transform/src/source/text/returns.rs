//! Text whose lines end with carriage returns alone, as old spreadsheets write it.

use lakehand_dataset::dataset::CsvFormat;

/// Turns carriage returns into line feeds, but for those within quotes, which are part of a value, and those before a line
/// feed.
#[derive(Debug)]
pub(crate) struct Returns {
    delimiter: Option<u8>,
    quote: Option<u8>,
    escape: Option<u8>,
    quoted: bool,
    /// Whether a field begins here, where a quote opens it.
    at_start: bool,
    /// Whether the byte before was a quote within quotes, which another one would make a quote of the text.
    closed: bool,
    escaped: bool,
    /// Whether a carriage return is still to be given.
    pending: bool,
}

impl Returns {
    /// For delimited text, or for other lines, which have no quotes to care about.
    pub(crate) fn new(csv: Option<&CsvFormat>) -> Self {
        Self {
            delimiter: csv.map(|csv| csv.delimiter),
            quote: csv.and_then(|csv| csv.quote),
            escape: csv.and_then(|csv| csv.escape),
            quoted: false,
            at_start: true,
            closed: false,
            escaped: false,
            pending: false,
        }
    }

    /// Appends these bytes; without any they are the end, which is told back.
    pub(crate) fn push(&mut self, bytes: &[u8], into: &mut Vec<u8>) -> bool {
        if bytes.is_empty() {
            if std::mem::take(&mut self.pending) {
                into.push(b'\n');
            }
            return true;
        }
        for &byte in bytes {
            if std::mem::take(&mut self.pending) {
                into.push(if byte == b'\n' { b'\r' } else { b'\n' });
            }
            if !self.is_value(byte) && byte == b'\r' {
                self.pending = true;
            } else {
                into.push(byte);
            }
        }
        false
    }

    /// Whether the next byte stands within quotes.
    pub(crate) fn is_value(&mut self, byte: u8) -> bool {
        if self.quoted {
            let is_quote = Some(byte) == self.quote && !self.escaped;
            self.escaped = Some(byte) == self.escape && !self.escaped;
            self.quoted = !is_quote;
            self.closed = is_quote;
            return true;
        }
        let opens = Some(byte) == self.quote && (self.at_start || self.closed);
        self.closed = false;
        self.quoted = opens;
        self.at_start = Some(byte) == self.delimiter || matches!(byte, b'\n' | b'\r');
        self.escaped = false;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_outside_quotes_become_line_feeds() {
        let escaping = CsvFormat { escape: Some(b'\\'), ..CsvFormat::plain() };
        let plain = CsvFormat::plain();
        let cases: [(Option<&CsvFormat>, &str, &str); 7] = [
            (None, "a\rb\r\rc", "a\nb\n\nc"),
            (None, "a\r", "a\n"),
            (Some(&plain), "a,\"b\rc\"\rd,e\"\rf\"", "a,\"b\rc\"\nd,e\"\nf\""),
            (Some(&plain), "\"a\"\"\r\"\"\"\r\"\"\r", "\"a\"\"\r\"\"\"\n\"\"\n"),
            (Some(&plain), "a\r\nb\rc\nd", "a\r\nb\nc\nd"),
            (Some(&plain), "\"a\"x\r\"b\r\"\r", "\"a\"x\n\"b\r\"\n"),
            (Some(&escaping), "\"a\\\"\r\\\\\"\r", "\"a\\\"\r\\\\\"\n"),
        ];
        for (csv, text, expected) in cases {
            for step in 1..6 {
                let mut returns = Returns::new(csv);
                let mut into = Vec::new();
                text.as_bytes().chunks(step).for_each(|bytes| assert!(!returns.push(bytes, &mut into)));
                assert!(returns.push(b"", &mut into));
                assert_eq!(String::from_utf8(into).unwrap(), expected, "{text:?}");
            }
        }
    }
}
