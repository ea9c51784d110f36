//! Staging what the warehouse is known to take, to tell a bad file from a warehouse that takes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lakehand_dataset::dataset::Table;
use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::id::{EntryId, Generation, LoadId, digest};
use lakehand_domain::manifest::{Manifest, Part, TableManifest};
use lakehand_domain::object::{ObjectStat, ObjectVersion};
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::port::object_store::PutCondition;
use lakehand_domain::reject::RejectCounts;
use lakehand_domain::timestamp::Timestamp;

use crate::gather::{ReadManifest, read_manifest};
use crate::loading::{LoadError, Loader, Memory};
use crate::stage::STAGE;
use crate::stage::bisect::{Copied, copy};

/// So many of the newest loaded entries are looked at for one of our definition whose parts are all there.
const LOOKED_AT: usize = 20;

/// So many of them are staged; each but the last has lost its parts.
const TRIED: usize = 3;

/// Whether the warehouse takes what it took before.
#[derive(Debug)]
pub(super) enum Good {
    /// It does.
    Taken,
    /// It does not.
    Refused { good: String },
}

/// Stages the newest load that the warehouse has taken, or, where there is none, one of the same shape whose parts have no
/// rows: it is read from the lake as any other.
pub(super) async fn stage_known_good(loader: &Loader<'_>, memory: &mut Memory) -> Result<Good, LoadError> {
    let shape = loader.shape();
    let query = EntryQuery {
        dataset: Some(loader.dataset.id.clone()),
        state: Some(StateName::Loaded),
        newest_first: true,
        limit: LOOKED_AT,
        ..EntryQuery::default()
    };
    let page = loader.ports.ledger.list(&query).await.map_err(LoadError::ledger(STAGE))?;
    let same_shape = |entry: &&Entry| entry.fingerprint == loader.dataset.fingerprint;
    for entry in page.entries.iter().filter(same_shape).take(TRIED) {
        let read = read_manifest(loader.ports, entry).await.map_err(LoadError::store(STAGE))?;
        let ReadManifest::Whole(manifest) = read else { continue };
        if manifest.rows() == 0 {
            continue;
        }
        match copy(loader, memory, &shape, &[manifest]).await? {
            Copied::Staged(_) => return Ok(Good::Taken),
            Copied::Refused(_) => {
                return Ok(Good::Refused { good: format!("load {}, which it took before,", entry.load_id) });
            }
            Copied::Lost { .. } => {}
        }
    }
    let empty = Arc::new(empty(loader).await?);
    match copy(loader, memory, &shape, &[empty]).await? {
        Copied::Staged(_) => Ok(Good::Taken),
        Copied::Refused(_) | Copied::Lost { .. } => Ok(Good::Refused { good: "an empty load".to_owned() }),
    }
}

/// A load of our shape without rows, of a part for each table. It is staged and never committed, and its parts, which are
/// the same for all loads of one shape, stay where they are.
async fn empty(loader: &Loader<'_>) -> Result<Manifest, LoadError> {
    let uri = loader.ports.lake_root.dataset(&loader.dataset.id).join("_manifests/none.json");
    let version = ObjectVersion::of(Some("none"), None, 0, Timestamp::default());
    let object =
        ObjectStat { uri, version, version_id: None, etag: None, size: 0, last_modified: Timestamp::default() };
    let mut tables = Vec::with_capacity(loader.dataset.tables.len());
    for table in &loader.dataset.tables {
        tables.push(empty_table(loader, table).await?);
    }
    Ok(Manifest {
        format: 1,
        load_id: LoadId::new(digest(&[b"empty load"])),
        entry: EntryId::new(digest(&[b"empty entry"])),
        dataset: loader.dataset.id.clone(),
        order: object.order(),
        object,
        generation: Generation::FIRST,
        fingerprint: loader.dataset.fingerprint.clone(),
        erasure_epoch: 0,
        records: 0,
        rejects: RejectCounts::default(),
        tables,
        quarantine: None,
        scopes: BTreeMap::new(),
    })
}

async fn empty_table(loader: &Loader<'_>, table: &Table) -> Result<TableManifest, LoadError> {
    let columns = table.shape.part_columns();
    let (bytes, checksum) =
        loader.ports.transformer.empty_part(&columns).map_err(|source| LoadError::Engine { stage: STAGE, source })?;
    let place = format!("_empty/{}-{}.parquet", table.shape.name, digest(&[&bytes]));
    let uri = loader.ports.lake_root.dataset(&loader.dataset.id).join(&place);
    let (size, bytes) = (bytes.len() as u64, Bytes::from(bytes));
    // Putting the same bytes again under the same name is harmless.
    loader.ports.lake.put(&uri, bytes, PutCondition::Always).await.map_err(LoadError::store(STAGE))?;
    let part = Part { uri, rows: 0, bytes: size, checksum, partition: Vec::new() };
    Ok(TableManifest { table: table.shape.name.clone(), columns, rows: 0, parts: vec![part] })
}
