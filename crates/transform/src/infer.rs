//! A first definition of a dataset from a sample of one file.

mod csv;
mod definition;
mod json;
mod name;
mod seen;

use lakehand_dataset::dataset::{AfterLoad, Dataset, Encoding, Format, MaxRejects, Quality, Source, UnknownFields};
use lakehand_dataset::transformer::{Content, TransformError};
use lakehand_domain::id::{DatasetId, Fingerprint};
use lakehand_domain::shape::OnRewrite;

use self::definition::Draft;
use self::seen::Seen;
use crate::source;
use crate::source::header::has_bare_return;

/// How many decompressed bytes are looked at.
const SAMPLE_BYTES: usize = 64 << 20;

/// One field of the records.
#[derive(Debug)]
struct Field {
    /// The name its column gets.
    name: String,
    /// Where it is found.
    from: String,
    seen: Seen,
    /// What a person should know of it.
    comment: Option<String>,
}

/// A whole definition, in TOML, that takes the records of a sample (the first 64 MB) without rejects as far as they can
/// be read at all: format, delimiter and header, the narrowest types that hold every value, a key and a version where
/// columns look like them. Fails with [`TransformError::Unreadable`] where the content is neither JSON lines nor
/// delimited text.
pub fn infer(content: &Content, file_name: &str) -> Result<String, TransformError> {
    let (text, cut) = sample(content)?;
    let (name, pattern) = name::of_file(file_name);
    let draft = |csv, records_at, fields, records| Draft {
        name,
        pattern,
        file_name: file_name.to_owned(),
        csv,
        records_at,
        fields,
        records,
        cut,
    };
    let unreadable = |message: &str| Err(TransformError::Unreadable { message: format!("{file_name} {message}") });
    match text.trim_start().chars().next() {
        None => unreadable("has no records: infer needs a file with some"),
        Some('[') => unreadable(
            "is one JSON list; lakehand reads one JSON object a line: write each element on a line of its own",
        ),
        Some('{') => {
            let mut records = json::Records::default();
            text.lines().for_each(|line| records.line(line));
            if records.records == 0 {
                return unreadable("begins like JSON, and no line of it is a JSON object");
            }
            let count = records.records;
            let (records_at, fields) = records.fields();
            Ok(draft(None, records_at, fields, count).to_string())
        }
        Some(_) => {
            // A record that the end of the sample cuts says nothing.
            let whole = if cut { text.rfind('\n').map_or(text.as_str(), |end| &text[..=end]) } else { &text };
            let first = whole.lines().next().unwrap_or_default();
            if has_bare_return(first, Some(b'"')) {
                return unreadable("ends its lines with carriage returns alone; deliver it with line feeds");
            }
            let Some(table) = csv::read(whole) else {
                return unreadable("is neither JSON lines nor delimited by comma, semicolon, tab or bar");
            };
            Ok(draft(Some((table.delimiter, table.names)), None, table.fields, table.records).to_string())
        }
    }
}

/// The first bytes, decompressed, and whether there are more. Lines that are not UTF-8 keep their place with
/// replacement characters.
fn sample(content: &Content) -> Result<(String, bool), TransformError> {
    let source = source::open(content, &any_dataset())?;
    let mut bytes = Vec::new();
    let mut cut = false;
    while let Some(chunk) = source.next(Vec::new())? {
        if bytes.len() + chunk.bytes.len() > SAMPLE_BYTES && !bytes.is_empty() {
            cut = true;
            break;
        }
        if chunk.refused.is_none() {
            bytes.extend_from_slice(&chunk.bytes);
        }
    }
    Ok((String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()), cut))
}

/// A dataset that cuts lines and asks nothing of them.
fn any_dataset() -> Dataset {
    Dataset {
        id: DatasetId::new("sample"),
        fingerprint: Fingerprint::new("sample"),
        source: Source {
            objects: Vec::new(),
            format: Format::Jsonl,
            records: None,
            on_rewrite: OnRewrite::Replace,
            after_load: AfterLoad::Keep,
            max_line_bytes: 16 << 20,
            max_expanded_bytes: u64::MAX,
            max_expansion: u64::MAX,
            charset: None,
            max_block_bytes: None,
        },
        quality: Quality { max_rejects: MaxRejects::Count(u64::MAX), unknown_fields: UnknownFields::Ignore },
        encoding: Encoding { zstd_level: 3, row_group_rows: 1, part_bytes: 1 },
        tables: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
