//! The statements that make a table: pure functions of its shape.

use lakehand_domain::shape::{Distribution, FamilyShape, TableLayout, TableShape, lineage};

use super::names::Names;
use super::physical::{ROWS_LINEAGE, RowsColumn, staged_type};
use super::sql::{quote, quoted_list};

/// The statements that make the tables of a shape where no schema prefix is set, for people to read.
pub fn redshift_ddl(shape: &FamilyShape) -> Vec<String> {
    all(&Names::new(""), shape)
}

/// The statements that make the schemas, tables and views of a shape, for people to read; each without its semicolon.
pub(crate) fn all(names: &Names, shape: &FamilyShape) -> Vec<String> {
    let mut statements = Vec::new();
    for definition in &shape.definitions {
        statements.push(create_schema(&names.schema(&definition.dataset)));
    }
    for table in &shape.tables {
        statements.push(create_rows(&names.rows(table), &rows_columns(table), &table.layout));
        statements.push(create_view(names, table));
    }
    statements
}

pub(crate) fn create_schema(schema: &str) -> String {
    format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema))
}

/// The columns of the table of rows, but for those of lineage, which every such table has.
pub(crate) fn rows_columns(table: &TableShape) -> Vec<RowsColumn> {
    table.columns.iter().map(|column| RowsColumn::new(column, table)).collect()
}

pub(crate) fn create_rows(name: &str, columns: &[RowsColumn], layout: &TableLayout) -> String {
    let mut declared: Vec<String> =
        columns.iter().map(|column| format!("  {} {}", quote(&column.name), column.declared())).collect();
    declared.extend(ROWS_LINEAGE.iter().map(|(name, declared)| format!("  {} {declared}", quote(name))));
    format!("CREATE TABLE {name} (\n{}\n){}", declared.join(",\n"), laid_out(layout))
}

/// What stands behind the columns of `CREATE TABLE`.
fn laid_out(layout: &TableLayout) -> String {
    let sorted = match layout.sort_key.as_slice() {
        [] => String::new(),
        columns => format!("\nCOMPOUND SORTKEY ({})", quoted_list("", columns)),
    };
    distributed(&layout.distribution) + &sorted
}

fn distributed(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Auto => String::new(),
        Distribution::Even => "\nDISTSTYLE EVEN".to_owned(),
        Distribution::All => "\nDISTSTYLE ALL".to_owned(),
        Distribution::Key(column) => format!("\nDISTSTYLE KEY\nDISTKEY ({})", quote(column)),
    }
}

/// A view that is not bound to its table: Redshift neither changes nor drops what a bound view reads. Views of people over
/// it are best made in the same way.
pub(crate) fn create_view(names: &Names, table: &TableShape) -> String {
    let mut columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
    columns.extend(table.lineage().into_iter().map(|column| column.name).filter(|name| name != lineage::PASSES));
    format!(
        "CREATE VIEW {} AS\n  SELECT {}\n  FROM {}\n  WHERE \"_standing\" = 'visible'\nWITH NO SCHEMA BINDING",
        names.view(table),
        quoted_list("", &columns),
        names.rows(table)
    )
}

/// A staging table: the columns of a part in their order. It is distributed as the rows are, where that is by a key, so
/// that rows do not have to move while the fence is held.
pub(crate) fn create_staging(name: &str, table: &TableShape) -> String {
    let declared: Vec<String> = table
        .part_columns()
        .iter()
        .map(|column| {
            let required = if column.required { " NOT NULL" } else { "" };
            format!("  {} {}{required}", quote(&column.name), staged_type(column.column_type))
        })
        .collect();
    let distribution = match &table.layout.distribution {
        Distribution::Key(column) => distributed(&Distribution::Key(column.clone())),
        _ => String::new(),
    };
    format!("CREATE TABLE {name} (\n{}\n){distribution}", declared.join(",\n"))
}
