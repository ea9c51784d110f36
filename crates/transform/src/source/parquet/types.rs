//! The schema of a Parquet file: the arrow type each field is decoded as, and how its values are written.

use polars_arrow::datatypes::{ArrowDataType, Field, TimeUnit};
use polars_error::{PolarsResult, polars_bail, polars_ensure};
use polars_parquet::parquet::schema::types::{GroupConvertedType, PrimitiveType};
use polars_parquet::read::schema::{
    FileMetadata, ParquetType, SchemaInferenceOptions, parquet_to_arrow_schema_with_options,
};
use polars_parquet::read::{GroupLogicalType, PrimitiveConvertedType, PrimitiveLogicalType};

use super::super::schema::{Leaf, Shape};

/// How the values of a field are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Boolean,
    /// Of any width, with or without a sign.
    Integer,
    Single,
    Double,
    /// 16 bits of a floating-point number.
    Half,
    Decimal(u8),
    Text,
    /// Text by its annotation, decoded as bytes.
    Enum,
    /// JSON by its annotation, decoded as bytes.
    Json,
    Bytes,
    /// Bytes of one length.
    Fixed,
    Uuid,
    Date,
    /// Of so many units a second.
    Time(i64),
    Timestamp {
        per_second: i64,
        instant: bool,
    },
    List(Box<Node>),
    /// Keys that are texts, and values.
    Map(Box<Node>),
    Record(Vec<(String, Node)>),
}

impl Node {
    /// As the definition is checked against it.
    pub(super) fn shape(&self) -> Shape {
        Shape::Leaf(match self {
            Self::Null | Self::Map(_) | Self::Json => return Shape::Any,
            Self::List(element) => return Shape::List(Box::new(element.shape())),
            Self::Record(fields) => {
                return Shape::Record(fields.iter().map(|(name, node)| (name.clone(), node.shape())).collect());
            }
            Self::Boolean => Leaf::Boolean,
            Self::Integer | Self::Single | Self::Double | Self::Half | Self::Decimal(_) => Leaf::Number,
            // Bytes may be text by the definition.
            Self::Text | Self::Enum | Self::Bytes => Leaf::Text,
            Self::Fixed | Self::Uuid => Leaf::Other,
            Self::Date => Leaf::Date,
            Self::Time(_) => Leaf::Time,
            Self::Timestamp { instant: true, .. } => Leaf::Instant,
            Self::Timestamp { instant: false, .. } => Leaf::Local,
        })
    }
}

/// The root fields of a file.
pub(super) fn of(metadata: &FileMetadata) -> PolarsResult<Vec<(Field, Node)>> {
    let fields = metadata.schema().fields();
    for (at, field) in fields.iter().enumerate() {
        polars_ensure!(fields[..at].iter().all(|other| other.name() != field.name()), duplicate = field.name());
    }
    // Times of 96 bits are read as microseconds: as nanoseconds they would end in 2262.
    let options = SchemaInferenceOptions { int96_coerce_to_timeunit: TimeUnit::Microsecond };
    let schema = parquet_to_arrow_schema_with_options(fields, &Some(options));
    let mut typed = Vec::with_capacity(fields.len());
    for (name, field) in schema.iter() {
        let Some(parquet) = fields.iter().find(|parquet| parquet.name() == name.as_str()) else { continue };
        let mut leaves = Leaves::default();
        leaves.walk(parquet);
        let node = leaves.node(field)?;
        typed.push((field.clone(), node));
    }
    Ok(typed)
}

/// The leaves of a root field in order, and which of them are keys of maps.
#[derive(Default)]
struct Leaves<'a> {
    all: Vec<&'a PrimitiveType>,
    /// For each map its first leaf, its key, and the one behind its last.
    maps: Vec<(usize, usize)>,
    next: usize,
}

impl<'a> Leaves<'a> {
    fn walk(&mut self, parquet: &'a ParquetType) {
        match parquet {
            ParquetType::PrimitiveType(primitive) => self.all.push(primitive),
            ParquetType::GroupType { logical_type, converted_type, fields, .. } => {
                let first = self.all.len();
                for field in fields {
                    self.walk(field);
                }
                let map = matches!(logical_type, Some(GroupLogicalType::Map))
                    || matches!(converted_type, Some(GroupConvertedType::Map | GroupConvertedType::MapKeyValue));
                if map {
                    self.maps.push((first, self.all.len()));
                }
            }
        }
    }

    fn node(&mut self, field: &Field) -> PolarsResult<Node> {
        let first = self.next;
        Ok(match field.dtype() {
            ArrowDataType::Struct(fields) => Node::Record(
                fields
                    .iter()
                    .map(|field| Ok((field.name.to_string(), self.node(field)?)))
                    .collect::<PolarsResult<_>>()?,
            ),
            ArrowDataType::List(element)
            | ArrowDataType::LargeList(element)
            | ArrowDataType::FixedSizeList(element, _)
            | ArrowDataType::Map(element, _) => {
                let node = self.node(element)?;
                match node {
                    Node::Record(mut fields)
                        if fields.len() == 2
                            && matches!(fields[0].1, Node::Text | Node::Enum)
                            && self.maps.contains(&(first, self.next)) =>
                    {
                        Node::Map(Box::new(fields.remove(1).1))
                    }
                    node => Node::List(Box::new(node)),
                }
            }
            dtype => {
                let Some(leaf) = self.all.get(self.next) else {
                    polars_bail!(ComputeError: "its columns are fewer than its fields");
                };
                self.next += 1;
                leaf_node(dtype, leaf)?
            }
        })
    }
}

fn leaf_node(dtype: &ArrowDataType, leaf: &PrimitiveType) -> PolarsResult<Node> {
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    Ok(match dtype {
        ArrowDataType::Null => Node::Null,
        ArrowDataType::Boolean => Node::Boolean,
        ArrowDataType::Int8
        | ArrowDataType::Int16
        | ArrowDataType::Int32
        | ArrowDataType::Int64
        | ArrowDataType::UInt8
        | ArrowDataType::UInt16
        | ArrowDataType::UInt32
        | ArrowDataType::UInt64 => Node::Integer,
        ArrowDataType::Float32 => Node::Single,
        ArrowDataType::Float64 => Node::Double,
        ArrowDataType::Decimal(precision, scale) if *precision <= 38 && scale <= precision => {
            Node::Decimal(u8::try_from(*scale).unwrap_or(0))
        }
        ArrowDataType::Utf8View => Node::Text,
        ArrowDataType::BinaryView => match (leaf.logical_type, leaf.converted_type) {
            (Some(PrimitiveLogicalType::Json), _) | (None, Some(PrimitiveConvertedType::Json)) => Node::Json,
            (Some(PrimitiveLogicalType::Enum), _) | (None, Some(PrimitiveConvertedType::Enum)) => Node::Enum,
            _ => Node::Bytes,
        },
        ArrowDataType::FixedSizeBinary(length) => match (leaf.logical_type, length) {
            (Some(PrimitiveLogicalType::Uuid), 16) => Node::Uuid,
            (Some(PrimitiveLogicalType::Float16), 2) => Node::Half,
            _ => Node::Fixed,
        },
        ArrowDataType::Date32 => Node::Date,
        ArrowDataType::Time32(unit) | ArrowDataType::Time64(unit) => Node::Time(per_second(unit)),
        ArrowDataType::Timestamp(unit, zone) => {
            Node::Timestamp { per_second: per_second(unit), instant: zone.is_some() }
        }
        other => {
            polars_bail!(ComputeError: "its field {} has a type that is not read: {other:?}", leaf.field_info.name)
        }
    })
}
