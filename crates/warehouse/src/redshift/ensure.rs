//! The tables that every family has, and the view over the markers of all.

use lakehand_domain::id::FamilyId;

use super::RedshiftWarehouse;
use super::client::Script;
use super::fence::MARKER_COLUMNS;
use super::names::{self, Names};
use super::record::Record;
use super::sql::{literal, literal_list, quote};
use super::trouble::Trouble;

/// Families in one view: with more, the view would be longer than a statement may be.
const FAMILIES_A_VIEW: usize = 300;
/// So often the view is made anew because another family came meanwhile.
const VIEWS_MADE: u32 = 5;

/// What is there of a family.
struct Found {
    tables: bool,
    in_view: bool,
}

/// Makes fence, markers and registers of the family where they are not there, and shows its markers.
pub(crate) async fn ensure(warehouse: &RedshiftWarehouse, family: &FamilyId) -> Result<(), Trouble> {
    let found = look(warehouse, family).await?;
    if !found.tables {
        create(warehouse, family).await?;
    }
    if !found.in_view
        && let Err(error) = show(warehouse, family).await
    {
        // Only people read it; the next process that ensures the family tries again.
        tracing::warn!(family.id = %family, error = &error as &dyn std::error::Error, "the view of all markers does not show the family yet");
    }
    Ok(())
}

/// Whether the tables of the family are there.
pub(crate) async fn is_there(warehouse: &RedshiftWarehouse, family: &FamilyId) -> Result<bool, Trouble> {
    Ok(look(warehouse, family).await?.tables)
}

async fn look(warehouse: &RedshiftWarehouse, family: &FamilyId) -> Result<Found, Trouble> {
    let own = literal(&warehouse.names.own_schema());
    let tables = names::of_family(family);
    let sql = format!(
        "SELECT CASE WHEN 'a' = 'A' THEN 1 ELSE 0 END, \
         (SELECT COUNT(*) FROM pg_tables WHERE schemaname = {own} AND tablename IN ({})), \
         (SELECT COUNT(*) FROM pg_views WHERE schemaname = {own} AND viewname LIKE 'markers%' \
         AND STRPOS(definition, {}) > 0)",
        literal_list(tables.iter().map(String::as_str)),
        literal(&format!("'{family}'"))
    );
    let rows = warehouse.client.ask(&format!("lakehand/ensure/{family}"), sql).await?.rows;
    let mut record = Record::new(rows.into_iter().next().unwrap_or_default());
    let (blurred, there, in_view): (u64, u64, u64) = (record.number()?, record.number()?, record.number()?);
    if blurred == 1 {
        return Err(Trouble::Refused(
            "the database compares texts without their case, so that keys would be mixed up: use one made with COLLATE \
             CASE_SENSITIVE"
                .to_owned(),
        ));
    }
    Ok(Found { tables: there == tables.len() as u64, in_view: in_view > 0 })
}

/// Fence and row come in one transaction: two processes that make them at once make one.
async fn create(warehouse: &RedshiftWarehouse, family: &FamilyId) -> Result<(), Trouble> {
    let names = &warehouse.names;
    let first = Script::new(
        format!("lakehand/ensure/{family}/schema"),
        vec![
            super::ddl::create_schema(&names.own_schema()),
            format!("CREATE TABLE IF NOT EXISTS {} (\"family\" VARCHAR(64) NOT NULL)", names.families()),
        ],
    );
    let before = warehouse.client.run_each(&first).await?;
    let script = Script::new(format!("lakehand/ensure/{family}/tables"), create_tables(names, family));
    let Err(error) = warehouse.client.run(&script).await else { return Ok(()) };
    if look(warehouse, family).await?.tables {
        return Ok(());
    }
    match before.into_iter().flatten().next() {
        Some(words) => Err(Trouble::Refused(format!("make the schema {}: {words}", names.own_schema()))),
        None => Err(error),
    }
}

fn create_tables(names: &Names, family: &FamilyId) -> Vec<String> {
    let fence = names.fence(family);
    vec![
        format!(
            "CREATE TABLE {fence} (\"token\" BIGINT NOT NULL, \"owner\" VARCHAR(200), \"batch\" VARCHAR(500), \
             \"batches\" BIGINT NOT NULL, \"erasure_epoch\" BIGINT NOT NULL, \"ledger\" VARCHAR(500), \
             \"in_force\" VARCHAR(32000) NOT NULL)"
        ),
        format!("INSERT INTO {fence} VALUES (0, NULL, NULL, 0, 0, NULL, '[]')"),
        format!(
            "CREATE TABLE {} (\"entry\" VARCHAR(64) NOT NULL, \"dataset\" VARCHAR(64) NOT NULL, \
             \"object\" VARCHAR(2048) NOT NULL, \"version_order\" VARCHAR(1100) NOT NULL, \
             \"generation\" BIGINT NOT NULL, \"load_id\" VARCHAR(64) NOT NULL, \"fingerprint\" VARCHAR(200) NOT NULL, \
             \"rows\" VARCHAR(16000) NOT NULL, \"rejects\" BIGINT NOT NULL, \"scopes\" VARCHAR(16000) NOT NULL, \
             \"batch\" VARCHAR(500) NOT NULL, \"at\" VARCHAR(40) NOT NULL)",
            names.markers(family)
        ),
        format!(
            "CREATE TABLE {} (\"dataset\" VARCHAR(64) NOT NULL, \"fingerprint\" VARCHAR(200) NOT NULL, \
             \"token\" BIGINT NOT NULL)",
            names.definitions(family)
        ),
        format!(
            "CREATE TABLE {} (\"dataset\" VARCHAR(64) NOT NULL, \"name\" VARCHAR(127) NOT NULL, \
             \"part\" INTEGER NOT NULL, \"description\" VARCHAR(16384) NOT NULL)",
            names.tables(family)
        ),
    ]
}

/// Registers the family and makes the view anew, until it is the view of all that are registered: another process may
/// register one meanwhile, and see the view made before ours.
async fn show(warehouse: &RedshiftWarehouse, family: &FamilyId) -> Result<(), Trouble> {
    let families = warehouse.names.families();
    let own = literal(family.as_str());
    let insert = format!(
        "INSERT INTO {families} SELECT CAST({own} AS VARCHAR(64)) WHERE NOT EXISTS (SELECT 1 FROM {families} WHERE \"family\" = {own})"
    );
    warehouse.client.run(&Script::new(format!("lakehand/ensure/{family}/register"), vec![insert])).await?;
    let mut shown: Vec<String> = Vec::new();
    let mut trouble = None;
    for _ in 0..VIEWS_MADE {
        let sql = format!("SELECT DISTINCT \"family\" FROM {families} ORDER BY \"family\"");
        let rows = warehouse.client.ask("lakehand/ensure/families", sql).await?.rows;
        let registered = rows.into_iter().map(|row| Record::new(row).text()).collect::<Result<Vec<_>, _>>()?;
        if registered == shown {
            return Ok(());
        }
        let script = Script::new(format!("lakehand/ensure/{family}/view"), create_views(&warehouse.names, &registered));
        match warehouse.client.run(&script).await {
            Ok(_) => shown = registered,
            Err(error) => trouble = Some(error),
        }
    }
    trouble.map_or(Ok(()), Err)
}

/// The view over the markers of all families; with very many, over views of some of them.
fn create_views(names: &Names, families: &[String]) -> Vec<String> {
    let select = |family: &String| {
        let markers = names.markers(&FamilyId::new(family));
        format!("SELECT CAST({} AS VARCHAR(64)) AS \"family\", {MARKER_COLUMNS} FROM {markers}", literal(family))
    };
    let view = |name: &str, selects: &[String]| {
        let own = names.own_schema();
        format!("CREATE OR REPLACE VIEW {}.{} AS {}", quote(&own), quote(name), selects.join(" UNION ALL "))
    };
    let selects: Vec<String> = families.iter().map(select).collect();
    if selects.len() <= FAMILIES_A_VIEW {
        return vec![view("markers", &selects)];
    }
    let (mut statements, mut groups) = (Vec::new(), Vec::new());
    for (at, selects) in selects.chunks(FAMILIES_A_VIEW).enumerate() {
        let name = format!("markers__{at}");
        statements.push(view(&name, selects));
        groups.push(format!("SELECT \"family\", {MARKER_COLUMNS} FROM {}", names.own(&name)));
    }
    statements.push(view("markers", &groups));
    statements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redshift::limits::{MOST_BYTES, MOST_STATEMENTS};

    #[test]
    fn the_view_of_very_many_families_is_a_view_of_views() {
        let names = Names::new("");
        let few = create_views(&names, &["a".to_owned(), "b".to_owned()]);
        assert_eq!(few.len(), 1);
        assert!(few[0].contains("CAST('a' AS VARCHAR(64))") && few[0].contains(" UNION ALL "));
        let families: Vec<String> = (0..1_500).map(|number| format!("{number:060}")).collect();
        let many = create_views(&names, &families);
        assert_eq!(many.len(), 6);
        assert!(many.len() <= MOST_STATEMENTS && many.iter().all(|statement| statement.len() <= MOST_BYTES));
    }
}
