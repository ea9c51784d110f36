//! The shape of tables: columns, types and how rows of one key contend. Independent of any engine.

mod contest;
mod older;
mod reference;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::contest::{Contest, OnRewrite, Run, UnclearScope};
pub use self::reference::{Reference, affected, has_references};
use crate::id::{DatasetId, FamilyId, Fingerprint};

/// The type of a column, as declared and as every backend must keep it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ColumnType {
    /// true or false.
    Boolean,
    /// 16 bits, signed.
    Smallint,
    /// 32 bits, signed.
    Integer,
    /// 64 bits, signed.
    Bigint,
    /// IEEE 754 single.
    Real,
    /// IEEE 754 double.
    Double,
    /// Exact, `precision` digits of which `scale` follow the point; at most 38.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
    /// UTF-8 text of at most `bytes` bytes (bytes, not characters, as Redshift counts), 1 to 65,535.
    Varchar {
        /// The most bytes a value may have.
        bytes: u32,
    },
    /// A calendar day.
    Date,
    /// A day and time without a zone, microseconds.
    Timestamp,
    /// An instant, kept in UTC, microseconds.
    Timestamptz,
    /// A JSON text, kept as it came.
    Json,
}

/// A text that names no column type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a type: use boolean, smallint, integer, bigint, real, double, decimal(p,s), varchar(n), date, timestamp, timestamptz or json"
)]
pub struct ColumnTypeError(String);

impl ColumnType {
    /// Reads a type as definitions write it, in any case and spacing: `decimal(12, 2)`.
    pub fn parse(text: &str) -> Result<Self, ColumnTypeError> {
        let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
        let refuse = || ColumnTypeError(text.to_owned());
        let (name, arguments) = match plain.split_once('(') {
            Some((name, rest)) => (name, Some(rest.strip_suffix(')').ok_or_else(refuse)?)),
            None => (plain.as_str(), None),
        };
        match (name, arguments) {
            ("boolean", None) => Ok(Self::Boolean),
            ("smallint", None) => Ok(Self::Smallint),
            ("integer", None) => Ok(Self::Integer),
            ("bigint", None) => Ok(Self::Bigint),
            ("real", None) => Ok(Self::Real),
            ("double", None) => Ok(Self::Double),
            ("date", None) => Ok(Self::Date),
            ("timestamp", None) => Ok(Self::Timestamp),
            ("timestamptz", None) => Ok(Self::Timestamptz),
            ("json", None) => Ok(Self::Json),
            ("decimal", Some(arguments)) => {
                let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
                let precision: u8 = precision.parse().map_err(|_| refuse())?;
                let scale: u8 = scale.parse().map_err(|_| refuse())?;
                if precision == 0 || precision > 38 || scale > precision {
                    return Err(refuse());
                }
                Ok(Self::Decimal { precision, scale })
            }
            ("varchar", Some(bytes)) => match bytes.parse() {
                Ok(bytes @ 1..=65_535) => Ok(Self::Varchar { bytes }),
                _ => Err(refuse()),
            },
            _ => Err(refuse()),
        }
    }

    /// Whether every value of this type is a value of `to` as well, digit for digit.
    pub fn widens_to(self, to: Self) -> bool {
        use ColumnType::{Bigint, Decimal, Integer, Smallint, Varchar};
        match (self, to) {
            (Smallint, Integer | Bigint) | (Integer, Bigint) => true,
            (Varchar { bytes: old }, Varchar { bytes: new }) => old <= new,
            (Decimal { precision: old, scale: old_scale }, Decimal { precision: new, scale: new_scale }) => {
                old <= new && old_scale == new_scale
            }
            _ => self == to,
        }
    }

    /// One value of it, in a sentence: `an integer`, `a decimal(12,2)`.
    pub fn one(&self) -> String {
        let article = if *self == Self::Integer { "an" } else { "a" };
        format!("{article} {self}")
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Smallint => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::Bigint => f.write_str("bigint"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Varchar { bytes } => write!(f, "varchar({bytes})"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::Timestamptz => f.write_str("timestamptz"),
            Self::Json => f.write_str("json"),
        }
    }
}

impl TryFrom<String> for ColumnType {
    type Error = ColumnTypeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ColumnType> for String {
    fn from(column_type: ColumnType) -> Self {
        column_type.to_string()
    }
}

/// One column as lake and warehouse hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnShape {
    /// Its name: `[a-z_][a-z0-9_]*`.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// Whether every row has a value.
    #[serde(default)]
    pub required: bool,
}

/// The columns of lineage, in the order in which parts hold them, after the declared columns. See
/// [`TableShape::lineage`].
pub mod lineage {
    /// Whether the row passes the table's `where`; boolean; only in tables that have one.
    pub const PASSES: &str = "_passes";
    /// The load that brought the row; varchar(32).
    pub const LOAD_ID: &str = "_load_id";
    /// The URI of the object; varchar(2048).
    pub const OBJECT: &str = "_object";
    /// The line number of the record in the decompressed object, members of an archive counted on; bigint, from 1.
    pub const RECORD: &str = "_record";
    /// The position of the element in the exploded list, from 1; integer; only in tables made of list elements.
    pub const ELEMENT: &str = "_element";
    /// The order of the object's version; varchar(1100). See [`crate::object::Order`].
    pub const ORDER: &str = "_order";
    /// The warehouse's own: `visible`, `lost`, `filtered` or `waiting`.
    pub const STANDING: &str = "_standing";
}

/// How a warehouse that has a say in it lays out the rows of a table. It decides no byte of a part and no row of the
/// table, so that no fingerprint covers it, and workers that differ in nothing else load side by side. It is followed
/// when a table is made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableLayout {
    /// Which node has which rows.
    #[serde(default, skip_serializing_if = "Distribution::is_auto")]
    pub distribution: Distribution,
    /// The columns by which rows are sorted, the first first; empty leaves it to the warehouse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort_key: Vec<String>,
    /// Whether json columns are kept taken apart (Redshift: SUPER), and not as the text that came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parsed_json: bool,
}

/// Which node of a warehouse has which rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// As the warehouse thinks best.
    #[default]
    Auto,
    /// By turns.
    Even,
    /// All have all.
    All,
    /// By the value of this column.
    Key(String),
}

impl Distribution {
    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// What a table looks like to the warehouse and in the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableShape {
    /// The dataset it belongs to; a warehouse with schemas uses it as the schema, others as a prefix.
    pub dataset: DatasetId,
    /// Its name within the dataset.
    pub name: String,
    /// The declared columns, in the order of the definition.
    pub columns: Vec<ColumnShape>,
    /// How rows contend.
    pub contest: Contest,
    /// Whether rows carry `_passes`.
    #[serde(default)]
    pub has_where: bool,
    /// Whether rows carry `_element`.
    #[serde(default)]
    pub exploded: bool,
    /// How a warehouse lays it out, where it has a say.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub layout: TableLayout,
    /// The columns whose values say whose data a row is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<String>,
    /// The columns whose values name rows of other datasets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
}

fn is_usual(layout: &TableLayout) -> bool {
    *layout == TableLayout::default()
}

impl TableShape {
    /// The columns of lineage that rows of this table carry in the lake, in order.
    pub fn lineage(&self) -> Vec<ColumnShape> {
        let column = |name: &str, column_type| ColumnShape { name: name.to_owned(), column_type, required: true };
        let mut columns = Vec::with_capacity(6);
        if self.has_where {
            columns.push(column(lineage::PASSES, ColumnType::Boolean));
        }
        columns.push(column(lineage::LOAD_ID, ColumnType::Varchar { bytes: 32 }));
        columns.push(column(lineage::OBJECT, ColumnType::Varchar { bytes: 2048 }));
        columns.push(column(lineage::RECORD, ColumnType::Bigint));
        if self.exploded {
            columns.push(column(lineage::ELEMENT, ColumnType::Integer));
        }
        columns.push(column(lineage::ORDER, ColumnType::Varchar { bytes: 1100 }));
        columns
    }

    /// The same table, laid out as a warehouse thinks best: shapes that are equal but for their layout hold the same rows.
    #[must_use]
    pub fn without_layout(&self) -> Self {
        Self { layout: TableLayout::default(), ..self.clone() }
    }

    /// All columns of a part, declared ones first.
    pub fn part_columns(&self) -> Vec<ColumnShape> {
        let mut columns = self.columns.clone();
        columns.extend(self.lineage());
        columns
    }
}

/// All that one fence guards: the tables of a family and the definitions that made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FamilyShape {
    /// The family.
    pub family: FamilyId,
    /// The definitions, by dataset, whose fingerprints are to be in force.
    pub definitions: Vec<DefinitionInForce>,
    /// All tables of all datasets of the family.
    pub tables: Vec<TableShape>,
}

impl FamilyShape {
    /// The same family, its tables laid out as a warehouse thinks best.
    #[must_use]
    pub fn without_layout(&self) -> Self {
        Self { tables: self.tables.iter().map(TableShape::without_layout).collect(), ..self.clone() }
    }
}

/// One dataset's fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefinitionInForce {
    /// The dataset.
    pub dataset: DatasetId,
    /// The fingerprint of its definition.
    pub fingerprint: Fingerprint,
}

impl DefinitionInForce {
    /// The number under which the ledger keeps since when there are workers with this definition.
    pub fn known_number(&self) -> String {
        format!("definition/{}/{}", self.dataset, self.fingerprint)
    }

    /// The number under which the ledger keeps when the warehouse last refused to put this definition in force; 0: it was
    /// put in force after all.
    pub fn refused_number(&self) -> String {
        format!("refused/{}/{}", self.dataset, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_of_before_layouts_read_and_write_as_they_were() {
        let text = r#"{"dataset":"d","name":"t","columns":[],"contest":{"mode":"append","on_rewrite":"replace"},"has_where":false,"exploded":false}"#;
        let mut shape: TableShape = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&shape).unwrap(), text);
        shape.layout =
            TableLayout { distribution: Distribution::Key("k".into()), sort_key: vec!["s".into()], parsed_json: true };
        let written = serde_json::to_string(&shape).unwrap();
        assert!(written.ends_with(r#""layout":{"distribution":{"key":"k"},"sort_key":["s"],"parsed_json":true}}"#));
        assert_eq!(serde_json::from_str::<TableShape>(&written).unwrap(), shape);
        assert_eq!(serde_json::to_string(&shape.without_layout()).unwrap(), text);
    }

    #[test]
    fn types_stand_in_sentences() {
        let one = |text| ColumnType::parse(text).unwrap().one();
        assert_eq!((one("integer"), one("decimal(12,2)")), ("an integer".to_owned(), "a decimal(12,2)".to_owned()));
    }

    #[test]
    fn types_read_back_as_written() {
        for text in [
            "boolean",
            "smallint",
            "integer",
            "bigint",
            "real",
            "double",
            "decimal(12,2)",
            "varchar(65535)",
            "date",
            "timestamp",
            "timestamptz",
            "json",
        ] {
            assert_eq!(ColumnType::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(ColumnType::parse(" Decimal( 38 , 0 )").unwrap(), ColumnType::Decimal { precision: 38, scale: 0 });
        for bad in [
            "text",
            "varchar",
            "varchar(0)",
            "varchar(65536)",
            "decimal(39,2)",
            "decimal(3,4)",
            "decimal(0)",
            "int",
            "boolean(1)",
            "decimal(3",
        ] {
            assert!(ColumnType::parse(bad).is_err(), "{bad}");
        }
    }
}
