//! Taking the fence of a family, and making sure that what it guards is ours, complete and of our definition.

use lakehand_domain::id::FamilyId;
use lakehand_domain::port::warehouse::{MigrateOutcome, TakeOutcome};
use lakehand_domain::shape::FamilyShape;
use lakehand_domain::warehousing::Fence;

use crate::commit::reconcile::{look_anew, reconcile};
use crate::commit::{Obstacle, STAGE};
use crate::loading::{LoadError, LoadOutcome, Loader, Memory, forget_refusal, newer, remember_refusal};

/// How taking the fence ended.
#[derive(Debug)]
pub(super) enum Take {
    /// It is ours, and our definition is in force.
    Ours(Fence),
    /// Not this time.
    Again(Obstacle),
    /// Another definition is in force, and ours was before it.
    StandAside(String),
}

/// The name under which the ledger remembers the number of batches of a family.
pub(crate) fn batches_number(family: &FamilyId) -> String {
    format!("batches/{family}")
}

/// Takes the fence.
pub(super) async fn take(
    loader: &Loader<'_>,
    memory: &mut Memory,
    shape: &FamilyShape,
    outcome: &mut LoadOutcome,
) -> Result<Take, LoadError> {
    let ports = loader.ports;
    let family = &shape.family;
    if !memory.ensured {
        ports.warehouse.ensure(family).await.map_err(LoadError::warehouse(STAGE))?;
        memory.ensured = true;
    }
    let ours = ports.ledger.identity().await.map_err(LoadError::ledger(STAGE))?;
    // Before the fence is taken: a batch that another loader commits in between must not make the fence look old.
    let number = batches_number(family);
    let remembered = ports.ledger.number(&number).await.map_err(LoadError::ledger(STAGE))?.unwrap_or(0);
    let mut fence = match ports.warehouse.take_fence(family, &ports.identity.nonce(), &ours).await {
        Ok(TakeOutcome::Taken(fence)) => fence,
        Ok(TakeOutcome::OtherLedger { ledger }) => {
            memory.doubt();
            return Err(LoadError::OtherLedger { family: family.clone(), theirs: ledger, ours });
        }
        Err(error) => return Ok(Take::Again(Obstacle::of(error, memory)?)),
    };
    let definition = loader.definition();
    if fence.has_retired(&definition) {
        memory.doubt();
        return Ok(Take::StandAside(format!(
            "definition {} of dataset {} was in force before and is not any more, because a worker with a newer one has run; if going back is meant, raise `revision` in the definition",
            definition.fingerprint, definition.dataset
        )));
    }
    if !fence.has_in_force(&definition) {
        if let Some(newer) = newer(ports, &definition, &fence.in_force).await.map_err(LoadError::ledger(STAGE))? {
            memory.doubt();
            return Ok(Take::StandAside(format!(
                "definition {newer} of dataset {} is in force, and workers had it later than ours, {}; if going back is meant, raise `revision` in the definition",
                definition.dataset, definition.fingerprint
            )));
        }
        match ports.warehouse.migrate(&fence, shape).await {
            Ok(MigrateOutcome::InForce) => {
                tracing::info!(dataset.id = %definition.dataset, fingerprint = %definition.fingerprint, "definition is in force");
                let (before, others) = fence.in_force.into_iter().partition(|one| one.dataset == definition.dataset);
                fence.in_force = others;
                fence.in_force.push(definition);
                fence.retired.extend::<Vec<_>>(before);
            }
            Ok(MigrateOutcome::FenceLost) => return Ok(Take::Again(Obstacle::Loader)),
            Ok(MigrateOutcome::Refused { message }) => {
                memory.doubt();
                remember_refusal(ports, &definition).await.map_err(LoadError::ledger(STAGE))?;
                return Err(LoadError::MigrationRefused { family: family.clone(), message });
            }
            Err(error) => return Ok(Take::Again(Obstacle::of(error, memory)?)),
        }
    }
    if !memory.verified {
        forget_refusal(ports, &loader.definition()).await.map_err(LoadError::ledger(STAGE))?;
    }
    let batches = i64::try_from(fence.batches).unwrap_or(i64::MAX);
    if batches < remembered {
        outcome.restored += reconcile(loader, memory, &fence).await?;
        ports.ledger.reset(&number, batches).await.map_err(LoadError::ledger(STAGE))?;
    } else if batches > remembered {
        // A batch that nobody could tell the ledger of; or the ledger is one of a backup, and has lost what was loaded since.
        if !memory.compared {
            outcome.restored += reconcile(loader, memory, &fence).await?;
        }
        ports.ledger.raise(&number, batches).await.map_err(LoadError::ledger(STAGE))?;
    }
    memory.compared = true;
    if let Some(since) = memory.look_since {
        outcome.restored += look_anew(loader, memory, family, since).await?;
        memory.look_since = None;
    }
    memory.retired = fence.retired.iter().map(|definition| definition.fingerprint.clone()).collect();
    memory.verified = true;
    Ok(Take::Ours(fence))
}
