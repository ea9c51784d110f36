//! The statements that make a table: pure functions of its shape.

use lakehand_domain::shape::{ColumnType, Contest, FamilyShape, OnRewrite, TableShape, lineage};

use super::names::{self, quote};
use super::physical::declared_type;
use super::reference;

/// The statements that make the tables, indexes and views of a shape, for people to read; each without its semicolon.
pub fn sqlite_ddl(shape: &FamilyShape) -> Vec<String> {
    let mut statements = Vec::new();
    for table in &shape.tables {
        statements.push(create_rows(&names::rows(table), &rows_columns(table)));
        statements.extend(create_indexes(table));
        statements.push(create_view(table));
    }
    statements.extend(reference::indexes(&shape.tables));
    statements
}

/// One column of a table of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowsColumn {
    pub(crate) name: String,
    pub(crate) declared: String,
}

impl RowsColumn {
    pub(crate) fn new(name: &str, column_type: ColumnType) -> Self {
        Self { name: name.to_owned(), declared: declared_type(column_type) }
    }
}

/// The columns of the table of rows, but for those of lineage, which every such table has.
pub(crate) fn rows_columns(table: &TableShape) -> Vec<RowsColumn> {
    table.columns.iter().map(|column| RowsColumn::new(&column.name, column.column_type)).collect()
}

/// The lineage of every table of rows, whether the shape has `where` and elements or not, so that either may come and
/// go without a change of the table. What a load does not bring is null.
pub(crate) const ROWS_LINEAGE: [&str; 7] = [
    lineage::PASSES,
    lineage::LOAD_ID,
    lineage::OBJECT,
    lineage::RECORD,
    lineage::ELEMENT,
    lineage::ORDER,
    lineage::STANDING,
];

pub(crate) fn create_rows(name: &str, columns: &[RowsColumn]) -> String {
    let declared: Vec<String> =
        columns.iter().map(|column| format!("  {} {},\n", quote(&column.name), column.declared)).collect();
    let declared = declared.concat();
    format!(
        "CREATE TABLE {} (\n{declared}  \"_passes\" BOOLEAN,\n  \"_load_id\" VARCHAR(32) NOT NULL,\n  \
         \"_object\" VARCHAR(2048) NOT NULL,\n  \"_record\" BIGINT NOT NULL,\n  \"_element\" INTEGER,\n  \
         \"_order\" VARCHAR(1100) NOT NULL,\n  \"_standing\" VARCHAR(8) NOT NULL\n    \
         CHECK (\"_standing\" IN ('visible', 'lost', 'filtered', 'waiting'))\n)",
        quote(name)
    )
}

/// The indexes that commits need: by load, to remove and count; by object or key, to recompute standing.
pub(crate) fn create_indexes(table: &TableShape) -> Vec<String> {
    let [by_load, by_object, by_key] = names::indexes(table);
    let create = |index: &str, columns: &str| {
        format!("CREATE INDEX {} ON {} ({columns})", quote(index), quote(&names::rows(table)))
    };
    let mut statements = vec![create(&by_load, "\"_load_id\"")];
    match &table.contest {
        // The rows of a scope are found by their loads.
        Contest::Append { on_rewrite: OnRewrite::Append } | Contest::Replace { .. } => {}
        Contest::Append { on_rewrite: OnRewrite::Replace | OnRewrite::Ignore } => {
            statements.push(create(&by_object, "\"_object\""));
        }
        Contest::Upsert { key, .. } => statements.push(create(&by_key, &quoted_list("", key))),
    }
    statements
}

pub(crate) fn create_view(table: &TableShape) -> String {
    let mut columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    columns.extend(table.lineage().into_iter().map(|column| column.name).filter(|name| name != lineage::PASSES));
    format!(
        "CREATE VIEW {} AS\n  SELECT {}\n  FROM {}\n  WHERE \"_standing\" = 'visible'",
        quote(&names::view(table)),
        quoted_list("", &columns),
        quote(&names::rows(table))
    )
}

/// Names, quoted, each behind `prefix` (an alias with its point, or nothing), with commas between.
pub(crate) fn quoted_list<T: AsRef<str>>(prefix: &str, names: &[T]) -> String {
    names.iter().map(|name| format!("{prefix}{}", quote(name.as_ref()))).collect::<Vec<_>>().join(", ")
}
