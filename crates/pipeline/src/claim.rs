//! **claim**: stat the object and make or take its ledger entry; or find that there is nothing to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_dataset::dataset::Dataset;
use lakehand_domain::entry::{self, ClaimDecision, ClaimRequest, Entry, Lease, SetAsideKind, SetAsideReason};
use lakehand_domain::id::{EntryId, MessageId};
use lakehand_domain::object::{ObjectStat, ObjectUri};
use lakehand_domain::object_event::{Cause, ObjectEvent};
use lakehand_domain::port::ledger::PutEntry;
use lakehand_domain::port::object_store::StoreError;
use lakehand_domain::timestamp::Timestamp;

use crate::change::{self, contended};
use crate::error::{Stage, StageError};
use crate::event::{Received, Record};
use crate::intake::Intake;
use crate::keep::{Guard, KeptLease};
use crate::observe::FileInWork;
use crate::settle::{self, Ended, Fate};

mod unreadable;

/// Others may change an entry under us this often before we give up.
const ROUNDS: usize = 16;

/// What a claim comes to.
#[derive(Debug)]
pub enum Claim {
    /// Permission to work.
    Work(Box<Claimed>),
    /// There is nothing to do, now or at all.
    Over(Ended),
}

/// An entry that is ours to work on. Its lease is kept until this is dropped.
#[derive(Debug)]
pub struct Claimed {
    entry: Entry,
    lease: Lease,
    dataset: Arc<Dataset>,
    captures: BTreeMap<String, String>,
    message: MessageId,
    again: Option<Timestamp>,
    room: Arc<Guard>,
    kept: KeptLease,
}

impl Claimed {
    /// The entry as it was claimed; its lease may have been prolonged since.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The version to read.
    pub fn object(&self) -> &ObjectStat {
        &self.entry.object
    }

    /// The dataset.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// The lease it is worked on under.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Does the work as long as the lease is held and nobody stops the message. What is dropped then leaves nothing
    /// visible behind.
    pub async fn while_held<T>(
        &self,
        intake: &Intake<'_>,
        work: impl Future<Output = Result<T, StageError>>,
    ) -> Result<T, StageError> {
        tokio::select! {
            biased;
            () = intake.cancel.cancelled() => Err(StageError::cancelled(Stage::Transform)),
            () = self.kept.lost.cancelled() => Err(StageError::lease_lost(Stage::Transform)),
            done = work => done,
        }
    }

    pub(crate) fn captures(&self) -> &BTreeMap<String, String> {
        &self.captures
    }

    /// The object as it was seen under this claim, for stores that pin reads by it.
    pub(crate) fn room(&self) -> Arc<Guard> {
        Arc::clone(&self.room)
    }

    /// When to look at the object again because another version of it is still in work elsewhere.
    pub(crate) fn again(&self) -> Option<Timestamp> {
        self.again
    }

    pub(crate) fn enters(&self, intake: &Intake<'_>, stage: Stage) {
        intake.observer.file_enters(self.file(), stage);
    }

    pub(crate) fn file(&self) -> FileInWork<'_> {
        FileInWork {
            message: &self.message,
            object: &self.entry.object.uri,
            dataset: Some(&self.dataset.id),
            bytes: Some(self.entry.object.size),
        }
    }
}

/// Claims the object of a record. Nothing is done for the object before the entry is stored under our lease.
pub async fn claim(intake: &Intake<'_>, received: &Received, record: &Record) -> Result<Claim, StageError> {
    let event = match record {
        Record::Ignored { what, .. } => return Ok(over(Fate::Ignored { what: what.clone() })),
        Record::Bad { reason, .. } => return Ok(letter(SetAsideKind::Undecodable, reason.clone(), None)),
        Record::Object(event) => event,
    };
    if intake.cancel.is_cancelled() {
        return Ok(over(Fate::Released));
    }
    let Some(route) = intake.ports.catalog.route(&event.uri) else {
        let message =
            format!("no dataset claims {}; add a definition whose `objects` match it, then replay", event.uri);
        return Ok(letter(SetAsideKind::NoDataset, message, Some(event.uri.clone())));
    };
    let message = &received.message().id;
    let file = FileInWork { message, object: &event.uri, dataset: Some(&route.dataset.id), bytes: None };
    intake.observer.file_enters(file, Stage::Claim);
    let object = match intake.ports.landing.stat(&event.uri).await {
        Ok(object) => object,
        Err(StoreError::NotFound { .. }) => return gone(intake, &route.dataset, event).await,
        Err(error @ StoreError::Foreign { .. }) => {
            return Ok(letter(SetAsideKind::NoDataset, error.to_string(), Some(event.uri.clone())));
        }
        Err(error) => return Err(StageError::of(Stage::Claim, error)),
    };
    let Some(claim) = take(intake, received, event, &route.dataset, object).await? else {
        return Err(StageError::of(Stage::Claim, contended("claim")));
    };
    let (entry, lease, room, again) = match claim {
        Taken::Ours { entry, lease, room, again } => (entry, lease, room, again),
        Taken::Over(ended) => return Ok(Claim::Over(ended)),
    };
    let kept = intake.keep.lease(&entry.id, &lease);
    let claimed = Claimed {
        entry: *entry,
        lease,
        dataset: route.dataset,
        captures: route.captures,
        message: message.clone(),
        again,
        room: Arc::new(room),
        kept,
    };
    if claimed.entry.attempts >= intake.settings.max_attempts || claimed.entry.lapses >= intake.settings.max_lapses {
        return Ok(Claim::Over(settle::exhausted(intake, &claimed).await?));
    }
    Ok(Claim::Work(Box::new(claimed)))
}

enum Taken {
    Ours { entry: Box<Entry>, lease: Lease, room: Guard, again: Option<Timestamp> },
    Over(Ended),
}

async fn take(
    intake: &Intake<'_>,
    received: &Received,
    event: &ObjectEvent,
    dataset: &Dataset,
    object: ObjectStat,
) -> Result<Option<Taken>, StageError> {
    let ledger = intake.ports.ledger.as_ref();
    let id = EntryId::of(&dataset.id, &object.uri, &object.version);
    let mut existing = ledger.get(&id).await.map_err(of_claim)?;
    // A message that comes for the first time about a version nobody knew stands behind no other version's claim.
    let first = existing.is_none() && received.message().delivery_count <= 1;
    let again = if first { None } else { replaced(intake, dataset, &object, &id).await? };
    let mut room = None;
    for _ in 0..ROUNDS {
        let request = ClaimRequest {
            dataset: dataset.id.clone(),
            object: object.clone(),
            fingerprint: dataset.fingerprint.clone(),
            worker: intake.ports.identity.worker().clone(),
            lease_for: intake.settings.lease,
            skew: intake.settings.skew,
            cause: event.cause,
            asked_by: received.asked_by(),
            // What the warehouse marked already is dropped from the plan of a load; intake does not wait for it.
            marked: None,
            now: intake.now(),
        };
        let entry = match entry::claim(existing.as_ref(), &request) {
            ClaimDecision::Take(entry) => entry,
            ClaimDecision::Done(entry) => {
                let fate = Fate::Done { state: entry.state_name() };
                return Ok(Some(Taken::Over(Ended { fate, again })));
            }
            ClaimDecision::Held { until } => {
                // Who holds it is most often done long before its lease ends: look again soon, then ever more rarely.
                let soon = intake.settings.retry.delay(received.message().delivery_count, id.as_str());
                let fate = Fate::Later { at: until.min(intake.now().plus(soon)), error: None };
                return Ok(Some(Taken::Over(Ended { fate, again })));
            }
        };
        let Some(held) = room.take() else {
            // The wait for room is not under the lease; afterwards the claim is decided anew.
            room = tokio::select! {
                biased;
                () = intake.cancel.cancelled() => return Ok(Some(Taken::Over(Ended::of(Fate::Released)))),
                room = intake.keep.room(object.size) => Some(room),
            };
            continue;
        };
        let Some(lease) = entry.lease().cloned() else { return Ok(None) };
        match change::put(ledger, &entry).await.map_err(of_claim)? {
            PutEntry::Stored => return Ok(Some(Taken::Ours { entry, lease, room: held, again })),
            PutEntry::Mismatch(now) => {
                existing = now.map(|entry| *entry);
                room = Some(held);
            }
        }
    }
    Ok(None)
}

/// The versions before this one that were claimed and never read to the end cannot be read any more.
async fn replaced(
    intake: &Intake<'_>,
    dataset: &Dataset,
    object: &ObjectStat,
    id: &EntryId,
) -> Result<Option<Timestamp>, StageError> {
    let message = format!(
        "{} was replaced by version {} before this version was read; the newer one is processed",
        object.uri, object.version
    );
    let reason = SetAsideReason { kind: SetAsideKind::Replaced, message };
    let others = unreadable::abandon(intake, dataset, &object.uri, Some(id), &reason).await?;
    Ok(others.again)
}

async fn gone(intake: &Intake<'_>, dataset: &Dataset, event: &ObjectEvent) -> Result<Claim, StageError> {
    let message = format!("{} does not exist: it was deleted before it was read; put it there again", event.uri);
    let reason = SetAsideReason { kind: SetAsideKind::Gone, message };
    let others = unreadable::abandon(intake, dataset, &event.uri, None, &reason).await?;
    let fate = match (others.abandoned, others.known) {
        (Some(entry), _) => Fate::SetAside { dataset: dataset.id.clone(), entry, reason, summary: None },
        // Its source may have been archived, or deleted by whoever put it there: what is done is done.
        (None, Some(state)) if !is_asked_by_a_person(event.cause) || others.again.is_some() => Fate::Done { state },
        (None, _) => Fate::Letter { object: Some(event.uri.clone()), reason },
    };
    Ok(Claim::Over(Ended { fate, again: others.again }))
}

/// Whoever asks for a file is told that it is not there; lakehand itself is not.
fn is_asked_by_a_person(cause: Cause) -> bool {
    matches!(cause, Cause::Replay | Cause::Letter(_))
}

fn over(fate: Fate) -> Claim {
    Claim::Over(Ended::of(fate))
}

fn letter(kind: SetAsideKind, message: String, object: Option<ObjectUri>) -> Claim {
    over(Fate::Letter { object, reason: SetAsideReason { kind, message } })
}

fn of_claim(error: lakehand_domain::port::ledger::LedgerError) -> StageError {
    StageError::of(Stage::Claim, error)
}
