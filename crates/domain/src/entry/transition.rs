//! Every other legal change of an entry. Each takes the entry as it was read and gives the entry to store over it.

use std::time::Duration;

use crate::entry::{Entry, EntryState, Lease, LiveLoad, LoadSummary, SetAsideReason, StateName, Unloaded};
use crate::id::{Generation, LoadId};
use crate::timestamp::Timestamp;

/// Why a change is not legal. A lost race, not an error: whoever made the entry what it is answers for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The lease is another's, or over.
    LeaseLost,
    /// The entry has another state or another load than the change is for.
    MovedOn {
        /// The state it has.
        state: StateName,
    },
}

/// The most of what went wrong that an entry keeps; what says it may quote a file or a service at any length.
pub(super) const SAID_BYTES: usize = 2_000;

/// The beginning of a text, where it is longer than an entry may keep.
fn in_short(mut text: String) -> String {
    if text.len() > SAID_BYTES {
        text.truncate(text.floor_char_boundary(SAID_BYTES - "…".len()));
        text.push('…');
    }
    text
}

impl SetAsideReason {
    fn in_short(self) -> Self {
        Self { message: in_short(self.message), ..self }
    }
}

impl Entry {
    fn changed(&self, now: Timestamp, state: EntryState) -> Self {
        Self { state, updated: now, revision: self.revision + 1, ..self.clone() }
    }

    fn held_by(&self, lease: &Lease) -> Result<(), Refusal> {
        match self.lease() {
            Some(held) if held.token == lease.token && held.worker == lease.worker => Ok(()),
            _ => Err(Refusal::LeaseLost),
        }
    }

    fn moved_on(&self) -> Refusal {
        Refusal::MovedOn { state: self.state_name() }
    }

    /// Prolongs a lease, which may even have run out as long as nobody took it.
    pub fn extended(&self, lease: &Lease, lease_for: Duration, now: Timestamp) -> Result<Self, Refusal> {
        self.held_by(lease)?;
        let lease = Lease { expires_at: now.plus(lease_for), ..lease.clone() };
        Ok(self.changed(now, EntryState::Claimed { lease: Some(lease), retry_at: None }))
    }

    /// The Parquet is in the lake.
    pub fn written(&self, lease: &Lease, summary: LoadSummary, now: Timestamp) -> Result<Self, Refusal> {
        self.held_by(lease)?;
        Ok(Self { unloaded: None, ..self.changed(now, EntryState::Written { at: now, summary }) })
    }

    /// It cannot succeed.
    pub fn set_aside(
        &self,
        lease: &Lease,
        reason: SetAsideReason,
        summary: Option<LoadSummary>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        self.held_by(lease)?;
        let reason = reason.in_short();
        let last_error = Some(reason.message.clone());
        let state = EntryState::SetAside { at: now, reason, told: false, summary };
        Ok(Self { last_error, unloaded: None, ..self.changed(now, state) })
    }

    /// The worker lets go: it drains, or something failed that may succeed later. `file_failed`: the failure counts as
    /// an attempt of the file.
    pub fn given_back(
        &self,
        lease: &Lease,
        error: Option<String>,
        file_failed: bool,
        retry_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        self.held_by(lease)?;
        let changed = self.changed(now, EntryState::Claimed { lease: None, retry_at });
        Ok(Self {
            attempts: self.attempts + u32::from(file_failed),
            last_error: error.map(in_short).or_else(|| self.last_error.clone()),
            ..changed
        })
    }

    /// The warehouse has marked this load. An entry that is loaded by it already stays as it is (`Ok(None)`). Where
    /// it was set aside after it was written, as refused or gone, the marker is right: the warehouse says what is done.
    pub fn loaded(&self, load_id: &LoadId, batch: &str, now: Timestamp) -> Result<Option<Self>, Refusal> {
        match &self.state {
            EntryState::Written { summary, .. } | EntryState::SetAside { summary: Some(summary), .. }
                if self.load_id == *load_id
                    && (summary.manifest.is_some() || self.state_name() == StateName::Written) =>
            {
                let live = LiveLoad {
                    load_id: load_id.clone(),
                    generation: self.generation,
                    fingerprint: self.fingerprint.clone(),
                    batch: batch.to_owned(),
                    at: now,
                    summary: summary.clone(),
                };
                let changed = self.changed(now, EntryState::Loaded { at: now });
                Ok(Some(Self { live: Some(live), last_error: None, ..changed }))
            }
            EntryState::Loaded { .. } if self.load_id == *load_id => Ok(None),
            _ => Err(self.moved_on()),
        }
    }

    /// The warehouse has marked a load of an earlier generation, of which the ledger had not learned before the entry was
    /// begun anew: it is live until this generation is loaded, and stays live where this one is set aside. Or a load of this
    /// generation or a later one, which a ledger that was restored from a backup has lost: the entry is loaded by it,
    /// unless it is in work, whose end will meet the marker. Known already, or a newer one is: `Ok(None)`. The entry is no
    /// newer for it, so that a replay that was asked for before is still to be done.
    pub fn found_live(&self, live: LiveLoad) -> Result<Option<Self>, Refusal> {
        if self.live.as_ref().is_some_and(|known| known.generation >= live.generation) {
            return Ok(None);
        }
        let revision = self.revision + 1;
        if live.generation < self.generation {
            let unloaded = self.unloaded.clone().filter(|unloaded| unloaded.generation > live.generation);
            return Ok(Some(Self { live: Some(live), unloaded, revision, ..self.clone() }));
        }
        let is_over = matches!(self.state, EntryState::Loaded { .. } | EntryState::SetAside { .. });
        if !is_over || (live.generation == self.generation && live.load_id != self.load_id) {
            return Err(self.moved_on());
        }
        Ok(Some(Self {
            generation: live.generation,
            load_id: live.load_id.clone(),
            fingerprint: live.fingerprint.clone(),
            state: EntryState::Loaded { at: live.at },
            last_error: None,
            live: Some(live),
            revision,
            ..self.clone()
        }))
    }

    /// The warehouse refuses the rows of this load, and of no other.
    pub fn refused(&self, load_id: &LoadId, reason: SetAsideReason, now: Timestamp) -> Result<Self, Refusal> {
        match &self.state {
            EntryState::Written { summary, .. } if self.load_id == *load_id => {
                let reason = reason.in_short();
                let last_error = Some(reason.message.clone());
                let state = EntryState::SetAside { at: now, reason, told: false, summary: Some(summary.clone()) };
                Ok(Self { last_error, ..self.changed(now, state) })
            }
            _ => Err(self.moved_on()),
        }
    }

    /// A version that nobody will ever read again, because the object is gone or replaced, is set aside; or what was written
    /// of it before it was begun anew waits to be loaded as it is. Only from a claim on which nobody works.
    pub fn abandoned(&self, reason: SetAsideReason, skew: Duration, now: Timestamp) -> Result<Self, Refusal> {
        if !self.is_lapsed(now, skew) {
            return Err(self.moved_on());
        }
        let reason = reason.in_short();
        let last_error = Some(reason.message.clone());
        if let Some(unloaded) = self.unloaded.clone() {
            return Ok(Self { last_error, ..self.written_as(unloaded, now) });
        }
        let state = EntryState::SetAside { at: now, reason, told: false, summary: None };
        Ok(Self { last_error, ..self.changed(now, state) })
    }

    /// What was set aside, because its version could not be seen any more, is whole in the lake: a ledger that was restored
    /// from a backup did not know.
    pub fn found_written(&self, written: Unloaded, now: Timestamp) -> Result<Self, Refusal> {
        if !self.is_set_aside_unseen() || self.live.is_some() {
            return Err(self.moved_on());
        }
        Ok(self.written_as(written, now))
    }

    fn written_as(&self, written: Unloaded, now: Timestamp) -> Self {
        let Unloaded { load_id, generation, fingerprint, summary } = written;
        let changed = self.changed(now, EntryState::Written { at: now, summary });
        Self { load_id, generation, fingerprint, unloaded: None, ..changed }
    }

    /// A dead letter about it was sent.
    pub fn told(&self, now: Timestamp) -> Result<Self, Refusal> {
        match &self.state {
            EntryState::SetAside { at, reason, told: false, summary } => {
                let state =
                    EntryState::SetAside { at: *at, reason: reason.clone(), told: true, summary: summary.clone() };
                Ok(self.changed(now, state))
            }
            _ => Err(self.moved_on()),
        }
    }

    /// The warehouse has lost the marker of the live load (it was restored from an earlier state). A load that is
    /// loaded, or that a failed replay left live, waits to be loaded again; its rows are worth more than the replay's
    /// failure, which a replay shows again. A claim under way, and what is written already, bring their own rows, and stay as
    /// they are (`Ok(None)`): they may come to nothing, and what they name as live is then what to load again. `left` is
    /// the load of an earlier generation that the warehouse has instead: it is live until they come.
    pub fn restored(&self, left: Option<LiveLoad>, now: Timestamp) -> Result<Option<Self>, Refusal> {
        let Some(live) = &self.live else { return Err(self.moved_on()) };
        match &self.state {
            EntryState::Loaded { .. } | EntryState::SetAside { .. } => {
                let changed = self.changed(now, EntryState::Written { at: now, summary: live.summary.clone() });
                Ok(Some(Self {
                    generation: live.generation,
                    load_id: live.load_id.clone(),
                    fingerprint: live.fingerprint.clone(),
                    live: left,
                    ..changed
                }))
            }
            EntryState::Claimed { .. } | EntryState::Written { .. } => Ok(None),
        }
    }

    /// What was written is not there any more as its manifest says: back to transform, same generation, same bytes.
    pub fn parts_lost(&self, load_id: &LoadId, error: String, now: Timestamp) -> Result<Self, Refusal> {
        match &self.state {
            EntryState::Written { .. } if self.load_id == *load_id => {
                let changed = self.changed(now, EntryState::Claimed { lease: None, retry_at: None });
                Ok(Self { last_error: Some(in_short(error)), ..changed })
            }
            _ => Err(self.moved_on()),
        }
    }

    /// The warehouse's marker is as high as this load and is another's: the ledger has lost a generation that the
    /// warehouse has not. What was written can never be committed; it begins again above the marker, whose load (`live`,
    /// as far as its manifest tells of it) is live until then.
    pub fn overtaken(
        &self,
        load_id: &LoadId,
        marked: Generation,
        live: Option<LiveLoad>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        match &self.state {
            EntryState::Written { .. } if self.load_id == *load_id && marked >= self.generation => {
                let generation = marked.next();
                let changed = self.changed(now, EntryState::Claimed { lease: None, retry_at: None });
                Ok(Self {
                    generation,
                    load_id: LoadId::of(&self.id, generation, &self.fingerprint),
                    attempts: 0,
                    last_error: None,
                    live,
                    ..changed
                })
            }
            _ => Err(self.moved_on()),
        }
    }
}
