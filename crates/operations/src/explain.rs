//! Why an object was loaded, or why not, and where each of its records went.

mod account;
mod advice;
mod routing;

use std::collections::BTreeMap;

use lakehand_dataset::catalog::Catalog;
use lakehand_domain::entry::{Entry, EntryState, LoadSummary, StateName};
use lakehand_domain::fault::chain;
use lakehand_domain::id::{DatasetId, EntryId, Fingerprint, Generation, LoadId, WorkerId};
use lakehand_domain::object::{ObjectStat, ObjectUri, ObjectVersion};
use lakehand_domain::port::ledger::{EntryQuery, Ledger, LedgerError};
use lakehand_domain::port::object_store::{ObjectStore, StoreError};
use lakehand_domain::port::warehouse::Warehouse;
use lakehand_domain::shape::DefinitionInForce;
use lakehand_domain::timestamp::Timestamp;
use lakehand_domain::warehousing::TableStanding;
use serde::Serialize;

pub use self::account::{Standing, TableAccount};
use self::advice::Written;
pub use self::routing::NearMiss;

/// What an explanation looks at. A ledger or a warehouse that does not exist yet is `None`.
#[derive(Debug, Clone, Copy)]
pub struct ExplainPorts<'a> {
    /// What has become of every file.
    pub ledger: Option<&'a dyn Ledger>,
    /// Where files land.
    pub landing: &'a dyn ObjectStore,
    /// Where rows are.
    pub warehouse: Option<&'a dyn Warehouse>,
    /// The datasets.
    pub catalog: &'a Catalog,
    /// The landing, for patterns without a scheme.
    pub landing_uri: &'a ObjectUri,
    /// Now.
    pub now: Timestamp,
}

/// All that is known of one object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The object.
    pub object: ObjectUri,
    /// Which dataset claims it.
    pub routing: Routing,
    /// What the store says of it now.
    pub store: StoreSays,
    /// Every version that the ledger knows, the newest first.
    pub versions: Vec<Version>,
    /// What to do, in the order in which to do it; empty where nothing is to be done.
    pub advice: Vec<String>,
    /// Whether every loaded version adds up. `None` where none is loaded.
    pub adds_up: Option<bool>,
}

/// Which dataset claims an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Routing {
    /// The dataset; `None` where none claims it.
    pub dataset: Option<DatasetId>,
    /// What its name says.
    pub captures: BTreeMap<String, String>,
    /// The patterns that come near, the nearest first, where none claims it.
    pub near_misses: Vec<NearMiss>,
}

/// What the store says of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum StoreSays {
    /// It is there.
    Present {
        /// Which content.
        version: ObjectVersion,
        /// Bytes.
        size: u64,
        /// When it was written.
        last_modified: Timestamp,
    },
    /// It is not there.
    Absent,
    /// The store cannot tell now.
    Unknown {
        /// Why.
        error: String,
    },
}

/// One version of the object, in one dataset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Version {
    /// The entry's name.
    pub entry: EntryId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The object as it was read.
    pub object: ObjectStat,
    /// Whether the store has this version now.
    pub is_current: Option<bool>,
    /// When it was first claimed.
    pub first_seen: Timestamp,
    /// The generations that are known, the newest first: the one begun last, and the one whose rows are live.
    pub generations: Vec<GenerationAccount>,
    /// The load whose rows are in the warehouse.
    pub live_load: Option<LoadId>,
}

/// What became of one generation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GenerationAccount {
    /// Which.
    pub generation: Generation,
    /// The load.
    pub load: LoadId,
    /// The definition.
    pub fingerprint: Fingerprint,
    /// Whether this is the definition of today.
    pub definition_in_use: Option<bool>,
    /// What became of it.
    pub state: StateName,
    /// Since when.
    pub at: Timestamp,
    /// Whether its rows are the ones in the warehouse.
    pub live: bool,
    /// Who works on it, and until when it is theirs.
    pub worker: Option<WorkerId>,
    /// Until when it is theirs.
    pub lease_expires_at: Option<Timestamp>,
    /// Not to be claimed before.
    pub retry_at: Option<Timestamp>,
    /// Failures of its own.
    pub attempts: u32,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// The word for why it was set aside.
    pub set_aside_kind: Option<&'static str>,
    /// Why it was set aside.
    pub set_aside_reason: Option<String>,
    /// The batch that loaded it.
    pub batch: Option<String>,
    /// What it read and made, as far as it came.
    pub summary: Option<LoadSummary>,
    /// Where the records went, table by table; empty where nothing of it is to be loaded.
    pub tables: Vec<TableAccount>,
    /// Why the warehouse could not be asked.
    pub warehouse_error: Option<String>,
}

/// The most versions of one object that are looked at; an object written more often shows its newest.
const MOST_VERSIONS: usize = 1000;

/// The most near misses that are shown.
const MOST_NEAR_MISSES: usize = 5;

/// Explains one object.
pub async fn explain(ports: &ExplainPorts<'_>, object: &ObjectUri) -> Result<Explanation, LedgerError> {
    let store = store_says(ports.landing, object).await;
    let mut entries = match ports.ledger {
        Some(ledger) => entries_of(ledger, object).await?,
        None => Vec::new(),
    };
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.object.order()));
    let mut versions = Vec::with_capacity(entries.len());
    for entry in &entries {
        versions.push(version(ports, entry, &store).await);
    }
    let routing = route(ports, object);
    let written = match entries.first() {
        Some(newest) => written_under(ports, newest).await?,
        None => Written::Ours { is_refused: false },
    };
    let advice = advice::advice(ports, &routing, &store, &entries, written);
    let tables = || {
        let generations = versions.iter().flat_map(|version| &version.generations).filter(|one| one.live);
        generations.flat_map(|generation| &generation.tables)
    };
    let adds_up = tables().next().is_some().then(|| tables().all(|table| table.adds_up));
    Ok(Explanation { object: object.clone(), routing, store, versions, advice, adds_up })
}

async fn entries_of(ledger: &dyn Ledger, object: &ObjectUri) -> Result<Vec<Entry>, LedgerError> {
    let mut query =
        EntryQuery { object: Some(object.clone()), newest_first: true, limit: 100, ..EntryQuery::default() };
    let mut entries = Vec::new();
    loop {
        let page = ledger.list(&query).await?;
        entries.extend(page.entries);
        query.after = page.next;
        if query.after.is_none() || entries.len() >= MOST_VERSIONS {
            return Ok(entries);
        }
    }
}

/// Whether an entry has today's definition, and whether the warehouse refuses the one it has.
async fn written_under(ports: &ExplainPorts<'_>, entry: &Entry) -> Result<Written, LedgerError> {
    let definition = DefinitionInForce { dataset: entry.dataset.clone(), fingerprint: entry.fingerprint.clone() };
    let is_refused = match ports.ledger {
        Some(ledger) if entry.state_name() == StateName::Written => {
            ledger.number(&definition.refused_number()).await?.is_some_and(|at| at > 0)
        }
        _ => false,
    };
    let is_ours = in_use(ports, &entry.dataset, &entry.fingerprint).unwrap_or(true);
    Ok(if is_ours { Written::Ours { is_refused } } else { Written::Other { is_refused } })
}

async fn store_says(store: &dyn ObjectStore, object: &ObjectUri) -> StoreSays {
    match store.stat(object).await {
        Ok(stat) => StoreSays::Present { version: stat.version, size: stat.size, last_modified: stat.last_modified },
        Err(StoreError::NotFound { .. }) => StoreSays::Absent,
        Err(error) => StoreSays::Unknown { error: chain(&error) },
    }
}

fn route(ports: &ExplainPorts<'_>, object: &ObjectUri) -> Routing {
    if let Some(route) = ports.catalog.route(object) {
        return Routing { dataset: Some(route.dataset.id.clone()), captures: route.captures, near_misses: Vec::new() };
    }
    let patterns = ports
        .catalog
        .iter()
        .flat_map(|dataset| dataset.source.objects.iter().map(|pattern| (&dataset.id, pattern.as_str())));
    let mut near_misses: Vec<NearMiss> = patterns
        .filter_map(|(dataset, pattern)| routing::near_miss(dataset, pattern, ports.landing_uri, object))
        .collect();
    near_misses.sort_by_key(|miss| std::cmp::Reverse(miss.nearness));
    near_misses.truncate(MOST_NEAR_MISSES);
    Routing { dataset: None, captures: BTreeMap::new(), near_misses }
}

async fn version(ports: &ExplainPorts<'_>, entry: &Entry, store: &StoreSays) -> Version {
    let mut generations = vec![current(ports, entry).await];
    if let Some(live) = &entry.live
        && live.load_id != entry.load_id
    {
        let mut account = GenerationAccount {
            live: true,
            batch: Some(live.batch.clone()),
            summary: Some(live.summary.clone()),
            ..plain(ports, entry, StateName::Loaded, live.at)
        };
        account.generation = live.generation;
        account.load = live.load_id.clone();
        account.definition_in_use = in_use(ports, &entry.dataset, &live.fingerprint);
        account.fingerprint = live.fingerprint.clone();
        stand(ports, &entry.dataset, &mut account).await;
        generations.push(account);
    }
    Version {
        entry: entry.id.clone(),
        dataset: entry.dataset.clone(),
        object: entry.object.clone(),
        is_current: match store {
            StoreSays::Present { version, .. } => Some(*version == entry.object.version),
            StoreSays::Absent => Some(false),
            StoreSays::Unknown { .. } => None,
        },
        first_seen: entry.first_seen,
        generations,
        live_load: entry.live.as_ref().map(|live| live.load_id.clone()),
    }
}

/// An account of an entry's generation with nothing in it but its names.
fn plain(ports: &ExplainPorts<'_>, entry: &Entry, state: StateName, at: Timestamp) -> GenerationAccount {
    GenerationAccount {
        generation: entry.generation,
        load: entry.load_id.clone(),
        fingerprint: entry.fingerprint.clone(),
        definition_in_use: in_use(ports, &entry.dataset, &entry.fingerprint),
        state,
        at,
        live: false,
        worker: None,
        lease_expires_at: None,
        retry_at: None,
        attempts: 0,
        last_error: None,
        set_aside_kind: None,
        set_aside_reason: None,
        batch: None,
        summary: None,
        tables: Vec::new(),
        warehouse_error: None,
    }
}

fn in_use(ports: &ExplainPorts<'_>, dataset: &DatasetId, fingerprint: &Fingerprint) -> Option<bool> {
    ports.catalog.get(dataset).map(|dataset| dataset.fingerprint == *fingerprint)
}

/// The generation that was begun last.
async fn current(ports: &ExplainPorts<'_>, entry: &Entry) -> GenerationAccount {
    let at = match &entry.state {
        EntryState::Claimed { .. } => entry.updated,
        EntryState::Written { at, .. } | EntryState::Loaded { at } | EntryState::SetAside { at, .. } => *at,
    };
    let mut account = plain(ports, entry, entry.state_name(), at);
    account.attempts = entry.attempts;
    account.last_error.clone_from(&entry.last_error);
    account.summary = entry.summary().cloned();
    match &entry.state {
        EntryState::Claimed { lease, retry_at } => {
            account.worker = lease.as_ref().map(|lease| lease.worker.clone());
            account.lease_expires_at = lease.as_ref().map(|lease| lease.expires_at);
            account.retry_at = *retry_at;
        }
        EntryState::SetAside { reason, .. } => {
            account.set_aside_kind = Some(reason.kind.as_str());
            account.set_aside_reason = Some(reason.message.clone());
        }
        EntryState::Written { .. } => account.tables = tables(ports, &entry.dataset, &account, None),
        EntryState::Loaded { .. } => {
            account.live = true;
            account.batch = entry.live.as_ref().map(|live| live.batch.clone());
            stand(ports, &entry.dataset, &mut account).await;
        }
    }
    account
}

/// Asks the warehouse how the rows of a live load stand, and does the arithmetic.
async fn stand(ports: &ExplainPorts<'_>, dataset: &DatasetId, account: &mut GenerationAccount) {
    let (Some(warehouse), Some(known)) = (ports.warehouse, ports.catalog.get(dataset)) else {
        account.warehouse_error = Some(match ports.warehouse {
            Some(_) => format!("the dataset {dataset} has no definition any more, so that its tables are not known"),
            None => "the warehouse does not exist".to_owned(),
        });
        account.tables = tables(ports, dataset, account, None);
        return;
    };
    match warehouse.standing(&known.family_shape(), &account.load).await {
        Ok(standing) => account.tables = tables(ports, dataset, account, Some(&standing)),
        Err(error) => {
            account.warehouse_error = Some(chain(&error));
            account.tables = tables(ports, dataset, account, None);
        }
    }
}

fn tables(
    ports: &ExplainPorts<'_>,
    dataset: &DatasetId,
    account: &GenerationAccount,
    standing: Option<&[TableStanding]>,
) -> Vec<TableAccount> {
    let Some(summary) = &account.summary else { return Vec::new() };
    let known = ports.catalog.get(dataset);
    // Tables in the order of the definition, then those that only the load knows.
    let mut names: Vec<&str> =
        known.iter().flat_map(|known| &known.tables).map(|table| table.shape.name.as_str()).collect();
    names.retain(|name| summary.rows.contains_key(*name));
    names.extend(
        summary.rows.keys().map(String::as_str).filter(|name| known.is_none_or(|known| known.table(name).is_none())),
    );
    names.into_iter().map(|name| account::account(name, known.map(AsRef::as_ref), summary, standing)).collect()
}

#[cfg(test)]
mod tests;
