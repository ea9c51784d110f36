//! Entries of versions that nobody will ever read again, because the object is gone or has a newer version. What was
//! written of them is loaded; the others are set aside.

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::entry::{Entry, EntryState, LoadSummary, SetAsideReason, StateName, Unloaded};
use lakehand_domain::id::EntryId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::timestamp::Timestamp;

use crate::change::{Changed, change};
use crate::claim::of_claim;
use crate::error::{Stage, StageError};
use crate::gather::{ManifestOfLoad, manifest_of_load};
use crate::intake::Intake;

/// What the ledger knows of the other versions of an object.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The state of one of them that is done.
    pub(super) known: Option<StateName>,
    /// One that was set aside just now.
    pub(super) abandoned: Option<EntryId>,
    /// When to look again, because another worker may still be reading one.
    pub(super) again: Option<Timestamp>,
}

/// Sets aside every claim on which nobody works, of all versions but `except`.
pub(super) async fn abandon(
    intake: &Intake<'_>,
    dataset: &Dataset,
    object: &ObjectUri,
    except: Option<&EntryId>,
    reason: &SetAsideReason,
) -> Result<Others, StageError> {
    let ledger = intake.ports.ledger.as_ref();
    let skew = intake.settings.skew;
    // Beside a version that is there only claims matter; for an object that is gone, whatever is known of it.
    let state = except.map(|_| StateName::Claimed);
    let mut query =
        EntryQuery { dataset: Some(dataset.id.clone()), object: Some(object.clone()), state, ..EntryQuery::default() };
    let mut others = Others::default();
    loop {
        let page = ledger.list(&query).await.map_err(of_claim)?;
        for entry in page.entries.iter().filter(|entry| except != Some(&entry.id)) {
            if entry.state_name() != StateName::Claimed {
                others.known = Some(entry.state_name());
                continue;
            }
            let now = intake.now();
            let written = written(intake, entry).await?;
            let changed = change(ledger, &entry.id, |entry| {
                let known = written.as_ref().filter(|known| known.load_id == entry.load_id).cloned();
                let entry = Entry { unloaded: known.or_else(|| entry.unloaded.clone()), ..entry.clone() };
                entry.abandoned(reason.clone(), skew, now).map(Some)
            });
            match changed.await.map_err(of_claim)? {
                Changed::Stored(entry) if entry.state_name() == StateName::SetAside => {
                    others.abandoned = Some(entry.id);
                }
                // What was written before it was begun anew waits to be loaded.
                Changed::Stored(entry) => others.known = Some(entry.state_name()),
                Changed::AlreadySo(entry) | Changed::Refused(_, entry) => match lapses(intake, &entry) {
                    Some(at) => others.again = Some(others.again.map_or(at, |earlier| earlier.min(at))),
                    None => others.known = Some(entry.state_name()),
                },
                Changed::Missing => {}
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(others),
        }
    }
}

/// What is whole in the lake of this very load: its worker died before it could say so, or the ledger has forgotten that it
/// did. A manifest is put last, and only of what is accepted.
async fn written(intake: &Intake<'_>, entry: &Entry) -> Result<Option<Unloaded>, StageError> {
    if !entry.is_lapsed(intake.now(), intake.settings.skew) {
        return Ok(None);
    }
    let found = manifest_of_load(intake.ports, &entry.dataset, &entry.load_id).await;
    let found = found.map_err(|error| StageError::of(Stage::Claim, error))?;
    let ManifestOfLoad::Whole(manifest, uri) = found else { return Ok(None) };
    Ok(Some(Unloaded {
        load_id: entry.load_id.clone(),
        generation: entry.generation,
        fingerprint: entry.fingerprint.clone(),
        summary: LoadSummary::of(&manifest, uri),
    }))
}

/// When a claim lapses unless it is prolonged.
fn lapses(intake: &Intake<'_>, entry: &Entry) -> Option<Timestamp> {
    match &entry.state {
        EntryState::Claimed { lease: Some(lease), .. } => Some(lease.expires_at.plus(intake.settings.skew)),
        EntryState::Claimed { lease: None, retry_at } => Some(retry_at.unwrap_or_else(|| intake.now())),
        _ => None,
    }
}
