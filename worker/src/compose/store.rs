//! Stores of objects: landing and lake.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_store::file::{Durability, FileStore};

use crate::settings::Settings;
use crate::settings::location::Location;

/// The store of a place.
pub(super) async fn open(settings: &Settings, location: &Location) -> Arc<dyn ObjectStore> {
    match location {
        // Settings give a store no other places than these.
        _ => Arc::new(FileStore::new(Durability::Full)),
    }
}

/// A landing that is missing is a typing error, or a volume that is not mounted: a new one would be empty and green.
pub(super) fn list_landing(settings: &Settings) -> anyhow::Result<()> {
    let Some(landing) = settings.landing.path() else { return Ok(()) };
    std::fs::read_dir(landing).map(drop).with_context(|| {
        format!(
            "landing.url: the folder {} cannot be listed; make it, mount it or correct the setting",
            landing.display()
        )
    })
}

/// Whether files can be read from and written to a folder, or it can be made.
pub(super) fn folder_is_usable(folder: &Path) -> anyhow::Result<String> {
    let mut there = folder;
    while !there.try_exists().with_context(|| format!("look for {}", there.display()))? {
        there = there.parent().with_context(|| format!("no folder of {} is there", folder.display()))?;
    }
    std::fs::read_dir(there).with_context(|| format!("list {}", there.display()))?;
    // Only a write tells whether one can write: permissions, mounts and quotas all have a say. Nothing stays of it.
    tempfile::tempfile_in(there).with_context(|| format!("write into {}", there.display()))?;
    Ok(if there == folder { "can be read and written" } else { "will be made by the first run" }.to_owned())
}
