//! The back half on pieces made by hand: determinism, partitions, parts, quarantine, verdicts and failures.

mod checks;
mod formats;
mod fuzz;
mod partitions;
mod privacy;
mod whole;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lakehand_dataset::dataset::{
    AfterLoad, Column, Encoding, Format, Grain, MaxRejects, Origin, Partitioning, Quality, Rules, Source, Table,
    UnknownFields,
};
use lakehand_dataset::path::FieldPath;
use lakehand_dataset::transformer::{Content, PartWriter, TransformedPart};
use lakehand_domain::id::{DatasetId, FamilyId, Fingerprint, LoadId};
use lakehand_domain::manifest::Part;
use lakehand_domain::object::{ObjectUri, Order};
use lakehand_domain::port::row_reader::RowReader;
use lakehand_domain::reject::{Reject, Rule};
use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, OnRewrite, TableLayout, TableShape};
use lakehand_domain::value::ColumnValues;

use super::*;
use crate::physical::{Builder, Scalar};
use crate::piece::{Piece, TablePiece};
use crate::reader::PartRows;

/// Parts in memory; fails once more than so many bytes were written.
#[derive(Default)]
struct Memory {
    parts: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    begun: Mutex<Vec<String>>,
    room: Option<u64>,
    written: Arc<AtomicU64>,
}

struct MemoryPart {
    name: String,
    bytes: Vec<u8>,
    parts: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    room: Option<u64>,
    written: Arc<AtomicU64>,
}

impl PartSink for Memory {
    fn create(&self, name: &str) -> io::Result<Box<dyn PartWriter>> {
        self.begun.lock().unwrap().push(name.to_owned());
        Ok(Box::new(MemoryPart {
            name: name.to_owned(),
            bytes: Vec::new(),
            parts: Arc::clone(&self.parts),
            room: self.room,
            written: Arc::clone(&self.written),
        }))
    }
}

impl Write for MemoryPart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        if self.room.is_some_and(|room| written > room) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PartWriter for MemoryPart {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.parts.lock().unwrap().insert(self.name, self.bytes);
        Ok(())
    }
}

impl Memory {
    fn part(&self, name: &str) -> Vec<u8> {
        self.parts.lock().unwrap()[name].clone()
    }

    /// The rows of a part as a warehouse reads them.
    fn rows(&self, part: &TransformedPart, columns: &[ColumnShape]) -> Vec<ColumnValues> {
        let manifest = Part {
            uri: ObjectUri::parse("file:///lake").unwrap().join(&part.name),
            rows: part.rows,
            bytes: part.bytes,
            checksum: part.checksum.clone(),
            partition: part.partition.clone(),
        };
        let mut reader = PartRows::open(Bytes::from(self.part(&part.name)), &manifest, columns.to_vec()).unwrap();
        let mut all: Vec<ColumnValues> = Vec::new();
        while let Some(batch) = reader.next().unwrap() {
            if all.is_empty() {
                all = batch.columns;
                continue;
            }
            for (all, more) in all.iter_mut().zip(batch.columns) {
                match (all, more) {
                    (ColumnValues::Boolean(all), ColumnValues::Boolean(more)) => all.extend(more),
                    (ColumnValues::Integer(all), ColumnValues::Integer(more))
                    | (ColumnValues::Timestamp(all), ColumnValues::Timestamp(more)) => all.extend(more),
                    (ColumnValues::Double(all), ColumnValues::Double(more)) => all.extend(more),
                    (ColumnValues::Decimal { unscaled: all, .. }, ColumnValues::Decimal { unscaled: more, .. }) => {
                        all.extend(more);
                    }
                    (ColumnValues::Text(all), ColumnValues::Text(more)) => all.extend(more),
                    (ColumnValues::Date(all), ColumnValues::Date(more)) => all.extend(more),
                    _ => panic!("a column changed its type between batches"),
                }
            }
        }
        all
    }

    fn quarantine(&self, transformed: &Transformed) -> Vec<Reject> {
        let Some(part) = &transformed.quarantine else { return Vec::new() };
        let mut text = String::new();
        zstd::stream::read::Decoder::new(self.part(&part.name).as_slice()).unwrap().read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn column(name: &str, column_type: &str, origin: Origin) -> (ColumnShape, Column) {
    let column_type = ColumnType::parse(column_type).unwrap();
    let shape = ColumnShape { name: name.to_owned(), column_type, required: false };
    (shape, Column { origin, rules: Rules::default() })
}

fn field(name: &str, column_type: &str) -> (ColumnShape, Column) {
    column(name, column_type, Origin::Field(FieldPath::key(name)))
}

fn sql(name: &str, column_type: &str, sql: &str) -> (ColumnShape, Column) {
    column(name, column_type, Origin::Expression(sql.to_owned()))
}

fn table(name: &str, columns: Vec<(ColumnShape, Column)>) -> Table {
    let (shapes, columns) = columns.into_iter().unzip();
    Table {
        shape: TableShape {
            dataset: DatasetId::new("d"),
            name: name.to_owned(),
            columns: shapes,
            contest: Contest::Append { on_rewrite: OnRewrite::Replace },
            has_where: false,
            exploded: false,
            layout: TableLayout::default(),
            subjects: Vec::new(),
            references: Vec::new(),
        },
        rows: None,
        columns,
        filter: None,
        partition_by: Vec::new(),
        skip_without_key: false,
    }
}

fn dataset(tables: Vec<Table>) -> Dataset {
    Dataset {
        id: DatasetId::new("d"),
        family: FamilyId::new("d"),
        fingerprint: Fingerprint::new("f"),
        source: Source {
            objects: vec!["*".to_owned()],
            format: Format::Jsonl,
            records: None,
            on_rewrite: OnRewrite::Replace,
            after_load: AfterLoad::Keep,
            max_line_bytes: 64 << 20,
            max_expanded_bytes: 1 << 40,
            max_expansion: 1000,
            charset: None,
            max_block_bytes: None,
        },
        quality: Quality {
            max_rejects: MaxRejects::BasisPoints(500),
            unknown_fields: UnknownFields::Ignore,
            min_records: None,
            max_partitions: None,
            freshness: None,
        },
        encoding: Encoding { zstd_level: 3, row_group_rows: 1000, part_bytes: 1 << 30 },
        tables,
        checks: Vec::new(),
    }
}

fn input(dataset: Dataset) -> TransformInput {
    TransformInput {
        dataset: Arc::new(dataset),
        captures: BTreeMap::new(),
        load_id: LoadId::new("0123456789abcdef0123456789abcdef"),
        object: ObjectUri::parse("file:///landing/a.jsonl").unwrap(),
        order: Order::from_text("2026-11-21T00:00:00.000000Z|v1"),
        content: Content::Bytes(Bytes::new()),
    }
}

/// A piece of a table with these columns whose records stand one a line, after `skipped` blank lines.
fn piece(
    number: u64,
    member: Option<(&str, bool)>,
    skipped: u32,
    columns: Vec<(&str, Vec<Scalar<'_>>)>,
) -> (Piece, Vec<u8>) {
    let rows = u32::try_from(columns[0].1.len()).unwrap();
    let lines: Vec<String> = (0..rows).map(|row| format!("{{\"line\":{}}}\n", row + 1 + skipped)).collect();
    let mut accepted = Vec::new();
    let mut bytes = vec![b'\n'; skipped as usize];
    for (line, text) in (skipped + 1..).zip(&lines) {
        let start = u32::try_from(bytes.len()).unwrap();
        bytes.extend_from_slice(text.as_bytes());
        accepted.push((line, start..u32::try_from(bytes.len()).unwrap() - 1));
    }
    let columns = columns
        .into_iter()
        .map(|(column_type, values)| {
            let mut builder = Builder::new(ColumnType::parse(column_type).unwrap(), values.len());
            for value in values {
                builder.push(value);
            }
            Some(builder.finish())
        })
        .collect();
    let record: Vec<u32> = (skipped + 1..=skipped + rows).collect();
    let piece = Piece {
        number,
        member: member.map(|(name, _)| name.into()),
        begins_member: member.map_or(number == 0, |(_, begins)| begins),
        lines: u64::from(rows + skipped),
        places: None,
        records: u64::from(rows),
        tables: vec![TablePiece { record, element: Vec::new(), columns }],
        rejects: Vec::new(),
        accepted,
    };
    (piece, bytes)
}

/// Gives out pieces made by hand, by their number, to any worker.
struct Made<'a, M> {
    next: &'a AtomicU64,
    count: u64,
    make: &'a M,
    program: &'a Program,
    /// Of the table, expressions included; those stand last.
    columns: usize,
}

impl<M: Fn(u64) -> (Piece, Vec<u8>)> Feed for Made<'_, M> {
    fn next(&mut self) -> Result<Option<Batch>, TransformError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= self.count {
            return Ok(None);
        }
        // Some chunks take longer than others.
        if number.is_multiple_of(7) {
            thread::yield_now();
        }
        let (mut piece, bytes) = (self.make)(number);
        piece.tables[0].columns.resize_with(self.columns, || None);
        self.program.derive(piece, &bytes).map(Some)
    }
}

fn transform_with<M: Fn(u64) -> (Piece, Vec<u8>) + Sync>(
    input: &TransformInput,
    sink: &Memory,
    threads: usize,
    count: u64,
    cancelled: &(dyn Fn() -> bool + Sync),
    make: M,
) -> Result<Transformed, TransformError> {
    let program = Program::compile(&input.dataset).unwrap();
    let next = AtomicU64::new(0);
    let columns = input.dataset.tables[0].columns.len();
    let feed = || Made { next: &next, count, make: &make, program: &program, columns };
    run(input, sink, cancelled, NonZeroUsize::new(threads).unwrap(), feed)
}

fn texts(values: &ColumnValues) -> Vec<Option<String>> {
    match values {
        ColumnValues::Text(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

fn integers(values: &ColumnValues) -> Vec<Option<i64>> {
    match values {
        ColumnValues::Integer(values) => values.clone(),
        other => panic!("{other:?}"),
    }
}

const CITIES: [&str; 5] = ["Berlin", "Köln", "a/b", "", "__null__"];

/// Rows of many kinds, as a function of their number alone.
fn many(number: u64) -> (Piece, Vec<u8>) {
    let first = i64::try_from(number).unwrap() * 300;
    let ids: Vec<i64> = (first..first + 300).collect();
    let notes: Vec<String> = ids.iter().map(|id| format!("note {} of {}", id * 7919 % 1000, "x".repeat(40))).collect();
    piece(
        number,
        None,
        0,
        vec![
            ("bigint", ids.iter().map(|id| Scalar::Integer(*id)).collect()),
            (
                "varchar(20)",
                ids.iter()
                    .map(|id| match usize::try_from(*id % 6).unwrap() {
                        5 => Scalar::Null,
                        city => Scalar::Text(CITIES[city]),
                    })
                    .collect(),
            ),
            ("varchar(200)", notes.iter().map(|note| Scalar::Text(note)).collect()),
            ("double", ids.iter().map(|id| Scalar::Float(f64::from(i32::try_from(*id).unwrap()) / 8.0)).collect()),
        ],
    )
}

fn many_input() -> TransformInput {
    let mut table = table(
        "t",
        vec![
            field("id", "bigint"),
            field("city", "varchar(20)"),
            field("note", "varchar(200)"),
            field("price", "double"),
            sql("per", "double", "price / (id % 1000 + 1)"),
        ],
    );
    table.partition_by = vec![Partitioning { column: "city".to_owned(), grain: Grain::Value }];
    let mut dataset = dataset(vec![table]);
    dataset.encoding.part_bytes = 12_000;
    input(dataset)
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let mut runs = Vec::new();
    for threads in [1, 2, 4, 4] {
        let (input, sink) = (many_input(), Memory::default());
        let transformed = transform_with(&input, &sink, threads, 60, &|| false, many).unwrap();
        let parts = sink.parts.lock().unwrap().clone();
        runs.push((transformed, parts));
    }
    for run in &runs[1..] {
        assert_eq!(run.0, runs[0].0);
        assert!(run.1 == runs[0].1, "bytes differ");
    }
    let (transformed, parts) = &runs[0];
    assert_eq!((transformed.records, transformed.tables[0].rows), (18_000, 18_000));
    assert_eq!(transformed.tables[0].parts.iter().map(|part| part.rows).sum::<u64>(), 18_000);
    assert_eq!(transformed.verdict, Verdict::Accepted);
    assert!(transformed.quarantine.is_none());
    for part in &transformed.tables[0].parts {
        assert_eq!(part.bytes, parts[&part.name].len() as u64);
        assert_eq!(part.checksum, blake3::hash(&parts[&part.name]).to_hex()[..32]);
    }
}

#[test]
fn rows_lie_in_their_partitions_and_parts_have_their_size() {
    let (input, sink) = (many_input(), Memory::default());
    let transformed = transform_with(&input, &sink, 2, 60, &|| false, many).unwrap();
    let table = &transformed.tables[0];
    let mut seen: Vec<i64> = Vec::new();
    let mut by_partition: BTreeMap<&str, usize> = BTreeMap::new();
    for part in &table.parts {
        *by_partition.entry(&part.partition[0]).or_default() += 1;
        assert!(part.name.starts_with(&format!("t/{}/0123456789abcdef0123456789abcdef-0", part.partition[0])));
        let columns = sink.rows(part, &table.columns);
        seen.extend(integers(&columns[0]).into_iter().flatten());
        let expected = match part.partition[0].as_str() {
            "p_city=Berlin" => Some("Berlin"),
            "p_city=K%C3%B6ln" => Some("Köln"),
            "p_city=a%2Fb" => Some("a/b"),
            "p_city=__empty__" => Some(""),
            "p_city=__null__" => None,
            _ => Some("__null__"),
        };
        assert!(texts(&columns[1]).iter().all(|city| city.as_deref() == expected), "{}", part.name);
        // Lineage: the line of the record, in the object.
        let records: Vec<i64> = integers(&columns[0]).into_iter().map(|id| id.unwrap() + 1).collect();
        assert_eq!(integers(&columns[7]).into_iter().flatten().collect::<Vec<_>>(), records);
        assert!(texts(&columns[5]).iter().all(|load| load.as_deref() == Some(input.load_id.as_str())));
        assert!(texts(&columns[6]).iter().all(|object| object.as_deref() == Some("file:///landing/a.jsonl")));
        assert!(texts(&columns[8]).iter().all(|order| order.as_deref() == Some("2026-11-21T00:00:00.000000Z|v1")));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..18_000).collect::<Vec<_>>());
    assert_eq!(by_partition.len(), 6);
    // 3,000 rows of a partition in row groups of 1,000, some 10 kB each.
    assert!(by_partition.values().all(|parts| *parts >= 2), "{by_partition:?}");
    let mut names: Vec<_> = table.parts.iter().map(|part| part.name.clone()).collect();
    let given = names.clone();
    names.sort();
    assert_eq!(names, given);
}

#[test]
fn expressions_reject_what_they_cannot_keep() {
    let mut table = table(
        "t",
        vec![
            field("rent", "decimal(12,2)"),
            field("space", "decimal(8,2)"),
            field("text", "varchar(20)"),
            sql("per", "double", "rent / space"),
            sql("rounded", "decimal(9,2)", "ROUND(rent / space, 2)"),
            sql("number", "integer", "CAST(text AS INTEGER)"),
            sql("short", "varchar(3)", "UPPER(text)"),
        ],
    );
    table.columns[5].rules.max = Some("900".to_owned());
    table.filter = Some("rounded > 10 AND text <> '7'".to_owned());
    table.shape.has_where = true;
    let mut dataset = dataset(vec![table]);
    dataset.quality.max_rejects = MaxRejects::Count(10);
    let input = input(dataset);
    let make = |number: u64| {
        piece(
            number,
            None,
            2,
            vec![
                ("decimal(12,2)", [171_519, 100, 100, 100, 100, 200].map(Scalar::Decimal).to_vec()),
                (
                    "decimal(8,2)",
                    vec![
                        Scalar::Decimal(9_500),
                        Scalar::Decimal(0),
                        Scalar::Decimal(100),
                        Scalar::Decimal(100),
                        Scalar::Decimal(300),
                        Scalar::Null,
                    ],
                ),
                (
                    "varchar(20)",
                    vec![
                        Scalar::Text("7"),
                        Scalar::Text("8"),
                        Scalar::Text("x1"),
                        Scalar::Text("901"),
                        Scalar::Text("1000"),
                        Scalar::Text("9"),
                    ],
                ),
            ],
        )
    };
    let sink = Memory::default();
    let transformed = transform_with(&input, &sink, 2, 2, &|| false, make).unwrap();
    let rejects = sink.quarantine(&transformed);
    let found: Vec<_> =
        rejects.iter().map(|r| (r.record, r.column.as_deref().unwrap(), r.rule, r.raw.as_str())).collect();
    let expected = |base: u64| {
        [
            (base + 4, "t.per", Rule::Expression, "{\"line\":4}"),
            (base + 5, "t.number", Rule::Expression, "{\"line\":5}"),
            (base + 6, "t.number", Rule::Bounds, "{\"line\":6}"),
            (base + 7, "t.number", Rule::Bounds, "{\"line\":7}"),
        ]
    };
    assert_eq!(found, [expected(0), expected(8)].concat());
    assert!(rejects[1].message.contains("x1"), "{}", rejects[1].message);
    assert_eq!(rejects[0].value.as_deref(), Some("inf"));
    assert_eq!(rejects[3].value.as_deref(), Some("1000"));
    let table = &transformed.tables[0];
    assert_eq!((transformed.records, table.rows, transformed.rejects.total()), (12, 4, 8));
    let columns = sink.rows(&table.parts[0], &table.columns);
    assert_eq!(columns[3], ColumnValues::Double(vec![Some(1715.19 / 95.0), None, Some(1715.19 / 95.0), None]));
    assert_eq!(columns[4], ColumnValues::Decimal { scale: 2, unscaled: vec![Some(1805), None, Some(1805), None] });
    assert_eq!(columns[7], ColumnValues::Boolean(vec![Some(false); 4]));
    assert_eq!(integers(&columns[10]), [3, 8, 11, 16].map(Some));
}

#[test]
fn lines_are_counted_over_chunks_and_members() {
    let mut table = table("t", vec![field("id", "bigint"), sql("small", "smallint", "id")]);
    table.shape.columns[0].required = true;
    let mut dataset = dataset(vec![table]);
    dataset.quality.max_rejects = MaxRejects::BasisPoints(10_000);
    let input = input(dataset);
    let make = |number: u64| {
        let (member, begins) =
            [("a.json", true), ("a.json", false), ("b.json", true)][usize::try_from(number).unwrap()];
        let ids = [1, 40_000, 2].map(Scalar::Integer).to_vec();
        piece(number, Some((member, begins)), u32::try_from(number).unwrap(), vec![("bigint", ids)])
    };
    let sink = Memory::default();
    let transformed = transform_with(&input, &sink, 4, 3, &|| false, make).unwrap();
    let found: Vec<_> = sink
        .quarantine(&transformed)
        .into_iter()
        .map(|reject| (reject.record, reject.member.unwrap(), reject.line, reject.value.unwrap(), reject.raw))
        .collect();
    let line =
        |record, member: &str, line, raw: &str| (record, member.to_owned(), line, "40000".to_owned(), raw.to_owned());
    assert_eq!(
        found,
        [
            line(2, "a.json", 2, "{\"line\":2}"),
            line(6, "a.json", 6, "{\"line\":3}"),
            line(11, "b.json", 4, "{\"line\":4}"),
        ]
    );
    let columns = sink.rows(&transformed.tables[0].parts[0], &transformed.tables[0].columns);
    assert_eq!(integers(&columns[4]), [1, 3, 5, 7, 10, 12].map(Some));
    assert_eq!(transformed.quarantine.unwrap().name, "_quarantine/0123456789abcdef0123456789abcdef.jsonl.zst");
}

#[test]
fn every_type_reads_back_exactly() {
    let long = "ß".repeat(300);
    let greatest = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    let columns: Vec<(&str, Vec<Scalar<'_>>)> = vec![
        ("boolean", vec![Scalar::Boolean(true), Scalar::Null, Scalar::Boolean(false)]),
        ("smallint", vec![Scalar::Integer(-32_768), Scalar::Null, Scalar::Integer(32_767)]),
        ("integer", vec![Scalar::Integer(i32::MIN.into()), Scalar::Null, Scalar::Integer(i32::MAX.into())]),
        ("bigint", vec![Scalar::Integer(i64::MIN), Scalar::Null, Scalar::Integer(i64::MAX)]),
        ("real", vec![Scalar::Float(0.1f32.into()), Scalar::Null, Scalar::Float(f32::MAX.into())]),
        ("double", vec![Scalar::Float(0.1), Scalar::Null, Scalar::Float(-1e-300)]),
        ("decimal(9,2)", vec![Scalar::Decimal(-999_999_999), Scalar::Null, Scalar::Decimal(1)]),
        ("decimal(18,4)", vec![Scalar::Decimal(999_999_999_999_999_999), Scalar::Null, Scalar::Decimal(-1)]),
        ("decimal(19,0)", vec![Scalar::Decimal(i64::MIN.into()), Scalar::Null, Scalar::Decimal(0)]),
        ("decimal(38,10)", vec![Scalar::Decimal(greatest), Scalar::Null, Scalar::Decimal(-greatest)]),
        ("varchar(600)", vec![Scalar::Text(&long), Scalar::Null, Scalar::Text("")]),
        ("json", vec![Scalar::Text("{\"a\": [1]}"), Scalar::Null, Scalar::Text("null")]),
        ("date", vec![Scalar::Integer(-719_162), Scalar::Null, Scalar::Integer(2_932_896)]),
        ("timestamp", vec![Scalar::Integer(1_500_042_006_123_456), Scalar::Null, Scalar::Integer(-1)]),
        ("timestamptz", vec![Scalar::Integer(1_500_042_006_000_000), Scalar::Null, Scalar::Integer(1)]),
    ];
    let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
    let fields: Vec<_> = names.iter().zip(&columns).map(|(name, (column_type, _))| field(name, column_type)).collect();
    // Large row groups try dictionaries, small ones do not.
    for (pieces, group) in [(1u64, 1000u64), (1500, 4000)] {
        let mut dataset = dataset(vec![table("t", fields.clone())]);
        dataset.encoding.row_group_rows = group;
        let input = input(dataset);
        let sink = Memory::default();
        let make = |number: u64| piece(number, None, 0, columns.clone());
        let transformed = transform_with(&input, &sink, 2, pieces, &|| false, make).unwrap();
        let table = &transformed.tables[0];
        let read = sink.rows(&table.parts[0], &table.columns);
        let times = usize::try_from(pieces).unwrap();
        for ((name, (column_type, values)), read) in names.iter().zip(&columns).zip(&read) {
            let numbers = |values: &[Scalar<'_>]| -> Vec<Option<i64>> {
                values.iter().map(|v| if let Scalar::Integer(v) = v { Some(*v) } else { None }).collect()
            };
            let expected = match ColumnType::parse(column_type).unwrap() {
                ColumnType::Boolean => ColumnValues::Boolean([Some(true), None, Some(false)].repeat(times)),
                ColumnType::Smallint | ColumnType::Integer | ColumnType::Bigint => {
                    ColumnValues::Integer(numbers(values).repeat(times))
                }
                ColumnType::Timestamp | ColumnType::Timestamptz => {
                    ColumnValues::Timestamp(numbers(values).repeat(times))
                }
                ColumnType::Date => ColumnValues::Date(
                    numbers(values)
                        .iter()
                        .map(|v| v.map(|v| i32::try_from(v).unwrap()))
                        .collect::<Vec<_>>()
                        .repeat(times),
                ),
                ColumnType::Real | ColumnType::Double => {
                    let values = values.iter().map(|v| if let Scalar::Float(v) = v { Some(*v) } else { None });
                    ColumnValues::Double(values.collect::<Vec<_>>().repeat(times))
                }
                ColumnType::Decimal { scale, .. } => {
                    let values = values.iter().map(|v| if let Scalar::Decimal(v) = v { Some(*v) } else { None });
                    ColumnValues::Decimal { scale, unscaled: values.collect::<Vec<_>>().repeat(times) }
                }
                ColumnType::Varchar { .. } | ColumnType::Json => {
                    let values =
                        values.iter().map(|v| if let Scalar::Text(v) = v { Some((*v).to_owned()) } else { None });
                    ColumnValues::Text(values.collect::<Vec<_>>().iter().cloned().cycle().take(3 * times).collect())
                }
            };
            assert!(*read == expected, "{name} {column_type}, {pieces} pieces");
        }
    }
}

#[test]
fn too_many_rejects_set_the_file_aside_and_are_kept() {
    let table = table("t", vec![field("id", "bigint"), sql("small", "smallint", "id")]);
    let input = input(dataset(vec![table]));
    let make = |number: u64| {
        let ids = (0..100).map(|row| Scalar::Integer(if row < 6 { 100_000 } else { row })).collect();
        piece(number, None, 0, vec![("bigint", ids)])
    };
    let sink = Memory::default();
    let transformed = transform_with(&input, &sink, 2, 10, &|| false, make).unwrap();
    let Verdict::TooManyRejects { message } = &transformed.verdict else { panic!("accepted") };
    assert_eq!(message, "60 of 1000 records are rejected, more than max_rejects = 5% allows (range t.small: 60)");
    assert_eq!(sink.quarantine(&transformed).len(), 60);
}

#[test]
fn no_records_are_accepted_with_no_parts() {
    let input = input(dataset(vec![table("t", vec![field("id", "bigint")])]));
    let sink = Memory::default();
    let transformed = transform_with(&input, &sink, 2, 0, &|| false, many).unwrap();
    assert_eq!(transformed.verdict, Verdict::Accepted);
    assert_eq!((transformed.records, transformed.tables[0].rows, transformed.tables[0].parts.len()), (0, 0, 0));
    assert!(sink.begun.lock().unwrap().is_empty());
}

#[test]
fn a_full_disk_is_no_fault_of_the_file() {
    for room in [0, 100, 60_000] {
        let (input, sink) = (many_input(), Memory { room: Some(room), ..Memory::default() });
        let error = transform_with(&input, &sink, 4, 60, &|| false, many).unwrap_err();
        match &error {
            TransformError::Io { source, .. } => assert_eq!(source.kind(), io::ErrorKind::StorageFull, "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_stop_is_heard_between_chunks() {
    let (input, sink) = (many_input(), Memory::default());
    let asked = AtomicU64::new(0);
    let cancelled = || asked.fetch_add(1, Ordering::Relaxed) >= 20;
    let error = transform_with(&input, &sink, 2, u64::MAX, &cancelled, many).unwrap_err();
    assert!(matches!(error, TransformError::Cancelled), "{error:?}");
}

#[test]
fn a_panic_fails_the_transform_alone() {
    for threads in [1, 4] {
        let (input, sink) = (many_input(), Memory::default());
        let make = |number: u64| {
            assert!(number != 30, "chunk thirty is cursed");
            many(number)
        };
        let error = transform_with(&input, &sink, threads, 60, &|| false, make).unwrap_err();
        match error {
            TransformError::Engine { source, .. } => assert!(source.to_string().contains("cursed")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_part_that_is_not_its_manifests_is_never_read() {
    let input = input(dataset(vec![table("t", vec![field("id", "bigint")])]));
    let sink = Memory::default();
    let make = |number| piece(number, None, 0, vec![("bigint", vec![Scalar::Integer(1)])]);
    let transformed = transform_with(&input, &sink, 1, 1, &|| false, make).unwrap();
    let table = &transformed.tables[0];
    let part = &table.parts[0];
    let bytes = sink.part(&part.name);
    let manifest = |rows, bytes, checksum: &str| Part {
        uri: ObjectUri::parse("file:///lake/x").unwrap(),
        rows,
        bytes,
        checksum: checksum.to_owned(),
        partition: Vec::new(),
    };
    let open = |bytes: &[u8], manifest: &Part, columns: &[ColumnShape]| {
        PartRows::open(Bytes::copy_from_slice(bytes), manifest, columns.to_vec()).err().map(|error| error.to_string())
    };
    let good = manifest(1, part.bytes, &part.checksum);
    assert_eq!(open(&bytes, &good, &table.columns), None);
    let mut bent = bytes.clone();
    bent[10] ^= 1;
    assert!(open(&bent, &good, &table.columns).unwrap().contains("checksum"));
    assert!(open(&bytes[1..], &good, &table.columns).unwrap().contains("bytes"));
    assert!(open(&bytes, &manifest(2, part.bytes, &part.checksum), &table.columns).unwrap().contains("rows"));
    let mut other = table.columns.clone();
    other[0].name = "number".to_owned();
    assert!(open(&bytes, &good, &other).unwrap().contains("has column id where number should be"));
    other[0] = ColumnShape { name: "id".to_owned(), column_type: ColumnType::Integer, required: false };
    assert!(open(&bytes, &good, &other).unwrap().contains("another type"));
    assert!(open(&bytes, &good, &table.columns[1..]).is_some());
}

fn quality(max_rejects: MaxRejects) -> Quality {
    Quality {
        max_rejects,
        unknown_fields: UnknownFields::Ignore,
        min_records: None,
        max_partitions: None,
        freshness: None,
    }
}

#[test]
fn limits_read_as_they_were_written() {
    let mut rejects = RejectCounts::default();
    rejects.add(Rule::Type, Some("t.a"));
    for (limit, text) in
        [(MaxRejects::BasisPoints(5), "0.05%"), (MaxRejects::BasisPoints(0), "0%"), (MaxRejects::Count(0), "0")]
    {
        match verdict(&quality(limit), 1, &rejects) {
            Verdict::TooManyRejects { message } => {
                assert!(message.contains(&format!("= {text} allows (type t.a: 1)")), "{message}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(verdict(&quality(MaxRejects::Count(1)), 1, &rejects), Verdict::Accepted);
    // Of both, the one that is exceeded is named.
    let both = |basis_points, count| quality(MaxRejects::Both { basis_points, count });
    for (quality, limit) in [(both(500, 1), "5%"), (both(5_000, 0), "50%"), (both(10_000, 0), "0")] {
        let Verdict::TooManyRejects { message } = verdict(&quality, 1, &rejects) else { panic!("{limit}") };
        assert!(message.contains(&format!("= {limit} of [\"")), "{message}");
    }
    assert_eq!(verdict(&both(10_000, 1), 1, &rejects), Verdict::Accepted);
}
