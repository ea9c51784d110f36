//! The list of loads of a batch: a small table, made and filled before the transaction, that its statements join.

use lakehand_domain::warehousing::StagedLoad;

use super::plan::{BatchTable, Plan};
use crate::redshift::limits::COMFORTABLE_BYTES;
use crate::redshift::sql::{inserts, literal, number};
use crate::redshift::trouble::Trouble;

/// The column that says how many rows a load has for a table.
pub(super) fn rows_column(table: &BatchTable) -> String {
    format!("\"rows_{}\"", table.number)
}

/// The statements that make the list and fill it.
pub(super) fn statements(plan: &Plan<'_>) -> Result<Vec<String>, Trouble> {
    let list = plan.list();
    let counts: Vec<String> =
        plan.tables.iter().map(|table| format!(", {} BIGINT NOT NULL", rows_column(table))).collect();
    let counts = counts.concat();
    let create = format!(
        "CREATE TABLE {list} (\"load_id\" VARCHAR(64) NOT NULL, \"staging\" VARCHAR(64) NOT NULL, \
         \"replaces\" VARCHAR(64), \"entry\" VARCHAR(64) NOT NULL, \"object\" VARCHAR(2048) NOT NULL, \
         \"version_order\" VARCHAR(1100) NOT NULL, \"generation\" BIGINT NOT NULL, \"rows\" VARCHAR(16000) NOT NULL, \
         \"rejects\" BIGINT NOT NULL, \"scopes\" VARCHAR(16000) NOT NULL{counts})"
    );
    let rows = plan.request.loads.iter().map(|load| row(plan, load)).collect::<Result<Vec<_>, _>>()?;
    let mut statements = vec![create];
    statements.extend(inserts(&format!("INSERT INTO {list}"), &rows, COMFORTABLE_BYTES));
    Ok(statements)
}

fn row(plan: &Plan<'_>, load: &StagedLoad) -> Result<String, Trouble> {
    let manifest = &load.manifest;
    let rows: serde_json::Map<String, serde_json::Value> =
        manifest.tables.iter().map(|table| (table.table.clone(), table.rows.into())).collect();
    let mut values = vec![
        literal(manifest.load_id.as_str()),
        literal(load.staging.as_str()),
        plan.replaced.get(&manifest.entry).map_or_else(|| "NULL".to_owned(), |load| literal(load.load_id.as_str())),
        literal(manifest.entry.as_str()),
        literal(manifest.object.uri.as_str()),
        literal(manifest.order.as_str()),
        manifest.generation.to_string(),
        literal(&serde_json::to_string(&rows)?),
        number(manifest.rejects.total()),
        literal(&serde_json::to_string(&manifest.scopes)?),
    ];
    values.extend(plan.tables.iter().map(|table| number(table.rows_of(load))));
    Ok(format!("({})", values.join(", ")))
}
