//! Staging tables, the tables that commits work with, and lists of files: found by their names, and dropped.

use std::collections::BTreeSet;

use lakehand_domain::id::{FamilyId, Nonce};
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::StoreError;

use super::RedshiftWarehouse;
use super::client::Script;
use super::names::{StagingName, staging_pattern};
use super::record::Record;
use super::sql::literal;
use super::stage::staging_of;
use super::trouble::Trouble;

/// Lists of files on a page of a listing.
const PAGE: usize = 1_000;
/// Tables dropped by one statement.
const DROPPED_AT_ONCE: usize = 100;

/// Drops everything that has this nonce in its name.
pub(crate) async fn drop_staging(warehouse: &RedshiftWarehouse, name: &Nonce) -> Result<(), Trouble> {
    let tables = if let Some(tables) = warehouse.remembered_staging(name) {
        tables
    } else {
        let mut there = find(warehouse, None).await?;
        there.retain(|staging| staging.nonce() == name);
        there.iter().map(|staging| warehouse.names.staging(staging)).collect()
    };
    drop_tables(warehouse, &format!("lakehand/drop/{name}"), &tables).await?;
    for list in lists(warehouse, &warehouse.copy_prefix.join(name.as_str())).await? {
        match warehouse.lake.stat(&list).await {
            Ok(stat) => drop(warehouse.lake.delete(&stat).await?),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    warehouse.forget_staging(name);
    Ok(())
}

/// Drops tables, as statements name them, where they are there.
pub(crate) async fn drop_tables(warehouse: &RedshiftWarehouse, name: &str, tables: &[String]) -> Result<(), Trouble> {
    let drops = tables.chunks(DROPPED_AT_ONCE).map(|some| format!("DROP TABLE IF EXISTS {}", some.join(", ")));
    for drop in drops {
        warehouse.client.run(&Script::new(name.to_owned(), vec![drop])).await?;
    }
    Ok(())
}

/// The names of all stagings of the family.
pub(crate) async fn stagings(warehouse: &RedshiftWarehouse, family: &FamilyId) -> Result<Vec<Nonce>, Trouble> {
    let mut names: BTreeSet<Nonce> = BTreeSet::new();
    for staging in find(warehouse, Some(family)).await? {
        names.insert(staging.nonce().clone());
    }
    for list in lists(warehouse, &warehouse.copy_prefix).await? {
        match staging_of(&warehouse.copy_prefix, &list) {
            Some((nonce, of)) if of == *family => drop(names.insert(nonce)),
            _ => {}
        }
    }
    Ok(names.into_iter().collect())
}

/// The names in the catalogue of staging tables of one family, or of all.
pub(crate) async fn find(
    warehouse: &RedshiftWarehouse,
    family: Option<&FamilyId>,
) -> Result<Vec<StagingName>, Trouble> {
    let sql = format!(
        "SELECT tablename FROM pg_tables WHERE schemaname = {} AND tablename LIKE {} ESCAPE '!'",
        literal(&warehouse.names.own_schema()),
        literal(&staging_pattern(family))
    );
    let rows = warehouse.client.ask("lakehand/stagings", sql).await?.rows;
    let names = rows.into_iter().map(|row| Record::new(row).text()).collect::<Result<Vec<_>, _>>()?;
    let parsed = names.iter().filter_map(|name| StagingName::parse(name));
    Ok(parsed.filter(|name| family.is_none_or(|family| name.is_of(family))).collect())
}

async fn lists(warehouse: &RedshiftWarehouse, prefix: &ObjectUri) -> Result<Vec<ObjectUri>, Trouble> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = warehouse.lake.list(prefix, after.as_deref(), PAGE).await?;
        found.extend(page.objects.into_iter().map(|object| object.uri));
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}
