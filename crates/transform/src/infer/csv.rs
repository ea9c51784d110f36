//! Delimited text: which delimiter it has, whether a header line, and its fields.

use std::collections::{HashMap, HashSet};

use super::Field;
use super::name::{distinct, snake_case};
use super::seen::Seen;

/// Records looked at to find the delimiter.
const LOOKED_AT: usize = 200;

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell {
    text: String,
    quoted: bool,
}

/// What was found of a delimited file.
#[derive(Debug)]
pub(crate) struct Table {
    /// Between fields.
    pub(crate) delimiter: char,
    /// The names of the fields, where the file has no header line.
    pub(crate) names: Option<Vec<String>>,
    /// The fields, in the order of the file.
    pub(crate) fields: Vec<Field>,
    /// Records of as many fields as the header has.
    pub(crate) records: u64,
}

/// Reads a sample. `None` where no delimiter parts its lines into the same number of fields.
pub(crate) fn read(text: &str) -> Option<Table> {
    let delimiter = sniff(text)?;
    let mut rows = Rows { rest: text, delimiter }.peekable();
    let first = rows.peek()?;
    let width = first.len();
    let header = looks_like_header(first);
    let names: Vec<String> = if header {
        let first = rows.next()?;
        first.into_iter().map(|cell| cell.text).collect()
    } else {
        (1..=width).map(|number| format!("c{number}")).collect()
    };
    let mut seen: Vec<Seen> = (0..width).map(|_| Seen::default()).collect();
    let mut records = 0;
    for row in rows.filter(|row| row.len() == width) {
        records += 1;
        for (seen, cell) in seen.iter_mut().zip(&row) {
            if !cell.text.is_empty() || cell.quoted {
                seen.text(&cell.text);
            }
        }
    }
    let mut taken = HashSet::new();
    let mut count: HashMap<&str, u32> = HashMap::new();
    for name in &names {
        *count.entry(name).or_default() += 1;
    }
    let fields = names
        .iter()
        .zip(seen)
        // A name that is there twice, or not at all, cannot be asked for.
        .filter(|(name, _)| count.get(name.as_str()) == Some(&1) && !name.is_empty())
        .map(|(name, seen)| Field {
            name: distinct(snake_case(name), &mut taken),
            from: name.clone(),
            seen,
            comment: None,
        })
        .collect();
    Some(Table { delimiter, names: (!header).then_some(names), fields, records })
}

/// The delimiter that parts most of the first records into the same number of fields, more fields being better.
fn sniff(text: &str) -> Option<char> {
    let score = |delimiter: char| {
        let widths: Vec<usize> = Rows { rest: text, delimiter }.take(LOOKED_AT).map(|row| row.len()).collect();
        let first = widths.first().copied().unwrap_or(0);
        let same = widths.iter().filter(|width| **width == first).count();
        (first > 1 && same * 10 >= widths.len() * 9).then_some((same * 100 / widths.len().max(1), first))
    };
    let best = [',', ';', '\t', '|'].into_iter().filter_map(|delimiter| Some((score(delimiter)?, delimiter)));
    let best = best.max_by_key(|(score, _)| *score).map(|(_, delimiter)| delimiter);
    // A file of one column has no delimiter to find.
    best.or_else(|| text.lines().next().filter(|line| !line.trim().is_empty()).map(|_| ','))
}

/// Names are texts and begin with no digit. Some may be missing, as that of an index, or be there twice: what cannot be
/// asked for by its name is left out, and is no reason to take names for values.
fn looks_like_header(row: &[Cell]) -> bool {
    let is_name = |text: &str| {
        text.chars().any(char::is_alphabetic)
            && !text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
            && text != "true"
            && text != "false"
    };
    let texts = || row.iter().map(|cell| cell.text.trim());
    texts().any(is_name) && texts().all(|text| text.is_empty() || is_name(text))
}

/// Records of delimited text; quoted fields may hold line ends. Blank lines are passed over.
struct Rows<'a> {
    rest: &'a str,
    delimiter: char,
}

impl Iterator for Rows<'_> {
    type Item = Vec<Cell>;

    fn next(&mut self) -> Option<Vec<Cell>> {
        while let Some(rest) = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n")) {
            self.rest = rest;
        }
        if self.rest.is_empty() {
            return None;
        }
        let mut row = Vec::new();
        loop {
            let (cell, rest, ended) = cell(self.rest, self.delimiter);
            row.push(cell);
            self.rest = rest;
            if ended {
                return Some(row);
            }
        }
    }
}

/// The first field, what comes after it, and whether its record ends with it.
fn cell(text: &str, delimiter: char) -> (Cell, &str, bool) {
    if let Some(inside) = text.strip_prefix('"') {
        let mut value = String::new();
        let mut rest = inside;
        while let Some(at) = rest.find('"') {
            value.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('"') {
                value.push('"');
                rest = after;
                continue;
            }
            let end = rest.find(['\n', delimiter]).unwrap_or(rest.len());
            value.push_str(rest[..end].trim_end_matches('\r'));
            let (rest, ended) = after(&rest[end..]);
            return (Cell { text: value, quoted: true }, rest, ended);
        }
        value.push_str(rest);
        return (Cell { text: value, quoted: true }, "", true);
    }
    let end = text.find(['\n', delimiter]).unwrap_or(text.len());
    let (rest, ended) = after(&text[end..]);
    let value = if ended { text[..end].trim_end_matches('\r') } else { &text[..end] };
    (Cell { text: value.to_owned(), quoted: false }, rest, ended)
}

/// After a delimiter or a line end.
fn after(text: &str) -> (&str, bool) {
    let mut characters = text.chars();
    let ended = characters.next().is_none_or(|character| character == '\n');
    (characters.as_str(), ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, delimiter: char) -> Vec<Vec<String>> {
        Rows { rest: text, delimiter }.map(|row| row.into_iter().map(|cell| cell.text).collect()).collect()
    }

    #[test]
    fn records_are_parted_as_they_were_joined() {
        assert_eq!(rows("a,b\r\n\"x\"\"y\",\"1\n2\"\n\n,\n", ','), [["a", "b"], ["x\"y", "1\n2"], ["", ""]]);
        assert_eq!(rows("a;b", ';'), [["a", "b"]]);
        assert_eq!(rows("\"open", ','), [["open"]]);
    }

    #[test]
    fn delimiters_and_headers_are_found() {
        for (text, delimiter, names) in [
            ("id;price\n1;1,5\n2;2,5\n", ';', None),
            ("id,name\n1,\"a;b\"\n", ',', None),
            ("id\tname\n1\tx\n", '\t', None),
            ("1|x\n2|y\n", '|', Some(2)),
            ("name\nx\n", ',', None),
        ] {
            let table = read(text).unwrap();
            assert_eq!(table.delimiter, delimiter, "{text:?}");
            assert_eq!(table.names.map(|names| names.len()), names, "{text:?}");
        }
        assert!(read("").is_none());
    }
}
