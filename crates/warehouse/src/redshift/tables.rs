//! How the rows of a load stand.

use std::collections::BTreeMap;

use lakehand_domain::id::LoadId;
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::TableStanding;

use super::RedshiftWarehouse;
use super::record::Record;
use super::sql::literal;
use super::trouble::Trouble;

/// How the rows of a load stand in each table of its dataset; nothing for a load that is not live. One statement, so that
/// all tables are told of one moment.
pub(crate) async fn standing(
    warehouse: &RedshiftWarehouse,
    shape: &FamilyShape,
    load: &LoadId,
) -> Result<Vec<TableStanding>, Trouble> {
    let id = literal(load.as_str());
    let mut selects = vec![format!(
        "SELECT CAST(\"dataset\" AS VARCHAR(64)) AS \"of\", CAST('' AS VARCHAR(8)) AS \"standing\", \
         CAST(-1 AS BIGINT) AS \"number\", CAST(0 AS BIGINT) AS \"counted\" FROM {} WHERE \"load_id\" = {id}",
        warehouse.names.markers(&shape.family)
    )];
    selects.extend(shape.tables.iter().enumerate().map(|(number, table)| {
        format!(
            "SELECT CAST('' AS VARCHAR(64)), \"_standing\", CAST({number} AS BIGINT), COUNT(*) FROM {} \
             WHERE \"_load_id\" = {id} GROUP BY \"_standing\"",
            warehouse.names.rows(table)
        )
    }));
    let rows = warehouse.client.ask(&format!("lakehand/standing/{load}"), selects.join(" UNION ALL ")).await?;
    let (mut dataset, mut counts) = (None, BTreeMap::new());
    for row in rows.rows {
        let mut record = Record::new(row);
        let (of, standing) = (record.text()?, record.text()?);
        let (number, counted): (i64, u64) = (record.number()?, record.number()?);
        if number < 0 {
            dataset = Some(of);
        } else {
            counts.insert((number, standing), counted);
        }
    }
    let of_load = (0_i64..).zip(&shape.tables).filter(|(_, table)| Some(table.dataset.as_str()) == dataset.as_deref());
    let standing = |(number, table): (i64, &lakehand_domain::shape::TableShape)| {
        let count = |standing: &str| counts.get(&(number, standing.to_owned())).copied().unwrap_or(0);
        TableStanding {
            table: table.name.clone(),
            visible: count("visible"),
            lost: count("lost"),
            filtered: count("filtered"),
            waiting: count("waiting"),
        }
    };
    Ok(of_load.map(standing).collect())
}
