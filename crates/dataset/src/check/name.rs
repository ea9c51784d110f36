//! Names of datasets, tables and columns.

use crate::definition::read::At;
use crate::problem::Report;

const MOST_BYTES: usize = 60;

/// Names that warehouses or lakehand itself use for schemas.
const RESERVED_DATASETS: &[&str] = &["lakehand", "public", "information_schema", "main", "temp"];

/// Names of columns that a warehouse's tables have by themselves.
const RESERVED_COLUMNS: &[&str] =
    &["oid", "rowid", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "insertxid", "deletexid"];

/// Whether the text is a name for a dataset; notes why not.
pub(super) fn check_dataset(name: &At<String>, report: &mut Report<'_>) -> bool {
    let text = name.value.as_str();
    let reserved = RESERVED_DATASETS.contains(&text) || text.starts_with("pg_") || text.starts_with("sqlite_");
    check(name, "name", "dataset", reserved, report)
}

/// Whether the text is a name for a table; notes why not.
pub(super) fn check_table(name: &At<String>, report: &mut Report<'_>) -> bool {
    let path = format!("tables.{}", name.value);
    if name.value.ends_with("__rows") {
        report.advise(
            name.at,
            path,
            format!("the name {:?} is taken: <table>__rows holds all rows of a table", name.value),
            "choose another name",
        );
        return false;
    }
    check(name, &path, "table", false, report)
}

/// Whether the text is a name for a check; notes why not.
pub(super) fn check_check(name: &At<String>, report: &mut Report<'_>) -> bool {
    check(name, &format!("checks.{}", name.value), "check", false, report)
}

/// Whether the text is a name for a column; notes why not.
pub(super) fn check_column(name: &At<String>, path: &str, report: &mut Report<'_>) -> bool {
    if name.value.starts_with('_') {
        report.advise(
            name.at,
            path,
            "names that begin with _ belong to lakehand's own columns",
            "leave the underscore off",
        );
        return false;
    }
    check(name, path, "column", RESERVED_COLUMNS.contains(&name.value.as_str()), report)
}

fn check(name: &At<String>, path: &str, what: &str, reserved: bool, report: &mut Report<'_>) -> bool {
    let text = name.value.as_str();
    let well_formed = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !well_formed {
        let message = format!("{text:?} is not a name for a {what}: use small letters, digits and _, a letter first");
        match snake_case(text) {
            Some(better) => report.advise(name.at, path, message, format!("for example {better}")),
            None => report.add(name.at, path, message),
        }
    } else if text.len() > MOST_BYTES {
        report.add(name.at, path, format!("the name has {} characters; at most {MOST_BYTES} are allowed", text.len()));
    } else if reserved {
        report.advise(name.at, path, format!("the name {text:?} is reserved"), "choose another name");
    } else {
        return true;
    }
    false
}

/// The name a person most likely wants instead: `realEstate-baseRent` becomes `real_estate_base_rent`.
fn snake_case(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars() {
        if c.is_ascii_uppercase() && name.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit()) {
            name.push('_');
        }
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    let name = name.trim_matches('_').to_owned();
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}
