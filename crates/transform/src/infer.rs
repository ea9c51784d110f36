//! A first definition of a dataset from a sample of one file.

mod csv;
mod definition;
mod json;
mod name;
mod seen;

use lakehand_dataset::dataset::{
    AfterLoad, BinaryFormat, Charset, Dataset, Encoding, Format, JsonFormat, MaxRejects, Quality, Source, UnknownFields,
};
use lakehand_dataset::path::FieldPath;
use lakehand_dataset::transformer::{Content, TransformError};
use lakehand_domain::id::{DatasetId, FamilyId, Fingerprint};
use lakehand_domain::shape::OnRewrite;

use self::definition::Draft;
use self::seen::Seen;
use crate::source::header::has_bare_return;
use crate::source::{self, Kind};

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
/// be read at all: format, encoding, delimiter and header, where records lie, the narrowest types that hold every value,
/// a key and a version where columns look like them. Fails with [`TransformError::Unreadable`] where the content is in no
/// format that is read.
pub fn infer(content: &Content, file_name: &str) -> Result<String, TransformError> {
    let (name, pattern) = name::of_file(file_name);
    let mut draft = Draft {
        name,
        pattern,
        file_name: file_name.to_owned(),
        format: "jsonl",
        charset: None,
        csv: None,
        records_at: None,
        fields: Vec::new(),
        records: 0,
        cut: false,
    };
    let unreadable = |message: &str| Err(TransformError::Unreadable { message: format!("{file_name} {message}") });
    if content.is_empty() {
        return unreadable("is empty: infer needs a file with some records");
    }
    let (kind, first) = source::look(content)?;
    let typed = match kind {
        Kind::Parquet => Some(("parquet", Format::Parquet(BinaryFormat::default()))),
        Kind::Avro => Some(("avro", Format::Avro(BinaryFormat::default()))),
        _ => None,
    };
    if let Some((format, of)) = typed {
        draft.format = format;
        let sample = Sample::take(content, of, None)?;
        return draft
            .json(&sample, None)
            .map_or_else(|| unreadable("has no records: infer needs a file with some"), Ok);
    }
    let declared = source::unmarked(&first);
    let mut sample = Sample::take(content, Format::Jsonl, declared)?;
    draft.charset = declared;
    if sample.lossy && declared.is_none() {
        let single = sample.single_byte_charset();
        draft.charset = Some(single);
        sample = Sample::take(content, Format::Jsonl, Some(single))?;
    }
    let begins = sample.text.trim_start().chars().next();
    // A document on one line is a line of JSON too, unless it is but the envelope of a list.
    let named_lines = [".jsonl", ".ndjson"].iter().any(|ending| file_name.contains(ending));
    let envelope = !named_lines && !sample.cut && json::is_envelope(&sample.text);
    match begins {
        None => unreadable("has no records: infer needs a file with some"),
        Some('{') if !envelope && sample.text.lines().any(json::is_object) => {
            Ok(draft.json(&sample, None).unwrap_or_default())
        }
        Some('[' | '{') => {
            draft.format = "json";
            let documents = Sample::take(content, Format::Json(JsonFormat::default()), draft.charset)?;
            let list = json::list_of(&documents.text);
            let documents = match &list {
                Some(list) => Sample::take(content, Format::Json(JsonFormat { list: list.clone() }), draft.charset)?,
                None => documents,
            };
            let inferred = draft.json(&documents, list);
            inferred.map_or_else(|| unreadable("begins like JSON, and has no JSON object in it"), Ok)
        }
        Some(_) => {
            // A record that the end of the sample cuts says nothing.
            let text = sample.text.as_str();
            let whole = if sample.cut { text.rfind('\n').map_or(text, |end| &text[..=end]) } else { text };
            let first = whole.lines().next().unwrap_or_default();
            if has_bare_return(first, Some(b'"')) {
                return unreadable(
                    "ends some lines with carriage returns alone; deliver it with line ends of one kind",
                );
            }
            let Some(table) = csv::read(whole) else {
                return unreadable("is neither JSON nor delimited by comma, semicolon, tab or bar");
            };
            draft.format = if table.delimiter == '\t' { "tsv" } else { "csv" };
            draft.csv = Some((table.delimiter, table.names));
            (draft.fields, draft.records, draft.cut) = (table.fields, table.records, sample.cut);
            Ok(draft.to_string())
        }
    }
}

impl Draft {
    /// The definition for records that are lines of JSON in the sample, `list` being where they lie; `None` where there
    /// are none.
    fn json(mut self, sample: &Sample, list: Option<Vec<String>>) -> Option<String> {
        let mut records = json::Records::default();
        sample.text.lines().for_each(|line| records.line(line));
        if records.records == 0 {
            return None;
        }
        (self.records, self.cut) = (records.records, sample.cut);
        let (record, fields) = records.fields();
        let list = list.map(|keys| format!("{}[]", FieldPath { from_record: false, keys }));
        self.records_at = match (list, record) {
            (Some(list), Some(record)) => Some(format!("{list}.{record}")),
            (list, record) => list.or(record),
        };
        self.fields = fields;
        Some(self.to_string())
    }
}

/// The first bytes of an object, decompressed: lines of text, or records written as lines of JSON.
struct Sample {
    /// Lines that are not UTF-8 keep their place with replacement characters.
    text: String,
    /// Whether there are such lines.
    lossy: bool,
    /// The bytes of text from which it was made, where it is not UTF-8.
    bytes: Vec<u8>,
    /// Whether there is more.
    cut: bool,
}

impl Sample {
    fn take(content: &Content, format: Format, charset: Option<Charset>) -> Result<Self, TransformError> {
        let source = source::open(content, &any_dataset(format, charset))?;
        let mut bytes = Vec::new();
        let mut cut = false;
        while let Some(mut chunk) = source.next(Vec::new())? {
            chunk.render(SAMPLE_BYTES)?;
            if bytes.len() + chunk.bytes.len() > SAMPLE_BYTES && !bytes.is_empty() {
                cut = true;
                break;
            }
            if chunk.refused.is_none() {
                bytes.extend_from_slice(&chunk.bytes);
            }
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) => Self { text, lossy: false, bytes: Vec::new(), cut },
            Err(error) => {
                let bytes = error.into_bytes();
                Self { text: String::from_utf8_lossy(&bytes).into_owned(), lossy: true, bytes, cut }
            }
        })
    }

    /// Text that is no UTF-8 is most often of Windows, unless it has bytes that mean nothing there.
    fn single_byte_charset(&self) -> Charset {
        let undefined = |byte: &u8| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
        if self.bytes.iter().any(undefined) { Charset::Latin1 } else { Charset::Windows1252 }
    }
}

/// A dataset that gives the records of a file whole, and asks nothing of them.
fn any_dataset(format: Format, charset: Option<Charset>) -> Dataset {
    Dataset {
        id: DatasetId::new("sample"),
        family: FamilyId::new("sample"),
        fingerprint: Fingerprint::new("sample"),
        source: Source {
            objects: Vec::new(),
            format,
            records: None,
            on_rewrite: OnRewrite::Replace,
            after_load: AfterLoad::Keep,
            max_line_bytes: SAMPLE_BYTES as u64,
            max_expanded_bytes: u64::MAX,
            max_expansion: u64::MAX,
            charset,
            max_block_bytes: None,
        },
        quality: Quality {
            max_rejects: MaxRejects::Count(u64::MAX),
            unknown_fields: UnknownFields::Reject,
            min_records: None,
            max_partitions: None,
            freshness: None,
        },
        encoding: Encoding { zstd_level: 3, row_group_rows: 1, part_bytes: 1 },
        tables: Vec::new(),
        checks: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
