//! The fence and the markers of a family.

use lakehand_domain::id::{DatasetId, EntryId, FamilyId, Fingerprint, Generation, LedgerId, LoadId, Nonce};
use lakehand_domain::object::{ObjectUri, Order};
use lakehand_domain::port::warehouse::TakeOutcome;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::{Fence, Marker};

use super::RedshiftWarehouse;
use super::client::{Rows, Script};
use super::limits::COMFORTABLE_BYTES;
use super::names::Names;
use super::record::{Record, unread};
use super::sql::{guard, literal, literal_list, number};
use super::state::{read_fence, select_fence};
use super::trouble::Trouble;

/// Raises the token and makes `owner` its owner, unless the fence belongs to another ledger.
pub(crate) async fn take(
    warehouse: &RedshiftWarehouse,
    family: &FamilyId,
    owner: &Nonce,
    ledger: &LedgerId,
) -> Result<TakeOutcome, Trouble> {
    let names = &warehouse.names;
    let (ours, fence) = (literal(ledger.as_str()), names.fence(family));
    let script = Script::new(
        format!("lakehand/take/{family}/{owner}"),
        vec![
            format!(
                "UPDATE {fence} SET \"token\" = \"token\" + 1, \"owner\" = {}, \"ledger\" = {ours} \
                 WHERE \"ledger\" IS NULL OR \"ledger\" = {ours}",
                literal(owner.as_str())
            ),
            select_fence(names, family),
        ],
    );
    let ended = warehouse.client.run(&script).await?;
    let (row, known) = read_fence(warehouse.client.rows(&ended, 1, usize::MAX).await?)?;
    if let Some(other) = row.ledger.filter(|other| other != ledger) {
        return Ok(TakeOutcome::OtherLedger { ledger: other });
    }
    if row.owner != *owner {
        return Err(unread("the fence was taken and names another owner"));
    }
    let retired = known.into_iter().filter(|definition| !row.in_force.contains(definition)).collect();
    Ok(TakeOutcome::Taken(Fence {
        family: family.clone(),
        token: row.token,
        owner: row.owner,
        batches: row.batches,
        erasure_epoch: row.erasure_epoch,
        in_force: row.in_force,
        retired,
    }))
}

/// The first statement of every transaction under the fence. It writes the row, so that it waits for whoever else does,
/// and sees what they did.
pub(crate) fn write(names: &Names, fence: &Fence, change: &str) -> String {
    format!("UPDATE {} SET {change} WHERE {}", names.fence(&fence.family), is_ours(fence))
}

/// The second: it fails unless the row is exactly ours.
pub(crate) fn hold(names: &Names, fence: &Fence) -> String {
    guard(&format!("ABS(1 - (SELECT COUNT(*) FROM {} WHERE {}))", names.fence(&fence.family), is_ours(fence)))
}

fn is_ours(fence: &Fence) -> String {
    format!("\"token\" = {} AND \"owner\" = {}", number(fence.token.0), literal(fence.owner.as_str()))
}

/// The columns of markers, in the order in which they are read and written.
pub(crate) const MARKER_COLUMNS: &str = "\"entry\", \"dataset\", \"object\", \"version_order\", \"generation\", \
     \"load_id\", \"fingerprint\", \"rows\", \"rejects\", \"scopes\", \"batch\", \"at\"";

/// The statements that read the markers of these entries, each as long as it may comfortably be.
pub(crate) fn select_markers(names: &Names, family: &FamilyId, entries: &[EntryId]) -> Vec<String> {
    // An entry is 32 digits, its quotes, a comma and a blank; whatever else it may be, it is no longer than that.
    let longest = entries.iter().map(|entry| literal(entry.as_str()).len() + 2).max().unwrap_or(1);
    entries
        .chunks((COMFORTABLE_BYTES / longest).max(1))
        .map(|some| {
            format!(
                "SELECT {MARKER_COLUMNS} FROM {} WHERE \"entry\" IN ({}) ORDER BY \"entry\"",
                names.markers(family),
                literal_list(some.iter().map(EntryId::as_str))
            )
        })
        .collect()
}

/// The markers of these entries, of those that have one.
pub(crate) async fn markers(
    warehouse: &RedshiftWarehouse,
    family: &FamilyId,
    entries: &[EntryId],
) -> Result<Vec<Marker>, Trouble> {
    let mut found = Vec::new();
    for sqls in select_markers(&warehouse.names, family, entries).chunks(super::limits::MOST_STATEMENTS) {
        let script = Script::new(format!("lakehand/markers/{family}"), sqls.to_vec());
        let ended = warehouse.client.run(&script).await?;
        for at in 0..sqls.len() {
            found.extend(read_markers(warehouse.client.rows(&ended, at, usize::MAX).await?)?);
        }
    }
    Ok(found)
}

/// Reads what [`select_markers`] gives.
pub(crate) fn read_markers(rows: Rows) -> Result<Vec<Marker>, Trouble> {
    rows.rows.into_iter().map(|row| marker(&mut Record::new(row))).collect()
}

fn marker(record: &mut Record) -> Result<Marker, Trouble> {
    let entry = EntryId::new(record.text()?);
    let dataset = DatasetId::new(record.text()?);
    let object = ObjectUri::parse(&record.text()?).map_err(|error| unread(&error.to_string()))?;
    let order = Order::from_text(record.text()?);
    let generation = Generation(record.number()?);
    let load_id = LoadId::new(record.text()?);
    let fingerprint = Fingerprint::new(record.text()?);
    let rows = serde_json::from_str(&record.text()?)?;
    let rejects = record.number()?;
    let scopes = serde_json::from_str(&record.text()?)?;
    let batch = record.text()?;
    let at = Timestamp::parse(&record.text()?).ok_or_else(|| unread("a marker has no instant"))?;
    Ok(Marker { entry, dataset, object, order, generation, load_id, fingerprint, rows, rejects, scopes, batch, at })
}
