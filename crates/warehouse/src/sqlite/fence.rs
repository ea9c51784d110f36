//! The fence and the markers of a family.

use lakehand_domain::id::{
    DatasetId, EntryId, FamilyId, FencingToken, Fingerprint, Generation, LedgerId, LoadId, Nonce,
};
use lakehand_domain::object::{ObjectUri, Order};
use lakehand_domain::port::warehouse::TakeOutcome;
use lakehand_domain::shape::DefinitionInForce;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{CommitRequest, Fence, Marker};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connection::End;
use super::names;
use super::trouble::Trouble;

/// SQLite takes 500 selects in one UNION.
const MOST_IN_UNION: usize = 400;

/// Whether the family has been ensured.
pub(crate) fn is_there(connection: &Connection, family: &FamilyId) -> Result<bool, Trouble> {
    Ok(connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM lakehand_families WHERE family = ?1)",
        [family.as_str()],
        |row| row.get(0),
    )?)
}

/// Makes fence, markers and definitions of the family, and the view over the markers of all families.
pub(crate) fn ensure(transaction: &Connection, family: &FamilyId) -> Result<End<()>, Trouble> {
    if is_there(transaction, family)? {
        return Ok(End::Undo(()));
    }
    let (fence, markers, definitions) = (names::fence(family), names::markers(family), names::definitions(family));
    transaction.execute_batch(&format!(
        "CREATE TABLE {fence} (
           id INTEGER PRIMARY KEY CHECK (id = 1), token BIGINT NOT NULL, owner TEXT, batch TEXT,
           batches BIGINT NOT NULL, erasure_epoch BIGINT NOT NULL, ledger TEXT, in_force TEXT NOT NULL
         );
         INSERT INTO {fence} VALUES (1, 0, NULL, NULL, 0, 0, NULL, '[]');
         CREATE TABLE {markers} (
           entry TEXT PRIMARY KEY, dataset TEXT NOT NULL, object TEXT NOT NULL, version_order TEXT NOT NULL,
           generation BIGINT NOT NULL, load_id TEXT NOT NULL, fingerprint TEXT NOT NULL, \"rows\" TEXT NOT NULL,
           rejects BIGINT NOT NULL, scopes TEXT NOT NULL, batch TEXT NOT NULL, at TEXT NOT NULL
         ) WITHOUT ROWID;
         CREATE INDEX {} ON {markers} (dataset, object);
         CREATE UNIQUE INDEX {} ON {markers} (load_id);
         CREATE TABLE {definitions} (
           dataset TEXT NOT NULL, fingerprint TEXT NOT NULL, tables TEXT NOT NULL, token BIGINT NOT NULL,
           PRIMARY KEY (dataset, fingerprint)
         ) WITHOUT ROWID;",
        names::quote(&format!("lakehand_index_object_{family}")),
        names::quote(&format!("lakehand_index_load_{family}")),
    ))?;
    transaction.execute("INSERT INTO lakehand_families VALUES (?1)", [family.as_str()])?;
    view_markers(transaction)?;
    Ok(End::Keep(()))
}

/// Makes the view over the markers of all families anew.
fn view_markers(transaction: &Connection) -> Result<(), Trouble> {
    let mut statement = transaction.prepare("SELECT family FROM lakehand_families ORDER BY family")?;
    let families = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let selects: Vec<String> = families
        .into_iter()
        .map(|family| {
            let literal = family.replace('\'', "''");
            format!("SELECT '{literal}' AS family, * FROM {}", names::markers(&FamilyId::new(family)))
        })
        .collect();
    let groups: Vec<String> = selects
        .chunks(MOST_IN_UNION)
        .map(|selects| format!("SELECT * FROM ({})", selects.join(" UNION ALL ")))
        .collect();
    transaction.execute_batch(&format!(
        "DROP VIEW IF EXISTS lakehand_markers; CREATE VIEW lakehand_markers AS {}",
        groups.join(" UNION ALL ")
    ))?;
    Ok(())
}

/// Raises the token and makes `owner` its owner, unless the fence belongs to another ledger.
pub(crate) fn take(
    transaction: &Connection,
    family: &FamilyId,
    owner: &Nonce,
    ledger: &LedgerId,
) -> Result<End<TakeOutcome>, Trouble> {
    let changed = transaction.execute(
        &format!(
            "UPDATE {} SET token = token + 1, owner = ?1, ledger = ?2 WHERE ledger IS NULL OR ledger = ?2",
            names::fence(family)
        ),
        params![owner.as_str(), ledger.as_str()],
    )?;
    if changed == 1 {
        return Ok(End::Keep(TakeOutcome::Taken(read(transaction, family)?)));
    }
    let other: Option<String> = transaction
        .query_row(&format!("SELECT ledger FROM {}", names::fence(family)), [], |row| row.get(0))
        .optional()?;
    match other {
        Some(other) => Ok(End::Undo(TakeOutcome::OtherLedger { ledger: LedgerId::new(other) })),
        None => Err(Trouble::own(format!("the fence of family {family} has lost its row"))),
    }
}

/// The fence as it is now.
pub(crate) fn read(connection: &Connection, family: &FamilyId) -> Result<Fence, Trouble> {
    type Columns = (i64, Option<String>, i64, i64, String);
    let (token, owner, batches, erasure_epoch, in_force): Columns = connection.query_row(
        &format!("SELECT token, owner, batches, erasure_epoch, in_force FROM {}", names::fence(family)),
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
    )?;
    let in_force: Vec<DefinitionInForce> = serde_json::from_str(&in_force)?;
    let mut statement = connection
        .prepare(&format!("SELECT dataset, fingerprint FROM {} ORDER BY token, dataset", names::definitions(family)))?;
    let known = statement.query_map([], |row| {
        Ok(DefinitionInForce {
            dataset: DatasetId::new(row.get::<_, String>(0)?),
            fingerprint: Fingerprint::new(row.get::<_, String>(1)?),
        })
    })?;
    let mut retired = known.collect::<Result<Vec<_>, _>>()?;
    retired.retain(|definition| !in_force.contains(definition));
    Ok(Fence {
        family: family.clone(),
        token: FencingToken(unsigned(token)?),
        owner: Nonce::new(owner.unwrap_or_default()),
        batches: unsigned(batches)?,
        erasure_epoch: unsigned(erasure_epoch)?,
        in_force,
        retired,
    })
}

/// Whether the fence is still ours. It writes the row, as the first statement of every transaction under the fence.
pub(crate) fn hold(transaction: &Connection, fence: &Fence) -> Result<bool, Trouble> {
    write(transaction, fence, "owner = owner", None)
}

/// Names the batch and counts it, if the fence is still ours.
pub(crate) fn begin_batch(transaction: &Connection, request: &CommitRequest) -> Result<bool, Trouble> {
    write(transaction, &request.fence, "batch = ?3, batches = batches + 1", Some(&request.batch))
}

/// Puts these definitions in force, in place of others of their datasets. The caller holds the fence.
pub(crate) fn put_in_force(
    transaction: &Connection,
    family: &FamilyId,
    definitions: &[DefinitionInForce],
) -> Result<(), Trouble> {
    let mut in_force = read(transaction, family)?.in_force;
    in_force.retain(|known| definitions.iter().all(|definition| definition.dataset != known.dataset));
    in_force.extend_from_slice(definitions);
    let json = serde_json::to_string(&in_force)?;
    transaction.execute(&format!("UPDATE {} SET in_force = ?1", names::fence(family)), [json])?;
    Ok(())
}

fn write(transaction: &Connection, fence: &Fence, change: &str, batch: Option<&str>) -> Result<bool, Trouble> {
    let sql = format!("UPDATE {} SET {change} WHERE token = ?1 AND owner = ?2", names::fence(&fence.family));
    let token = signed(fence.token.0)?;
    let changed = match batch {
        Some(batch) => transaction.execute(&sql, params![token, fence.owner.as_str(), batch])?,
        None => transaction.execute(&sql, params![token, fence.owner.as_str()])?,
    };
    Ok(changed == 1)
}

/// The markers of these entries, of those that have one.
pub(crate) fn markers(connection: &Connection, family: &FamilyId, entries: &[EntryId]) -> Result<Vec<Marker>, Trouble> {
    let sql = format!(
        "SELECT entry, dataset, object, version_order, generation, load_id, fingerprint, \"rows\", rejects, batch, at, scopes \
         FROM {} WHERE entry IN (SELECT value FROM json_each(?1)) ORDER BY entry",
        names::markers(family)
    );
    let mut statement = connection.prepare(&sql)?;
    let mut found = statement.query([serde_json::to_string(entries)?])?;
    let mut markers = Vec::new();
    while let Some(row) = found.next()? {
        markers.push(marker(row)?);
    }
    Ok(markers)
}

fn marker(row: &Row<'_>) -> Result<Marker, Trouble> {
    let text = |at: usize| row.get::<_, String>(at);
    Ok(Marker {
        entry: EntryId::new(text(0)?),
        dataset: DatasetId::new(text(1)?),
        object: ObjectUri::parse(&text(2)?).map_err(|error| Trouble::own(error.to_string()))?,
        order: Order::from_text(text(3)?),
        generation: Generation(u32::try_from(row.get::<_, i64>(4)?).map_err(|error| Trouble::own(error.to_string()))?),
        load_id: LoadId::new(text(5)?),
        fingerprint: Fingerprint::new(text(6)?),
        rows: serde_json::from_str(&text(7)?)?,
        rejects: unsigned(row.get(8)?)?,
        scopes: serde_json::from_str(&text(11)?)?,
        batch: text(9)?,
        at: Timestamp::parse(&text(10)?).ok_or_else(|| Trouble::own("a marker has no instant"))?,
    })
}

/// Writes a marker for every load of the batch.
pub(crate) fn write_markers(transaction: &Connection, request: &CommitRequest) -> Result<(), Trouble> {
    let mut statement = transaction.prepare(&format!(
        "INSERT OR REPLACE INTO {} (entry, dataset, object, version_order, generation, load_id, fingerprint, \"rows\", \
         rejects, scopes, batch, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        names::markers(&request.fence.family)
    ))?;
    for load in &request.loads {
        let manifest = &load.manifest;
        let rows: serde_json::Map<String, serde_json::Value> =
            manifest.tables.iter().map(|table| (table.table.clone(), table.rows.into())).collect();
        statement.execute(params![
            manifest.entry.as_str(),
            manifest.dataset.as_str(),
            manifest.object.uri.as_str(),
            manifest.order.as_str(),
            manifest.generation.0,
            manifest.load_id.as_str(),
            manifest.fingerprint.as_str(),
            serde_json::to_string(&rows)?,
            signed(manifest.rejects.total())?,
            serde_json::to_string(&manifest.scopes)?,
            request.batch,
            request.now.to_string(),
        ])?;
    }
    Ok(())
}

pub(crate) fn unsigned(value: i64) -> Result<u64, Trouble> {
    u64::try_from(value).map_err(|_| Trouble::own(format!("a count is {value}")))
}

pub(crate) fn signed(value: u64) -> Result<i64, Trouble> {
    i64::try_from(value).map_err(|_| Trouble::own(format!("a count is {value}")))
}
