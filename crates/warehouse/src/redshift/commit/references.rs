//! The records for which a batch decides anew whether what they reference is visible.

use lakehand_domain::id::DatasetId;
use lakehand_domain::shape::{Contest, OnRewrite, TableShape, affected, has_references};

use super::plan::{BatchTable, Plan};
use crate::redshift::contest;
use crate::redshift::physical::{comparable, comparable_text};
use crate::redshift::reference::{self, compared, compared_value};
use crate::redshift::sql::{literal, quote};
use crate::target::{Target, targets};

/// What is gathered before the transaction.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// The statements that gather it.
    pub(crate) prepare: Vec<String>,
    /// The tables that they make, as statements name them.
    pub(crate) tables: Vec<String>,
    /// Datasets, parents first, each with the table of its records.
    records: Vec<(DatasetId, String)>,
}

impl References {
    fn make(&mut self, table: String, columns: &str, selects: &[String]) {
        let selects = selects.join(" UNION ALL ");
        self.prepare.push(format!("CREATE TABLE {table} AS SELECT DISTINCT {columns} FROM ({selects}) AS g"));
        self.tables.push(table);
    }
}

impl Plan<'_> {
    /// The records of the batch's dataset, if it references others, that come or contend with those that do; then, level by
    /// level, those that name a value of the rows so found.
    pub(crate) fn references(&self) -> References {
        let all: Vec<&TableShape> = self.family.iter().collect();
        let (changed, targets) = (&self.request.definition.dataset, targets(&all));
        let mut found = References::default();
        if has_references(all.iter().copied(), changed) {
            let record = |alias: &str| record_of(alias);
            let selects = self.tables.iter().flat_map(|table| self.touched_rows(table, &record("s"), &record("r")));
            let table = self.work_table("records");
            found.make(table.clone(), RECORD, &selects.collect::<Vec<_>>());
            found.records.push((changed.clone(), table));
        }
        let mut named: Vec<Option<String>> = vec![None; targets.len()];
        for (number, target) in targets.iter().enumerate().filter(|(_, target)| target.table.dataset == *changed) {
            let of_batch = self.tables.iter().find(|table| table.registered.shape.name == target.table.name);
            let Some(table) = of_batch else { continue };
            let staged = compared_value(target.table, target.column, &table.staged_value(target.column));
            let kept = compared(target.table, "r", target.column);
            let value = |value: &str| format!("{value} AS \"value\"");
            named[number] = Some(self.named(number));
            found.make(self.named(number), "g.\"value\"", &self.touched_rows(table, &value(&staged), &value(&kept)));
        }
        for (level, dataset) in affected(&all, changed).into_iter().enumerate() {
            let selects = self.records_below(&all, &targets, &named, &dataset);
            if selects.is_empty() {
                continue;
            }
            let records = self.work_table(&format!("records{level}"));
            found.make(records.clone(), RECORD, &selects);
            for (number, target) in targets.iter().enumerate().filter(|(_, target)| target.table.dataset == dataset) {
                let select = format!(
                    "SELECT {} AS \"value\" FROM {} AS c JOIN {records} AS k ON k.\"of_load\" = c.\"_load_id\" AND \
                     k.\"of_record\" = c.\"_record\"",
                    compared(target.table, "c", target.column),
                    self.names.rows(target.table)
                );
                named[number] = Some(self.named(number));
                found.make(self.named(number), "g.\"value\"", &[select]);
            }
            found.records.push((dataset, records));
        }
        found
    }

    /// The statements of the transaction that decide for what was gathered.
    pub(crate) fn decide_references(&self) -> Vec<String> {
        let all: Vec<&TableShape> = self.family.iter().collect();
        let decide =
            |(dataset, records): (DatasetId, String)| reference::decide(self.names, &all, &dataset, Some(&records));
        self.references().records.into_iter().flat_map(decide).collect()
    }

    fn named(&self, number: usize) -> String {
        self.work_table(&format!("named{number}"))
    }

    /// The selects of the records of a dataset that name a value that may be moved.
    fn records_below(
        &self,
        all: &[&TableShape],
        targets: &[Target<'_>],
        named: &[Option<String>],
        dataset: &DatasetId,
    ) -> Vec<String> {
        let mut selects = Vec::new();
        for table in all.iter().filter(|table| table.dataset == *dataset) {
            for reference in &table.references {
                let number = targets.iter().position(|target| target.is_of(reference));
                let Some(named) = number.and_then(|number| named[number].as_ref()) else { continue };
                selects.push(format!(
                    "SELECT {} FROM {} AS c JOIN {named} AS v ON v.\"value\" = {}",
                    record_of("c"),
                    self.names.rows(table),
                    compared(table, "c", &reference.column)
                ));
            }
        }
        selects
    }

    /// The selects of the rows of a table that come or go with the batch, or contend with those: `staged` of a staged row
    /// `s`, `kept` of a row `r` that is there.
    fn touched_rows(&self, table: &BatchTable, staged: &str, kept: &str) -> Vec<String> {
        let shape = &table.registered.shape;
        let (rows, list) = (self.names.rows(shape), self.list());
        let mut selects =
            vec![format!("SELECT {kept} FROM {rows} AS r JOIN {list} AS l ON r.\"_load_id\" = l.\"replaces\"")];
        if self.adds(table) {
            selects.push(format!("SELECT {staged} FROM {}", self.staged(table)));
        }
        match &shape.contest {
            Contest::Append { on_rewrite: OnRewrite::Append } => {}
            Contest::Append { .. } => selects.push(format!(
                "SELECT {kept} FROM {rows} AS r WHERE {} IN (SELECT {} FROM {list})",
                comparable_text("r.\"_object\""),
                comparable_text("\"object\"")
            )),
            Contest::Upsert { key, .. } if self.gathers(table) => {
                let column_type = |name: &String| shape.columns.iter().find(|column| column.name == *name);
                let same = |(at, name): (usize, &String)| {
                    let value = format!("r.{}", quote(name));
                    let value =
                        column_type(name).map_or(value.clone(), |column| comparable(&value, column.column_type));
                    format!("{value} = t.\"key_{at}\"")
                };
                let on: Vec<String> = key.iter().enumerate().map(same).collect();
                selects.push(format!(
                    "SELECT {kept} FROM {rows} AS r JOIN {} AS t ON {}",
                    self.touched(table),
                    on.join(" AND ")
                ));
            }
            Contest::Upsert { .. } => {}
            Contest::Replace { scope, .. } if scope.is_empty() => {
                selects.push(format!("SELECT {kept} FROM {rows} AS r"));
            }
            Contest::Replace { scope, .. } => {
                let on: Vec<String> = (0..scope.len()).map(|at| format!("m.\"key_{at}\" = t.\"key_{at}\"")).collect();
                selects.push(format!(
                    "SELECT {kept} FROM {rows} AS r JOIN (SELECT w.\"load_id\", {} FROM {} AS w WHERE w.\"dataset\" = {}) \
                     AS m ON m.\"load_id\" = r.\"_load_id\" JOIN {} AS t ON {}",
                    contest::touched_parts(scope, "w"),
                    self.names.markers(&self.shape.family),
                    literal(shape.dataset.as_str()),
                    self.touched(table),
                    on.join(" AND ")
                ));
            }
        }
        selects
    }
}

const RECORD: &str = "g.\"of_load\", g.\"of_record\"";

fn record_of(alias: &str) -> String {
    format!("{alias}.\"_load_id\" AS \"of_load\", {alias}.\"_record\" AS \"of_record\"")
}
