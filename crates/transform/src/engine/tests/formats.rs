//! Random tables with random dirt, written in every format and wrapping: each clean row comes out bit for bit, and each
//! dirty one is rejected with its line and the rule it breaks.

use std::fmt::Write as _;

use lakehand_dataset::dataset::{BinaryFormat, CsvFormat, JsonFormat};
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::value::decimal_text;
use polars::prelude::{DataFrame, IntoColumn, NamedFrom, ParquetCompression, ParquetWriter, Series};
use polars_arrow::array::PrimitiveArray;
use polars_arrow::datatypes::ArrowDataType;
use proptest::prelude::*;

use super::*;
use crate::source::tests::archive::{ZipFile, bzip2, gzip, lz4, snappy, xz, zip, zstd};

/// One clean row; what is none is null.
#[derive(Debug, Clone)]
pub(super) struct Row {
    n: Option<i32>,
    d: Option<i64>,
    x: Option<f64>,
    t: Option<String>,
    day: Option<i32>,
    at: Option<i64>,
    b: Option<bool>,
}

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dirt {
    Fraction,
    Overflow,
    Digits,
    Long,
    NoSuchDay,
    NoZone,
    NotANumber,
    DuplicateKey,
    InvalidUtf8,
    LoneSurrogate,
    Ragged,
    Broken,
}

const DIRT: [Dirt; 12] = [
    Dirt::Fraction,
    Dirt::Overflow,
    Dirt::Digits,
    Dirt::Long,
    Dirt::NoSuchDay,
    Dirt::NoZone,
    Dirt::NotANumber,
    Dirt::DuplicateKey,
    Dirt::InvalidUtf8,
    Dirt::LoneSurrogate,
    Dirt::Ragged,
    Dirt::Broken,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum As {
    Jsonl,
    /// A list with a document a line.
    JsonLines,
    /// A list on one line.
    JsonFlat,
    /// A list with a key a line.
    JsonPretty,
    Csv,
    Parquet,
    Avro,
}

pub(super) const ALL: [As; 7] =
    [As::Jsonl, As::JsonLines, As::JsonFlat, As::JsonPretty, As::Csv, As::Parquet, As::Avro];
const LONG: &str = "twenty-one bytes long";

impl As {
    fn is_json(self) -> bool {
        matches!(self, Self::Jsonl | Self::JsonLines | Self::JsonFlat | Self::JsonPretty)
    }

    pub(super) fn format(self) -> Format {
        match self {
            Self::Jsonl => Format::Jsonl,
            Self::JsonLines | Self::JsonFlat | Self::JsonPretty => Format::Json(JsonFormat::default()),
            Self::Csv => Format::Csv(CsvFormat::plain()),
            Self::Parquet => Format::Parquet(BinaryFormat::default()),
            Self::Avro => Format::Avro(BinaryFormat::default()),
        }
    }

    /// The dirt that this format can have, in place of what it cannot.
    pub(super) fn takes(self, dirt: Dirt) -> Dirt {
        let can = match dirt {
            Dirt::DuplicateKey | Dirt::LoneSurrogate => self.is_json(),
            Dirt::InvalidUtf8 => self != Self::Parquet,
            Dirt::Ragged => self == Self::Csv,
            Dirt::Broken => self.is_json() || self == Self::Csv,
            _ => true,
        };
        if can { dirt } else { Dirt::Long }
    }

    fn rule(self, dirt: Dirt) -> Rule {
        match dirt {
            Dirt::Overflow => Rule::Range,
            Dirt::Digits => Rule::Precision,
            Dirt::Long => Rule::Length,
            Dirt::NoSuchDay | Dirt::NoZone => Rule::Time,
            Dirt::NotANumber if self.is_json() => Rule::Syntax,
            Dirt::Fraction | Dirt::NotANumber => Rule::Type,
            Dirt::DuplicateKey => Rule::DuplicateKey,
            Dirt::InvalidUtf8 | Dirt::LoneSurrogate => Rule::Utf8,
            Dirt::Ragged => Rule::Ragged,
            Dirt::Broken => Rule::Syntax,
        }
    }
}

pub(super) fn rows() -> impl Strategy<Value = Vec<(Row, Option<Dirt>)>> {
    let row = (
        any::<Option<i32>>(),
        prop::option::of(-999_999_999_999_i64..=999_999_999_999),
        prop::option::of(any::<f64>().prop_filter("finite", |x| x.is_finite())),
        prop::option::of("[a-zäö€ \"\\\\',;\n\t{}\\[\\]]{0,6}"),
        prop::option::of(-700_000_i32..2_900_000),
        prop::option::of(-62_135_596_800_000_000_i64..253_402_300_799_999_999),
        any::<Option<bool>>(),
    );
    let row = row.prop_map(|(n, d, x, t, day, at, b)| Row { n, d, x, t, day, at, b });
    prop::collection::vec((row, prop::option::weighted(0.3, prop::sample::select(&DIRT[..]))), 1..40)
}

fn day_text(days: i32) -> String {
    Timestamp::from_micros(i64::from(days) * 86_400_000_000).to_string()[..10].to_owned()
}

/// The fields as text that JSON takes, in the order id, n, d, x, t, day, at, b.
fn fields(id: usize, row: &Row, dirt: Option<Dirt>) -> [Option<String>; 8] {
    let mut n = row.n.map(|n| n.to_string());
    let mut d = row.d.map(|d| decimal_text(d.into(), 2));
    let mut x = row.x.map(|x| format!("{x:?}"));
    let mut t = row.t.clone();
    let mut day = row.day.map(day_text);
    let mut at = row.at.map(|at| Timestamp::from_micros(at).to_string());
    match dirt {
        Some(Dirt::Fraction) => n = Some("1.5".to_owned()),
        Some(Dirt::Overflow) => n = Some("2147483648".to_owned()),
        Some(Dirt::Digits) => d = Some("1.005".to_owned()),
        Some(Dirt::Long) => t = Some(LONG.to_owned()),
        Some(Dirt::NoSuchDay) => day = Some("2026-02-29".to_owned()),
        Some(Dirt::NoZone) => at = Some("2026-11-21T08:00:00".to_owned()),
        Some(Dirt::NotANumber) => x = Some("NaN".to_owned()),
        Some(Dirt::InvalidUtf8 | Dirt::LoneSurrogate) => t = Some("MARK".to_owned()),
        _ => {}
    }
    [Some(id.to_string()), n, d, x, t, day, at, row.b.map(|b| b.to_string())]
}

const NAMES: [&str; 8] = ["id", "n", "d", "x", "t", "day", "at", "b"];

fn json(id: usize, row: &Row, dirt: Option<Dirt>, between: &str) -> Vec<u8> {
    let mut text = String::from("{");
    for (name, value) in NAMES.iter().zip(fields(id, row, dirt)) {
        let quoted = matches!(*name, "t" | "day" | "at");
        let value = match value {
            Some(value) if quoted => serde_json::Value::from(value).to_string(),
            Some(value) => value,
            None => "null".to_owned(),
        };
        let comma = if text.len() > 1 { "," } else { "" };
        write!(text, "{comma}{between}\"{name}\": {value}").unwrap();
    }
    match dirt {
        Some(Dirt::DuplicateKey) => text.push_str(",\"n\":1}"),
        Some(Dirt::Broken) => text.push_str(",\"n\" 1}"),
        _ => text.push_str(if between.is_empty() { "}" } else { "\n  }" }),
    }
    let mark: &[u8] = if dirt == Some(Dirt::InvalidUtf8) { b"\xc3(" } else { b"\\ud83d" };
    replaced(text.as_bytes(), mark)
}

fn replaced(bytes: &[u8], mark: &[u8]) -> Vec<u8> {
    match memchr::memmem::find(bytes, b"MARK") {
        Some(at) => [&bytes[..at], mark, &bytes[at + 4..]].concat(),
        None => bytes.to_vec(),
    }
}

fn csv(id: usize, row: &Row, dirt: Option<Dirt>) -> Vec<u8> {
    let fields = fields(id, row, dirt).map(|field| match field {
        Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
        None => String::new(),
    });
    let mut text = fields.join(",");
    match dirt {
        Some(Dirt::Ragged) => text.push_str(",more"),
        Some(Dirt::Broken) => text.insert(text.find(',').unwrap(), 'x'),
        _ => {}
    }
    replaced(text.as_bytes(), b"\xc3(")
}

/// The values of typed formats: n as a double, d with four digits behind the point, days and times as text.
struct Typed {
    n: Option<f64>,
    d: Option<i128>,
    x: Option<f64>,
    t: Option<Vec<u8>>,
    day: Option<String>,
    at: Option<String>,
    b: Option<bool>,
}

fn typed(row: &Row, dirt: Option<Dirt>) -> Typed {
    let [_, _, _, _, t, day, at, _] = fields(0, row, dirt);
    Typed {
        n: match dirt {
            Some(Dirt::Fraction) => Some(1.5),
            Some(Dirt::Overflow) => Some(2_147_483_648.0),
            _ => row.n.map(f64::from),
        },
        d: if dirt == Some(Dirt::Digits) { Some(10_050) } else { row.d.map(|d| i128::from(d) * 100) },
        x: if dirt == Some(Dirt::NotANumber) { Some(f64::NAN) } else { row.x },
        t: t.map(|t| replaced(t.as_bytes(), b"\xc3(")),
        day,
        at,
        b: row.b,
    }
}

fn parquet(rows: &[(Row, Option<Dirt>)], seed: u8) -> Vec<u8> {
    let typed: Vec<Typed> = rows.iter().map(|(row, dirt)| typed(row, *dirt)).collect();
    let text = |t: &Option<Vec<u8>>| t.clone().map(|t| String::from_utf8(t).unwrap());
    let decimals =
        PrimitiveArray::from_trusted_len_iter(typed.iter().map(|row| row.d)).to(ArrowDataType::Decimal(18, 4));
    let columns = vec![
        Series::new("id".into(), (0_i64..).take(rows.len()).collect::<Vec<_>>()).into_column(),
        Series::new("n".into(), typed.iter().map(|row| row.n).collect::<Vec<_>>()).into_column(),
        Series::from_arrow("d".into(), decimals.boxed()).unwrap().into_column(),
        Series::new("x".into(), typed.iter().map(|row| row.x).collect::<Vec<_>>()).into_column(),
        Series::new("t".into(), typed.iter().map(|row| text(&row.t)).collect::<Vec<_>>()).into_column(),
        Series::new("day".into(), typed.iter().map(|row| row.day.clone()).collect::<Vec<_>>()).into_column(),
        Series::new("at".into(), typed.iter().map(|row| row.at.clone()).collect::<Vec<_>>()).into_column(),
        Series::new("b".into(), typed.iter().map(|row| row.b).collect::<Vec<_>>()).into_column(),
    ];
    let mut frame = DataFrame::new(rows.len(), columns).unwrap();
    let compression = match seed % 5 {
        0 => ParquetCompression::Uncompressed,
        1 => ParquetCompression::Snappy,
        2 => ParquetCompression::Gzip(None),
        3 => ParquetCompression::Lz4Raw,
        _ => ParquetCompression::Zstd(None),
    };
    let mut bytes = Vec::new();
    let writer = ParquetWriter::new(&mut bytes).with_compression(compression);
    writer.with_row_group_size(Some(1 + usize::from(seed % 7))).finish(&mut frame).unwrap();
    bytes
}

fn zigzag(value: i64, into: &mut Vec<u8>) {
    let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
    while rest >= 0x80 {
        into.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    into.push(u8::try_from(rest).unwrap());
}

fn avro(rows: &[(Row, Option<Dirt>)], seed: u8) -> Vec<u8> {
    let schema = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},{"name":"n","type":["null","double"]},
        {"name":"d","type":["null",{"type":"bytes","logicalType":"decimal","precision":18,"scale":4}]},
        {"name":"x","type":["double","null"]},{"name":"t","type":["null","string"]},{"name":"day","type":["null","string"]},
        {"name":"at","type":["null","string"]},{"name":"b","type":["null","boolean"]}]}"#;
    let sized = |bytes: &[u8], into: &mut Vec<u8>| {
        zigzag(i64::try_from(bytes.len()).unwrap(), into);
        into.extend_from_slice(bytes);
    };
    let mut file = b"Obj\x01".to_vec();
    zigzag(2, &mut file);
    for (key, value) in
        [("avro.schema", schema), ("avro.codec", if seed.is_multiple_of(2) { "null" } else { "snappy" })]
    {
        sized(key.as_bytes(), &mut file);
        sized(value.as_bytes(), &mut file);
    }
    zigzag(0, &mut file);
    file.extend([seed; 16]);
    for (number, block) in rows.chunks(1 + usize::from(seed % 5)).enumerate() {
        let mut bytes = Vec::new();
        for (at, (row, dirt)) in block.iter().enumerate() {
            let row = typed(row, *dirt);
            zigzag(i64::try_from(number * (1 + usize::from(seed % 5)) + at).unwrap(), &mut bytes);
            let branch = |there: bool, bytes: &mut Vec<u8>| zigzag(i64::from(there), bytes);
            branch(row.n.is_some(), &mut bytes);
            bytes.extend(row.n.iter().flat_map(|n| n.to_le_bytes()));
            branch(row.d.is_some(), &mut bytes);
            if let Some(d) = row.d {
                sized(&d.to_be_bytes()[if seed.is_multiple_of(3) { 0 } else { 8 }..], &mut bytes);
            }
            branch(row.x.is_none(), &mut bytes);
            bytes.extend(row.x.iter().flat_map(|x| x.to_le_bytes()));
            for text in [row.t, row.day.map(String::into_bytes), row.at.map(String::into_bytes)] {
                branch(text.is_some(), &mut bytes);
                if let Some(text) = text {
                    sized(&text, &mut bytes);
                }
            }
            branch(row.b.is_some(), &mut bytes);
            bytes.extend(row.b.map(u8::from));
        }
        zigzag(i64::try_from(block.len()).unwrap(), &mut file);
        if seed % 2 == 1 {
            let checksum = crc32fast::hash(&bytes).to_be_bytes();
            bytes = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
            bytes.extend(checksum);
        }
        sized(&bytes, &mut file);
        file.extend([seed; 16]);
    }
    file
}

/// The file, and the line on which each record begins.
pub(super) fn written(rows: &[(Row, Option<Dirt>)], format: As, seed: u8) -> (Vec<u8>, Vec<u64>) {
    let mut file: Vec<u8> = match format {
        As::Csv => b"id,n,d,x,t,day,at,b\n".to_vec(),
        As::JsonLines | As::JsonPretty => b"[\n".to_vec(),
        As::JsonFlat => b"[".to_vec(),
        _ => Vec::new(),
    };
    let mut lines = Vec::new();
    for (id, (row, dirt)) in rows.iter().enumerate() {
        lines.push(1 + memchr::memchr_iter(b'\n', &file).count() as u64);
        let last = id + 1 == rows.len();
        let (record, end): (Vec<u8>, &str) = match format {
            As::Jsonl => (json(id, row, *dirt, ""), if last && seed.is_multiple_of(2) { "" } else { "\n" }),
            As::JsonLines => (json(id, row, *dirt, ""), if last { "\n]\n" } else { ",\n" }),
            As::JsonFlat => (json(id, row, *dirt, ""), if last { "]" } else { "," }),
            As::JsonPretty => {
                let record = [&b"  "[..], &json(id, row, *dirt, "\n    ")].concat();
                (record, if last { "\n]" } else { ",\n" })
            }
            As::Csv => (csv(id, row, *dirt), if seed.is_multiple_of(2) { "\n" } else { "\r\n" }),
            As::Parquet | As::Avro => (Vec::new(), ""),
        };
        file.extend(record);
        file.extend(end.as_bytes());
    }
    match format {
        As::Parquet => (parquet(rows, seed), (1..=rows.len() as u64).collect()),
        As::Avro => (avro(rows, seed), (1..=rows.len() as u64).collect()),
        _ => (file, lines),
    }
}

pub(super) fn wrapped(bytes: Vec<u8>, seed: u8) -> Vec<u8> {
    match seed % 9 {
        0 => gzip(&bytes),
        1 => zstd(&bytes),
        2 => bzip2(&bytes),
        3 => xz(&bytes),
        4 => lz4(&bytes),
        5 => snappy(&bytes),
        6 => zip(&[ZipFile::new("member", &bytes)]),
        _ => bytes,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_was_planted_comes_out(rows in rows(), seed in any::<u8>(), format in prop::sample::select(&ALL[..])) {
        let rows: Vec<_> = rows.into_iter().map(|(row, dirt)| (row, dirt.map(|dirt| format.takes(dirt)))).collect();
        let (bytes, lines) = written(&rows, format, seed);
        let columns = vec![
            field("id", "bigint"), field("n", "integer"), field("d", "decimal(12,2)"), field("x", "double"),
            field("t", "varchar(20)"), field("day", "date"), field("at", "timestamptz"), field("b", "boolean"),
        ];
        let mut dataset = dataset(vec![table("t", columns)]);
        dataset.source.format = format.format();
        dataset.quality.max_rejects = MaxRejects::Count(u64::MAX);
        let mut input = input(dataset);
        input.content = Content::Bytes(Bytes::from(wrapped(bytes, seed / 9)));
        let memory = Memory::default();
        let done = Engine::with_threads(NonZeroUsize::MIN).transform(&input, &memory, &|| false).unwrap();

        let planted: Vec<(u64, Rule)> = rows.iter().zip(&lines)
            .filter_map(|((_, dirt), line)| Some((*line, format.rule((*dirt)?)))).collect();
        let rejects = memory.quarantine(&done);
        let found: Vec<(u64, Rule)> = rejects.iter().map(|reject| (reject.line, reject.rule)).collect();
        prop_assert_eq!(&found, &planted, "{:?}", rejects);
        prop_assert!(rejects.iter().all(|reject| reject.object == "file:///landing/a.jsonl" && !reject.raw.is_empty()));
        prop_assert_eq!(done.records, rows.len() as u64);

        let clean: Vec<(usize, &Row)> =
            rows.iter().enumerate().filter(|(_, (_, dirt))| dirt.is_none()).map(|(id, (row, _))| (id, row)).collect();
        prop_assert_eq!(done.tables[0].rows, clean.len() as u64);
        if clean.is_empty() {
            return Ok(());
        }
        let read = memory.rows(&done.tables[0].parts[0], &done.tables[0].columns);
        let bits = |values: &ColumnValues| match values {
            ColumnValues::Double(values) => values.iter().map(|x| x.map(f64::to_bits)).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let integers = |values: Vec<Option<i64>>| ColumnValues::Integer(values);
        prop_assert_eq!(&read[0], &integers(clean.iter().map(|(id, _)| i64::try_from(*id).ok()).collect()));
        prop_assert_eq!(&read[1], &integers(clean.iter().map(|(_, row)| row.n.map(i64::from)).collect()));
        let unscaled = clean.iter().map(|(_, row)| row.d.map(i128::from)).collect();
        prop_assert_eq!(&read[2], &ColumnValues::Decimal { scale: 2, unscaled });
        let doubles: Vec<_> = clean.iter().map(|(_, row)| row.x.map(f64::to_bits)).collect();
        prop_assert_eq!(bits(&read[3]), doubles);
        prop_assert_eq!(&read[4], &ColumnValues::Text(clean.iter().map(|(_, row)| row.t.clone()).collect()));
        prop_assert_eq!(&read[5], &ColumnValues::Date(clean.iter().map(|(_, row)| row.day).collect()));
        prop_assert_eq!(&read[6], &ColumnValues::Timestamp(clean.iter().map(|(_, row)| row.at).collect()));
        prop_assert_eq!(&read[7], &ColumnValues::Boolean(clean.iter().map(|(_, row)| row.b).collect()));
        // Records are numbered by lines where they are lines, and by their place where they are none.
        let lined = matches!(format, As::Jsonl | As::Csv);
        let record: Vec<_> = clean.iter().map(|(id, _)| if lined { lines[*id] } else { *id as u64 + 1 }).collect();
        let at = done.tables[0].columns.iter().position(|column| column.name == "_record").unwrap();
        prop_assert_eq!(&read[at], &integers(record.iter().map(|record| i64::try_from(*record).ok()).collect()));
    }
}
