//! Reading the manifest of a load from the lake, and making sure that it is this load's.

use std::io::Read;
use std::sync::Arc;

use futures::StreamExt;
use lakehand_domain::entry::{Entry, LiveLoad, LoadSummary};
use lakehand_domain::fault::{Effect, chain};
use lakehand_domain::id::{DatasetId, LoadId};
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::object_store::{ObjectBody, ObjectStore, StoreError};
use lakehand_domain::warehousing::Marker;

use crate::ports::Ports;

/// No manifest is larger; one that is was not written by us.
const MOST_BYTES: u64 = 256 << 20;

/// How reading a manifest ended.
#[derive(Debug)]
pub(crate) enum ReadManifest {
    /// It is there and is this load's.
    Whole(Arc<Manifest>),
    /// It is not there, or is not what it should be: the load goes back to transform.
    Lost(String),
}

/// Reads the manifest of the load that an entry is written, or loaded, by.
pub(crate) async fn read_manifest(ports: &Ports, entry: &Entry) -> Result<ReadManifest, StoreError> {
    let uri = match entry.summary().and_then(|summary| summary.manifest.clone()) {
        Some(uri) => uri,
        None => ports.lake_root.manifest(&entry.dataset, &entry.load_id),
    };
    let bytes = match read_whole(ports.lake.as_ref(), &uri).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(ReadManifest::Lost(format!("manifest {uri} is larger than any that was written"))),
        Err(StoreError::NotFound { .. }) => return Ok(ReadManifest::Lost(format!("manifest {uri} is gone"))),
        Err(error) => return Err(error),
    };
    let manifest: Manifest = match serde_json::from_slice(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(ReadManifest::Lost(format!("manifest {uri} cannot be read: {}", chain(&error)))),
    };
    Ok(match difference(&manifest, entry) {
        Some(what) => ReadManifest::Lost(format!("manifest {uri} is not that of the load: {what}")),
        None => ReadManifest::Whole(Arc::new(manifest)),
    })
}

/// The load of a marker, as the ledger keeps a live load; `None` where its manifest is not there any more.
pub async fn load_of_marker(ports: &Ports, marker: &Marker) -> Result<Option<LiveLoad>, StoreError> {
    let uri = ports.lake_root.manifest(&marker.dataset, &marker.load_id);
    let bytes = match read_whole(ports.lake.as_ref(), &uri).await {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let manifest = bytes.and_then(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok());
    let ours = manifest.filter(|manifest| manifest.load_id == marker.load_id);
    Ok(ours.map(|manifest| LiveLoad {
        load_id: marker.load_id.clone(),
        generation: marker.generation,
        fingerprint: marker.fingerprint.clone(),
        batch: marker.batch.clone(),
        at: marker.at,
        summary: LoadSummary::of(&manifest, uri),
    }))
}

/// What the lake knows of a load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestOfLoad {
    /// Its manifest, which says whose it is, and where the manifest lies.
    Whole(Box<Manifest>, ObjectUri),
    /// It has no manifest: it was never written to its end.
    NoManifest,
    /// Its manifest is there and cannot be understood.
    Unreadable,
}

/// Finds what the lake knows of a load.
pub async fn manifest_of_load(ports: &Ports, dataset: &DatasetId, load: &LoadId) -> Result<ManifestOfLoad, StoreError> {
    let uri = ports.lake_root.manifest(dataset, load);
    let bytes = match read_whole(ports.lake.as_ref(), &uri).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(ManifestOfLoad::Unreadable),
        Err(StoreError::NotFound { .. }) => return Ok(ManifestOfLoad::NoManifest),
        Err(error) => return Err(error),
    };
    Ok(match serde_json::from_slice::<Manifest>(&bytes) {
        Ok(manifest) if manifest.load_id == *load => ManifestOfLoad::Whole(Box::new(manifest), uri),
        _ => ManifestOfLoad::Unreadable,
    })
}

fn difference(manifest: &Manifest, entry: &Entry) -> Option<String> {
    let pairs = [
        ("format", manifest.format.to_string(), "1".to_owned()),
        ("load", manifest.load_id.to_string(), entry.load_id.to_string()),
        ("entry", manifest.entry.to_string(), entry.id.to_string()),
        ("dataset", manifest.dataset.to_string(), entry.dataset.to_string()),
        ("generation", manifest.generation.to_string(), entry.generation.to_string()),
        ("fingerprint", manifest.fingerprint.to_string(), entry.fingerprint.to_string()),
    ];
    let (name, found, wanted) = pairs.into_iter().find(|(_, found, wanted)| found != wanted)?;
    Some(format!("{name} {found} instead of {wanted}"))
}

/// Reads a small object whole; `None` where it is not small.
async fn read_whole(store: &dyn ObjectStore, uri: &ObjectUri) -> Result<Option<Vec<u8>>, StoreError> {
    let stat = store.stat(uri).await?;
    if stat.size > MOST_BYTES {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    match store.open(&stat, None).await? {
        ObjectBody::File { file, len } => {
            let broken = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Unavailable {
                operation: "read",
                uri: uri.clone(),
                effect: Effect::NotApplied,
                source,
            };
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::new();
                file.take(len).read_to_end(&mut bytes).map(|_| bytes)
            });
            bytes = read.await.map_err(|error| broken(error.into()))?.map_err(|error| broken(error.into()))?;
            store.unchanged(&stat).await?;
        }
        ObjectBody::Stream(mut chunks) => {
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk?;
                if bytes.len() as u64 + chunk.len() as u64 > MOST_BYTES {
                    return Ok(None);
                }
                bytes.extend_from_slice(&chunk);
            }
        }
    }
    Ok(Some(bytes))
}
