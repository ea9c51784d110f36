//! Whether every backend can be reached and used, for `lakehand check`: nothing that stays is made or changed.

use std::path::Path;

use anyhow::Context as _;
use lakehand_domain::fault::chain;
use serde::Serialize;

use super::{existing_ledger, existing_warehouse, is_there, queue, store};
use crate::settings::Settings;
use crate::settings::location::Location;

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

/// Tries every backend.
pub(crate) async fn reach(settings: &Settings) -> Vec<Reached> {
    let told = |backend: &'static str, place: String, answer: anyhow::Result<String>| {
        let (says, problem) = match answer {
            Ok(says) => (says, None),
            Err(error) => (String::new(), Some(format!("{error:#}"))),
        };
        Reached { backend, place, says, problem }
    };
    vec![
        told("landing", settings.landing.to_string(), try_landing(settings).await),
        told("lake", settings.lake.to_string(), try_store(settings, &settings.lake).await),
        told("queue", settings.queue.to_string(), try_queue(settings).await),
        told("ledger", settings.ledger.to_string(), try_ledger(settings).await),
        told("warehouse", settings.warehouse.to_string(), try_warehouse(settings).await),
        told(
            "spool",
            settings.daemon.intake.spool.display().to_string(),
            store::folder_is_usable(&settings.daemon.intake.spool),
        ),
    ]
}

async fn try_landing(settings: &Settings) -> anyhow::Result<String> {
    store::list_landing(settings)?;
    try_store(settings, &settings.landing).await
}

/// Objects are only listed: a probe that was written into a landing would be an event, into a lake a stray.
async fn try_store(settings: &Settings, location: &Location) -> anyhow::Result<String> {
    if let Some(folder) = location.path() {
        return store::folder_is_usable(folder);
    }
    let uri = super::uri_of("url", location)?;
    let store =
        if *location == settings.lake { super::lake(settings).await? } else { super::landing(settings).await? };
    store.list(&uri, None, 1).await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
    Ok("can be listed".to_owned())
}

/// Whether a database that is not there yet can be made.
fn file_can_be_made(path: &Path) -> anyhow::Result<String> {
    store::folder_is_usable(path.parent().unwrap_or(path))?;
    Ok("will be made by the first run".to_owned())
}

async fn try_queue(settings: &Settings) -> anyhow::Result<String> {
    if let (false, Some(path)) = (is_there(&settings.queue)?, settings.queue.path()) {
        return file_can_be_made(path);
    }
    let (queue, letters) = (queue::open(settings).await?, queue::open_dead_letters(settings).await?);
    let depth = queue.depth().await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
    let letters = letters.depth().await.map_err(|error| anyhow::anyhow!(chain(&error))).context("dead letters")?;
    let mut says = format!(
        "{} waiting, {} in work, {} dead letters",
        depth.visible + depth.delayed,
        depth.in_flight,
        letters.total()
    );
    for concern in queue::concerns(settings).await? {
        says = format!("{says}\n{concern}");
    }
    Ok(says)
}

async fn try_ledger(settings: &Settings) -> anyhow::Result<String> {
    match (existing_ledger(settings).await?, settings.ledger.path()) {
        (Some(ledger), _) => {
            let counts = ledger.counts().await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
            let entries: u64 = counts.iter().map(|count| count.entries).sum();
            Ok(format!("answers, {entries} entries"))
        }
        (None, Some(path)) => file_can_be_made(path),
        (None, None) => anyhow::bail!("it is not there"),
    }
}

async fn try_warehouse(settings: &Settings) -> anyhow::Result<String> {
    match (existing_warehouse(settings).await?, settings.warehouse.path()) {
        (Some(warehouse), _) => {
            warehouse.ping().await.map_err(|error| anyhow::anyhow!(chain(&error)))?;
            Ok("answers".to_owned())
        }
        (None, Some(path)) => file_can_be_made(path),
        (None, None) => anyhow::bail!("it is not there"),
    }
}
