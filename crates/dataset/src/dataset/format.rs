//! The formats of files, and what each leaves open.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// How text is encoded, other than UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Charset {
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
    /// ISO 8859-1: every byte is the character of its number.
    Latin1,
    /// Windows-1252; five bytes of it mean nothing.
    Windows1252,
}

impl Charset {
    /// Its name as people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Latin1 => "Latin-1",
            Self::Windows1252 => "Windows-1252",
        }
    }
}

/// The format of the decompressed bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "format", rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// JSON documents of any layout: objects, or lists of them.
    Json(JsonFormat),
    /// Delimited text with a header line or with names given.
    Csv(CsvFormat),
    /// Parquet: each row a record.
    Parquet(BinaryFormat),
    /// Avro object container files.
    Avro(BinaryFormat),
}

impl Format {
    /// Its name, as definitions write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json(_) => "json",
            Self::Csv(_) => "csv",
            Self::Parquet(_) => "parquet",
            Self::Avro(_) => "avro",
        }
    }
}

/// Where the documents of JSON lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct JsonFormat {
    /// The path of the list whose elements are the documents; empty: the documents are the objects at the top, and the
    /// elements of lists at the top.
    pub list: Vec<String>,
}

/// What formats with types of their own leave open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct BinaryFormat {
    /// Whether bytes that the file does not call text are text all the same; hexadecimal digits otherwise.
    pub binary_is_text: bool,
}

/// How delimited text is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFormat {
    /// Between fields; one ASCII byte.
    pub delimiter: u8,
    /// Around fields that hold delimiters, quotes or line ends; doubled inside. `None`: no quoting.
    pub quote: Option<u8>,
    /// Within quotes, before a character that is to be taken as it is. `None`: quotes inside are doubled.
    pub escape: Option<u8>,
    /// At the start of a line that is no record. `None`: every line is one.
    pub comment: Option<u8>,
    /// What the first record is, and what fields are called.
    pub header: CsvHeader,
    /// Whether an empty field that is not quoted is null (otherwise it is an empty text).
    pub empty_is_null: bool,
}

/// What the first record of delimited text is, and what its fields are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CsvHeader {
    /// It names the fields.
    Names,
    /// It is data; fields are called by these names, by position.
    Given(Vec<String>),
    /// It is a header that is passed over; fields are called by these names, by position.
    Replaced(Vec<String>),
    /// It is data; fields are called by their number, the first being `1`, and every record has as many as the first.
    Numbered,
}

impl Serialize for CsvFormat {
    /// Written key by key, so that what a format does not use leaves its fingerprint as it is.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut keys = serializer.serialize_struct("CsvFormat", 8)?;
        keys.serialize_field("delimiter", &self.delimiter)?;
        keys.serialize_field("quote", &self.quote)?;
        keys.serialize_field("escape", &self.escape)?;
        keys.serialize_field("comment", &self.comment)?;
        let (names, replaced) = match &self.header {
            CsvHeader::Given(names) => (Some(names), false),
            CsvHeader::Replaced(names) => (Some(names), true),
            CsvHeader::Names | CsvHeader::Numbered => (None, false),
        };
        keys.serialize_field("names", &names)?;
        keys.serialize_field("names_replace", &replaced)?;
        keys.serialize_field("numbered", &(self.header == CsvHeader::Numbered))?;
        keys.serialize_field("empty_is_null", &self.empty_is_null)?;
        keys.end()
    }
}

impl CsvFormat {
    /// Comma, double quotes and a header line.
    pub fn plain() -> Self {
        Self {
            delimiter: b',',
            quote: Some(b'"'),
            escape: None,
            comment: None,
            header: CsvHeader::Names,
            empty_is_null: true,
        }
    }
}
