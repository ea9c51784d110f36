//! A definition file as text: read as far as its syntax goes, with every problem at its place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Definition;
use super::read::{Read, Reader};
use crate::problem::Report;

impl Definition {
    /// Reads a definition file as far as it can be read, and notes every problem of syntax, keys and types.
    pub(crate) fn read(text: &str, report: &mut Report<'_>) -> Option<Self> {
        let (root, mut errors) = DeTable::parse_recoverable(text);
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let whole = errors.is_empty();
        let mut lines: Vec<u32> = Vec::new();
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            // What follows on the same line follows from the first.
            let (line, _) = report.place(at);
            if lines.contains(&line) {
                continue;
            }
            lines.push(line);
            report.add(at, key_path_near(text, at), error.message().replace('\n', ", "));
        }
        let span = root.span();
        let root = Spanned::new(span.start..span.start, DeValue::Table(root.into_inner()));
        let mut reader = Reader::new(report, whole);
        let read = <Self as Read>::read(&root, &mut reader);
        // What stands on a line whose syntax is broken was guessed by the parser, and says nothing of its own.
        if !whole {
            report.keep_first_of_lines(lines.len());
        }
        read.filter(|_| whole)
    }
}

/// The key path at an offset, as far as the text before it tells; for errors of syntax, which have none.
fn key_path_near(text: &str, at: usize) -> String {
    let line_start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let name = |text: &str| text.trim().trim_matches(['[', ']']).trim().to_owned();
    let header = text[..line_start].lines().rev().find(|line| line.starts_with('[')).map(name);
    let line = text[line_start..].lines().next().unwrap_or("");
    let key = match line.split_once('=') {
        _ if line.starts_with('[') => return name(line),
        Some((key, _)) => Some(name(key)),
        None => None,
    };
    header.into_iter().chain(key).collect::<Vec<_>>().join(".")
}
