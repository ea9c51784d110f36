//! References: records are visible while what they reference is, decided from parents to children.
//!
//! What a dataset references may be changed by any batch of any dataset above it, so each batch decides anew for all of
//! its descendants: a statement a table. A row that waits for nothing else than its parents is otherwise visible; all
//! others keep the standing that the contest and `where` gave them.

use lakehand_domain::id::DatasetId;
use lakehand_domain::shape::{ColumnType, Contest, Reference, TableShape, affected, has_references};

use super::names::Names;
use super::physical::comparable;
use super::sql::quote;

/// The statements for a dataset whose rows come or go, if it references others, and for all that reference it. With
/// `was_redefined` also where it references nothing any more.
pub(crate) fn statements(names: &Names, all: &[&TableShape], changed: &DatasetId, was_redefined: bool) -> Vec<String> {
    let own = (was_redefined || has_references(all.iter().copied(), changed)).then(|| changed.clone());
    let datasets = own.into_iter().chain(affected(all, changed));
    datasets.flat_map(|dataset| of_dataset(names, all, &dataset)).collect()
}

fn of_dataset(names: &Names, all: &[&TableShape], dataset: &DatasetId) -> Vec<String> {
    let own = || all.iter().filter(|table| table.dataset == *dataset);
    let unmet: Vec<String> =
        own().flat_map(|table| table.references.iter().map(|reference| unmet(names, all, table, reference))).collect();
    let unmet = if unmet.is_empty() {
        "SELECT CAST('' AS VARCHAR(32)) AS \"of_load\", 0 AS \"of_record\" WHERE 1 = 0".to_owned()
    } else {
        unmet.join(" UNION ")
    };
    own().filter(|table| !waits_for_runs(table)).map(|table| stand(&names.rows(table), &unmet)).collect()
}

/// Its rows wait for other files of their run. No definition has both runs and references.
fn waits_for_runs(table: &TableShape) -> bool {
    matches!(table.contest, Contest::Replace { run: Some(_), .. })
}

fn stand(rows: &str, unmet: &str) -> String {
    format!(
        "UPDATE {rows} SET \"_standing\" = decided.\"standing\" FROM (\
         SELECT r.\"_load_id\" AS \"of_load\", r.\"_record\" AS \"of_record\", COALESCE(r.\"_element\", 0) AS \
         \"of_element\", r.\"_standing\" AS \"was\", CASE WHEN u.\"of_load\" IS NULL THEN 'visible' ELSE 'waiting' END AS \
         \"standing\" FROM {rows} AS r LEFT JOIN ({unmet}) AS u ON u.\"of_load\" = r.\"_load_id\" AND u.\"of_record\" = \
         r.\"_record\" WHERE r.\"_standing\" IN ('visible', 'waiting')) AS decided \
         WHERE \"_load_id\" = decided.\"of_load\" AND \"_record\" = decided.\"of_record\" \
         AND COALESCE(\"_element\", 0) = decided.\"of_element\" AND decided.\"was\" <> decided.\"standing\""
    )
}

/// The records of a table of which one value is in no visible row. A parent that is not there yet has none.
fn unmet(names: &Names, all: &[&TableShape], table: &TableShape, reference: &Reference) -> String {
    let rows = names.rows(table);
    let value = compared(table, "c", &reference.column);
    let parent = all.iter().find(|parent| {
        parent.dataset == reference.dataset
            && parent.name == reference.table
            && parent.columns.iter().any(|column| column.name == reference.to)
    });
    let record = "SELECT DISTINCT c.\"_load_id\" AS \"of_load\", c.\"_record\" AS \"of_record\"";
    match parent {
        None => format!("{record} FROM {rows} AS c WHERE {value} IS NOT NULL"),
        Some(parent) => format!(
            "{record} FROM {rows} AS c LEFT JOIN (SELECT DISTINCT {} AS \"value\" FROM {} AS p WHERE p.\"_standing\" = \
             'visible') AS v ON v.\"value\" = {value} WHERE {value} IS NOT NULL AND v.\"value\" IS NULL",
            compared(parent, "p", &reference.to),
            names.rows(parent)
        ),
    }
}

fn compared(table: &TableShape, alias: &str, name: &str) -> String {
    let column = table.columns.iter().find(|column| column.name == name);
    let column_type = column.map_or(ColumnType::Bigint, |column| column.column_type);
    comparable(&format!("{alias}.{}", quote(name)), column_type)
}
