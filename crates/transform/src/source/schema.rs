//! What a file with types of its own says of its fields, against what the definition declares: a column that no value
//! could fill makes the file unreadable, rather than each of its records.

use lakehand_dataset::dataset::{Dataset, Origin, Rules, Table, UnknownFields};
use lakehand_dataset::path::FieldPath;
use lakehand_dataset::transformer::TransformError;
use lakehand_domain::shape::{ColumnShape, ColumnType};

use crate::decode::list_names;

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A value.
    Leaf(Leaf),
    /// Fields by name.
    Record(Vec<(String, Shape)>),
    /// Values of one kind.
    List(Box<Shape>),
    /// Anything: what a file does not say, or says in more than one way.
    Any,
}

/// The kinds of values, as far as they decide which columns take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaf {
    Boolean,
    Number,
    Text,
    Date,
    /// A time of day.
    Time,
    /// A day and time without a zone.
    Local,
    /// A day and time in UTC.
    Instant,
    /// A value by another notation than columns have.
    Other,
}

impl Leaf {
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "booleans",
            Self::Number => "numbers",
            Self::Text => "texts",
            Self::Date => "dates",
            Self::Time => "times of day",
            Self::Local => "times without a zone",
            Self::Instant => "times in UTC",
            Self::Other => "bytes",
        }
    }

    /// Whether a column of this type takes some of them.
    fn fits(self, column_type: ColumnType, rules: &Rules) -> bool {
        if matches!(column_type, ColumnType::Varchar { .. } | ColumnType::Json) || self == Self::Text {
            return true;
        }
        match column_type {
            ColumnType::Boolean => self == Self::Boolean,
            ColumnType::Date => self == Self::Date,
            ColumnType::Timestamp => self == Self::Local,
            ColumnType::Timestamptz => self == Self::Instant || (self == Self::Local && rules.zone.is_some()),
            _ => self == Self::Number,
        }
    }
}

/// The names of the root fields that columns are made of; `None`: all are wanted.
pub(crate) fn wanted(dataset: &Dataset) -> Option<Vec<String>> {
    if dataset.quality.unknown_fields != UnknownFields::Ignore {
        return None;
    }
    let mut names = Vec::new();
    for (table, column) in
        dataset.tables.iter().flat_map(|table| table.columns.iter().map(move |column| (table, column)))
    {
        let Origin::Field(path) = &column.origin else { continue };
        // A path that is the record itself wants all of it.
        let name = steps(dataset, table, path).next()?.to_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // A table of list elements has as many rows as the list, even where no column is made of it.
    for table in &dataset.tables {
        if let Some(rows) = &table.rows
            && let Some(name) = root(dataset).chain(rows.keys.iter().map(String::as_str)).next()
            && !names.iter().any(|known| known == name)
        {
            names.push(name.to_owned());
        }
    }
    Some(names)
}

fn root(dataset: &Dataset) -> impl Iterator<Item = &str> {
    dataset.source.records.iter().flat_map(|records| records.keys.iter().map(String::as_str))
}

/// The keys of a path from the root of the file.
fn steps<'a>(dataset: &'a Dataset, table: &'a Table, path: &'a FieldPath) -> impl Iterator<Item = &'a str> {
    let list = table.rows.iter().filter(|_| !path.from_record).flat_map(|rows| rows.keys.iter().map(String::as_str));
    root(dataset).chain(list).chain(path.keys.iter().map(String::as_str))
}

/// Refuses a file whose fields cannot fill the columns of the dataset.
pub(crate) fn check(dataset: &Dataset, root: &Shape) -> Result<(), TransformError> {
    let record = match &dataset.source.records {
        Some(records) => find(root, &records.keys),
        None => Some(root),
    };
    is_of_dataset(dataset, root, record)?;
    for table in &dataset.tables {
        for (column, shape) in table.columns.iter().zip(&table.shape.columns) {
            let Origin::Field(path) = &column.origin else { continue };
            let found = match (&table.rows, path.from_record) {
                (Some(rows), false) => match record.and_then(|record| find(record, &rows.keys)) {
                    Some(Shape::List(element)) => find(element, &path.keys),
                    // Records say one by one that there is no list.
                    _ => continue,
                },
                _ => record.and_then(|record| find(record, &path.keys)),
            };
            if let Some(message) = judge(found, path, shape, &column.rules) {
                let message = format!("{message} (column {}.{})", table.shape.name, shape.name);
                return Err(TransformError::Unreadable { message });
            }
        }
    }
    Ok(())
}

/// Refuses a file that has none of the fields that columns are made of, which is another dataset's: its records would
/// all be null.
fn is_of_dataset(dataset: &Dataset, root: &Shape, record: Option<&Shape>) -> Result<(), TransformError> {
    let mut missing = Vec::new();
    for table in &dataset.tables {
        for column in &table.columns {
            let Origin::Field(path) = &column.origin else { continue };
            let own = table.rows.as_ref().filter(|_| !path.from_record);
            let keys: Vec<&String> = own.into_iter().flat_map(|rows| &rows.keys).chain(&path.keys).collect();
            // A path that is the record itself, or its list, is there where that is.
            if record.is_some_and(|record| keys.first().is_none_or(|key| has(record, key))) {
                return Ok(());
            }
            missing.push(path.to_string());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let names = match root {
        Shape::Record(fields) => fields.iter().map(|(name, _)| name.clone()).collect(),
        _ => Vec::new(),
    };
    Err(TransformError::Unreadable {
        message: format!(
            "has none of the fields that columns are made of: {}; it has {}; deliver the fields, or change the definition",
            list_names(&mut missing.iter()),
            list_names(&mut names.iter())
        ),
    })
}

/// Whether a record may have a field of this name.
fn has(record: &Shape, key: &str) -> bool {
    match record {
        Shape::Record(fields) => fields.iter().any(|(name, _)| name == key),
        _ => true,
    }
}

fn judge(found: Option<&Shape>, path: &FieldPath, shape: &ColumnShape, rules: &Rules) -> Option<String> {
    let column_type = shape.column_type;
    // What is done to a text before it is typed may make anything of anything.
    let ruled = rules.map.is_some() || rules.extract.is_some() || rules.format.is_some() || !rules.null_if.is_empty();
    match found {
        None if shape.required && rules.default.is_none() => Some(format!(
            "has no field {path}, and the column made of it is required; deliver it, or change the definition"
        )),
        Some(Shape::Leaf(leaf)) if !ruled && !leaf.fits(column_type, rules) => {
            let hint = match (leaf, column_type) {
                (Leaf::Local, ColumnType::Timestamptz) => "name their zone in the column's zone",
                (Leaf::Instant, ColumnType::Timestamp) => "declare the column as timestamptz",
                _ => "declare the column as what the file holds, or deliver what is declared",
            };
            Some(format!("holds {} in its field {path}, of which none is a {column_type}; {hint}", leaf.name()))
        }
        Some(Shape::Record(_) | Shape::List(_)) if column_type != ColumnType::Json => {
            let what = if matches!(found, Some(Shape::List(_))) { "lists" } else { "records" };
            Some(format!(
                "holds {what} in its field {path}, of which none is a {column_type}; declare the column as json"
            ))
        }
        _ => None,
    }
}

/// What stands at the end of a path. Where a value stands on the way, records say so one by one.
fn find<'a>(shape: &'a Shape, path: &[String]) -> Option<&'a Shape> {
    let Some((step, rest)) = path.split_first() else { return Some(shape) };
    match shape {
        Shape::Record(fields) => fields.iter().find(|(name, _)| name == step).and_then(|(_, shape)| find(shape, rest)),
        other => Some(other),
    }
}
