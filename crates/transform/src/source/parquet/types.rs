//! The schema of a Parquet file: the arrow type each field is decoded as, and how its values are written.

use polars_arrow::datatypes::{ArrowDataType, Field, TimeUnit};
use polars_error::{PolarsResult, polars_bail, polars_ensure};
use polars_parquet::parquet::schema::types::{GroupConvertedType, PhysicalType, PrimitiveType};
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
    /// A day and nanoseconds of 96 bits, decoded as its bytes: as microseconds it would lose the rest unseen, and as
    /// nanoseconds it would end in 2262.
    Int96,
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
            Self::Timestamp { instant: false, .. } | Self::Int96 => Leaf::Local,
        })
    }
}

/// The root fields of a file.
pub(super) fn of(metadata: &FileMetadata) -> PolarsResult<Vec<(Field, Node)>> {
    let fields = metadata.schema().fields();
    for (at, field) in fields.iter().enumerate() {
        polars_ensure!(fields[..at].iter().all(|other| other.name() != field.name()), duplicate = field.name());
    }
    let schema = parquet_to_arrow_schema_with_options(fields, &Some(SchemaInferenceOptions::default()));
    let mut typed = Vec::with_capacity(fields.len());
    for (name, field) in schema.iter() {
        let Some(parquet) = fields.iter().find(|parquet| parquet.name() == name.as_str()) else { continue };
        let mut leaves = Leaves::default();
        leaves.walk(parquet);
        let node = leaves.node(field)?;
        typed.push((as_read(field, &node), node));
    }
    Ok(typed)
}

/// The field as it is decoded, which is as the library would but for times of 96 bits, and for texts: the library gives
/// up a column for one text that is not valid UTF-8, so that they are decoded as bytes, and judged value by value.
fn as_read(field: &Field, node: &Node) -> Field {
    let dtype = match (field.dtype(), node) {
        (_, Node::Int96) => ArrowDataType::FixedSizeBinary(INT96_BYTES),
        (_, Node::Text) => ArrowDataType::BinaryView,
        (ArrowDataType::Struct(fields), Node::Record(nodes)) => {
            ArrowDataType::Struct(fields.iter().zip(nodes).map(|(field, (_, node))| as_read(field, node)).collect())
        }
        (ArrowDataType::List(element), Node::List(node)) => ArrowDataType::List(Box::new(as_read(element, node))),
        (ArrowDataType::LargeList(element), Node::List(node)) => {
            ArrowDataType::LargeList(Box::new(as_read(element, node)))
        }
        (ArrowDataType::FixedSizeList(element, size), Node::List(node)) => {
            ArrowDataType::FixedSizeList(Box::new(as_read(element, node)), *size)
        }
        (ArrowDataType::Map(entries, sorted), Node::List(node)) => {
            ArrowDataType::Map(Box::new(as_read(entries, node)), *sorted)
        }
        (ArrowDataType::Map(entries, sorted), Node::Map(value)) => {
            ArrowDataType::Map(Box::new(entry_as_read(entries, value)), *sorted)
        }
        (ArrowDataType::List(entries), Node::Map(value)) => {
            ArrowDataType::List(Box::new(entry_as_read(entries, value)))
        }
        (ArrowDataType::LargeList(entries), Node::Map(value)) => {
            ArrowDataType::LargeList(Box::new(entry_as_read(entries, value)))
        }
        (other, _) => other.clone(),
    };
    Field { dtype, ..field.clone() }
}

/// An entry of a map, whose key is a text.
fn entry_as_read(entry: &Field, value: &Node) -> Field {
    let ArrowDataType::Struct(fields) = entry.dtype() else { return entry.clone() };
    let mut fields = fields.clone();
    if let [key, last] = fields.as_mut_slice() {
        key.dtype = ArrowDataType::BinaryView;
        *last = as_read(last, value);
    }
    Field { dtype: ArrowDataType::Struct(fields), ..entry.clone() }
}

/// The bytes of a time of 96 bits.
pub(super) const INT96_BYTES: usize = 12;

/// The type that a column's values are read as: those of 96 bits are so many bytes.
pub(super) fn primitive_as_read(primitive: &PrimitiveType) -> PrimitiveType {
    let mut primitive = primitive.clone();
    if primitive.physical_type == PhysicalType::Int96 {
        primitive.physical_type = PhysicalType::FixedLenByteArray(INT96_BYTES);
    }
    primitive
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
        ArrowDataType::Timestamp(..) if leaf.physical_type == PhysicalType::Int96 => Node::Int96,
        ArrowDataType::Timestamp(unit, zone) => {
            Node::Timestamp { per_second: per_second(unit), instant: zone.is_some() }
        }
        other => {
            polars_bail!(ComputeError: "its field {} has a type that is not read: {other:?}", leaf.field_info.name)
        }
    })
}
