//! Entries of versions that nobody will ever read again, because the object is gone or has a newer version.

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::entry::{Entry, EntryState, SetAsideReason, StateName};
use lakehand_domain::id::EntryId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::EntryQuery;
use lakehand_domain::timestamp::Timestamp;

use crate::change::{Changed, change};
use crate::claim::of_claim;
use crate::error::StageError;
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
            let changed = change(ledger, &entry.id, |entry| entry.abandoned(reason.clone(), skew, now).map(Some));
            match changed.await.map_err(of_claim)? {
                Changed::Stored(entry) => others.abandoned = Some(entry.id),
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

/// When a claim lapses unless it is prolonged.
fn lapses(intake: &Intake<'_>, entry: &Entry) -> Option<Timestamp> {
    match &entry.state {
        EntryState::Claimed { lease: Some(lease), .. } => Some(lease.expires_at.plus(intake.settings.skew)),
        EntryState::Claimed { lease: None, retry_at } => Some(retry_at.unwrap_or_else(|| intake.now())),
        _ => None,
    }
}
