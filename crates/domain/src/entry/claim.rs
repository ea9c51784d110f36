//! Whether an entry may be worked on now, and by which generation.

use std::time::Duration;

use crate::entry::{Entry, EntryState, Lease, StateName, Unloaded};
use crate::id::{DatasetId, EntryId, FencingToken, Fingerprint, Generation, LoadId, WorkerId};
use crate::message::MessageRef;
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
    /// The message that asks for it. A replay that is delivered again, or that was sent before the message that this
    /// generation was begun for, does nothing: whoever sent it has what they asked for.
    pub asked_by: MessageRef,
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
            Cause::DefinitionChanged if entry.updated <= request.asked_by.sent_at => held(request),
            Cause::Replay if !has_replayed(entry, request) => held(request),
            _ => ClaimDecision::Done(Box::new(entry.clone())),
        },
        EntryState::Loaded { .. } => match request.cause {
            Cause::Replay if !has_replayed(entry, request) => take(entry, request, true),
            _ => ClaimDecision::Done(Box::new(entry.clone())),
        },
        EntryState::SetAside { .. } => match request.cause {
            Cause::Replay if !has_replayed(entry, request) => take(entry, request, true),
            Cause::Letter(generation) if generation == entry.generation => take(entry, request, true),
            // Whoever claims has just seen this very version: it is neither gone nor replaced.
            Cause::Arrived if entry.is_set_aside_unseen() => take(entry, request, true),
            _ => ClaimDecision::Done(Box::new(entry.clone())),
        },
    }
}

/// Whether the generation is this replay's, or was begun for a message that was sent after it: its file was read since.
/// Both were stamped by the queue, so that no worker's clock has a say, and each replay that begins a generation leaves it
/// with a later stamp, so that none goes round for ever. Where the file was read between the two stamps, it is read once
/// more than it had to be. What does not remember its message is judged by when it changed, in doubt for the replay; it
/// remembers it from then on.
fn has_replayed(entry: &Entry, request: &ClaimRequest) -> bool {
    let sent_at = request.asked_by.sent_at;
    match &entry.asked_by {
        Some(message) => sent_at <= message.sent_at,
        None => sent_at.plus(request.skew) < entry.updated,
    }
}

fn held(request: &ClaimRequest) -> ClaimDecision {
    ClaimDecision::Held { until: request.now.plus(request.lease_for) }
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
        asked_by: Some(request.asked_by.clone()),
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
    if takes_over(entry, request) {
        taken.asked_by = Some(request.asked_by.clone());
    }
    // A lease that was neither kept nor given back: its worker died, or froze, with the file in its hands.
    taken.lapses = if raise { 0 } else { entry.lapses + u32::from(entry.lease().is_some()) };
    taken.token = FencingToken(entry.token.0 + 1);
    taken.state = leased(request, taken.token);
    taken.updated = request.now;
    taken.revision = entry.revision + 1;
    ClaimDecision::Take(Box::new(taken))
}

/// Whether the generation is this message's from now on. What lakehand asks by itself, or again, does not take the place
/// of the message that brought the file.
fn takes_over(entry: &Entry, request: &ClaimRequest) -> bool {
    let Some(message) = &entry.asked_by else { return true };
    match request.cause {
        Cause::Replay => message.sent_at < request.asked_by.sent_at,
        Cause::Arrived => entry.state_name() == StateName::SetAside,
        Cause::DefinitionChanged | Cause::Letter(_) => false,
    }
}

fn leased(request: &ClaimRequest, token: FencingToken) -> EntryState {
    let expires_at = request.now.plus(request.lease_for);
    EntryState::Claimed { lease: Some(Lease { worker: request.worker.clone(), token, expires_at }), retry_at: None }
}
