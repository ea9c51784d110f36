//! References: records are visible while what they reference is, decided from parents to children.
//!
//! A batch decides anew for the records that it brought, or whose rows it let win or lose, and for those below them that
//! name a value of a row that came, went, or stands otherwise now. Triggers note both while the batch is applied and while
//! parents are decided, and indexes find what is noted, so that the cost is the batch's and not the table's. A row that
//! waits for nothing else than its parents is otherwise visible; all others keep the standing that the contest and `where`
//! gave them.

use std::collections::BTreeSet;

use lakehand_domain::id::{DatasetId, FamilyId};
use lakehand_domain::shape::{Reference, TableShape, affected, has_references};
use rusqlite::Connection;

use super::names::{self, quote};
use super::physical::declared_type;
use super::tables;
use super::trouble::Trouble;
use crate::target::{Target, targets, waits_for_runs};

/// Records whose standing is decided anew.
const RECORDS: &str = "temp.lakehand_records";
/// Those of them that reference what is not visible.
const UNMET: &str = "temp.lakehand_unmet";

/// What makes the tables of records.
const MAKE_RECORDS: &str = "\
    CREATE TEMP TABLE lakehand_records (load_id TEXT, record BIGINT, PRIMARY KEY (load_id, record)) WITHOUT ROWID; \
    CREATE TEMP TABLE lakehand_unmet (load_id TEXT, record BIGINT, PRIMARY KEY (load_id, record)) WITHOUT ROWID";

/// The tables of a family in which some reference others, while a batch or a definition changes rows of one dataset.
#[derive(Debug)]
pub(crate) struct Tied {
    all: Vec<TableShape>,
    changed: DatasetId,
}

impl Tied {
    /// The tables of the family, whose dataset `changed` is about to change; `None` where none references another.
    pub(crate) fn find(
        transaction: &Connection,
        family: &FamilyId,
        changed: &DatasetId,
    ) -> Result<Option<Self>, Trouble> {
        let all = tables::of_family(transaction, family)?;
        let is_tied = all.iter().any(|table| !table.references.is_empty());
        Ok(is_tied.then(|| Self { all, changed: changed.clone() }))
    }

    /// Notes from here on which records are to be decided anew, and which values were moved. What is made for that is in
    /// the connection's own temporary space, and goes with the transaction or with [`Tied::decide`].
    pub(crate) fn watch(&self, transaction: &Connection) -> Result<(), Trouble> {
        for statement in self.watches() {
            transaction.execute_batch(&statement)?;
        }
        Ok(())
    }

    /// Decides anew for the dataset, if it references others, and for all that reference it.
    pub(crate) fn decide(&self, transaction: &Connection) -> Result<(), Trouble> {
        for statement in self.decisions() {
            transaction.execute_batch(&statement)?;
        }
        Ok(())
    }

    fn targets(&self) -> Vec<Target<'_>> {
        targets(&self.all.iter().collect::<Vec<_>>())
    }

    fn references(&self) -> impl Iterator<Item = (&TableShape, &Reference)> {
        self.all.iter().flat_map(|table| table.references.iter().map(move |reference| (table, reference)))
    }

    fn own<'a>(&'a self, dataset: &'a DatasetId) -> impl Iterator<Item = &'a TableShape> {
        self.all.iter().filter(move |table| table.dataset == *dataset)
    }

    fn watches(&self) -> Vec<String> {
        let mut statements = vec![MAKE_RECORDS.to_owned()];
        if has_references(&self.all, &self.changed) {
            for (number, table) in self.own(&self.changed).enumerate() {
                let rows = quote(&names::rows(table));
                let note = "INSERT OR IGNORE INTO lakehand_records VALUES (new.\"_load_id\", new.\"_record\"); END";
                statements.push(format!(
                    "CREATE TEMP TRIGGER lakehand_comes_{number} AFTER INSERT ON main.{rows} BEGIN {note}"
                ));
                statements.push(format!(
                    "CREATE TEMP TRIGGER lakehand_contends_{number} AFTER UPDATE OF \"_standing\" ON main.{rows} \
                     WHEN old.\"_standing\" <> new.\"_standing\" BEGIN {note}"
                ));
            }
        }
        for (number, target) in self.targets().into_iter().enumerate() {
            let (rows, column) = (quote(&names::rows(target.table)), quote(target.column));
            let found = target.table.columns.iter().find(|one| one.name == target.column);
            let declared = found.map_or_else(String::new, |found| declared_type(found.column_type));
            statements.push(format!(
                "CREATE TEMP TABLE lakehand_moved_{number} (value {declared} NOT NULL PRIMARY KEY) WITHOUT ROWID"
            ));
            for (name, when, row, is_moved) in [
                ("in", "INSERT", "new", "new.\"_standing\" = 'visible'"),
                ("out", "DELETE", "old", "old.\"_standing\" = 'visible'"),
                ("over", "UPDATE OF \"_standing\"", "new", "old.\"_standing\" <> new.\"_standing\""),
            ] {
                statements.push(format!(
                    "CREATE TEMP TRIGGER lakehand_moves_{name}_{number} AFTER {when} ON main.{rows} \
                     WHEN {is_moved} AND {row}.{column} IS NOT NULL \
                     BEGIN INSERT OR IGNORE INTO lakehand_moved_{number} VALUES ({row}.{column}); END"
                ));
            }
        }
        statements
    }

    fn decisions(&self) -> Vec<String> {
        let mut statements = Vec::new();
        let shapes: Vec<&TableShape> = self.all.iter().collect();
        if has_references(&self.all, &self.changed) {
            for number in 0..self.own(&self.changed).count() {
                statements.push(format!(
                    "DROP TRIGGER temp.lakehand_comes_{number}; DROP TRIGGER temp.lakehand_contends_{number}"
                ));
            }
            statements.extend(self.decide_records(&self.changed));
        }
        for dataset in affected(&shapes, &self.changed) {
            statements.push(format!("DELETE FROM {RECORDS}"));
            statements.extend(self.records_below(&dataset));
            statements.extend(self.decide_records(&dataset));
        }
        for number in 0..self.targets().len() {
            let triggers =
                ["in", "out", "over"].map(|name| format!("DROP TRIGGER temp.lakehand_moves_{name}_{number}"));
            statements.push(format!("{}; DROP TABLE temp.lakehand_moved_{number}", triggers.join("; ")));
        }
        statements.push(format!("DROP TABLE {RECORDS}; DROP TABLE {UNMET}"));
        statements
    }

    /// The records of a dataset that name a value that was moved.
    fn records_below(&self, dataset: &DatasetId) -> Vec<String> {
        let targets = self.targets();
        let references = self.references().filter(|(table, _)| table.dataset == *dataset);
        let noted = |(table, reference): (&TableShape, &Reference)| {
            let number = targets.iter().position(|target| target.is_of(reference))?;
            Some(format!(
                "INSERT OR IGNORE INTO {RECORDS} SELECT c.\"_load_id\", c.\"_record\" \
                 FROM temp.lakehand_moved_{number} AS v CROSS JOIN {} AS c ON c.{} = v.value",
                quote(&names::rows(table)),
                quote(&reference.column)
            ))
        };
        references.filter_map(noted).collect()
    }

    /// Lets the records wait of which one value is in no visible row, and the others be seen. A parent that is not there
    /// yet has none.
    fn decide_records(&self, dataset: &DatasetId) -> Vec<String> {
        let mut statements = vec![format!("DELETE FROM {UNMET}")];
        for (table, reference) in self.references().filter(|(table, _)| table.dataset == *dataset) {
            let column = quote(&reference.column);
            let parent = self.all.iter().find(|parent| reference.is_to(parent));
            let is_unmet = parent.map_or_else(String::new, |parent| {
                let (rows, to) = (quote(&names::rows(parent)), quote(&reference.to));
                format!(
                    " AND NOT EXISTS (SELECT 1 FROM {rows} AS p WHERE p.{to} = c.{column} AND p.\"_standing\" = 'visible')"
                )
            });
            statements.push(format!(
                "INSERT OR IGNORE INTO {UNMET} SELECT k.load_id, k.record FROM {RECORDS} AS k CROSS JOIN {} AS c \
                 ON c.\"_load_id\" = k.load_id AND c.\"_record\" = k.record WHERE c.{column} IS NOT NULL{is_unmet}",
                quote(&names::rows(table))
            ));
        }
        for table in self.own(dataset).filter(|table| !waits_for_runs(table)) {
            // CROSS JOIN keeps SQLite from reading the whole table to look for the few records.
            statements.push(format!(
                "UPDATE {rows} SET \"_standing\" = CASE \"_standing\" WHEN 'visible' THEN 'waiting' ELSE 'visible' END \
                 WHERE _rowid_ IN (SELECT r._rowid_ FROM {RECORDS} AS k CROSS JOIN {rows} AS r \
                 ON r.\"_load_id\" = k.load_id AND r.\"_record\" = k.record WHERE r.\"_standing\" = CASE WHEN EXISTS (\
                 SELECT 1 FROM {UNMET} AS u WHERE u.load_id = k.load_id AND u.record = k.record) \
                 THEN 'visible' ELSE 'waiting' END)",
                rows = quote(&names::rows(table))
            ));
        }
        statements
    }

    /// What a changed definition may have moved is everything of its dataset, and of those below it.
    fn decisions_of_all(&self, is_decided: bool) -> Vec<String> {
        let mut statements = vec![MAKE_RECORDS.to_owned()];
        let shapes: Vec<&TableShape> = self.all.iter().collect();
        let own = is_decided.then(|| self.changed.clone());
        for dataset in own.into_iter().chain(affected(&shapes, &self.changed)) {
            statements.push(format!("DELETE FROM {RECORDS}"));
            for table in self.own(&dataset) {
                statements.push(format!(
                    "INSERT OR IGNORE INTO {RECORDS} SELECT \"_load_id\", \"_record\" FROM {}",
                    quote(&names::rows(table))
                ));
            }
            statements.extend(self.decide_records(&dataset));
        }
        statements.push(format!("DROP TABLE {RECORDS}; DROP TABLE {UNMET}"));
        statements
    }
}

/// Decides anew for a dataset whose definition has changed, if it references others or did so before, and for all that
/// reference it; and makes the indexes by which batches find what they touch.
pub(crate) fn redefine(
    transaction: &Connection,
    family: &FamilyId,
    changed: &DatasetId,
    had_references: bool,
) -> Result<(), Trouble> {
    let all = tables::of_family(transaction, family)?;
    for statement in indexes(&all) {
        transaction.execute_batch(&statement)?;
    }
    let is_decided = had_references || has_references(&all, changed);
    let tied = Tied { all, changed: changed.clone() };
    if is_decided || tied.references().any(|(_, reference)| reference.dataset == *changed) {
        for statement in tied.decisions_of_all(is_decided) {
            transaction.execute_batch(&statement)?;
        }
    }
    Ok(())
}

/// The indexes that references need: of records, to find all rows of one; of what references, to find those that name a
/// value; and of what is referenced, to find whether it is visible.
pub(crate) fn indexes(all: &[TableShape]) -> Vec<String> {
    let mut statements = BTreeSet::new();
    let mut index = |name: String, rows: &str, columns: &str| {
        let name = quote(&format!("{}{name}", names::RESERVED));
        statements.insert(format!("CREATE INDEX IF NOT EXISTS {name} ON {} ({columns})", quote(rows)));
    };
    for table in all {
        let rows = names::rows(table);
        if has_references(all, &table.dataset) {
            index(format!("record_{rows}"), &rows, "\"_load_id\", \"_record\"");
        }
        for reference in &table.references {
            index(format!("names_{rows}_{}", reference.column), &rows, &quote(&reference.column));
        }
    }
    for target in targets(&all.iter().collect::<Vec<_>>()) {
        let rows = names::rows(target.table);
        index(format!("named_{rows}_{}", target.column), &rows, &format!("{}, \"_standing\"", quote(target.column)));
    }
    statements.into_iter().collect()
}

#[cfg(test)]
mod tests;
