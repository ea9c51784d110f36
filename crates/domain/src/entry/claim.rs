//! Whether an entry may be worked on now, and by which generation.

use std::time::Duration;

use crate::entry::{Entry, EntryState, Lease, Unloaded};
use crate::id::{DatasetId, EntryId, FencingToken, Fingerprint, Generation, LoadId, WorkerId};
use crate::object::ObjectStat;
use crate::object_event::Cause;
use crate::timestamp::Timestamp;

/// Someone wants to work on one version of one object.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The dataset.
    pub dataset: DatasetId,
    /// What stat says of the object.
    pub object: ObjectStat,
    /// The worker's definition of the dataset.
    pub fingerprint: Fingerprint,
    /// Who.
    pub worker: WorkerId,
    /// For how long.
    pub lease_for: Duration,
    /// Another worker's lease counts as run out only this long after its end.
    pub skew: Duration,
    /// Why.
    pub cause: Cause,
    /// When the message was sent that asks for it. A replay that is delivered again, or after it was done, does nothing:
    /// it was asked for before the entry became what it is.
    pub asked_at: Timestamp,
    /// The generation of the warehouse's marker, where the ledger has lost the entry and the warehouse has not.
    pub marked: Option<Generation>,
    /// Now.
    pub now: Timestamp,
}

/// What a claim comes to. Only `Take` is permission to work, and only once its entry is stored over `revision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimDecision {
    /// Store this entry and work under its lease.
    Take(Box<Entry>),
    /// Nothing is to be done: it is written, loaded or set aside, or a dead letter speaks of an older generation.
    Done(Box<Entry>),
    /// Another worker has it, or is asked for it, or a replay must wait until what is written is loaded. Ask again not
    /// before this.
    Held {
        /// When to ask again.
        until: Timestamp,
    },
}

/// Decides a claim. The same request against the same entry has the same answer.
pub fn claim(existing: Option<&Entry>, request: &ClaimRequest) -> ClaimDecision {
    let Some(entry) = existing else {
        return ClaimDecision::Take(Box::new(discover(request)));
    };
    let other_definition = entry.fingerprint != request.fingerprint;
    match &entry.state {
        EntryState::Claimed { lease: Some(lease), .. } if !entry.is_lapsed(request.now, request.skew) => {
            ClaimDecision::Held { until: lease.expires_at.plus(request.skew) }
        }
        EntryState::Claimed { lease: None, retry_at: Some(at) }
            if request.now < *at && request.cause == Cause::Arrived && !other_definition =>
        {
            ClaimDecision::Held { until: *at }
        }
        EntryState::Claimed { .. } => take(entry, request, other_definition),
        EntryState::Written { .. } => match request.cause {
            Cause::DefinitionChanged if other_definition => take(entry, request, true),
            // A replay waits until what is written is loaded. What a worker with a newer definition asks for waits for one
            // of its kind: taken for done by one that still has the old, it would be asked for again much later.
            Cause::DefinitionChanged | Cause::Replay if entry.updated <= request.asked_at => {
                ClaimDecision::Held { until: request.now.plus(request.lease_for) }
            }
            _ => ClaimDecision::Done(Box::new(entry.clone())),
        },
        EntryState::Loaded { .. } => match request.cause {
            Cause::Replay if entry.updated <= request.asked_at => take(entry, request, true),
            _ => ClaimDecision::Done(Box::new(entry.clone())),
        },
        EntryState::SetAside { .. } => match request.cause {
            Cause::Replay if entry.updated <= request.asked_at => take(entry, request, true),
            Cause::Letter(generation) if generation == entry.generation => take(entry, request, true),
            // Whoever claims has just seen this very version: it is neither gone nor replaced.
            Cause::Arrived if entry.is_set_aside_unseen() => take(entry, request, true),
            _ => ClaimDecision::Done(Box::new(entry.clone())),
        },
    }
}

fn discover(request: &ClaimRequest) -> Entry {
    let id = EntryId::of(&request.dataset, &request.object.uri, &request.object.version);
    // A marker above means that the warehouse has rows of an earlier life of this entry: they are to be replaced.
    let generation = request.marked.map_or(Generation::FIRST, Generation::next);
    let token = FencingToken(1);
    Entry {
        load_id: LoadId::of(&id, generation, &request.fingerprint),
        id,
        dataset: request.dataset.clone(),
        object: request.object.clone(),
        generation,
        fingerprint: request.fingerprint.clone(),
        state: leased(request, token),
        token,
        attempts: 0,
        lapses: 0,
        last_error: None,
        live: None,
        unloaded: None,
        first_seen: request.now,
        updated: request.now,
        revision: 1,
    }
}

fn take(entry: &Entry, request: &ClaimRequest, raise: bool) -> ClaimDecision {
    let mut taken = entry.clone();
    if raise {
        if let EntryState::Written { summary, .. } = &entry.state {
            taken.unloaded = Some(Unloaded {
                load_id: entry.load_id.clone(),
                generation: entry.generation,
                fingerprint: entry.fingerprint.clone(),
                summary: summary.clone(),
            });
        }
        taken.generation = entry.generation.next();
        taken.fingerprint = request.fingerprint.clone();
        taken.load_id = LoadId::of(&entry.id, taken.generation, &taken.fingerprint);
        taken.attempts = 0;
        taken.last_error = None;
    }
    // A lease that was neither kept nor given back: its worker died, or froze, with the file in its hands.
    taken.lapses = if raise { 0 } else { entry.lapses + u32::from(entry.lease().is_some()) };
    taken.token = FencingToken(entry.token.0 + 1);
    taken.state = leased(request, taken.token);
    taken.updated = request.now;
    taken.revision = entry.revision + 1;
    ClaimDecision::Take(Box::new(taken))
}

fn leased(request: &ClaimRequest, token: FencingToken) -> EntryState {
    let expires_at = request.now.plus(request.lease_for);
    EntryState::Claimed { lease: Some(Lease { worker: request.worker.clone(), token, expires_at }), retry_at: None }
}
