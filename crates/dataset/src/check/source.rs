//! The section `[source]`: objects, format, limits, and what becomes of the object.

use std::ops::RangeInclusive;

use lakehand_domain::object::ObjectUri;
use lakehand_domain::shape::OnRewrite;

use super::settings::within;
use crate::dataset::{AfterLoad, CsvFormat, Format, Source};
use crate::definition::read::At;
use crate::definition::{self, FormatName};
use crate::path::FieldPath;
use crate::pattern::Pattern;
use crate::problem::Report;

const DEFAULT_MAX_LINE_BYTES: u64 = 16 << 20;
const DEFAULT_MAX_EXPANDED_BYTES: u64 = 100_000_000_000;
const DEFAULT_MAX_EXPANSION: i64 = 1_000;

/// A line is held in memory whole, and its bytes are counted in 32 bits.
const MOST_LINE_BYTES: u64 = 1 << 30;

/// What is known of the source; the parts that tables need are there even where others have problems.
#[derive(Debug, Default)]
pub(super) struct CheckedSource {
    /// The source, where it has no problems.
    pub(super) source: Option<Source>,
    /// The patterns that could be read.
    pub(super) patterns: Vec<At<Pattern>>,
    /// Whether every pattern could be read.
    pub(super) all_patterns: bool,
    /// Where loaded objects are archived.
    pub(super) archive: Option<At<ObjectUri>>,
    /// The format, if it is known.
    pub(super) format: Option<FormatName>,
    /// The names of the fields of delimited files, where the definition gives them.
    pub(super) names: Option<Vec<String>>,
    /// How tables of append contest.
    pub(super) on_rewrite: OnRewrite,
}

pub(super) fn check(given: definition::Source, landing: &ObjectUri, report: &mut Report<'_>) -> CheckedSource {
    let (patterns, all_patterns) = check_objects(given.objects.as_ref(), landing, report);
    let format = given.format.as_ref().map(|format| format.value);
    let csv = check_csv(given.csv, format, report);
    let records = match (given.records, format) {
        (Some(records), Some(FormatName::Csv)) => {
            report.add(records.at, "source.records", "is only for jsonl: a csv line is the record");
            None
        }
        (Some(records), _) => check_records(&records, report).map(Some),
        (None, _) => Some(None),
    };
    let after_load = check_after_load(given.after_load, &patterns, report);
    let max_line = given.max_line_bytes;
    if let Some(size) = max_line.as_ref().filter(|size| size.value.0 > MOST_LINE_BYTES) {
        report.add(size.at, "source.max_line_bytes", "must be at most 1GiB: a line is held in memory whole");
    }
    let max_expansion =
        within(given.max_expansion, DEFAULT_MAX_EXPANSION, "source.max_expansion", 1, i64::from(u32::MAX), report);
    let on_rewrite = match given.on_rewrite.map(|choice| choice.value) {
        Some(definition::OnRewrite::Append) => OnRewrite::Append,
        Some(definition::OnRewrite::Ignore) => OnRewrite::Ignore,
        Some(definition::OnRewrite::Replace) | None => OnRewrite::Replace,
    };
    let archive = match &after_load {
        Some((AfterLoad::Archive(uri), at)) => Some(At::new(uri.clone(), *at)),
        _ => None,
    };
    let names = csv.as_ref().and_then(|csv| csv.names.clone());
    let assemble = || {
        Some(Source {
            objects: patterns.iter().map(|pattern| pattern.value.as_str().to_owned()).collect(),
            format: match format? {
                FormatName::Jsonl => Format::Jsonl,
                FormatName::Csv => Format::Csv(csv?),
            },
            records: records?,
            on_rewrite,
            after_load: after_load?.0,
            max_line_bytes: max_line.map_or(DEFAULT_MAX_LINE_BYTES, |size| size.value.0),
            max_expanded_bytes: given.max_expanded_bytes.map_or(DEFAULT_MAX_EXPANDED_BYTES, |size| size.value.0),
            max_expansion: u64::try_from(max_expansion?).ok()?,
        })
    };
    let source = assemble();
    CheckedSource { source, patterns, all_patterns, archive, format, names, on_rewrite }
}

fn check_objects(
    given: Option<&At<Vec<At<String>>>>,
    landing: &ObjectUri,
    report: &mut Report<'_>,
) -> (Vec<At<Pattern>>, bool) {
    let Some(given) = given else { return (Vec::new(), false) };
    if given.value.is_empty() {
        report.add(given.at, "source.objects", "names no objects");
    }
    let mut patterns: Vec<At<Pattern>> = Vec::with_capacity(given.value.len());
    for text in &given.value {
        match Pattern::parse(&text.value, landing) {
            Ok(_) if patterns.iter().any(|pattern| pattern.value.as_str() == text.value) => {
                report.add(text.at, "source.objects", format!("{:?} stands here twice", text.value));
            }
            Ok(pattern) => patterns.push(At::new(pattern, text.at)),
            Err(error) => report.add(text.at, "source.objects", error.to_string()),
        }
    }
    let all = patterns.len() == given.value.len();
    (patterns, all)
}

fn check_records(records: &At<String>, report: &mut Report<'_>) -> Option<FieldPath> {
    match FieldPath::parse(&records.value) {
        Ok(path) if path.from_record || path.keys.is_empty() => {
            report.add(records.at, "source.records", "must be a path from the document, such as data or a.b");
            None
        }
        Ok(path) => Some(path),
        Err(error) => {
            report.add(records.at, "source.records", error.to_string());
            None
        }
    }
}

fn check_after_load(
    given: Option<At<String>>,
    patterns: &[At<Pattern>],
    report: &mut Report<'_>,
) -> Option<(AfterLoad, usize)> {
    let Some(given) = given else { return Some((AfterLoad::Keep, 0)) };
    let (action, rest) = given.value.split_once(':').map_or((given.value.as_str(), None), |(a, b)| (a, Some(b)));
    let mut refuse = |message: String| {
        report.add(given.at, "source.after_load", message);
        None
    };
    let other_scheme = |scheme: &str| patterns.iter().find(|pattern| pattern.value.prefix().scheme() != scheme);
    let action = match (action, rest) {
        ("keep", None) => AfterLoad::Keep,
        ("delete", None) => AfterLoad::Delete,
        ("archive", Some(uri)) => match ObjectUri::parse(uri) {
            Err(error) => return refuse(error.to_string()),
            Ok(uri) => match other_scheme(uri.scheme()) {
                Some(pattern) => {
                    let text = pattern.value.as_str();
                    return refuse(format!("{text:?} is in another kind of store than the archive {uri}"));
                }
                None => AfterLoad::Archive(uri),
            },
        },
        ("tag", tag) => {
            let (key, value) = tag.unwrap_or("lakehand=loaded").split_once('=').unwrap_or_default();
            if !is_tag_text(key, 1..=128) || !is_tag_text(value, 0..=256) || key.starts_with("aws:") {
                return refuse(format!(
                    "must be tag:KEY=VALUE with a key of 1 to 128 and a value of up to 256 letters, digits, blanks and \
                     + - . _ : / @, and is {:?}",
                    given.value
                ));
            }
            if patterns.iter().any(|pattern| pattern.value.prefix().scheme() == "file") {
                return refuse("files have no tags: use \"keep\", \"delete\" or \"archive:URI\"".to_owned());
            }
            AfterLoad::Tag { key: key.to_owned(), value: value.to_owned() }
        }
        _ => {
            return refuse(format!(
                "must be \"keep\", \"delete\", \"archive:URI\", \"tag\" or \"tag:KEY=VALUE\", and is {:?}",
                given.value
            ));
        }
    };
    Some((action, given.at))
}

/// S3's rule for tags ("Categorizing your storage using tags"). An equals sign, which it allows too, ends our key.
fn is_tag_text(text: &str, length: RangeInclusive<usize>) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "+-._:/@ ".contains(c);
    length.contains(&text.chars().count()) && text.chars().all(allowed)
}

fn check_csv(
    given: Option<At<definition::Csv>>,
    format: Option<FormatName>,
    report: &mut Report<'_>,
) -> Option<CsvFormat> {
    if let (Some(given), Some(FormatName::Jsonl)) = (&given, format) {
        report.advise(
            given.at,
            "source.csv",
            "is only for csv, and format is jsonl",
            "remove it, or set format = \"csv\"",
        );
        return None;
    }
    let given = given.map(|given| given.value).unwrap_or_default();
    let delimiter = match &given.delimiter {
        Some(text) => one_byte(text, "source.csv.delimiter", report),
        None => Some(b','),
    };
    let quote = match &given.quote {
        Some(text) if text.value.is_empty() => Some(None),
        Some(text) => one_byte(text, "source.csv.quote", report).map(Some),
        None => Some(Some(b'"')),
    };
    if let (Some(delimiter), Some(Some(quote))) = (delimiter, quote)
        && delimiter == quote
    {
        let at = given.quote.as_ref().or(given.delimiter.as_ref()).map_or(0, |text| text.at);
        report.add(at, "source.csv.quote", "must differ from the delimiter");
    }
    let mut names: Vec<String> = Vec::new();
    if let Some(list) = &given.names {
        if list.value.is_empty() {
            report.advise(
                list.at,
                "source.csv.names",
                "names no fields",
                "leave it out if the files have a header line",
            );
        }
        for name in &list.value {
            if names.contains(&name.value) {
                report.add(name.at, "source.csv.names", format!("{:?} stands here twice", name.value));
            } else if name.value.is_empty() {
                report.add(name.at, "source.csv.names", "a name is empty");
            } else {
                names.push(name.value.clone());
            }
        }
    }
    Some(CsvFormat {
        delimiter: delimiter?,
        quote: quote?,
        names: given.names.is_some().then_some(names),
        empty_is_null: given.empty_is_null.is_none_or(|given| given.value),
    })
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
