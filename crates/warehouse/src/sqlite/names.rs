//! The names of everything lakehand keeps in a SQLite file, quoted for use in statements.

use lakehand_domain::id::{FamilyId, Nonce};
use lakehand_domain::shape::TableShape;

/// What the names of lakehand's own tables begin with; no dataset's table may.
pub(crate) const RESERVED: &str = "lakehand_";

/// A name as SQL takes it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The fence of a family: one row.
pub(crate) fn fence(family: &FamilyId) -> String {
    quote(&format!("{RESERVED}fence_{family}"))
}

/// The markers of a family: one row for each entry that has a live load.
pub(crate) fn markers(family: &FamilyId) -> String {
    quote(&format!("{RESERVED}markers_{family}"))
}

/// All definitions that were ever in force in a family.
pub(crate) fn definitions(family: &FamilyId) -> String {
    quote(&format!("{RESERVED}definitions_{family}"))
}

/// One staging table, unquoted.
pub(crate) fn staging(family: &FamilyId, nonce: &Nonce, table: &TableShape) -> String {
    format!("{RESERVED}staging_{family}_{nonce}_{}_{}", table.dataset, table.name)
}

/// The view that people read, unquoted.
pub(crate) fn view(table: &TableShape) -> String {
    format!("{}_{}", table.dataset, table.name)
}

/// The table of every accepted row of every live load, unquoted.
pub(crate) fn rows(table: &TableShape) -> String {
    format!("{}_{}__rows", table.dataset, table.name)
}

/// The indexes that a table may have, unquoted: by load, by object, by key.
pub(crate) fn indexes(table: &TableShape) -> [String; 3] {
    let rows = rows(table);
    [format!("{rows}_by_load"), format!("{rows}_by_object"), format!("{rows}_by_key")]
}
