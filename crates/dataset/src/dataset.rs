//! The checked dataset: everything the path of a file needs to know, with nothing left to doubt.

mod format;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lakehand_domain::id::{DatasetId, FamilyId, Fingerprint};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::shape::{
    ColumnShape, ColumnType, DefinitionInForce, FamilyShape, OnRewrite, TableShape, UnclearScope,
};
use serde::Serialize;

pub use self::format::{BinaryFormat, Charset, CsvFormat, CsvHeader, Format, JsonFormat};
use crate::path::FieldPath;
use crate::query::Query;

/// A checked dataset. Only the check of a definition makes one.
#[derive(Debug, Clone, Serialize)]
pub struct Dataset {
    /// Its name.
    pub id: DatasetId,
    /// Its family: the datasets that references tie together.
    pub family: FamilyId,
    /// The hash of all that decides the bytes made from an object.
    pub fingerprint: Fingerprint,
    /// What is read.
    pub source: Source,
    /// When a file is set aside.
    pub quality: Quality,
    /// How Parquet is written.
    pub encoding: Encoding,
    /// The tables, in the order of the definition.
    pub tables: Vec<Table>,
    /// What must hold between the rows of one record, in the order of the definition.
    pub checks: Vec<RecordCheck>,
}

impl Dataset {
    /// The family this dataset belongs to: its own, as long as no reference ties it to others.
    pub fn family(&self) -> FamilyId {
        self.family.clone()
    }

    /// The shape of its tables, for the warehouse, which knows those of all others of the family.
    pub fn family_shape(&self) -> FamilyShape {
        FamilyShape {
            family: self.family(),
            definitions: vec![DefinitionInForce { dataset: self.id.clone(), fingerprint: self.fingerprint.clone() }],
            tables: self.tables.iter().map(|table| table.shape.clone()).collect(),
        }
    }

    /// What the name of an object says of scope and run, for the tables that are replaced by scope.
    pub fn scopes(&self, captures: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, UnclearScope> {
        let said = self.tables.iter().map(|table| table.shape.contest.said(captures));
        said.collect::<Result<Vec<_>, _>>().map(|said| said.into_iter().flatten().collect())
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.shape.name == name)
    }
}

/// What is read, and what becomes of it.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// Patterns of object URIs as the definition writes them; those without a scheme are below the landing.
    pub objects: Vec<String>,
    /// The format of the lines.
    pub format: Format,
    /// Where the record sits inside the document; `None`: the document is the record.
    pub records: Option<FieldPath>,
    /// What a newer version of an object does to the rows of an older one, in append tables.
    pub on_rewrite: OnRewrite,
    /// What becomes of the object once it is loaded.
    pub after_load: AfterLoad,
    /// How text is encoded where no byte order mark says otherwise; `None`: UTF-8. Only for text.
    pub charset: Option<Charset>,
    /// A line, or a record where records are no lines, longer than this many bytes is rejected.
    pub max_line_bytes: u64,
    /// An object whose decompressed bytes are more than this is set aside.
    pub max_expanded_bytes: u64,
    /// An object of more than a megabyte decompressed whose decompressed bytes are more than this many times its own
    /// is set aside.
    pub max_expansion: u64,
    /// More bytes than this of a row group of Parquet, or a block of Avro, that are to be held in memory at once make the
    /// object unreadable; `None`: 192 MiB.
    pub max_block_bytes: Option<u64>,
}

impl Source {
    /// The most bytes of a row group or block that are held in memory at once.
    pub fn max_block_bytes(&self) -> u64 {
        self.max_block_bytes.unwrap_or(192 << 20)
    }
}

/// What becomes of an object once it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", content = "to", rename_all = "lowercase")]
pub enum AfterLoad {
    /// It stays.
    Keep,
    /// The version that was read is copied below this prefix and then deleted.
    Archive(ObjectUri),
    /// The version that was read is deleted.
    Delete,
    /// The version that was read stays, with this tag.
    Tag {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
}

/// When a file is set aside, and what unknown fields mean.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// More rejects than this set the whole file aside.
    pub max_rejects: MaxRejects,
    /// What a field that the definition does not know means.
    pub unknown_fields: UnknownFields,
    /// A file with fewer accepted records than this is set aside.
    pub min_records: Option<u64>,
    /// A file whose rows lie in more partitions than this, of all its tables, is set aside; `None`: 2,000.
    pub max_partitions: Option<u64>,
    /// Where nothing was loaded for longer, it is reported. It decides nothing about any file, and so is no part of the
    /// fingerprint.
    #[serde(skip)]
    pub freshness: Option<Duration>,
}

impl Quality {
    /// The most partitions of one file: each is a part at least, which manifests list and warehouses copy.
    pub fn max_partitions(&self) -> u64 {
        self.max_partitions.unwrap_or(2_000)
    }
}

/// The most rejects a file may have and still be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxRejects {
    /// This many hundredths of a percent of all records.
    BasisPoints(u32),
    /// This many records.
    Count(u64),
    /// Whichever of the two allows fewer.
    Both {
        /// Hundredths of a percent of all records.
        basis_points: u32,
        /// Records.
        count: u64,
    },
}

impl MaxRejects {
    /// The limit by which a file with these numbers is set aside; `None`: it is not.
    pub fn exceeded(self, records: u64, rejects: u64) -> Option<Self> {
        match self {
            Self::BasisPoints(points) => {
                let exceeded = u128::from(rejects) * 10_000 > u128::from(records) * u128::from(points);
                exceeded.then_some(self)
            }
            Self::Count(most) => (rejects > most).then_some(self),
            Self::Both { basis_points, count } => Self::BasisPoints(basis_points)
                .exceeded(records, rejects)
                .or_else(|| Self::Count(count).exceeded(records, rejects)),
        }
    }
}

/// As a definition writes it.
impl fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BasisPoints(points) => {
                let percent = format!("{}.{:02}", points / 100, points % 100);
                write!(f, "{}%", percent.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Count(most) => write!(f, "{most}"),
            Self::Both { basis_points, count } => write!(f, "[\"{}\", {count}]", Self::BasisPoints(*basis_points)),
        }
    }
}

/// What a field that the definition does not know means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownFields {
    /// Nothing: it is left in the landing.
    Ignore,
    /// The record is rejected.
    Reject,
    /// It is kept, as JSON, in the column [`RESCUED`] of each table.
    Rescue,
}

/// The column of each table that holds what no column of the dataset declares, where unknown fields are rescued: what the
/// record has of it, or the element in a table of list elements. It is one of the declared columns, the last.
pub const RESCUED: &str = "_rescued";

/// How Parquet is written. Part of the fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Encoding {
    /// zstd level, 1 to 19.
    pub zstd_level: i32,
    /// A row group is closed at the first piece boundary at or after this many rows.
    pub row_group_rows: u64,
    /// A part is closed at the first row group boundary at or after this many bytes.
    pub part_bytes: u64,
}

/// One table made from the records of a dataset.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Its shape, as lake and warehouse see it. `shape.columns[i]` belongs to `columns[i]`.
    pub shape: TableShape,
    /// One row for each element of this list; `None`: one row a record.
    pub rows: Option<FieldPath>,
    /// How each column's value is found and judged.
    pub columns: Vec<Column>,
    /// A SQL condition; rows for which it is not true are kept and filtered.
    pub filter: Option<String>,
    /// The columns whose values place a row in the lake.
    pub partition_by: Vec<Partitioning>,
    /// A record whose key in this table is all null gives no row here (instead of being rejected).
    pub skip_without_key: bool,
}

impl Table {
    /// The same table with the column for what no column declares.
    #[must_use]
    pub fn with_rescued(mut self) -> Self {
        let column_type = ColumnType::Json;
        self.shape.columns.push(ColumnShape { name: RESCUED.to_owned(), column_type, required: false });
        self.columns.push(Column { origin: Origin::Rescued, rules: Rules::default() });
        self
    }
}

/// What must hold between the rows that are made of one record. Records that offend are rejected.
#[derive(Debug, Clone, Serialize)]
pub struct RecordCheck {
    /// Its name.
    pub name: String,
    /// As it is written.
    pub sql: String,
    /// What is said of a record that offends; `None`: that the check found it.
    pub message: Option<String>,
    /// What the SQL does.
    #[serde(skip)]
    pub query: Query,
}

impl RecordCheck {
    /// The key path, which rejects name.
    pub fn path(&self) -> String {
        format!("checks.{}", self.name)
    }
}

/// How a column places rows in partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partitioning {
    /// The column.
    pub column: String,
    /// What of its value counts.
    pub grain: Grain,
}

/// What of a value counts for its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grain {
    /// The whole value.
    Value,
    /// The year, `2026`.
    Year,
    /// The month, `2026-11`.
    Month,
    /// The day, `2026-11-21`.
    Day,
    /// The hour, `2026-11-21T08`.
    Hour,
}

/// How the value of one column is found and judged.
#[derive(Debug, Clone, Serialize)]
pub struct Column {
    /// Where the value comes from.
    pub origin: Origin,
    /// What is done to the text before it is typed, and what the value must satisfy.
    pub rules: Rules,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A field of the record, or of the list element.
    Field(FieldPath),
    /// A `{capture}` of the object's name.
    Capture(String),
    /// A SQL expression over the table's columns that are not expressions themselves.
    Expression(String),
    /// A hash of the typed values of these columns, in this order: 64 bits for bigint, 128 bits in hexadecimal for
    /// varchar. Null where all of them are null.
    Hash(Vec<ColumnRef>),
    /// What no column of the dataset declares. See [`RESCUED`].
    Rescued,
}

/// A column of this or another table made from the same record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnRef {
    /// Index of the table in the dataset.
    pub table: usize,
    /// Index of the column in that table. Its origin is a field or a capture.
    pub column: usize,
}

/// What is done to a value, in this order: trim, null_if, extract, map; then it is typed; then default stands in for
/// null; then required, min, max, lengths, matches and one_of are judged; then it is masked; then unique is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Rules {
    /// White space at both ends of a text is removed; a text that is then empty is null.
    pub trim: bool,
    /// Texts that mean null.
    pub null_if: Vec<String>,
    /// A regular expression with one group; the group is the value, and no match rejects.
    pub extract: Option<String>,
    /// Text by text; a text that is not there rejects.
    pub map: Option<BTreeMap<String, String>>,
    /// Stands in for null; in the column's own notation.
    pub default: Option<String>,
    /// The least value; in the column's own notation.
    pub min: Option<String>,
    /// The greatest value; in the column's own notation.
    pub max: Option<String>,
    /// A regular expression that must match somewhere in the text.
    pub matches: Option<String>,
    /// The values allowed; in the column's own notation.
    pub one_of: Vec<String>,
    /// How dates and times are written, in strftime notation; without it ISO 8601.
    pub format: Option<String>,
    /// The IANA zone of times that carry none, for timestamptz columns.
    pub zone: Option<String>,
    /// The fewest characters of a text.
    pub min_length: Option<u32>,
    /// The most characters of a text.
    pub max_length: Option<u32>,
    /// Whether no two records of a file may have the same value; null is none.
    pub unique: bool,
    /// What is kept of the value, once it is judged.
    pub mask: Option<Mask>,
    /// Whether the value says whose data a row is.
    pub subject: bool,
}

/// What is kept of a value that is not to be seen. Nothing else of it is written anywhere, quarantine included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// HMAC-SHA-256 under the key of this name, `name:` and 64 hexadecimal digits. Who has the key can tell whether a
    /// value is the one behind a mask; nobody else can.
    Hmac {
        /// The name of the key in the settings.
        key: String,
    },
    /// SHA-256, 64 hexadecimal digits. Who can guess a value can tell that it is the one.
    Sha256,
    /// `***`.
    Redact,
    /// Nothing: the column is null.
    Drop,
    /// Of an e-mail address what follows the last @, behind `***@`; `***` where there is none.
    KeepDomain,
}
