//! Which of two definitions is the newer one: the one that a worker was first started with later.
//!
//! Fingerprints have no order, and the warehouse remembers only definitions that were in force. Of two that follow each
//! other quickly, the first may never have been; without this a worker that still has it would migrate back.

use lakehand_domain::id::Fingerprint;
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::shape::DefinitionInForce;
use lakehand_domain::timestamp::Timestamp;

use crate::loading::Memory;
use crate::ports::Ports;

fn name(definition: &DefinitionInForce) -> String {
    format!("definition/{}/{}", definition.dataset, definition.fingerprint)
}

/// Makes sure, once a process, that the ledger knows since when there is a worker with this definition: since `started`
/// where this is the first.
pub async fn remember_definition(
    ports: &Ports,
    definition: &DefinitionInForce,
    started: Timestamp,
    memory: &mut Memory,
) -> Result<(), LedgerError> {
    if memory.known.is_some() {
        return Ok(());
    }
    let name = name(definition);
    if ports.ledger.number(&name).await?.is_none() {
        ports.ledger.raise(&name, started.micros()).await?;
    }
    memory.known = Some(definition.fingerprint.clone());
    Ok(())
}

/// The definition of the same dataset among `in_force` that workers had later than ours.
pub(crate) async fn newer(
    ports: &Ports,
    ours: &DefinitionInForce,
    in_force: &[DefinitionInForce],
) -> Result<Option<Fingerprint>, LedgerError> {
    let Some(theirs) = in_force.iter().find(|one| one.dataset == ours.dataset && one != &ours) else {
        return Ok(None);
    };
    let (Some(theirs_since), Some(ours_since)) =
        (ports.ledger.number(&name(theirs)).await?, ports.ledger.number(&name(ours)).await?)
    else {
        return Ok(None);
    };
    Ok((theirs_since > ours_since).then(|| theirs.fingerprint.clone()))
}
