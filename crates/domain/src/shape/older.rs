//! Loads of older definitions, as they were written, in the tables of the definition in force.

use super::{ColumnShape, Contest, FamilyShape, TableLayout, TableShape, lineage};
use crate::manifest::{Manifest, TableManifest};

/// What parts have beside the declared columns.
const LINEAGE: [&str; 6] =
    [lineage::PASSES, lineage::LOAD_ID, lineage::OBJECT, lineage::RECORD, lineage::ELEMENT, lineage::ORDER];

impl FamilyShape {
    /// The shape under which a load that was made under another definition is staged as it was written: its own columns
    /// in the family's tables. Fails, in words, where its rows cannot stand in the tables as they are now.
    ///
    /// Rows of older definitions stand in the tables beside those of the definition in force: what a load does not bring
    /// is null, and a column that the definition does not name any more is left in the lake.
    pub fn as_written(&self, manifest: &Manifest) -> Result<Self, String> {
        let mut shape = self.clone();
        for described in &manifest.tables {
            let is_it = |table: &&mut TableShape| table.dataset == manifest.dataset && table.name == described.table;
            let written = match shape.tables.iter_mut().find(is_it) {
                Some(table) => table.as_written(described).map(|written| *table = written),
                None => Err(format!("the definition has no table {} any more", described.table)),
            };
            // A table of which it has no rows fits anyhow.
            written.or_else(|why| if described.parts.is_empty() { Ok(()) } else { Err(why) })?;
        }
        let mut of_dataset = self.tables.iter().filter(|table| table.dataset == manifest.dataset);
        let unsaid = of_dataset.find_map(|table| {
            let name = table.contest.must_be_said().into_iter().find(|name| !manifest.scopes.contains_key(name))?;
            Some(format!("it does not say {name}, by which {} is replaced", table.name))
        });
        unsaid.map_or(Ok(shape), Err)
    }
}

impl TableShape {
    /// The table as a load of an older definition, which is described like this, has it; or why its rows cannot stand in
    /// the table as it is now.
    pub fn as_written(&self, described: &TableManifest) -> Result<Self, String> {
        let is_lineage = |column: &&ColumnShape| LINEAGE.contains(&column.name.as_str());
        let has = |name: &str| described.columns.iter().any(|column| column.name == name);
        let columns: Vec<ColumnShape> =
            described.columns.iter().filter(|column| !is_lineage(column)).cloned().collect();
        for column in &columns {
            let now = self.columns.iter().find(|now| now.name == column.name);
            if let Some(now) = now.filter(|now| !column.column_type.widens_to(now.column_type)) {
                let (name, is, was) = (&column.name, now.column_type, column.column_type);
                return Err(format!("column {name} of {} is {is} now, and was {was}", self.name));
            }
        }
        if let Contest::Upsert { key, .. } = &self.contest {
            let is_whole = |name: &&String| columns.iter().any(|column| column.name == **name && column.required);
            if let Some(name) = key.iter().find(|name| !is_whole(name)) {
                return Err(format!("it may have no {name}, which is of the key of {} now", self.name));
            }
        }
        // It need not have the columns by which the rows are laid out.
        let layout = TableLayout { parsed_json: self.layout.parsed_json, ..TableLayout::default() };
        Ok(Self { columns, has_where: has(lineage::PASSES), exploded: has(lineage::ELEMENT), layout, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{ColumnType, OnRewrite};

    fn column(name: &str, column_type: &str, required: bool) -> ColumnShape {
        ColumnShape { name: name.to_owned(), column_type: ColumnType::parse(column_type).unwrap(), required }
    }

    fn table(columns: &[(&str, &str, bool)], contest: Contest, has_where: bool) -> TableShape {
        TableShape {
            dataset: crate::id::DatasetId::new("d"),
            name: "t".to_owned(),
            columns: columns.iter().map(|(name, kind, required)| column(name, kind, *required)).collect(),
            contest,
            has_where,
            exploded: false,
            layout: TableLayout::default(),
            subjects: Vec::new(),
            references: Vec::new(),
        }
    }

    #[test]
    fn rows_of_an_older_definition_fit_where_nothing_of_them_would_be_bent() {
        let append = || Contest::Append { on_rewrite: OnRewrite::Replace };
        let upsert = |key: &str| Contest::Upsert { key: vec![key.to_owned()], version: None };
        let old = table(&[("k", "integer", true), ("gone", "varchar(3)", false)], append(), false);
        let described =
            TableManifest { table: "t".to_owned(), columns: old.part_columns(), rows: 0, parts: Vec::new() };
        let wider = table(&[("k", "bigint", true), ("new", "date", true)], upsert("k"), true);
        let fitted = wider.as_written(&described).unwrap();
        assert_eq!(fitted.part_columns(), old.part_columns(), "it is staged as it was written");
        assert_eq!(fitted.contest, wider.contest);
        for (now, why) in [
            (table(&[("k", "smallint", true)], append(), false), "column k of t is smallint now, and was integer"),
            (table(&[("k", "date", true)], append(), false), "column k of t is date now, and was integer"),
            (table(&[("new", "date", true)], upsert("new"), false), "it may have no new, which is of the key of t now"),
            (table(&[("gone", "varchar(3)", true)], upsert("gone"), false), "it may have no gone, which is of the key"),
        ] {
            let told = now.as_written(&described).unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
    }
}
