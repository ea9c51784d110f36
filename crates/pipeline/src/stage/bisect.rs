//! Halving a batch that the warehouse refuses until the loads that it refuses stand alone.

use std::sync::Arc;

use lakehand_domain::fault::{Effect, Fault, chain};
use lakehand_domain::id::Nonce;
use lakehand_domain::manifest::Manifest;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::row_reader::PartError;
use lakehand_domain::port::warehouse::WarehouseError;
use lakehand_domain::shape::FamilyShape;

use crate::gather::WrittenLoad;
use crate::loading::{LoadError, Loader, Memory};
use crate::stage::known_good::{Good, stage_known_good};
use crate::stage::{Planned, STAGE};

/// A load whose rows were refused while it stood alone.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) load: WrittenLoad,
    pub(super) message: String,
}

/// A batch, sorted.
#[derive(Debug, Default)]
pub(super) struct Divided {
    pub(super) staged: Vec<Planned>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) lost: Vec<(WrittenLoad, String)>,
}

/// How one copy ended.
#[derive(Debug)]
pub(super) enum Copied {
    /// All of it is in staging tables of this name.
    Staged(Nonce),
    /// The warehouse refuses the rows of some manifest.
    Refused(String),
    /// A part is gone or is not what its manifest says.
    Lost { part: ObjectUri, why: String },
}

/// Stages a batch. A refusal is believed only where a load that is known to be good is taken both before and after:
/// a warehouse that refuses everything finds no file at fault.
pub(super) async fn divide(
    loader: &Loader<'_>,
    memory: &mut Memory,
    shape: &FamilyShape,
    loads: Vec<WrittenLoad>,
) -> Result<Divided, LoadError> {
    let batch = loads.len();
    let mut divided = Divided::default();
    let mut groups = vec![loads];
    let mut probed = false;
    while let Some(mut group) = groups.pop() {
        if group.is_empty() {
            continue;
        }
        let manifests: Vec<Arc<Manifest>> = group.iter().map(|load| Arc::clone(&load.manifest)).collect();
        match copy(loader, memory, shape, &manifests).await? {
            Copied::Staged(name) => {
                divided.staged.extend(group.into_iter().map(|load| Planned { load, staging: Some(name.clone()) }));
            }
            Copied::Refused(message) => {
                // Before the halving, so that a warehouse that refuses everything is not asked a thousand times.
                if !probed {
                    probe(loader, memory, batch, &message).await?;
                    probed = true;
                }
                if group.len() == 1 {
                    divided.suspects.extend(group.pop().map(|load| Suspect { load, message }));
                } else {
                    let right = group.split_off(group.len() / 2);
                    groups.push(right);
                    groups.push(group);
                }
            }
            Copied::Lost { part, why } => {
                // A manifest that names no part where it should is told by its object.
                let names = |load: &WrittenLoad| {
                    load.manifest.object.uri == part || load.manifest.parts().any(|(_, one)| one.uri == part)
                };
                let Some(at) = group.iter().position(names) else {
                    let source = PartError::Mismatch { uri: part, message: why };
                    return Err(LoadError::Warehouse { stage: STAGE, source: source.into() });
                };
                divided.lost.push((group.swap_remove(at), why));
                groups.push(group);
            }
        }
    }
    if let Some(last) = divided.suspects.last() {
        let message = last.message.clone();
        probe(loader, memory, batch, &message).await?;
    }
    Ok(divided)
}

async fn probe(loader: &Loader<'_>, memory: &mut Memory, loads: usize, message: &str) -> Result<(), LoadError> {
    match stage_known_good(loader, memory).await? {
        Good::Taken => Ok(()),
        Good::Refused { good } => {
            memory.doubt();
            Err(LoadError::RefusesEverything { loads, good, message: message.to_owned() })
        }
    }
}

/// Copies manifests into staging tables of a new name, and of another new name after an unknown outcome.
pub(super) async fn copy(
    loader: &Loader<'_>,
    memory: &mut Memory,
    shape: &FamilyShape,
    manifests: &[Arc<Manifest>],
) -> Result<Copied, LoadError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let name = loader.ports.identity.dated_nonce(loader.ports.clock.now());
        memory.stagings.insert(name.clone());
        let staged = loader.ports.warehouse.stage(shape, &name, manifests).await;
        let Err(error) = staged else { return Ok(Copied::Staged(name)) };
        match error {
            WarehouseError::Data { message } => return Ok(Copied::Refused(message)),
            WarehouseError::Part(error @ (PartError::Gone { .. } | PartError::Mismatch { .. })) => {
                let why = chain(&error);
                let (PartError::Gone { uri: part }
                | PartError::Mismatch { uri: part, .. }
                | PartError::Io { uri: part, .. }) = error;
                return Ok(Copied::Lost { part, why });
            }
            error => {
                let again = matches!(error, WarehouseError::Conflict { .. }) || error.effect() == Effect::Unknown;
                if !again || attempt >= loader.settings.attempts {
                    memory.doubt();
                    return Err(LoadError::Warehouse { stage: STAGE, source: error });
                }
                tracing::debug!(staging = %name, error = &error as &dyn std::error::Error, "staging under a new name");
                loader.pause(attempt).await;
            }
        }
    }
}
