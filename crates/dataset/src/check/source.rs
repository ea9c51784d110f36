//! The section `[source]`: objects, format, limits, and what becomes of the object.

use std::ops::RangeInclusive;

use lakehand_domain::object::ObjectUri;
use lakehand_domain::shape::OnRewrite;

use super::csv;
use super::settings::within;
use crate::dataset::{AfterLoad, BinaryFormat, Charset, CsvHeader, Format, JsonFormat, Source};
use crate::definition::read::At;
use crate::definition::unit::ByteSize;
use crate::definition::{self, BinaryName, CharsetName, FormatName};
use crate::path::FieldPath;
use crate::pattern::Pattern;
use crate::problem::{Noted, Report};

const DEFAULT_MAX_LINE_BYTES: u64 = 16 << 20;
const DEFAULT_MAX_EXPANDED_BYTES: u64 = 100_000_000_000;
const DEFAULT_MAX_EXPANSION: i64 = 1_000;

/// A line is held in memory whole, and its bytes are counted in 32 bits.
const MOST_LINE_BYTES: u64 = 1 << 30;
/// A row group or block is held in memory whole.
const MOST_BLOCK_BYTES: u64 = 64 << 30;

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
    /// What the fields of delimited files are called.
    pub(super) header: Option<CsvHeader>,
    /// The name of the key that masks are made with.
    pub(super) mask_key: Option<String>,
    /// How tables of append contest.
    pub(super) on_rewrite: OnRewrite,
}

pub(super) fn check(given: definition::Source, landing: &ObjectUri, report: &mut Report<'_>) -> CheckedSource {
    let (patterns, all_patterns) = check_objects(given.objects.as_ref(), landing, report);
    let format = given.format.as_ref().map(|format| format.value);
    let csv = csv::check(given.csv, format, report);
    let records = match (&given.records, format) {
        (Some(records), Some(FormatName::Csv | FormatName::Tsv)) => {
            report.add(records.at, "source.records", "is not for csv: a line is the record");
            None
        }
        (Some(records), _) => check_records(records, format, report),
        (None, _) => Some(Records::default()),
    };
    let after_load = check_after_load(given.after_load, &patterns, report);
    let charset = check_charset(given.encoding.as_ref(), format, report);
    let binary = check_binary(given.binary.as_ref(), given.max_block_bytes.as_ref(), format, report);
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
    let header = csv.as_ref().map(|csv| csv.header.clone());
    let assemble = || {
        let records = records?;
        Some(Source {
            objects: patterns.iter().map(|pattern| pattern.value.as_str().to_owned()).collect(),
            format: match format? {
                FormatName::Jsonl => Format::Jsonl,
                FormatName::Json => Format::Json(JsonFormat { list: records.list }),
                FormatName::Csv | FormatName::Tsv => Format::Csv(csv?),
                FormatName::Parquet => Format::Parquet(binary?),
                FormatName::Avro => Format::Avro(binary?),
            },
            records: records.record,
            charset: charset.ok()?,
            on_rewrite,
            after_load: after_load?.0,
            max_line_bytes: max_line.map_or(DEFAULT_MAX_LINE_BYTES, |size| size.value.0),
            max_expanded_bytes: given.max_expanded_bytes.map_or(DEFAULT_MAX_EXPANDED_BYTES, |size| size.value.0),
            max_expansion: u64::try_from(max_expansion?).ok()?,
            max_block_bytes: given.max_block_bytes.map(|size| size.value.0),
        })
    };
    let source = assemble();
    CheckedSource { source, patterns, all_patterns, archive, format, header, mask_key: None, on_rewrite }
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

/// Where documents lie, and records in them.
#[derive(Debug, Default)]
struct Records {
    list: Vec<String>,
    record: Option<FieldPath>,
}

fn check_records(records: &At<String>, format: Option<FormatName>, report: &mut Report<'_>) -> Option<Records> {
    let (list, record) = match records.value.split_once("[]") {
        Some(_) if format != Some(FormatName::Json) => {
            let hint = "leave the [] out, or set format = \"json\" if the records are elements of one list";
            report.advise(records.at, "source.records", "names the elements of a list, which only json has", hint);
            return None;
        }
        Some((list, "")) => (Some(list), None),
        Some((list, record)) => (Some(list), Some(record.strip_prefix('.').unwrap_or(record))),
        None => (None, Some(records.value.as_str())),
    };
    let mut path = |text: &str| match FieldPath::parse(text) {
        Ok(path) if path.from_record || path.keys.is_empty() || text.contains("[]") => {
            let message = "must be a path from the document, such as data, a.b or, for json, data.items[]";
            report.add(records.at, "source.records", message);
            None
        }
        Ok(path) => Some(path),
        Err(error) => {
            report.add(records.at, "source.records", error.to_string());
            None
        }
    };
    Some(Records {
        // `[]` alone is a list at the top, which is read as such anyway.
        list: match list.filter(|list| !list.is_empty()) {
            Some(list) => path(list)?.keys,
            None => Vec::new(),
        },
        record: match record {
            Some(record) => Some(path(record)?),
            None => None,
        },
    })
}

fn check_charset(
    given: Option<&At<CharsetName>>,
    format: Option<FormatName>,
    report: &mut Report<'_>,
) -> Result<Option<Charset>, Noted> {
    let Some(given) = given else { return Ok(None) };
    if let Some(FormatName::Parquet | FormatName::Avro) = format {
        report.add(given.at, "source.encoding", "is for text; parquet and avro say themselves how text is encoded");
        return Err(Noted);
    }
    Ok(match given.value {
        CharsetName::Utf8 => None,
        CharsetName::Utf16Le => Some(Charset::Utf16Le),
        CharsetName::Utf16Be => Some(Charset::Utf16Be),
        CharsetName::Latin1 => Some(Charset::Latin1),
        CharsetName::Windows1252 => Some(Charset::Windows1252),
    })
}

fn check_binary(
    given: Option<&At<BinaryName>>,
    max_block: Option<&At<ByteSize>>,
    format: Option<FormatName>,
    report: &mut Report<'_>,
) -> Option<BinaryFormat> {
    let text = matches!(format, Some(FormatName::Jsonl | FormatName::Json | FormatName::Csv | FormatName::Tsv));
    if let (Some(given), true) = (given, text) {
        report.add(given.at, "source.binary", "is only for parquet and avro");
        return None;
    }
    match max_block {
        Some(size) if text => {
            report.add(size.at, "source.max_block_bytes", "is only for parquet and avro");
            return None;
        }
        Some(size) if size.value.0 > MOST_BLOCK_BYTES => {
            report.add(size.at, "source.max_block_bytes", "must be at most 64GiB: a block is held in memory whole");
            return None;
        }
        _ => {}
    }
    Some(BinaryFormat { binary_is_text: given.is_some_and(|given| given.value == BinaryName::Text) })
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
