//! The schema that a file was written with.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::super::schema::{Leaf, Shape};

/// Types are kept one after the other; a record may hold itself.
#[derive(Debug)]
pub(super) struct Schema {
    pub(super) types: Vec<Type>,
    pub(super) root: usize,
}

/// One type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Boolean,
    /// 32 or 64 bits, written the same.
    Integer,
    Single,
    Double,
    /// Bytes of a length that is written before them, or of the one given.
    Bytes {
        length: Option<usize>,
        write: Write,
    },
    Enum(Vec<String>),
    Date,
    Time(i64),
    Timestamp {
        per_second: i64,
        instant: bool,
    },
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<Field>),
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Write {
    Text,
    Hexadecimal,
    Uuid,
    Decimal(u8),
}

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    /// What stands before its value in a line.
    pub(super) key: String,
    pub(super) at: usize,
}

struct Parser {
    types: Vec<Type>,
    named: HashMap<String, usize>,
    binary_is_text: bool,
}

/// Deeper than this nobody writes a schema.
const MAX_DEPTH: usize = 64;

impl Schema {
    /// Reads a schema; Err says why it is none.
    pub(super) fn parse(json: &[u8], binary_is_text: bool) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut parser = Parser { types: Vec::new(), named: HashMap::new(), binary_is_text };
        let root = parser.read(&json, "", 0)?;
        if !matches!(parser.types[root], Type::Record(_)) {
            return Err("its root is no record".to_owned());
        }
        Ok(Self { types: parser.types, root })
    }

    /// As the definition is checked against it.
    pub(super) fn shape(&self) -> Shape {
        self.shape_of(self.root, 0)
    }

    fn shape_of(&self, at: usize, depth: usize) -> Shape {
        if depth > 16 {
            return Shape::Any;
        }
        match &self.types[at] {
            Type::Null | Type::Map(_) => Shape::Any,
            Type::Boolean => Shape::Leaf(Leaf::Boolean),
            Type::Integer | Type::Single | Type::Double => Shape::Leaf(Leaf::Number),
            Type::Bytes { write, .. } => Shape::Leaf(match write {
                Write::Text => Leaf::Text,
                Write::Decimal(_) => Leaf::Number,
                Write::Hexadecimal | Write::Uuid => Leaf::Other,
            }),
            Type::Enum(_) => Shape::Leaf(Leaf::Text),
            Type::Date => Shape::Leaf(Leaf::Date),
            Type::Time(_) => Shape::Leaf(Leaf::Time),
            Type::Timestamp { instant: true, .. } => Shape::Leaf(Leaf::Instant),
            Type::Timestamp { instant: false, .. } => Shape::Leaf(Leaf::Local),
            Type::Array(element) => Shape::List(Box::new(self.shape_of(*element, depth + 1))),
            Type::Union(branches) => {
                let mut real = branches.iter().filter(|branch| self.types[**branch] != Type::Null);
                match (real.next(), real.next()) {
                    (Some(only), None) => self.shape_of(*only, depth + 1),
                    _ => Shape::Any,
                }
            }
            Type::Record(fields) => Shape::Record(
                fields.iter().map(|field| (field.name.clone(), self.shape_of(field.at, depth + 1))).collect(),
            ),
        }
    }
}

impl Parser {
    fn add(&mut self, added: Type) -> usize {
        self.types.push(added);
        self.types.len() - 1
    }

    fn read(&mut self, json: &Json, space: &str, depth: usize) -> Result<usize, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH}"));
        }
        match json {
            Json::String(name) => self.by_name(name, space, None),
            Json::Array(branches) => {
                let branches = branches.iter().map(|branch| self.read(branch, space, depth + 1));
                let branches = branches.collect::<Result<Vec<_>, _>>()?;
                Ok(self.add(Type::Union(branches)))
            }
            Json::Object(object) => {
                let Some(kind) = object.get("type") else { return Err(format!("a type has no name: {json}")) };
                match kind.as_str() {
                    Some("record" | "error") => self.record(json, space, depth),
                    Some("enum") => {
                        let symbols = object.get("symbols").and_then(Json::as_array);
                        let symbols = symbols.ok_or_else(|| format!("an enum has no symbols: {json}"))?;
                        let symbols =
                            symbols.iter().map(|symbol| symbol.as_str().unwrap_or_default().to_owned()).collect();
                        let at = self.add(Type::Enum(symbols));
                        self.name(json, space, at)?;
                        Ok(at)
                    }
                    Some("fixed") => {
                        let length =
                            object.get("size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
                        let length = length.ok_or_else(|| format!("a fixed has no size: {json}"))?;
                        let write = self.bytes(json, Some(length))?;
                        let at = self.add(Type::Bytes { length: Some(length), write });
                        self.name(json, space, at)?;
                        Ok(at)
                    }
                    Some("array") => {
                        let items = object.get("items").ok_or_else(|| format!("an array has no items: {json}"))?;
                        let element = self.read(items, space, depth + 1)?;
                        Ok(self.add(Type::Array(element)))
                    }
                    Some("map") => {
                        let values = object.get("values").ok_or_else(|| format!("a map has no values: {json}"))?;
                        let value = self.read(values, space, depth + 1)?;
                        Ok(self.add(Type::Map(value)))
                    }
                    Some(name) => self.by_name(name, space, Some(json)),
                    None => self.read(kind, space, depth + 1),
                }
            }
            _ => Err(format!("{json} is no type")),
        }
    }

    /// A primitive, with what its object says of it, or a type that has a name.
    fn by_name(&mut self, name: &str, space: &str, json: Option<&Json>) -> Result<usize, String> {
        let logical = json.and_then(|json| json.get("logicalType")).and_then(Json::as_str);
        let per_second = |logical: &str| match logical.rsplit('-').next() {
            Some("millis") => 1_000,
            Some("micros") => 1_000_000,
            _ => 1_000_000_000,
        };
        let added = match (name, logical) {
            ("null", _) => Type::Null,
            ("boolean", _) => Type::Boolean,
            ("int", Some("date")) => Type::Date,
            ("int", Some(logical @ "time-millis")) | ("long", Some(logical @ "time-micros")) => {
                Type::Time(per_second(logical))
            }
            ("long", Some(logical @ ("timestamp-millis" | "timestamp-micros" | "timestamp-nanos"))) => {
                Type::Timestamp { per_second: per_second(logical), instant: true }
            }
            (
                "long",
                Some(logical @ ("local-timestamp-millis" | "local-timestamp-micros" | "local-timestamp-nanos")),
            ) => Type::Timestamp { per_second: per_second(logical), instant: false },
            ("int" | "long", _) => Type::Integer,
            ("float", _) => Type::Single,
            ("double", _) => Type::Double,
            ("string", _) => Type::Bytes { length: None, write: Write::Text },
            ("bytes", _) => {
                let write = match json {
                    Some(json) => self.bytes(json, None)?,
                    None if self.binary_is_text => Write::Text,
                    None => Write::Hexadecimal,
                };
                Type::Bytes { length: None, write }
            }
            _ => {
                let full =
                    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") };
                let known = self.named.get(&full).or_else(|| self.named.get(name));
                return known.copied().ok_or_else(|| format!("{name:?} is no type that it defines"));
            }
        };
        Ok(self.add(added))
    }

    /// How the bytes of a fixed or of bytes are written. A logical type that does not fit is passed over, as Avro has it.
    fn bytes(&self, json: &Json, length: Option<usize>) -> Result<Write, String> {
        Ok(match json.get("logicalType").and_then(Json::as_str) {
            Some("decimal") => {
                let number = |key: &str| json.get(key).and_then(Json::as_u64);
                let (precision, scale) = (number("precision").unwrap_or(0), number("scale").unwrap_or(0));
                match u8::try_from(scale) {
                    Ok(scale) if (1..=38).contains(&precision) && u64::from(scale) <= precision => {
                        Write::Decimal(scale)
                    }
                    _ => return Err(format!("decimals of {precision} digits, {scale} behind the point, are not read")),
                }
            }
            Some("uuid") if length == Some(16) => Write::Uuid,
            _ if self.binary_is_text => Write::Text,
            _ => Write::Hexadecimal,
        })
    }

    /// Enters a type under its full name; gives the space of names within.
    fn name(&mut self, json: &Json, space: &str, at: usize) -> Result<String, String> {
        let text = |key: &str| json.get(key).and_then(Json::as_str);
        let name = text("name").ok_or_else(|| format!("a type that needs a name has none: {json}"))?;
        let (space, name) = match (name.rsplit_once('.'), text("namespace")) {
            (Some((space, name)), _) => (space, name),
            (None, Some(space)) => (space, name),
            (None, None) => (space, name),
        };
        let full = if space.is_empty() { name.to_owned() } else { format!("{space}.{name}") };
        self.named.insert(full, at);
        Ok(space.to_owned())
    }

    fn record(&mut self, json: &Json, space: &str, depth: usize) -> Result<usize, String> {
        // Entered before its fields are read, which may name it.
        let at = self.add(Type::Record(Vec::new()));
        let space = self.name(json, space, at)?;
        let fields =
            json.get("fields").and_then(Json::as_array).ok_or_else(|| format!("a record has no fields: {json}"))?;
        let mut read: Vec<Field> = Vec::with_capacity(fields.len());
        for field in fields {
            let name =
                field.get("name").and_then(Json::as_str).ok_or_else(|| format!("a field has no name: {field}"))?;
            let kind = field.get("type").ok_or_else(|| format!("the field {name:?} has no type"))?;
            if read.iter().any(|other| other.name == name) {
                return Err(format!("it has the field {name:?} twice"));
            }
            let start = if read.is_empty() { "{" } else { "," };
            let key = format!("{start}{}:", Json::from(name));
            let at = self.read(kind, &space, depth + 1)?;
            read.push(Field { name: name.to_owned(), key, at });
        }
        self.types[at] = Type::Record(read);
        Ok(at)
    }
}
