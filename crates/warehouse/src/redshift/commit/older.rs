//! Loads of older definitions in a batch, as they were written.

use std::collections::BTreeMap;

use lakehand_domain::id::Nonce;
use lakehand_domain::shape::{ColumnShape, TableShape};
use lakehand_domain::warehousing::StagedLoad;

use super::plan::{BatchTable, Plan};
use crate::redshift::physical::staged_type;
use crate::redshift::sql::{literal, quote};
use crate::redshift::stage::union;

impl Plan<'_> {
    /// The load of an older definition that is staged under this name. All loads there are of its definition.
    fn older(&self, staging: &Nonce) -> Option<&StagedLoad> {
        self.request.loads.iter().find(|load| load.as_written && load.staging == *staging)
    }

    /// The table as it is staged under this name.
    pub(crate) fn staged_shape(&self, staging: &Nonce, table: &TableShape) -> TableShape {
        let tables = self.older(staging).map(|load| &load.manifest.tables);
        let described = tables.into_iter().flatten().find(|described| described.table == table.name);
        described.and_then(|described| table.as_written(described).ok()).unwrap_or_else(|| table.clone())
    }

    /// The rows of all stagings of a table. Those of older definitions have other columns: what they do not bring is null,
    /// and what the table does not have any more stays in the lake.
    pub(super) fn staged_rows(&self, table: &BatchTable) -> String {
        if table.stagings.iter().all(|(nonce, _)| self.older(nonce).is_none()) {
            return union(&table.stagings, "*");
        }
        let shape = &table.registered.shape;
        let select = |(nonce, name): &(Nonce, String)| {
            let there = self.staged_shape(nonce, shape).part_columns();
            let value = |column: &ColumnShape| {
                let name = quote(&column.name);
                if there.iter().any(|staged| staged.name == column.name) {
                    name
                } else {
                    format!("CAST(NULL AS {}) AS {name}", staged_type(column.column_type))
                }
            };
            let values: Vec<String> = shape.part_columns().iter().map(value).collect();
            union(&[(nonce.clone(), name.clone())], &values.join(", "))
        };
        table.stagings.iter().map(select).collect::<Vec<_>>().join(" UNION ALL ")
    }

    /// The fingerprint of each load, that of the definition in force but for those that are loaded as they were written.
    pub(super) fn fingerprint(&self) -> String {
        let ours = literal(self.request.definition.fingerprint.as_str());
        let mut older: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for load in self.request.loads.iter().filter(|load| load.as_written) {
            let loads = older.entry(load.manifest.fingerprint.as_str()).or_default();
            loads.push(literal(load.manifest.load_id.as_str()));
        }
        let when = |(fingerprint, loads): (&str, Vec<String>)| {
            format!(" WHEN \"load_id\" IN ({}) THEN {}", loads.join(", "), literal(fingerprint))
        };
        let whens: Vec<String> = older.into_iter().map(when).collect();
        if whens.is_empty() { ours } else { format!("CASE{} ELSE {ours} END", whens.concat()) }
    }
}
