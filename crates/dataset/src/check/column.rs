//! One column: its type, and the one place its value comes from.

use lakehand_domain::shape::{ColumnShape, ColumnType};

use super::source::CheckedSource;
use super::table::{Kind, TableOutline};
use super::{contest, expression, mask, name, rules};
use crate::dataset::{Column, ColumnRef, CsvHeader, Origin, Rules};
use crate::definition::read::At;
use crate::definition::{self, FormatName};
use crate::nearest::nearest;
use crate::path::FieldPath;
use crate::problem::Report;

/// What surrounds a column.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    /// All tables of the dataset.
    pub(super) outlines: &'s [TableOutline<'s>],
    /// The index of the column's own table.
    pub(super) table: usize,
    /// The source.
    pub(super) source: &'s CheckedSource,
}

impl Scope<'_> {
    pub(super) fn own(&self) -> &TableOutline<'_> {
        &self.outlines[self.table]
    }
}

/// The shortest varchar that holds 128 bits in hexadecimal digits.
const HASH_TEXT_BYTES: u32 = 32;

/// Type names of other systems, and what they are called here.
const FOREIGN_TYPES: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("int2", "smallint"),
    ("int", "integer, or bigint where numbers may be above 2,147,483,647"),
    ("int4", "integer"),
    ("int32", "integer"),
    ("int8", "bigint"),
    ("int64", "bigint"),
    ("long", "bigint"),
    ("float", "double"),
    ("float4", "real"),
    ("float8", "double"),
    ("float64", "double"),
    ("doubleprecision", "double"),
    ("number", "decimal(p,s), double or bigint"),
    ("numeric", "decimal(p,s)"),
    ("decimal", "decimal(p,s), for example decimal(12,2)"),
    ("varchar", "varchar(n), n in bytes, at most 65535"),
    ("char", "varchar(n)"),
    ("text", "varchar(n), n in bytes, at most 65535"),
    ("string", "varchar(n), n in bytes, at most 65535"),
    ("datetime", "timestamp, or timestamptz for instants"),
    ("timestampwithtimezone", "timestamptz"),
    ("jsonb", "json"),
    ("super", "json"),
    ("uuid", "varchar(36)"),
];

/// Which of the four origins a column has; the first written one where there are several.
pub(super) fn kind_of(given: &definition::Column) -> Kind {
    if given.from.is_some() {
        Kind::Field
    } else if given.capture.is_some() {
        Kind::Capture
    } else if given.expr.is_some() {
        Kind::Expression
    } else if given.hash_of.is_some() {
        Kind::Hash
    } else {
        Kind::Field
    }
}

pub(super) fn check(
    column_name: &At<String>,
    given: &At<definition::Column>,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) -> Option<(ColumnShape, Column)> {
    let path = format!("tables.{}.columns.{}", scope.own().name, column_name.value);
    let named = name::check_column(column_name, &path, report);
    let column_type = given.value.kind.as_ref().and_then(|text| check_type(text, &path, report));
    let single = check_single_origin(given, &path, report);
    let origin = check_origin(column_name, given, column_type, &path, scope, report);
    let rules = column_type.and_then(|column_type| rules::check(&given.value, column_type, &path, report));
    let mask = column_type
        .map(|column_type| mask::check(&given.value, column_type, scope.source.mask_key.as_deref(), &path, report));
    let shape = ColumnShape {
        name: column_name.value.clone(),
        column_type: column_type?,
        required: given.value.required.as_ref().is_some_and(|required| required.value),
    };
    let rules = Rules { mask: mask?.ok()?, ..rules? };
    let column = Column { origin: origin?, rules };
    (named && single).then_some((shape, column))
}

fn check_type(text: &At<String>, path: &str, report: &mut Report<'_>) -> Option<ColumnType> {
    let error = match ColumnType::parse(&text.value) {
        Ok(column_type) => return Some(column_type),
        Err(error) => error,
    };
    let path = format!("{path}.type");
    let plain: String = text.value.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    let base = plain.split('(').next().unwrap_or("");
    let known =
        ["boolean", "smallint", "integer", "bigint", "real", "double", "date", "timestamp", "timestamptz", "json"];
    let meant = FOREIGN_TYPES.iter().find(|(foreign, _)| *foreign == base).map(|(_, ours)| (*ours).to_owned());
    let message = format!("{:?} is not a type", text.value);
    match meant.or_else(|| nearest(base, known).map(str::to_owned)) {
        Some(_) if plain.starts_with("decimal(") => {
            report.advise(text.at, path, message, "decimal(p,s) takes p from 1 to 38 and s from 0 to p");
        }
        Some(_) if plain.starts_with("varchar(") => {
            report.advise(text.at, path, message, "varchar(n) takes n from 1 to 65535 bytes");
        }
        Some(meant) => report.advise(text.at, path, message, format!("did you mean {meant}?")),
        None => report.add(text.at, path, error.to_string()),
    }
    None
}

fn check_single_origin(given: &At<definition::Column>, path: &str, report: &mut Report<'_>) -> bool {
    let column = &given.value;
    let origins = [
        ("from", column.from.is_some()),
        ("capture", column.capture.is_some()),
        ("expr", column.expr.is_some()),
        ("hash_of", column.hash_of.is_some()),
    ];
    let present: Vec<&str> = origins.iter().filter(|(_, there)| *there).map(|(key, _)| *key).collect();
    if present.len() > 1 {
        let message = format!("has {} origins: {}", present.len(), present.join(", "));
        report.advise(given.at, path, message, "keep one of them");
    }
    present.len() <= 1
}

fn check_origin(
    column_name: &At<String>,
    given: &At<definition::Column>,
    column_type: Option<ColumnType>,
    path: &str,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) -> Option<Origin> {
    let column = &given.value;
    match kind_of(column) {
        Kind::Field => {
            let from = column.from.as_ref().unwrap_or(column_name);
            check_field(from, path, scope, report).map(Origin::Field)
        }
        Kind::Capture => check_capture(column.capture.as_ref()?, column_type, path, scope, report),
        Kind::Expression => {
            let path = format!("{path}.expr");
            expression::check(column.expr.as_ref()?, &path, scope.outlines, scope.table, report).map(Origin::Expression)
        }
        Kind::Hash => check_hash(column.hash_of.as_ref()?, column_type, path, scope, report).map(Origin::Hash),
    }
}

fn check_field(from: &At<String>, path: &str, scope: &Scope<'_>, report: &mut Report<'_>) -> Option<FieldPath> {
    let path = format!("{path}.from");
    if matches!(scope.source.format, Some(FormatName::Csv | FormatName::Tsv)) {
        return check_csv_field(from, path, scope.source.header.as_ref(), report);
    }
    if from.value.contains("[]") {
        let message = "it names a field, not the elements of a list";
        let hint = "set rows of the table; then paths begin at the element, and $.a at the record";
        report.advise(from.at, path, message, hint);
        return None;
    }
    match FieldPath::parse(&from.value) {
        Ok(field) if !scope.own().exploded && field.keys.is_empty() => {
            report.add(from.at, path, "@ is the element of a list, and this table has no rows = \"list[]\"");
            None
        }
        Ok(field) if !scope.own().exploded && field.from_record => {
            let hint = format!("write {:?}", from.value.trim_start_matches("$."));
            report.advise(from.at, path, "$. is only for tables with rows; every path here is from the record", hint);
            None
        }
        Ok(field) => Some(field),
        Err(error) => {
            report.add(from.at, path, error.to_string());
            None
        }
    }
}

fn check_csv_field(
    from: &At<String>,
    path: String,
    header: Option<&CsvHeader>,
    report: &mut Report<'_>,
) -> Option<FieldPath> {
    match header {
        Some(CsvHeader::Given(names) | CsvHeader::Replaced(names)) if !names.contains(&from.value) => {
            let message = format!("source.csv.names has no {:?}", from.value);
            match nearest(&from.value, names.iter().map(String::as_str)) {
                Some(meant) => report.advise(from.at, path, message, format!("did you mean {meant:?}?")),
                None => report.add(from.at, path, message),
            }
            None
        }
        Some(CsvHeader::Numbered)
            if !from.value.parse::<u32>().is_ok_and(|number| from.value == number.to_string() && number > 0) =>
        {
            let message = format!("is {:?}, and the files have no header line", from.value);
            report.advise(
                from.at,
                path,
                message,
                "write the number of the field, the first being \"1\", or give source.csv.names",
            );
            None
        }
        _ if from.value.is_empty() => {
            report.add(from.at, path, "is empty");
            None
        }
        _ => Some(FieldPath::key(from.value.as_str())),
    }
}

fn check_capture(
    capture: &At<String>,
    column_type: Option<ColumnType>,
    path: &str,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) -> Option<Origin> {
    let path = format!("{path}.capture");
    if column_type == Some(ColumnType::Json) {
        report.advise(capture.at, path.as_str(), "a part of a name is no json", "use varchar(n)");
        return None;
    }
    contest::is_captured(scope.source, capture, path, report).then(|| Origin::Capture(capture.value.clone()))
}

fn check_hash(
    given: &At<Vec<At<String>>>,
    column_type: Option<ColumnType>,
    path: &str,
    scope: &Scope<'_>,
    report: &mut Report<'_>,
) -> Option<Vec<ColumnRef>> {
    let hash_path = format!("{path}.hash_of");
    let mut fine = true;
    match column_type {
        None | Some(ColumnType::Bigint) => {}
        Some(ColumnType::Varchar { bytes }) if bytes >= HASH_TEXT_BYTES => {}
        Some(other) => {
            fine = false;
            report.add(
                given.at,
                hash_path.as_str(),
                format!("a hash is a bigint, or a varchar(32) or longer, not {other}"),
            );
        }
    }
    if given.value.is_empty() {
        report.add(given.at, hash_path.as_str(), "names no columns");
        return None;
    }
    let mut columns: Vec<ColumnRef> = Vec::with_capacity(given.value.len());
    for reference in &given.value {
        match resolve(&reference.value, scope) {
            Ok(column) if columns.contains(&column) => {
                fine = false;
                report.add(reference.at, hash_path.as_str(), format!("{:?} stands here twice", reference.value));
            }
            Ok(column) => columns.push(column),
            Err((message, hint)) => {
                fine = false;
                match hint {
                    Some(hint) => report.advise(reference.at, hash_path.as_str(), message, hint),
                    None => report.add(reference.at, hash_path.as_str(), message),
                }
            }
        }
    }
    fine.then_some(columns)
}

/// Finds `column` in the same table, or `table.column`.
fn resolve(reference: &str, scope: &Scope<'_>) -> Result<ColumnRef, (String, Option<String>)> {
    let (table, column) = match reference.split_once('.') {
        Some((table, column)) => {
            let names = || scope.outlines.iter().map(|outline| outline.name);
            let at = names().position(|name| name == table).ok_or_else(|| {
                let hint = nearest(table, names()).map(|meant| format!("did you mean {meant}?"));
                (format!("there is no table {table:?}"), hint)
            })?;
            (at, column)
        }
        None => (scope.table, reference),
    };
    let outline = &scope.outlines[table];
    let at = outline.columns.iter().position(|other| other.name == column).ok_or_else(|| {
        let hint = nearest(column, outline.columns.iter().map(|other| other.name));
        let message = format!("there is no column {column:?} in table {:?}", outline.name);
        (message, hint.map(|meant| format!("did you mean {meant}?")))
    })?;
    match outline.columns[at].kind {
        Kind::Expression => Err((format!("{reference:?} is an expression, and hashes are made before those"), None)),
        Kind::Hash => {
            Err((format!("{reference:?} is a hash itself"), Some("name the columns it is made of".to_owned())))
        }
        Kind::Field | Kind::Capture if table != scope.table && outline.exploded => {
            let message =
                format!("{:?} has many rows a record, so that {reference:?} is no single value", outline.name);
            Err((message, None))
        }
        Kind::Field | Kind::Capture => Ok(ColumnRef { table, column: at }),
    }
}
