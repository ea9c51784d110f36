//! The section `[source.csv]`: how delimited text is written.

use crate::dataset::{CsvFormat, CsvHeader};
use crate::definition::read::At;
use crate::definition::{self, FormatName};
use crate::problem::Report;

pub(super) fn check(
    given: Option<At<definition::Csv>>,
    format: Option<FormatName>,
    report: &mut Report<'_>,
) -> Option<CsvFormat> {
    let delimited = matches!(format, Some(FormatName::Csv | FormatName::Tsv) | None);
    if let (Some(given), false) = (&given, delimited) {
        let hint = "remove it, or set format = \"csv\"";
        report.advise(given.at, "source.csv", "is only for csv and tsv, and format is another", hint);
        return None;
    }
    let given = given.map(|given| given.value).unwrap_or_default();
    let delimiter = match &given.delimiter {
        Some(text) => one_byte(text, "source.csv.delimiter", report),
        None if format == Some(FormatName::Tsv) => Some(b'\t'),
        None => Some(b','),
    };
    let quote = match &given.quote {
        Some(text) if text.value.is_empty() => Some(None),
        Some(text) => one_byte(text, "source.csv.quote", report).map(Some),
        None => Some(Some(b'"')),
    };
    let mut optional = |text: &Option<At<String>>, path| match text {
        Some(text) => one_byte(text, path, report).map(Some),
        None => Some(None),
    };
    let escape = optional(&given.escape, "source.csv.escape");
    let comment = optional(&given.comment, "source.csv.comment");
    let roles = [
        ("quote", "the delimiter", given.quote.as_ref(), quote.flatten(), delimiter),
        ("escape", "the delimiter", given.escape.as_ref(), escape.flatten(), delimiter),
        ("comment", "the delimiter", given.comment.as_ref(), comment.flatten(), delimiter),
        ("comment", "the quote", given.comment.as_ref(), comment.flatten(), quote.flatten()),
    ];
    for (key, other, written, one, two) in roles {
        if let (Some(one), Some(two)) = (one, two)
            && one == two
        {
            let at = written.or(given.delimiter.as_ref()).map_or(0, |text| text.at);
            report.add(at, format!("source.csv.{key}"), format!("must differ from {other}"));
        }
    }
    if let (Some(escape), Some(None)) = (&given.escape, quote) {
        report.add(escape.at, "source.csv.escape", "is for what stands in quotes, and quote is empty");
    }
    // An escape that is the quote itself is a doubled quote, which is what there is without one.
    let escape = escape.map(|escape| escape.filter(|escape| Some(*escape) != quote.flatten()));
    let header = check_header(&given, report);
    Some(CsvFormat {
        delimiter: delimiter?,
        quote: quote?,
        escape: escape?,
        comment: comment?,
        header,
        empty_is_null: given.empty_is_null.is_none_or(|given| given.value),
    })
}

fn check_header(given: &definition::Csv, report: &mut Report<'_>) -> CsvHeader {
    let header = given.header.as_ref().map(|header| header.value);
    let Some(list) = &given.names else {
        return if header == Some(false) { CsvHeader::Numbered } else { CsvHeader::Names };
    };
    if list.value.is_empty() {
        let hint = "leave it out if the files have a header line, or set header = false";
        report.advise(list.at, "source.csv.names", "names no fields", hint);
    }
    let mut names: Vec<String> = Vec::new();
    for name in &list.value {
        if names.contains(&name.value) {
            report.add(name.at, "source.csv.names", format!("{:?} stands here twice", name.value));
        } else if name.value.is_empty() {
            report.add(name.at, "source.csv.names", "a name is empty");
        } else {
            names.push(name.value.clone());
        }
    }
    if header == Some(true) { CsvHeader::Replaced(names) } else { CsvHeader::Given(names) }
}

/// The single ASCII byte of a text; line ends are none that can stand between or around fields.
fn one_byte(text: &At<String>, path: &str, report: &mut Report<'_>) -> Option<u8> {
    match text.value.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r' | 0) => Some(*byte),
        _ => {
            let message = format!("must be one ASCII character other than a line end, and is {:?}", text.value);
            report.add(text.at, path, message);
            None
        }
    }
}
