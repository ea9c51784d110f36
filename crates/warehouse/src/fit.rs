//! Whether a manifest fits the shape of the tables that its rows are to go into.

use lakehand_domain::manifest::{Manifest, TableManifest};
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::shape::{FamilyShape, TableShape};

/// A manifest that was made under another definition than the shape's is not what the part should be: its load goes
/// back to transform.
pub(crate) fn check_manifest(shape: &FamilyShape, manifest: &Manifest) -> Result<(), PartError> {
    for described in &manifest.tables {
        let Some(first) = described.parts.first() else {
            if described.rows == 0 {
                continue;
            }
            let message =
                format!("the manifest says {} rows in {}, and names no part", described.rows, described.table);
            return Err(PartError::Mismatch { uri: manifest.object.uri.clone(), message });
        };
        let refuse = |message| Err(PartError::Mismatch { uri: first.uri.clone(), message });
        let Some(table) = find_table(shape, manifest, described) else {
            return refuse(format!("the definition has no table {}.{}", manifest.dataset, described.table));
        };
        let declared = table.part_columns();
        for column in &described.columns {
            match declared.iter().find(|declared| declared.name == column.name) {
                Some(declared) if declared.column_type == column.column_type => {}
                Some(declared) => {
                    return refuse(format!(
                        "column {} of {} is {} in the manifest, {} in the definition",
                        column.name,
                        told(table),
                        column.column_type,
                        declared.column_type
                    ));
                }
                None => {
                    return refuse(format!("the definition has no column {} in {}", column.name, told(table)));
                }
            }
        }
        let missing = declared
            .iter()
            .find(|declared| declared.required && !described.columns.iter().any(|column| column.name == declared.name));
        if let Some(missing) = missing {
            return refuse(format!("required column {} of {} is not in the manifest", missing.name, told(table)));
        }
    }
    Ok(())
}

/// What a manifest should say of scope and run, and does not.
pub(crate) fn unsaid(shape: &FamilyShape, manifest: &Manifest) -> Option<String> {
    let tables = shape.tables.iter().filter(|table| table.dataset == manifest.dataset);
    let mut lacking = tables.flat_map(|table| table.contest.must_be_said().into_iter().map(move |name| (table, name)));
    let (table, name) = lacking.find(|(_, name)| !manifest.scopes.contains_key(name))?;
    Some(format!("load {} does not say {name}, by which {} is replaced", manifest.load_id, told(table)))
}

/// The table of the shape that a manifest's rows of one table go into.
pub(crate) fn find_table<'a>(
    shape: &'a FamilyShape,
    manifest: &Manifest,
    described: &TableManifest,
) -> Option<&'a TableShape> {
    shape.tables.iter().find(|table| table.dataset == manifest.dataset && table.name == described.table)
}

/// What a shape's own tables are called, for messages.
pub(crate) fn told(table: &TableShape) -> String {
    format!("{}.{}", table.dataset, table.name)
}
