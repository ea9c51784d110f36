//! References: records are visible while what they reference is, decided from parents to children.
//!
//! What a dataset references may be changed by any batch of any dataset above it, so each batch decides anew for all of
//! its descendants. A row that waits for nothing else than its parents is otherwise visible; all others keep the standing
//! that the contest and `where` gave them.

use lakehand_domain::id::{DatasetId, FamilyId};
use lakehand_domain::shape::{Contest, Reference, TableShape, affected, has_references};
use rusqlite::Connection;

use super::names::{self, quote};
use super::tables;
use super::trouble::Trouble;

/// Records that reference what is not visible.
const UNMET: &str = "temp.lakehand_unmet";

/// Decides anew for a dataset whose rows came or went, if it references others, and for all that reference it. With
/// `was_redefined` also where it references nothing any more.
pub(crate) fn decide(
    transaction: &Connection,
    family: &FamilyId,
    changed: &DatasetId,
    was_redefined: bool,
) -> Result<(), Trouble> {
    let all = tables::of_family(transaction, family)?;
    let shapes: Vec<&TableShape> = all.iter().collect();
    let own = (was_redefined || has_references(&all, changed)).then(|| changed.clone());
    for dataset in own.into_iter().chain(affected(&shapes, changed)) {
        decide_one(transaction, &all, &dataset)?;
    }
    Ok(())
}

fn decide_one(transaction: &Connection, all: &[TableShape], dataset: &DatasetId) -> Result<(), Trouble> {
    transaction.execute_batch(&format!(
        "DROP TABLE IF EXISTS {UNMET}; CREATE TEMP TABLE lakehand_unmet (load_id TEXT, record BIGINT, PRIMARY KEY \
         (load_id, record)) WITHOUT ROWID"
    ))?;
    let own = || all.iter().filter(|table| table.dataset == *dataset);
    for table in own() {
        for reference in &table.references {
            transaction.execute(&unmet(all, table, reference), [])?;
        }
    }
    for table in own().filter(|table| !waits_for_runs(table)) {
        let rows = quote(&names::rows(table));
        let of = format!("(SELECT load_id, record FROM {UNMET})");
        for (from, to, within) in [("visible", "waiting", "IN"), ("waiting", "visible", "NOT IN")] {
            let sql = format!(
                "UPDATE {rows} SET \"_standing\" = '{to}' \
                 WHERE \"_standing\" = '{from}' AND (\"_load_id\", \"_record\") {within} {of}"
            );
            transaction.execute(&sql, [])?;
        }
    }
    Ok(transaction.execute_batch(&format!("DROP TABLE IF EXISTS {UNMET}"))?)
}

/// Its rows wait for other files of their run. No definition has both runs and references.
fn waits_for_runs(table: &TableShape) -> bool {
    matches!(table.contest, Contest::Replace { run: Some(_), .. })
}

/// Notes the records of a table of which one value is in no visible row. A parent that is not there yet has none.
fn unmet(all: &[TableShape], table: &TableShape, reference: &Reference) -> String {
    let parent = all.iter().find(|parent| {
        parent.dataset == reference.dataset
            && parent.name == reference.table
            && parent.columns.iter().any(|column| column.name == reference.to)
    });
    let column = quote(&reference.column);
    let unmet = parent.map_or_else(String::new, |parent| {
        let (rows, to) = (quote(&names::rows(parent)), quote(&reference.to));
        format!(
            " AND {column} NOT IN (SELECT p.{to} FROM {rows} AS p WHERE p.\"_standing\" = 'visible' AND p.{to} IS NOT NULL)"
        )
    });
    format!(
        "INSERT OR IGNORE INTO {UNMET} SELECT \"_load_id\", \"_record\" FROM {} WHERE {column} IS NOT NULL{unmet}",
        quote(&names::rows(table))
    )
}
