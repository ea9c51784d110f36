//! Why the guard refused, in words: asked after the fact, outside the transaction.

use lakehand_domain::id::Nonce;

use super::plan::Plan;
use crate::fit::told;
use crate::redshift::RedshiftWarehouse;
use crate::redshift::record::Record;
use crate::redshift::sweep;
use crate::redshift::trouble::Trouble;

/// What is amiss with the staged rows of the batch, if anything.
pub(super) async fn find(warehouse: &RedshiftWarehouse, plan: &Plan<'_>) -> Result<Option<String>, Trouble> {
    let there: Vec<String> = sweep::find(warehouse, Some(&plan.shape.family))
        .await?
        .iter()
        .map(|staging| warehouse.names.staging(staging))
        .collect();
    for table in &plan.tables {
        if let Some((nonce, _)) = table.stagings.iter().find(|(_, name): &&(Nonce, String)| !there.contains(name)) {
            return Ok(Some(format!("staging {nonce} holds no table {}", told(&table.registered.shape))));
        }
    }
    if !there.contains(&plan.list()) {
        return Ok(None);
    }
    for table in plan.tables.iter().filter(|table| !table.stagings.is_empty()) {
        let sql = format!("{} LIMIT 1", plan.wrongly_staged(table));
        let rows = warehouse.client.ask(&plan.name_of("diagnosis"), sql).await?.rows;
        let Some(row) = rows.into_iter().next() else { continue };
        let mut record = Record::new(row);
        let (load, staged, expected): (String, u64, u64) = (record.text()?, record.number()?, record.number()?);
        return Ok(Some(format!(
            "load {load} has {staged} rows staged for {}, its manifest says {expected}",
            told(&table.registered.shape)
        )));
    }
    Ok(None)
}
