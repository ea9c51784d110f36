//! What commands print on standard output: tables for people, JSON for machines.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use lakehand_domain::timestamp::Timestamp;
use serde::Serialize;

use crate::cli::Format;
use crate::settings::unit::duration_text;

/// Standard output in the format that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    /// Output in this format.
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether machines read it.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Prints one JSON document.
    pub(crate) fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.text(&serde_json::to_string_pretty(value)?)
    }

    /// Prints one JSON document on a line of its own.
    pub(crate) fn json_line(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.text(&serde_json::to_string(value)?)
    }

    /// Prints a text, which ends with a line end whether it brings one or not.
    #[expect(clippy::unused_self, reason = "who prints has an output")]
    pub(crate) fn text(self, text: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            stdout.write_all(b"\n")?;
        }
        stdout.flush()?;
        Ok(())
    }
}

/// A text for people, line by line.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Adds an empty line, unless nothing stands above it.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Adds a table.
    pub(crate) fn table(&mut self, grid: &Grid) {
        self.text.push_str(&grid.text());
    }

    /// The whole text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// A table for people: headers underlined, numbers to the right.
#[derive(Debug)]
pub(crate) struct Grid {
    table: Table,
}

/// One line, below the headers: what else would stand between the numbers is noise.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl Grid {
    /// A table with these columns; a name that begins with `>` is that of numbers.
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(STYLE);
        table.set_header(columns.iter().map(|name| name.trim_start_matches('>')).collect::<Vec<_>>());
        for (at, name) in columns.iter().enumerate() {
            if let Some(column) = table.column_mut(at).filter(|_| name.starts_with('>')) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.table.add_row(cells);
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The table as lines, without blanks at their ends.
    pub(crate) fn text(&self) -> String {
        let mut text = self.table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        text.push('\n');
        text
    }
}

/// A number with its thousands apart: `1,234,567`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number that may be missing.
pub(crate) fn maybe_number(value: Option<u64>) -> String {
    value.map(number).unwrap_or_default()
}

/// A number of bytes, rounded for people: `12.3 MB`.
pub(crate) fn bytes(value: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if value < 1000 {
        return format!("{value} B");
    }
    // In tenths of the unit, in whole numbers, so that nothing is lost on the way.
    let mut tenths = u128::from(value) / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// How long something took, rounded for people: `4.2 s`, `3m20s`.
pub(crate) fn took(duration: Duration) -> String {
    if duration < Duration::from_mins(1) {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    duration_text(Duration::from_secs(duration.as_secs()))
}

/// An instant to the second: `2026-11-21 08:00:00Z`.
pub(crate) fn instant(at: Timestamp) -> String {
    let text = at.to_string();
    match text.get(..19) {
        Some(seconds) => format!("{}Z", seconds.replace('T', " ")),
        None => text,
    }
}

/// A text cut to so many characters, on one line.
pub(crate) fn cut(text: &str, most: usize) -> String {
    let visible = |c: char| if c.is_control() { '\u{00b7}' } else { c };
    let mut cut: String = text.chars().take(most).map(visible).collect();
    if text.chars().nth(most).is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

/// `1 file`, `2 files`.
pub(crate) fn plural(count: u64, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {one}{ending}", number(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        for (value, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(number(value), expected);
        }
        for (value, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (12_345_678, "12.3 MB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(bytes(value), expected);
        }
        assert_eq!(instant(Timestamp::from_micros(1_500_000)), "1970-01-01 00:00:01Z");
        assert_eq!(took(Duration::from_millis(4_241)), "4.2 s");
        assert_eq!(took(Duration::from_millis(200_900)), "3m20s");
        assert_eq!(plural(1, "file"), "1 file");
        assert_eq!(plural(0, "row"), "0 rows");
    }

    #[test]
    fn texts_are_cut_by_characters() {
        assert_eq!(cut("Köln", 4), "Köln");
        assert_eq!(cut("Köln am Rhein", 5), "Köln…");
        assert_eq!(cut("a\nb", 5), "a·b");
    }

    #[test]
    fn tables_align_numbers_to_the_right() {
        let mut grid = Grid::new(&["file", ">rows"]);
        grid.row(vec!["a.zip".to_owned(), number(5)]);
        grid.row(vec!["b.zip".to_owned(), number(12_345)]);
        let text = grid.text();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().any(|line| line.ends_with("     5")), "{text}");
        assert!(lines.iter().any(|line| line.ends_with("12,345")), "{text}");
    }
}
