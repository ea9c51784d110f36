//! The definition of a dataset as it is written: the known keys of its TOML file, and their JSON Schema.
//!
//! ```toml
//! name = "berlin_flats"
//!
//! [source]
//! objects = ["immobilienscout24_berlin_{date}.zip"]
//! format = "jsonl"
//! records = "data"
//!
//! [tables.flats]
//! mode = "upsert"
//! key = ["listing_id"]
//! version = "last_modification_date"
//!
//! [tables.flats.columns]
//! listing_id = { type = "bigint", from = "id", required = true }
//! base_rent = { type = "decimal(12,2)", from = "realEstate_baseRent", min = 0 }
//! last_modification_date = { type = "timestamptz", from = "realEstate_lastModificationDate" }
//! day = { type = "date", capture = "date", format = "%Y%m%d" }
//! ```

mod choices;
mod file;
pub(crate) mod read;
pub(crate) mod unit;

use serde_json::{Value as Json, json};
use toml::Spanned;
use toml::de::DeValue;

pub(crate) use self::choices::{
    BinaryName, CharsetName, DistStyle, FormatName, JsonAs, MaskName, Mode, OnRewrite, UnknownFieldsName, WithoutKey,
};
use self::read::{At, Entries, Read, Reader, Scalar, section};
use self::unit::{ByteSize, RejectLimit, Span};

section! {
    /// A dataset of lakehand: what is read, how it becomes typed rows, and where the rows go.
    Definition {
        /// The name of the dataset: small letters, digits and underscores, beginning with a letter, at most 60.
        required name = "name": String,
        /// What the dataset is, for people.
        optional description = "description": String,
        /// Only changes the fingerprint: brings an old definition back in force.
        optional revision = "revision": i64,
        /// What is read.
        required source = "source": Source,
        /// When a file is set aside.
        optional quality = "quality": Quality,
        /// How Parquet is written.
        optional encoding = "encoding": Encoding,
        /// How values are masked.
        optional privacy = "privacy": Privacy,
        /// The tables made of each record, by name.
        required tables = "tables": Entries<Table>,
        /// What must hold between the rows that are made of one record, by name.
        optional checks = "checks": Entries<Check>,
    }
}

section! {
    /// What is read, and what becomes of it.
    Source {
        /// Patterns of object URIs: `*` within a folder, `**` across folders, `?` one character, `{name}` a capture.
        /// A pattern without a scheme lies below the landing.
        required objects = "objects": Vec<At<String>>,
        /// The format. Compression (zip, gzip, zstd, bzip2, xz, lz4, snappy) is told by the bytes.
        required format = "format": FormatName,
        /// Where the record sits inside each document, for example `data`. For json also the list whose elements are
        /// the documents, `data.items[]`, and with a path behind it where the record sits in each, `items[].record`.
        optional records = "records": String,
        /// How text is encoded where no byte order mark says it: utf-8 (default), utf-16le, utf-16be, latin-1 or
        /// windows-1252.
        optional encoding = "encoding": CharsetName,
        /// What a newer version of an object does to the rows of an older one in append tables: they are replaced
        /// (default), both stand, or the newer is ignored.
        optional on_rewrite = "on_rewrite": OnRewrite,
        /// What becomes of an object once it is loaded: `keep` (default), `delete`, `archive:URI`, or, where the store
        /// has tags, `tag` (which is `tag:lakehand=loaded`) or `tag:KEY=VALUE`.
        optional after_load = "after_load": String,
        /// A line longer than this is rejected, and so is a longer record of json, parquet or avro: bytes, or a text
        /// such as `64MB`. Default 16MiB.
        optional max_line_bytes = "max_line_bytes": ByteSize,
        /// An object with more decompressed bytes is set aside. Default 100GB.
        optional max_expanded_bytes = "max_expanded_bytes": ByteSize,
        /// An object that decompresses to more than this many times its size is set aside. Default 1000.
        optional max_expansion = "max_expansion": i64,
        /// A file of which more is to be held in memory at once is set aside: a block of Avro; of a row group of Parquet a
        /// column as it stands in the file, and all lists and records, which are decoded whole. Default 192MiB.
        optional max_block_bytes = "max_block_bytes": ByteSize,
        /// What bytes of parquet and avro are that the file does not call text: hexadecimal digits (default), or text.
        optional binary = "binary": BinaryName,
        /// How delimited text is written.
        optional csv = "csv": Csv,
    }
}

section! {
    /// How delimited text is written.
    Csv {
        /// Between fields, one ASCII character. Default `,`.
        optional delimiter = "delimiter": String,
        /// Around fields that hold delimiters or line ends, one ASCII character; empty for none. Default `"`.
        optional quote = "quote": String,
        /// Within quotes, before a character that is taken as it is, one ASCII character, such as a backslash. Without
        /// it a quote inside of quotes is doubled.
        optional escape = "escape": String,
        /// Lines that begin with this ASCII character are passed over.
        optional comment = "comment": String,
        /// Whether the first line names the fields. Default true, and false where `names` are given. Where it is false
        /// and there are no names, `from = "3"` is the third field.
        optional header = "header": bool,
        /// The names of the fields by position, for files without a header line, or instead of the one they have.
        optional names = "names": Vec<At<String>>,
        /// Whether an empty field without quotes is null. Default true.
        optional empty_is_null = "empty_is_null": bool,
    }
}

section! {
    /// When a file is set aside, and what unknown fields mean.
    Quality {
        /// The most rejects a file may have and still be loaded: a share such as `5%` (default), a number, or both,
        /// `["5%", 1000]`, of which the one counts that allows fewer.
        optional max_rejects = "max_rejects": RejectLimit,
        /// What a field that no column of the definition names means: `ignore`, nothing (default); `reject`, that the record
        /// is rejected; `rescue`, that it is kept, as it came, in a json column `_rescued` that each table then has: the
        /// fields of the record, or of the element in a table with `rows`, as an object in which nested ones stand where
        /// they stood; null where there are none.
        optional unknown_fields = "unknown_fields": UnknownFieldsName,
        /// A file with fewer accepted records than this is set aside.
        optional min_records = "min_records": i64,
        /// A file whose rows lie in more partitions than this, of all its tables together, is set aside. Default 2000.
        optional max_partitions = "max_partitions": i64,
        /// Where nothing of the dataset was loaded for longer than this, `3h` for example, the worker reports it in its
        /// status, its metrics and its log. No file is treated otherwise for it.
        optional freshness = "freshness": Span,
    }
}

section! {
    /// How values are masked.
    Privacy {
        /// The name of the key in the settings under which `mask = "hmac"` hashes: small letters, digits and underscores,
        /// at most 20. Another name is another fingerprint, so that a new key is a new definition.
        optional mask_key = "mask_key": String,
    }
}

section! {
    /// How Parquet is written. A change makes other bytes, and so another fingerprint.
    Encoding {
        /// The zstd level, 1 to 19. Default 3.
        optional zstd_level = "zstd_level": i64,
        /// A row group is closed at or soon after this many rows. Default 50000.
        optional row_group_rows = "row_group_rows": i64,
        /// A part is closed at the end of the row group in which it reaches this size. Default 128MB.
        optional part_bytes = "part_bytes": ByteSize,
    }
}

section! {
    /// A table made of the records.
    Table {
        /// `append`: every row stands. `upsert`: one row a key, the newest wins. `replace`: all rows of a scope are those
        /// of the newest run that speaks of it.
        required mode = "mode": Mode,
        /// The columns whose values name a row, for upsert.
        optional key = "key": Vec<At<String>>,
        /// The column that says which row is newer, for upsert; without it the order of the objects decides.
        optional version = "version": String,
        /// The `{captures}` of the object's name that say which rows a file replaces, for replace: `["day"]`, or `[]` for
        /// all rows of the table.
        optional scope = "scope": Vec<At<String>>,
        /// The `{capture}` that names the run, for replace, where a run has several files. Without it each file is a run.
        optional run = "run": String,
        /// The `{capture}` that says how many files of the run speak of the same scope: rows are replaced when so many are
        /// loaded.
        optional run_files = "run_files": String,
        /// Columns that place rows in the lake: `column`, or `year(column)`, `month(…)`, `day(…)`, `hour(…)`.
        optional partition_by = "partition_by": Vec<At<String>>,
        /// A SQL condition; only rows for which it is true are visible.
        optional filter = "where": String,
        /// One row for each element of this list, for example `cores[]`.
        optional rows = "rows": String,
        /// What a record whose key here is all null means: it is rejected (default), or gives no row in this table. In a
        /// table with `rows` this is asked of each element, and what its key has of the record does not count.
        optional rows_without_key = "rows_without_key": WithoutKey,
        /// How Redshift lays the table out; other warehouses pass over it.
        optional redshift = "redshift": Redshift,
        /// The columns by name, in the order in which lake and warehouse have them.
        required columns = "columns": Entries<Column>,
    }
}

section! {
    /// How Redshift lays the table out. It is followed when the table is made, and changes neither bytes nor rows; a table
    /// that is there is changed in Redshift itself, by ALTER TABLE.
    Redshift {
        /// Which node has which rows: `auto` (default), `even`, `all`, or `key`, which needs dist_key.
        optional dist_style = "dist_style": DistStyle,
        /// The column whose value says which node has a row.
        optional dist_key = "dist_key": String,
        /// The columns by which rows are sorted, the first first. Default: Redshift decides.
        optional sort_key = "sort_key": Vec<At<String>>,
        /// How json columns are kept: as the text that came (`varchar`, default), or taken apart (`super`).
        optional json = "json": JsonAs,
    }
}

section! {
    /// A column: its type, where its value comes from, and what the value must satisfy.
    Column {
        /// boolean, smallint, integer, bigint, real, double, decimal(p,s), varchar(n), date, timestamp, timestamptz or
        /// json.
        required kind = "type": String,
        /// The path of the field in the record, `a.b.c`, or the header of a csv column. Default: the column's name. In a
        /// table with `rows` the path begins at the list's element, `@` is the element itself, and `$.a.b` begins at
        /// the record.
        optional from = "from": String,
        /// The `{capture}` of the object's name that is the value.
        optional capture = "capture": String,
        /// A SQL expression over the other columns of the table. ROUND rounds halves to even, and `%` takes the sign of
        /// its divisor.
        optional expr = "expr": String,
        /// A hash of these columns, `column` or `table.column`: bigint, or varchar(32) and longer.
        optional hash_of = "hash_of": Vec<At<String>>,
        /// Whether a row without a value is rejected. Default false.
        optional required = "required": bool,
        /// Stands in for null.
        optional default = "default": Scalar,
        /// White space at both ends is removed; a text that is then empty is null. Default false.
        optional trim = "trim": bool,
        /// Texts that mean null.
        optional null_if = "null_if": Vec<At<Scalar>>,
        /// A regular expression with one group, which is the value; no match rejects the row.
        optional extract = "extract": String,
        /// Text by text; a text that is not there rejects the row.
        optional map = "map": Entries<Scalar>,
        /// The least value.
        optional min = "min": Scalar,
        /// The greatest value.
        optional max = "max": Scalar,
        /// A regular expression that must match somewhere in the text.
        optional matches = "matches": String,
        /// The values allowed.
        optional one_of = "one_of": Vec<At<Scalar>>,
        /// How dates and times are written, in strftime notation, `%d.%m.%Y`; without it ISO 8601.
        optional format = "format": String,
        /// The IANA zone of times that carry none, for timestamptz: `Europe/Berlin`.
        optional zone = "zone": String,
        /// The fewest characters of a text.
        optional min_length = "min_length": i64,
        /// The most characters of a text.
        optional max_length = "max_length": i64,
        /// Whether a value that the same file had before rejects the record. Default false.
        optional unique = "unique": bool,
        /// What is kept of the value: hmac (a hash under a key of the settings), sha256, redact (`***`), drop (null) or
        /// keep_domain (of an e-mail address). It is judged as it came; then nothing else of it is written anywhere.
        optional mask = "mask": MaskName,
        /// The column of another dataset that must have this value in a visible row, for the record to be visible:
        /// `dataset.table.column`, or `dataset.column` where only one of its tables has it. Null needs none.
        optional references = "references": String,
        /// Whether the value says whose data the row is. Default false.
        optional subject = "subject": bool,
    }
}

section! {
    /// What must hold between the rows that are made of one record.
    Check {
        /// A SELECT that gives the `_record` of each record that offends; it is rejected whole. It sees the tables of the
        /// dataset, with `_record`, and `_element` where a table has `rows`. Tables are joined by `_record` (JOIN or LEFT
        /// JOIN), and groups are of one record: GROUP BY `_record`, with COUNT, SUM, AVG, MIN and MAX. Columns hold what
        /// their rules and masks have left.
        required sql = "sql": String,
        /// What is said of a record that offends.
        optional message = "message": String,
    }
}

/// The JSON Schema (draft 7, which TOML editors know) of definition files.
///
/// ```
/// let schema = lakehand_dataset::definition::json_schema();
/// assert_eq!(schema["properties"]["source"]["properties"]["format"]["enum"][2], "csv");
/// ```
pub fn json_schema() -> Json {
    let mut schema = Definition::schema();
    schema["$schema"] = Json::from("http://json-schema.org/draft-07/schema#");
    schema["title"] = Json::from("lakehand dataset definition");
    schema
}

#[cfg(test)]
mod tests;
