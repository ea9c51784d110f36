//! Stores of objects: landing and lake.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use lakehand_aws::Service;
use lakehand_domain::id::{WorkerId, digest};
use lakehand_domain::port::object_store::ObjectStore;
use lakehand_store::file::{Durability, FileStore};
use lakehand_store::s3::{Encryption, S3Options, S3Store};

use crate::settings::location::Location;
use crate::settings::{self, Settings};

/// The store of files that land.
pub(super) async fn landing(settings: &Settings, worker: &WorkerId) -> anyhow::Result<Arc<dyn ObjectStore>> {
    open(settings, &settings.landing, worker, false).await.context("landing.url")
}

/// The store of the lake, where what dead processes were uploading is ours to give up.
pub(super) async fn lake(settings: &Settings, worker: &WorkerId) -> anyhow::Result<Arc<dyn ObjectStore>> {
    open(settings, &settings.lake, worker, true).await.context("lake.url")
}

async fn open(
    settings: &Settings,
    location: &Location,
    worker: &WorkerId,
    is_lake: bool,
) -> anyhow::Result<Arc<dyn ObjectStore>> {
    if !matches!(location, Location::S3(_)) {
        // Settings give a store no other places than these two.
        return Ok(Arc::new(FileStore::new(Durability::Full)));
    }
    let config = lakehand_aws::connect(&settings.aws.options.of(Service::S3)).await;
    let ours = &settings.aws.s3;
    let options = S3Options {
        path_style: ours.path_style,
        requester_pays: ours.requester_pays,
        encryption: match ours.encryption {
            settings::aws::Encryption::Bucket => Encryption::Bucket,
            settings::aws::Encryption::S3 => Encryption::S3,
            settings::aws::Encryption::Kms => Encryption::Kms { key: ours.kms_key.clone(), bucket_key: None },
        },
        // Two accounts may own the two buckets; only the lake is written to.
        bucket_owner: if is_lake { ours.lake_owner.clone() } else { ours.landing_owner.clone() },
        storage_class: if is_lake { ours.storage_class.clone() } else { None },
        part_bytes: ours.part_size,
        sweep_uploads: is_lake,
        ..S3Options::new(digest(&[b"writer", worker.as_str().as_bytes()]))
    };
    Ok(Arc::new(S3Store::new(&config, options)?))
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
