//! From settings to ports: the only file that names backends.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lakehand_daemon::SystemClock;
use lakehand_dataset::catalog::Catalog;
use lakehand_dataset::dataset::Dataset;
use lakehand_dataset::fingerprint::TransformIdentity;
use lakehand_dataset::transformer::{Content, TransformError, TransformInput, Transformer};
use lakehand_domain::clock::Clock;
use lakehand_domain::fault::chain;
use lakehand_domain::id::{LedgerId, WorkerId, digest};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::landing_watch::LandingWatch;
use lakehand_domain::port::ledger::Ledger;
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore};
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_ledger::sqlite::SqliteLedger;
use lakehand_pipeline::ports::{Identity, LakeRoot, Ports};
use lakehand_queue::sqlite::{QueueOptions, Redrive, SqliteQueue};
use lakehand_store::file::{Durability, FileStore};
use lakehand_store::watch::FolderWatch;
use lakehand_transform::{Engine, MaskKeys, PartFiles, Preview};
use lakehand_warehouse::sqlite::SqliteWarehouse;
use lakehand_warehouse::sqlite::ddl::sqlite_ddl;
use serde::Serialize;

use crate::settings::Settings;
use crate::settings::location::Location;

/// The queue that messages come from, and the one that dead letters go to.
const QUEUE: &str = "arrivals";
const DEAD_LETTERS: &str = "dead_letters";

/// A backstop set high: lakehand counts a file's attempts itself.
const MAX_RECEIVES: u32 = 1000;

/// The system's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// What the engine adds to fingerprints.
pub(crate) fn transform_identity() -> TransformIdentity {
    lakehand_transform::identity()
}

/// The engine, with the threads of the settings.
pub(crate) fn transformer(settings: &Settings) -> Arc<dyn Transformer> {
    Arc::new(Engine::with_threads(NonZeroUsize::new(settings.transform_threads).unwrap_or(NonZeroUsize::MIN)))
}

/// One local file as a store sees it, opened.
pub(crate) async fn local_object(path: &Path) -> anyhow::Result<(ObjectStat, Content)> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    let uri = ObjectUri::parse(&format!("file://{text}"))?;
    let store = FileStore::new(Durability::Full);
    let reading = || format!("read {}", path.display());
    let stat = store.stat(&uri).await.with_context(reading)?;
    match store.open(&stat, None).await.with_context(reading)? {
        ObjectBody::File { file, len } => Ok((stat, Content::File { file: Arc::new(file), len })),
        ObjectBody::Stream(_) => anyhow::bail!("{} is no local file", path.display()),
    }
}

/// What one object would become. Blocks while it works.
pub(crate) fn preview(input: &TransformInput, rows: usize) -> Result<Preview, TransformError> {
    // Masks are shown for what they are; the secrets behind them are no matter of a preview.
    lakehand_transform::preview(&Engine::new().with_mask_keys(MaskKeys::made_up()), input, rows)
}

/// A first definition from a sample. Blocks while it works.
pub(crate) fn infer(content: &Content, file_name: &str) -> Result<String, TransformError> {
    lakehand_transform::infer(content, file_name)
}

/// The statements that make a dataset's tables in the embedded warehouse, without one being there.
pub(crate) fn ddl(dataset: &Dataset) -> Vec<String> {
    sqlite_ddl(&dataset.family_shape())
}

/// The engine for commands that need no settings.
pub(crate) fn plain_transformer() -> Arc<dyn Transformer> {
    Arc::new(Engine::new().with_mask_keys(MaskKeys::made_up()))
}

/// Where files land, as a prefix.
pub(crate) fn landing_uri(settings: &Settings) -> anyhow::Result<ObjectUri> {
    uri_of("landing.url", &settings.landing)
}

/// Where Parquet goes, as a prefix.
pub(crate) fn lake_uri(settings: &Settings) -> anyhow::Result<ObjectUri> {
    uri_of("lake.url", &settings.lake)
}

fn uri_of(key: &str, location: &Location) -> anyhow::Result<ObjectUri> {
    ObjectUri::parse(&location.to_string()).with_context(|| format!("{key}: {location}"))
}

/// The store of files that land.
pub(crate) fn landing(settings: &Settings) -> Arc<dyn ObjectStore> {
    store(&settings.landing)
}

/// The store of the lake.
fn lake(settings: &Settings) -> Arc<dyn ObjectStore> {
    store(&settings.lake)
}

fn store(location: &Location) -> Arc<dyn ObjectStore> {
    match location {
        // A database holds no objects: settings refuse one here.
        Location::Folder(_) | Location::Sqlite(_) => Arc::new(FileStore::new(Durability::Full)),
    }
}

/// All ports, opened; what is embedded is made where it is missing.
pub(crate) async fn ports(settings: &Settings, catalog: Catalog) -> anyhow::Result<Ports> {
    let opened = settings.clone();
    let ports = tokio::task::spawn_blocking(move || open_ports(&opened, catalog));
    ports.await.context("open the backends")?
}

fn open_ports(settings: &Settings, catalog: Catalog) -> anyhow::Result<Ports> {
    list_landing(settings)?;
    make_folder(settings.lake.path()).context("lake.url")?;
    make_folder(&settings.daemon.intake.spool).context("spool.folder")?;
    let clock = clock();
    Ok(Ports {
        queue: open_queue(settings, QUEUE, Some(redrive()), &clock)?,
        dead_letters: open_queue(settings, DEAD_LETTERS, None, &clock)?,
        ledger: open_ledger(settings)?,
        landing: landing(settings),
        lake: lake(settings),
        transformer: transformer(settings),
        warehouse: open_warehouse(settings)?,
        catalog: Arc::new(catalog),
        lake_root: LakeRoot(lake_uri(settings)?),
        identity: Arc::new(Identity::new(worker_id())),
        clock,
    })
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("make the folder {}", path.display()))
}

fn make_folder_of(path: &Path) -> anyhow::Result<()> {
    path.parent().map_or(Ok(()), make_folder)
}

fn open_queue(
    settings: &Settings,
    name: &str,
    redrive: Option<Redrive>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<dyn Queue>> {
    let path = settings.queue.path();
    make_folder_of(path)?;
    let queue = SqliteQueue::open(path, name, QueueOptions { redrive }, Arc::clone(clock))
        .with_context(|| format!("open the queue {} (queue.url)", settings.queue))?;
    Ok(Arc::new(queue))
}

fn open_ledger(settings: &Settings) -> anyhow::Result<Arc<dyn Ledger>> {
    let path = settings.ledger.path();
    make_folder_of(path)?;
    let ledger = SqliteLedger::open(path, &LedgerId::new(random()))
        .with_context(|| format!("open the ledger {} (ledger.url)", settings.ledger))?;
    Ok(Arc::new(ledger))
}

fn open_warehouse(settings: &Settings) -> anyhow::Result<Arc<SqliteWarehouse>> {
    let path = settings.warehouse.path();
    make_folder_of(path)?;
    let parts = Arc::new(PartFiles::new(lake(settings)));
    let warehouse = SqliteWarehouse::open(path, parts)
        .with_context(|| format!("open the warehouse {} (warehouse.url)", settings.warehouse))?;
    Ok(Arc::new(warehouse))
}

/// The watch over the folders of all datasets, where there is one. It begins to look when it is made.
pub(crate) async fn watch(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Option<Box<dyn LandingWatch>>> {
    let landing = landing_uri(settings)?;
    // What lies outside the landing is watched where it is there; the listing finds the rest.
    let elsewhere = |prefix: &ObjectUri| {
        let below = format!("{}/", landing.as_str().trim_end_matches('/'));
        let path = Path::new(prefix.as_str().trim_start_matches("file://"));
        prefix.scheme() == "file" && !prefix.as_str().starts_with(&below) && path.is_dir()
    };
    let mut roots: Vec<ObjectUri> = catalog.prefixes().into_iter().filter(elsewhere).collect();
    roots.push(landing);
    let opened = tokio::task::spawn_blocking(move || FolderWatch::open(&roots, clock()));
    let watch = opened.await.context("open the watch")?.context("watch the landing (landing.url)")?;
    Ok(Some(Box::new(watch)))
}

/// The ledger, where there is one already: looking makes nothing.
pub(crate) async fn existing_ledger(settings: &Settings) -> anyhow::Result<Option<Arc<dyn Ledger>>> {
    existing(settings, settings.ledger.path(), open_ledger).await
}

/// The warehouse, where there is one already: looking makes nothing.
pub(crate) async fn existing_warehouse(settings: &Settings) -> anyhow::Result<Option<Arc<dyn Warehouse>>> {
    Ok(existing(settings, settings.warehouse.path(), open_warehouse).await?.map(|warehouse| warehouse as _))
}

/// The warehouse as one that answers questions of people, where there is one already.
pub(crate) async fn existing_query(settings: &Settings) -> anyhow::Result<Option<Arc<dyn QueryWarehouse>>> {
    Ok(existing(settings, settings.warehouse.path(), open_warehouse).await?.map(|warehouse| warehouse as _))
}

/// The queue that messages come from; it is made where it is missing.
pub(crate) fn queue(settings: &Settings) -> anyhow::Result<Arc<dyn Queue>> {
    open_queue(settings, QUEUE, Some(redrive()), &clock())
}

fn redrive() -> Redrive {
    Redrive { max_receives: MAX_RECEIVES, dead_letters: DEAD_LETTERS.to_owned() }
}

async fn existing<T: Send + 'static>(
    settings: &Settings,
    path: &Path,
    open: fn(&Settings) -> anyhow::Result<T>,
) -> anyhow::Result<Option<T>> {
    if !path.try_exists().with_context(|| format!("look for {}", path.display()))? {
        return Ok(None);
    }
    let settings = settings.clone();
    let opened = tokio::task::spawn_blocking(move || open(&settings));
    Ok(Some(opened.await.context("open a backend")??))
}

/// What one backend said when it was tried.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reached {
    /// `queue`, `landing`, …
    pub(crate) backend: &'static str,
    /// Where it lies.
    pub(crate) place: String,
    /// What it said.
    pub(crate) says: String,
    /// Why it cannot be used; `None`: it can.
    pub(crate) problem: Option<String>,
}

/// Tries every backend, without making or changing anything that stays.
pub(crate) async fn reach(settings: &Settings) -> Vec<Reached> {
    let told = |backend: &'static str, place: String, answer: anyhow::Result<String>| {
        let (says, problem) = match answer {
            Ok(says) => (says, None),
            Err(error) => (String::new(), Some(format!("{error:#}"))),
        };
        Reached { backend, place, says, problem }
    };
    vec![
        told("landing", settings.landing.to_string(), landing_is_usable(settings)),
        told("lake", settings.lake.to_string(), folder_is_usable(settings.lake.path())),
        told("queue", settings.queue.to_string(), try_queue(settings).await),
        told("ledger", settings.ledger.to_string(), try_ledger(settings).await),
        told("warehouse", settings.warehouse.to_string(), try_warehouse(settings).await),
        told(
            "spool",
            settings.daemon.intake.spool.display().to_string(),
            folder_is_usable(&settings.daemon.intake.spool),
        ),
    ]
}

fn landing_is_usable(settings: &Settings) -> anyhow::Result<String> {
    list_landing(settings)?;
    folder_is_usable(settings.landing.path())
}

/// A landing that is missing is a typing error, or a volume that is not mounted: a new one would be empty and green.
fn list_landing(settings: &Settings) -> anyhow::Result<()> {
    let landing = settings.landing.path();
    std::fs::read_dir(landing).map(drop).with_context(|| {
        format!(
            "landing.url: the folder {} cannot be listed; make it, mount it or correct the setting",
            landing.display()
        )
    })
}

/// Whether files can be read from and written to a folder, or it can be made.
fn folder_is_usable(folder: &Path) -> anyhow::Result<String> {
    let mut there = folder;
    while !there.try_exists().with_context(|| format!("look for {}", there.display()))? {
        there = there.parent().with_context(|| format!("no folder of {} is there", folder.display()))?;
    }
    std::fs::read_dir(there).with_context(|| format!("list {}", there.display()))?;
    // Only a write tells whether one can write: permissions, mounts and quotas all have a say. Nothing stays of it.
    tempfile::tempfile_in(there).with_context(|| format!("write into {}", there.display()))?;
    Ok(if there == folder { "can be read and written" } else { "will be made by the first run" }.to_owned())
}

/// Whether a database that is not there yet can be made.
fn file_can_be_made(path: &Path) -> anyhow::Result<String> {
    folder_is_usable(path.parent().unwrap_or(path))?;
    Ok("will be made by the first run".to_owned())
}

async fn try_queue(settings: &Settings) -> anyhow::Result<String> {
    let path = settings.queue.path();
    let open = |settings: &Settings| open_queue(settings, QUEUE, None, &clock());
    let open_letters = |settings: &Settings| open_queue(settings, DEAD_LETTERS, None, &clock());
    let Some(queue) = existing(settings, path, open).await? else { return file_can_be_made(path) };
    let Some(letters) = existing(settings, path, open_letters).await? else { return file_can_be_made(path) };
    let (depth, letters) = (queue.depth().await?, letters.depth().await?);
    Ok(format!(
        "{} waiting, {} in work, {} dead letters",
        depth.visible + depth.delayed,
        depth.in_flight,
        letters.total()
    ))
}

async fn try_ledger(settings: &Settings) -> anyhow::Result<String> {
    let Some(ledger) = existing_ledger(settings).await? else { return file_can_be_made(settings.ledger.path()) };
    let entries: u64 = ledger.counts().await?.iter().map(|count| count.entries).sum();
    Ok(format!("answers, {entries} entries"))
}

async fn try_warehouse(settings: &Settings) -> anyhow::Result<String> {
    let Some(warehouse) = existing_warehouse(settings).await? else {
        return file_can_be_made(settings.warehouse.path());
    };
    warehouse.ping().await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
    Ok("answers".to_owned())
}

/// A worker's name that no other process has, before or after.
fn worker_id() -> WorkerId {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "host" } else { host.trim() };
    WorkerId::new(format!("{host}-{}-{}", std::process::id(), &random()[..8]))
}

/// 128 bits that nobody else has: the standard library seeds its hashers from the system's randomness.
fn random() -> String {
    let bits = || RandomState::new().build_hasher().finish().to_be_bytes();
    digest(&[b"random", &bits(), &bits(), &std::process::id().to_be_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_told_apart() {
        let (one, other) = (worker_id(), worker_id());
        assert_ne!(one, other);
        assert!(one.as_str().contains(&format!("-{}-", std::process::id())), "{one}");
    }
}
