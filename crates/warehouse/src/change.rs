//! What a changed definition may do to rows that are there.

use lakehand_domain::id::FamilyId;
use lakehand_domain::port::warehouse::{PlannedChange, PlannedStep};
use lakehand_domain::shape::{ColumnType, Contest, DefinitionInForce, FamilyShape, TableShape};

use crate::fit::told;

/// What a migration does to a table that is there. `holds` gives the type of a column that it has, and how that is told.
pub(crate) fn steps(
    known: &TableShape,
    table: &TableShape,
    holds: impl Fn(&str) -> Option<(Option<ColumnType>, String)>,
    is_recomputed: bool,
) -> Vec<PlannedStep> {
    let mut steps = Vec::new();
    for column in &table.columns {
        let becomes = column.column_type;
        match holds(&column.name) {
            None => steps.push(PlannedStep::Add { column: column.name.clone(), becomes }),
            Some((Some(there), _)) if there == becomes => {}
            Some((_, is)) => steps.push(PlannedStep::Retype { column: column.name.clone(), is, becomes }),
        }
    }
    let hidden = known.columns.iter().filter(|old| !table.columns.iter().any(|column| column.name == old.name));
    steps.extend(hidden.map(|column| PlannedStep::Hide { column: column.name.clone() }));
    if is_recomputed {
        steps.push(PlannedStep::Recompute);
    }
    steps
}

/// The steps, as they are told.
pub(crate) fn planned(table: &TableShape, steps: Vec<PlannedStep>) -> impl Iterator<Item = PlannedChange> {
    let table = told(table);
    steps.into_iter().map(move |step| PlannedChange { table: table.clone(), step })
}

/// The words for a definition whose turn is over; `None` where none of these is.
pub(crate) fn retired(shape: &FamilyShape, retired: &[DefinitionInForce]) -> Option<String> {
    let over = shape.definitions.iter().find(|definition| retired.contains(definition))?;
    Some(format!(
        "definition {} of {} was in force here before the present one, and is passed over for good: to go back to it, \
         raise revision in it",
        over.fingerprint, over.dataset
    ))
}

/// The words for a column that cannot become what the definition says; `holds` is what it is.
pub(crate) fn would_bend(table: &TableShape, column: &str, holds: &str, next: ColumnType) -> String {
    format!(
        "column {column} of {} holds {holds} and is to hold {next}, which would bend the rows that are there: give the \
         column another name, or the table, and replay its files into it",
        told(table)
    )
}

/// The words for rows that would have no key.
pub(crate) fn without_key(table: &TableShape, rows: u64, column: &str) -> String {
    format!(
        "{rows} rows of {} have no {column}, which is to be of the key: give the table another name, and replay its \
         files into it",
        told(table)
    )
}

/// The words for rows of which nobody knows the scope; `said` is what their loads should have said.
pub(crate) fn without_scope(table: &TableShape, rows: u64, said: &[String]) -> String {
    format!(
        "{rows} rows of {} are of loads whose markers do not say {}, so that nobody knows what replaces them: give the \
         table another name, and replay its files into it",
        told(table),
        said.join(", ")
    )
}

/// The words for a dataset whose references make it one of another family than the one it was loaded into.
pub(crate) fn of_other_family(table: &TableShape, was: &FamilyId, family: &FamilyId) -> String {
    format!(
        "table {} was loaded into family {was}, and references make its dataset one of family {family} now, which would \
         leave its markers behind: give the dataset another name, and replay its files into it, or go back to the \
         references of before",
        told(table)
    )
}

/// What is wrong with a shape by itself; `kept` are the names that its columns may not have.
pub(crate) fn amiss(table: &TableShape, kept: &[&str]) -> Option<String> {
    let of = told(table);
    for (at, column) in table.columns.iter().enumerate() {
        if kept.contains(&column.name.as_str()) {
            return Some(format!("column {} of {of} has a name that is kept for lineage: rename it", column.name));
        }
        if table.columns[..at].iter().any(|other| other.name == column.name) {
            return Some(format!("table {of} has two columns {}", column.name));
        }
    }
    let Contest::Upsert { key, version } = &table.contest else { return None };
    if key.is_empty() {
        return Some(format!("table {of} has an empty key: name its columns, or append"));
    }
    let find = |name: &String| table.columns.iter().find(|column| column.name == *name);
    for name in key {
        match find(name) {
            Some(column) if column.required => {}
            Some(_) => return Some(format!("key column {name} of {of} is not required: say required = true")),
            None => return Some(format!("key column {name} of {of} does not exist")),
        }
    }
    let version = version.as_ref().filter(|name| find(name).is_none())?;
    Some(format!("version column {version} of {of} does not exist"))
}
