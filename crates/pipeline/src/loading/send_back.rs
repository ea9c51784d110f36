//! Sending what was written back to transform, and asking for it.

use std::time::Duration;

use lakehand_domain::entry::{Entry, Refusal};
use lakehand_domain::object_event::{Cause, ObjectEvent, OwnMessage};
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::timestamp::Timestamp;

use crate::change::{Changed, change};
use crate::error::Stage;
use crate::loading::error::LoadError;
use crate::loading::loader::Loader;
use crate::loading::memory::Memory;
use crate::ports::Ports;

/// Sends an entry back to transform and asks for it, in this order: dying between the two leaves an entry that the
/// sweeper asks for.
pub(crate) async fn send_back<F>(
    loader: &Loader<'_>,
    stage: Stage,
    entry: &Entry,
    why: &str,
    transition: F,
) -> Result<(), LoadError>
where
    F: Fn(&Entry, Timestamp) -> Result<Entry, Refusal> + Send + Sync,
{
    let ports = loader.ports;
    let make = |entry: &Entry| transition(entry, ports.clock.now()).map(Some);
    let changed = change(ports.ledger.as_ref(), &entry.id, make).await.map_err(LoadError::ledger(stage))?;
    if let Changed::Stored(stored) = changed {
        tracing::warn!(
            dataset.id = %entry.dataset,
            entry.id = %entry.id,
            object.uri = %entry.object.uri,
            load.id = %entry.load_id,
            "sent back to transform: {why}"
        );
        loader.observer.sent_back(&stored, why);
        ask(ports, stage, vec![ObjectEvent { uri: entry.object.uri.clone(), cause: Cause::Arrived }]).await?;
    }
    Ok(())
}

/// What was written is not as its manifest says: back to transform, where its source can be read again. Where it cannot it
/// could never come again, and the lake may only be away: it waits. Gives whether it was sent back.
pub(crate) async fn lost_its_parts(
    loader: &Loader<'_>,
    memory: &mut Memory,
    stage: Stage,
    entry: &Entry,
    why: &str,
) -> Result<bool, LoadError> {
    if !source_is_there(loader, stage, entry).await? {
        let why = format!("{why}, and its source is not there either: bring the lake back, or the file");
        memory.is_stuck(loader, entry, &why);
        return Ok(false);
    }
    let load_id = &entry.load_id;
    send_back(loader, stage, entry, why, |entry, now| entry.parts_lost(load_id, why.to_owned(), now)).await?;
    Ok(true)
}

/// Whether the version that was read can be read again.
pub(crate) async fn source_is_there(loader: &Loader<'_>, stage: Stage, entry: &Entry) -> Result<bool, LoadError> {
    match loader.ports.landing.stat(&entry.object.uri).await {
        Ok(stat) => Ok(stat.version == entry.object.version),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(LoadError::store(stage)(error)),
    }
}

/// Asks for objects through the queue, as any other arrival.
pub(crate) async fn ask(ports: &Ports, stage: Stage, objects: Vec<ObjectEvent>) -> Result<(), LoadError> {
    if objects.is_empty() {
        return Ok(());
    }
    let body = OwnMessage::new(objects).body();
    ports.queue.send(&body, Duration::ZERO).await.map_err(|source| LoadError::Queue { stage, source })?;
    Ok(())
}
