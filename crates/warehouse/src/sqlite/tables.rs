//! The register of a family's tables: which there are, and by which shape each was made.

use lakehand_domain::id::{DatasetId, FamilyId, LoadId};
use lakehand_domain::shape::{FamilyShape, TableShape};
use lakehand_domain::warehousing::TableStanding;
use rusqlite::{Connection, OptionalExtension, params};

use super::fence::unsigned;
use super::names::{self, quote};
use super::trouble::Trouble;

/// All tables that the family ever had of this dataset, in the shape each has now; also those that the definition in
/// force does not name any more, whose rows are still there.
pub(crate) fn of_dataset(
    connection: &Connection,
    family: &FamilyId,
    dataset: &DatasetId,
) -> Result<Vec<TableShape>, Trouble> {
    let mut statement =
        connection.prepare("SELECT shape FROM lakehand_tables WHERE family = ?1 AND dataset = ?2 ORDER BY name")?;
    let shapes = statement.query_map([family.as_str(), dataset.as_str()], |row| row.get::<_, String>(0))?;
    shapes.map(|shape| Ok(serde_json::from_str(&shape?)?)).collect()
}

/// All tables that the family ever had, of all its datasets.
pub(crate) fn of_family(connection: &Connection, family: &FamilyId) -> Result<Vec<TableShape>, Trouble> {
    let mut statement = connection.prepare("SELECT shape FROM lakehand_tables WHERE family = ?1 ORDER BY name")?;
    let shapes = statement.query_map([family.as_str()], |row| row.get::<_, String>(0))?;
    shapes.map(|shape| Ok(serde_json::from_str(&shape?)?)).collect()
}

/// The family that a name of a table belongs to, and the shape by which it was made.
pub(crate) fn find(connection: &Connection, name: &str) -> Result<Option<(FamilyId, TableShape)>, Trouble> {
    let found: Option<(String, String)> = connection
        .query_row("SELECT family, shape FROM lakehand_tables WHERE name = ?1", [name], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    found.map(|(family, shape)| Ok((FamilyId::new(family), serde_json::from_str(&shape)?))).transpose()
}

/// Remembers the shape of a table.
pub(crate) fn record(transaction: &Connection, family: &FamilyId, table: &TableShape) -> Result<(), Trouble> {
    transaction.execute(
        "INSERT OR REPLACE INTO lakehand_tables (name, family, dataset, shape) VALUES (?1, ?2, ?3, ?4)",
        params![names::view(table), family.as_str(), table.dataset.as_str(), serde_json::to_string(table)?],
    )?;
    Ok(())
}

/// How the rows of a load stand in each table of its dataset; nothing for a load that is not live.
pub(crate) fn standing(
    connection: &Connection,
    shape: &FamilyShape,
    load: &LoadId,
) -> Result<Vec<TableStanding>, Trouble> {
    let dataset: Option<String> = connection
        .query_row(
            &format!("SELECT dataset FROM {} WHERE load_id = ?1", names::markers(&shape.family)),
            [load.as_str()],
            |row| row.get(0),
        )
        .optional()?;
    let mut standings = Vec::new();
    for table in shape.tables.iter().filter(|table| Some(table.dataset.as_str()) == dataset.as_deref()) {
        let mut standing = TableStanding { table: table.name.clone(), visible: 0, lost: 0, filtered: 0, waiting: 0 };
        let mut statement = connection.prepare(&format!(
            "SELECT \"_standing\", count(*) FROM {} WHERE \"_load_id\" = ?1 GROUP BY 1",
            quote(&names::rows(table))
        ))?;
        let counts = statement
            .query_map([load.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        for (name, count) in counts {
            let place = match name.as_str() {
                "visible" => &mut standing.visible,
                "lost" => &mut standing.lost,
                "filtered" => &mut standing.filtered,
                _ => &mut standing.waiting,
            };
            *place = unsigned(count)?;
        }
        standings.push(standing);
    }
    Ok(standings)
}
