//! Which of two definitions is the newer one: the one that a worker was first started with later; and which of them the
//! warehouse refuses.
//!
//! Fingerprints have no order, and the warehouse remembers only definitions that were in force. Of two that follow each
//! other quickly, the first may never have been; without this a worker that still has it would migrate back.

use std::collections::BTreeSet;

use lakehand_domain::id::{DatasetId, Fingerprint};
use lakehand_domain::port::ledger::LedgerError;
use lakehand_domain::shape::DefinitionInForce;
use lakehand_domain::timestamp::Timestamp;

use crate::loading::Memory;
use crate::ports::Ports;

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
    let name = definition.known_number();
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
        (ports.ledger.number(&theirs.known_number()).await?, ports.ledger.number(&ours.known_number()).await?)
    else {
        return Ok(None);
    };
    Ok((theirs_since > ours_since).then(|| theirs.fingerprint.clone()))
}

/// The warehouse refuses to put our definition in force. What is written under it is for others to transform anew, whose
/// definition is in force, also where it is taken back and nobody is left that has it.
pub(crate) async fn remember_refusal(ports: &Ports, ours: &DefinitionInForce) -> Result<(), LedgerError> {
    ports.ledger.raise(&ours.refused_number(), ports.clock.now().micros()).await
}

/// Our definition is in force, whatever the warehouse said of it before.
pub(crate) async fn forget_refusal(ports: &Ports, ours: &DefinitionInForce) -> Result<(), LedgerError> {
    let name = ours.refused_number();
    if ports.ledger.number(&name).await?.is_some_and(|at| at > 0) {
        ports.ledger.reset(&name, 0).await?;
    }
    Ok(())
}

/// Those of these definitions that the warehouse refused when it was asked last.
pub(crate) async fn refused(
    ports: &Ports,
    dataset: &DatasetId,
    fingerprints: BTreeSet<Fingerprint>,
) -> Result<BTreeSet<Fingerprint>, LedgerError> {
    let mut refused = BTreeSet::new();
    for fingerprint in fingerprints {
        let definition = DefinitionInForce { dataset: dataset.clone(), fingerprint };
        if ports.ledger.number(&definition.refused_number()).await?.is_some_and(|at| at > 0) {
            refused.insert(definition.fingerprint);
        }
    }
    Ok(refused)
}
