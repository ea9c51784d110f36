//! The line of every key of a TOML text, so that what is wrong with a value can be told with its place.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// The line (from 1) of every dotted key, or the first error of syntax with its line.
pub(crate) fn key_lines(text: &str) -> Result<BTreeMap<String, usize>, (usize, String)> {
    let line_at = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        (line, error.message().replace('\n', ", "))
    })?;
    let mut lines = BTreeMap::new();
    note("", table.get_ref(), &line_at, &mut lines);
    Ok(lines)
}

/// The line of a key, or of the nearest key above it that is written down.
pub(crate) fn line_of(lines: &BTreeMap<String, usize>, key: &str) -> usize {
    let mut key = key;
    loop {
        if let Some(line) = lines.get(key) {
            return *line;
        }
        match key.rsplit_once('.') {
            Some((above, _)) => key = above,
            None => return 1,
        }
    }
}

fn note(prefix: &str, table: &DeTable<'_>, line_at: &dyn Fn(usize) -> usize, lines: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
        if let DeValue::Table(inner) = value.get_ref() {
            note(&key, inner, line_at, lines);
        }
        lines.insert(key, line_at(name.span().start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_sections_and_inline_tables_have_their_lines() {
        let text = "name = \"x\"\n[tables.t]\n[tables.t.columns]\na = { type = \"json\", expr = \"b\" }\n";
        let lines = key_lines(text).unwrap();
        assert_eq!(line_of(&lines, "name"), 1);
        assert_eq!(line_of(&lines, "tables.t.columns.a.expr"), 4);
        assert_eq!(line_of(&lines, "tables.t.columns.a.min"), 4);
        assert_eq!(line_of(&lines, "tables.t.where"), 2);
        assert_eq!(line_of(&lines, "elsewhere"), 1);
        assert_eq!(key_lines("a = 1\nb = \n").unwrap_err().0, 2);
    }
}
