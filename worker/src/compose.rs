//! From settings to ports: the only place that names backends, one file a port.

mod ledger;
mod provision;
mod queue;
mod reach;
mod store;
mod warehouse;

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
use lakehand_domain::id::{WorkerId, digest};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::port::landing_watch::LandingWatch;
use lakehand_domain::port::ledger::Ledger;
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore};
use lakehand_domain::port::queue::Queue;
use lakehand_domain::port::redrive::RedriveAll;
use lakehand_domain::port::warehouse::{QueryWarehouse, Warehouse};
use lakehand_pipeline::ports::{Identity, LakeRoot, Ports};
use lakehand_store::file::{Durability, FileStore};
use lakehand_store::watch::FolderWatch;
use lakehand_transform::{Engine, MaskKeys, Preview};
use lakehand_warehouse::redshift::redshift_ddl;
use lakehand_warehouse::sqlite::ddl::sqlite_ddl;

pub(crate) use self::provision::provision;
pub(crate) use self::reach::{Reached, reach};
use crate::settings::Settings;
use crate::settings::location::Location;

/// The system's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// What the engine adds to fingerprints.
pub(crate) fn transform_identity() -> TransformIdentity {
    lakehand_transform::identity()
}

/// The engine, with the threads and the mask keys of the settings.
pub(crate) fn transformer(settings: &Settings) -> Arc<dyn Transformer> {
    let mut keys = MaskKeys::default();
    for (name, secret) in settings.mask_secrets.iter() {
        keys = keys.with(name, secret);
    }
    let threads = NonZeroUsize::new(settings.transform_threads).unwrap_or(NonZeroUsize::MIN);
    Arc::new(Engine::with_threads(threads).with_mask_keys(keys))
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

/// The statements that make a dataset's tables in each kind of warehouse, without one being there.
pub(crate) fn ddl(dataset: &Dataset) -> Vec<(&'static str, Vec<String>)> {
    let shape = dataset.family_shape();
    vec![("sqlite", sqlite_ddl(&shape)), ("redshift", redshift_ddl(&shape))]
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

/// All ports, opened; what is embedded is made where it is missing.
pub(crate) async fn ports(settings: &Settings, catalog: Catalog) -> anyhow::Result<Ports> {
    store::list_landing(settings)?;
    if let Some(lake) = settings.lake.path() {
        make_folder(lake).context("lake.url")?;
    }
    make_folder(&settings.daemon.intake.spool).context("spool.folder")?;
    for concern in queue::concerns(settings).await? {
        tracing::warn!("{concern}");
    }
    let worker = worker_id();
    let lake = store::lake(settings, &worker).await?;
    Ok(Ports {
        queue: queue::open(settings).await?,
        dead_letters: queue::open_dead_letters(settings).await?,
        ledger: ledger::open(settings, &worker).await?,
        landing: store::landing(settings, &worker).await?,
        transformer: transformer(settings),
        warehouse: warehouse::open(settings, Arc::clone(&lake), &worker).await?.warehouse,
        lake,
        catalog: Arc::new(catalog),
        lake_root: LakeRoot(lake_uri(settings)?),
        identity: Arc::new(Identity::new(worker)),
        clock: clock(),
    })
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("make the folder {}", path.display()))
}

fn make_folder_of(path: &Path) -> anyhow::Result<()> {
    path.parent().map_or(Ok(()), make_folder)
}

/// Whether there is something to be opened: a service always, a database of this machine where its file is. Looking
/// makes nothing.
fn is_there(location: &Location) -> anyhow::Result<bool> {
    match location.path() {
        Some(path) => path.try_exists().with_context(|| format!("look for {}", path.display())),
        None => Ok(true),
    }
}

/// The watch over the folders of all datasets, where there is one. It begins to look when it is made.
pub(crate) async fn watch(settings: &Settings, catalog: &Catalog) -> anyhow::Result<Option<Box<dyn LandingWatch>>> {
    let landing = landing_uri(settings)?;
    if landing.scheme() != "file" {
        return Ok(None);
    }
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

/// The store of files that land.
pub(crate) async fn landing(settings: &Settings) -> anyhow::Result<Arc<dyn ObjectStore>> {
    store::landing(settings, &worker_id()).await
}

/// The store of the lake.
pub(crate) async fn lake(settings: &Settings) -> anyhow::Result<Arc<dyn ObjectStore>> {
    store::lake(settings, &worker_id()).await
}

/// The queue that messages come from; an embedded one is made where it is missing.
pub(crate) async fn queue(settings: &Settings) -> anyhow::Result<Arc<dyn Queue>> {
    queue::open(settings).await
}

/// The ledger, where there is one already: looking makes nothing.
pub(crate) async fn existing_ledger(settings: &Settings) -> anyhow::Result<Option<Arc<dyn Ledger>>> {
    if is_there(&settings.ledger)? { Ok(Some(ledger::open(settings, &worker_id()).await?)) } else { Ok(None) }
}

/// The warehouse, where there is one already: looking makes nothing.
pub(crate) async fn existing_warehouse(settings: &Settings) -> anyhow::Result<Option<Arc<dyn Warehouse>>> {
    Ok(existing(settings).await?.map(|opened| opened.warehouse))
}

/// The warehouse as one that answers questions of people, where there is one already.
pub(crate) async fn existing_query(settings: &Settings) -> anyhow::Result<Option<Arc<dyn QueryWarehouse>>> {
    Ok(existing(settings).await?.map(|opened| opened.query))
}

/// The move of all dead letters by the queue's service; `None` where there is no such service.
pub(crate) async fn redrive_all(settings: &Settings) -> anyhow::Result<Option<Arc<dyn RedriveAll>>> {
    queue::redrive_all(settings).await
}

async fn existing(settings: &Settings) -> anyhow::Result<Option<warehouse::Opened>> {
    if !is_there(&settings.warehouse)? {
        return Ok(None);
    }
    let worker = worker_id();
    let lake = store::lake(settings, &worker).await?;
    warehouse::open(settings, lake, &worker).await.map(Some)
}

/// What the worst batch of each dataset would cost beyond what the warehouse takes in one transaction, with what to do.
pub(crate) fn beyond_limits(settings: &Settings, catalog: &Catalog) -> Vec<String> {
    warehouse::beyond_limits(settings, catalog)
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
