//! Datasets written briefly, and pieces read back as text.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lakehand_dataset::dataset::{
    AfterLoad, Column, CsvFormat, Dataset, Encoding, Format, MaxRejects, Origin, Quality, Rules, Source, Table,
    UnknownFields,
};
use lakehand_dataset::path::FieldPath;
use lakehand_dataset::transformer::{Content, TransformError};
use lakehand_domain::id::{DatasetId, FamilyId, Fingerprint};
use lakehand_domain::reject::Reject;
use lakehand_domain::shape::{ColumnShape, ColumnType, Contest, OnRewrite, TableLayout, TableShape};
use lakehand_domain::value::decimal_text;
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray};

use crate::decode::Plan;
use crate::mask::MaskKeys;
use crate::piece::Piece;
use crate::source::open_with;

/// A column and its shape.
#[derive(Clone)]
pub(crate) struct ColumnSpec {
    name: String,
    column_type: ColumnType,
    pub(crate) required: bool,
    pub(crate) origin: Origin,
    pub(crate) rules: Rules,
}

/// `name type from`, for example `rent decimal(12,2) price.base`; without `from` the field has the column's name.
pub(crate) fn column(text: &str) -> ColumnSpec {
    let mut words = text.split_whitespace();
    let name = words.next().unwrap();
    let column_type = ColumnType::parse(words.next().unwrap()).unwrap();
    let path = FieldPath::parse(words.next().unwrap_or(name)).unwrap();
    ColumnSpec {
        name: name.to_owned(),
        column_type,
        required: false,
        origin: Origin::Field(path),
        rules: Rules::default(),
    }
}

impl ColumnSpec {
    /// With rules.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Rules)) -> Self {
        change(&mut self.rules);
        self
    }

    /// Required.
    pub(crate) fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// From another origin.
    pub(crate) fn from(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// A table; `rows` is the exploded list.
pub(crate) fn table(name: &str, rows: Option<&str>, columns: Vec<ColumnSpec>) -> Table {
    let shape = |column: &ColumnSpec| ColumnShape {
        name: column.name.clone(),
        column_type: column.column_type,
        required: column.required,
    };
    Table {
        shape: TableShape {
            dataset: DatasetId::new("test"),
            name: name.to_owned(),
            columns: columns.iter().map(shape).collect(),
            contest: Contest::Append { on_rewrite: OnRewrite::Replace },
            has_where: false,
            exploded: rows.is_some(),
            layout: TableLayout::default(),
            subjects: Vec::new(),
            references: Vec::new(),
        },
        rows: rows.map(|path| FieldPath::parse(path).unwrap()),
        columns: columns.into_iter().map(|column| Column { origin: column.origin, rules: column.rules }).collect(),
        filter: None,
        partition_by: Vec::new(),
        skip_without_key: false,
    }
}

/// A dataset of JSON lines.
pub(crate) fn jsonl(tables: Vec<Table>) -> Dataset {
    Dataset {
        id: DatasetId::new("test"),
        family: FamilyId::new("test"),
        fingerprint: Fingerprint::new("0"),
        source: Source {
            objects: Vec::new(),
            format: Format::Jsonl,
            records: None,
            on_rewrite: OnRewrite::Replace,
            after_load: AfterLoad::Keep,
            max_line_bytes: 1 << 20,
            max_expanded_bytes: 1 << 30,
            max_expansion: 1000,
            charset: None,
            max_block_bytes: None,
        },
        quality: Quality {
            max_rejects: MaxRejects::Count(u64::MAX),
            unknown_fields: UnknownFields::Ignore,
            min_records: None,
            max_partitions: None,
            freshness: None,
        },
        encoding: Encoding { zstd_level: 1, row_group_rows: 1000, part_bytes: 1 << 20 },
        tables,
        checks: Vec::new(),
    }
}

/// A dataset of delimited text with a header.
pub(crate) fn csv(delimiter: u8, tables: Vec<Table>) -> Dataset {
    let mut dataset = jsonl(tables);
    dataset.source.format = Format::Csv(CsvFormat { delimiter, ..CsvFormat::plain() });
    dataset
}

/// One table `t` of these columns.
pub(crate) fn one(columns: &[&str]) -> Vec<Table> {
    vec![table("t", None, columns.iter().map(|text| column(text)).collect())]
}

/// All pieces of an object, put together.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Decoded {
    /// For each table, for each row, its line in the object, its element and its values as text.
    pub(crate) tables: Vec<Vec<(u64, i32, Vec<String>)>>,
    /// With lines counted over the whole object, members too.
    pub(crate) rejects: Vec<Reject>,
    /// All lines.
    pub(crate) lines: u64,
    /// All records.
    pub(crate) records: u64,
    /// The raw text of accepted records.
    pub(crate) accepted: Vec<(u64, String)>,
}

impl Decoded {
    /// The values of the first table, each row joined by `|`.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.tables[0].iter().map(|(_, _, values)| values.join("|")).collect()
    }

    /// `line rule column` of each reject.
    pub(crate) fn rules(&self) -> Vec<String> {
        let text = |reject: &Reject| {
            let column = reject.column.as_deref().unwrap_or("-");
            format!("{} {} {column}", reject.line, reject.rule.name())
        };
        self.rejects.iter().map(text).collect()
    }
}

/// Decodes bytes with one decoder and chunks of a size.
pub(crate) fn decode_in(dataset: &Dataset, bytes: &[u8], chunk_bytes: usize) -> Result<Decoded, TransformError> {
    let content = Content::Bytes(Bytes::copy_from_slice(bytes));
    decode_content(dataset, &content, &BTreeMap::new(), chunk_bytes)
}

/// Decodes bytes that can be read.
pub(crate) fn decode(dataset: &Dataset, bytes: impl AsRef<[u8]>) -> Decoded {
    decode_in(dataset, bytes.as_ref(), 4 << 20).unwrap()
}

/// Decodes any content; and, chunk by chunk, once more with all records made one by one, which gives the same.
pub(crate) fn decode_content(
    dataset: &Dataset,
    content: &Content,
    captures: &BTreeMap<String, String>,
    chunk_bytes: usize,
) -> Result<Decoded, TransformError> {
    let plan = Plan::compile(dataset, captures, &MaskKeys::made_up())?;
    let source = open_with(content, dataset, chunk_bytes)?;
    let (mut decoder, mut by_record) = (plan.decoder(), plan.decoder());
    by_record.make_one_by_one();
    let mut decoded = Decoded { tables: vec![Vec::new(); dataset.tables.len()], ..Decoded::default() };
    let mut expected_number = 0;
    let mut reuse = Vec::new();
    while let Some(mut chunk) = source.next(std::mem::take(&mut reuse))? {
        assert_eq!(chunk.number, expected_number);
        expected_number += 1;
        let places = chunk.places.clone();
        let other = by_record.decode(&mut chunk);
        chunk.places = places;
        let piece = decoder.decode(&mut chunk)?;
        assert_same(&piece, &other?);
        assert_eq!(chunk.bytes.last(), Some(&b'\n'));
        assert_eq!(piece.number, chunk.number);
        assert_eq!(piece.accepted.len() + piece.rejects.len(), usize::try_from(piece.records).unwrap());
        let base = decoded.lines;
        for (line, range) in &piece.accepted {
            let raw = &chunk.bytes[range.start as usize..range.end as usize];
            decoded.accepted.push((base + u64::from(*line), String::from_utf8(raw.to_vec()).unwrap()));
        }
        for (into, table) in decoded.tables.iter_mut().zip(&piece.tables) {
            for row in 0..table.record.len() {
                let values = table.columns.iter().map(|column| cell(column.as_deref(), row)).collect();
                let element = table.element.get(row).copied().unwrap_or(0);
                into.push((base + u64::from(table.record[row]), element, values));
            }
        }
        for mut reject in piece.rejects {
            reject.line = match &piece.places {
                Some(places) => places[usize::try_from(reject.line).unwrap() - 1],
                None => reject.line + base,
            };
            reject.record += base;
            reject.member = piece.member.as_deref().map(str::to_owned);
            decoded.rejects.push(reject);
        }
        decoded.lines += piece.lines;
        decoded.records += piece.records;
        reuse = chunk.bytes;
    }
    Ok(decoded)
}

fn assert_same(piece: &Piece, other: &Piece) {
    assert_eq!(piece.rejects, other.rejects);
    assert_eq!(piece.accepted, other.accepted);
    assert_eq!((piece.lines, piece.records), (other.lines, other.records));
    for (table, other) in piece.tables.iter().zip(&other.tables) {
        assert_eq!((&table.record, &table.element), (&other.record, &other.element));
        for (column, other) in table.columns.iter().zip(&other.columns) {
            let cells = |column: &Option<Box<dyn Array>>| -> Vec<String> {
                (0..table.record.len()).map(|row| cell(column.as_deref(), row)).collect()
            };
            assert_eq!(cells(column), cells(other));
            let nulls = |column: &Option<Box<dyn Array>>| column.as_ref().map(|column| column.validity().is_some());
            assert_eq!(nulls(column), nulls(other), "whether there is a bitmap");
        }
    }
}

/// A value as text.
pub(crate) fn cell(array: Option<&dyn Array>, row: usize) -> String {
    let Some(array) = array else { return "-".to_owned() };
    if !array.is_valid(row) {
        return "NULL".to_owned();
    }
    let any = array.as_any();
    if let Some(array) = any.downcast_ref::<BooleanArray>() {
        array.value(row).to_string()
    } else if let Some(array) = any.downcast_ref::<Utf8ViewArray>() {
        array.value(row).to_owned()
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i16>>() {
        array.value(row).to_string()
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i32>>() {
        array.value(row).to_string()
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i64>>() {
        array.value(row).to_string()
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<f32>>() {
        format!("{:?}", array.value(row))
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<f64>>() {
        format!("{:?}", array.value(row))
    } else if let Some(array) = any.downcast_ref::<PrimitiveArray<i128>>() {
        let polars_arrow::datatypes::ArrowDataType::Decimal(_, scale) = array.dtype() else { panic!("{array:?}") };
        decimal_text(array.value(row), u8::try_from(*scale).unwrap())
    } else {
        panic!("{array:?}")
    }
}

/// The message of an object that cannot be read.
pub(crate) fn unreadable<T: std::fmt::Debug>(result: Result<T, TransformError>) -> String {
    match result {
        Err(TransformError::Unreadable { message }) => message,
        other => panic!("{other:?}"),
    }
}

/// A plan, for tests that never read.
pub(crate) fn plan(dataset: &Dataset) -> Arc<Plan> {
    Plan::compile(dataset, &BTreeMap::new(), &MaskKeys::made_up()).unwrap()
}
