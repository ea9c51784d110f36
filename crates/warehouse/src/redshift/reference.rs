//! References: records are visible while what they reference is, decided from parents to children.
//!
//! A batch decides anew for the records that it brought or that contend with them, and for those below that name a value
//! of these: a statement a table. Which they are is a function of what was there before the batch and of what is staged, so
//! that it is gathered before the transaction. A row that waits for nothing else than its parents is otherwise visible; all
//! others keep the standing that the contest and `where` gave them.

use lakehand_domain::id::DatasetId;
use lakehand_domain::shape::{ColumnType, Reference, TableShape, affected};

use super::names::Names;
use super::physical::comparable;
use super::sql::quote;
use crate::target::waits_for_runs;

/// The statements for a dataset whose definition has changed, and for all that reference it: they decide anew for all of
/// their records.
pub(crate) fn redefine(names: &Names, all: &[&TableShape], changed: &DatasetId) -> Vec<String> {
    let datasets = std::iter::once(changed.clone()).chain(affected(all, changed));
    datasets.flat_map(|dataset| decide(names, all, &dataset, None)).collect()
}

/// The statements that decide anew for the listed records of a dataset, in the columns `of_load` and `of_record` of a
/// table, or for all.
pub(crate) fn decide(names: &Names, all: &[&TableShape], dataset: &DatasetId, records: Option<&str>) -> Vec<String> {
    let own = || all.iter().filter(|table| table.dataset == *dataset);
    let unmet_by = |table: &TableShape, reference: &Reference| unmet(names, all, table, reference, records);
    let unmet: Vec<String> =
        own().flat_map(|table| table.references.iter().map(|reference| unmet_by(table, reference))).collect();
    let unmet = if unmet.is_empty() {
        "SELECT CAST('' AS VARCHAR(32)) AS \"of_load\", 0 AS \"of_record\" WHERE 1 = 0".to_owned()
    } else {
        unmet.join(" UNION ")
    };
    own().filter(|table| !waits_for_runs(table)).map(|table| stand(&names.rows(table), &unmet, records)).collect()
}

/// Leaves of the rows of `alias` those of the listed records.
fn listed(alias: &str, records: Option<&str>) -> String {
    records.map_or_else(String::new, |records| {
        format!(
            " JOIN {records} AS k ON k.\"of_load\" = {alias}.\"_load_id\" AND k.\"of_record\" = {alias}.\"_record\""
        )
    })
}

fn stand(rows: &str, unmet: &str, records: Option<&str>) -> String {
    let listed = listed("r", records);
    format!(
        "UPDATE {rows} SET \"_standing\" = decided.\"standing\" FROM (\
         SELECT r.\"_load_id\" AS \"of_load\", r.\"_record\" AS \"of_record\", COALESCE(r.\"_element\", 0) AS \
         \"of_element\", r.\"_standing\" AS \"was\", CASE WHEN u.\"of_load\" IS NULL THEN 'visible' ELSE 'waiting' END AS \
         \"standing\" FROM {rows} AS r{listed} LEFT JOIN ({unmet}) AS u ON u.\"of_load\" = r.\"_load_id\" AND u.\"of_record\" = \
         r.\"_record\" WHERE r.\"_standing\" IN ('visible', 'waiting')) AS decided \
         WHERE \"_load_id\" = decided.\"of_load\" AND \"_record\" = decided.\"of_record\" \
         AND COALESCE(\"_element\", 0) = decided.\"of_element\" AND decided.\"was\" <> decided.\"standing\""
    )
}

/// The records of a table of which one value is in no visible row. A parent that is not there yet has none.
fn unmet(
    names: &Names,
    all: &[&TableShape],
    table: &TableShape,
    reference: &Reference,
    records: Option<&str>,
) -> String {
    let rows = names.rows(table);
    let value = compared(table, "c", &reference.column);
    let (parent, listed) = (all.iter().find(|parent| reference.is_to(parent)), listed("c", records));
    let record = "SELECT DISTINCT c.\"_load_id\" AS \"of_load\", c.\"_record\" AS \"of_record\"";
    match parent {
        None => format!("{record} FROM {rows} AS c{listed} WHERE {value} IS NOT NULL"),
        Some(parent) => format!(
            "{record} FROM {rows} AS c{listed} LEFT JOIN (SELECT DISTINCT {} AS \"value\" FROM {} AS p WHERE p.\"_standing\" = \
             'visible') AS v ON v.\"value\" = {value} WHERE {value} IS NOT NULL AND v.\"value\" IS NULL",
            compared(parent, "p", &reference.to),
            names.rows(parent)
        ),
    }
}

/// A column of the rows of `alias`, as values of references compare.
pub(crate) fn compared(table: &TableShape, alias: &str, name: &str) -> String {
    compared_value(table, name, &format!("{alias}.{}", quote(name)))
}

/// An expression for a column, as values of references compare.
pub(crate) fn compared_value(table: &TableShape, name: &str, value: &str) -> String {
    let column = table.columns.iter().find(|column| column.name == name);
    comparable(value, column.map_or(ColumnType::Bigint, |column| column.column_type))
}
