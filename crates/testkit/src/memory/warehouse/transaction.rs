//! One transaction: locks, snapshot, writes, end.

use std::sync::Arc;

use lakehand_domain::fault::Effect;
use lakehand_domain::id::FamilyId;
use lakehand_domain::port::warehouse::WarehouseError;
use lakehand_domain::warehousing::Marker;

use super::state::{Family, FenceRow, Kept, Standing, State, Table};
use super::{Engine, Isolation, conflict, never_ensured, unavailable};

/// A transaction that waits longer than this many steps for a lock is given up, as one in a deadlock is.
const LONGEST_WAIT: u32 = 400;

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Object {
    /// The fence: its table, which has one row.
    Fence,
    /// The tables of rows.
    Rows,
    /// The table of markers.
    Markers,
    /// All of it.
    Everything,
}

/// One change by a statement.
#[derive(Debug, Clone)]
pub(super) enum Write {
    Fence(FenceRow),
    Table(String, Table),
    Insert(u64, Kept),
    Delete(u64),
    Stand(u64, Standing),
    Mark(u64, Marker),
    Unmark(u64),
}

/// A transaction under way. Dropping it takes back all that it wrote.
#[derive(Debug)]
pub(super) struct Transaction {
    engine: Arc<Engine>,
    id: u64,
    life: u64,
    family: FamilyId,
    /// The last change that its snapshot has; `None` before the first statement.
    snapshot: Option<u64>,
    /// What it sees: its snapshot, and what it wrote.
    pub(super) view: Family,
    writes: Vec<Write>,
}

impl Transaction {
    pub(super) fn begin(engine: &Arc<Engine>, family: &FamilyId) -> Result<Self, WarehouseError> {
        let mut state = engine.state();
        if state.family(family).is_none() {
            return Err(never_ensured("begin", family));
        }
        let (id, life) = (state.number(), state.life);
        drop(state);
        let (engine, family) = (Arc::clone(engine), family.clone());
        Ok(Self { engine, id, life, family, snapshot: None, view: Family::default(), writes: Vec::new() })
    }

    /// What comes before a statement that writes these; nothing: it only reads.
    pub(super) async fn statement(&mut self, writes: &[Object]) -> Result<(), WarehouseError> {
        self.engine.pace.step().await?;
        match self.engine.isolation {
            Isolation::OneWriter => {
                self.lock(Object::Everything).await?;
                self.look(false)
            }
            Isolation::TableLocks => {
                for object in writes {
                    self.lock(*object).await?;
                }
                self.look(false)?;
                self.unchanged(writes)
            }
            Isolation::RowLocks => {
                self.look(false)?;
                if writes.contains(&Object::Fence) {
                    self.lock(Object::Fence).await?;
                }
                self.unchanged(writes)
            }
            Isolation::ReadCommitted => {
                if writes.contains(&Object::Fence) {
                    self.lock(Object::Fence).await?;
                }
                self.look(true)
            }
        }
    }

    async fn lock(&self, object: Object) -> Result<(), WarehouseError> {
        for _ in 0..LONGEST_WAIT {
            {
                let mut state = self.engine.state();
                self.alive(&state)?;
                let holder = *state.locks.entry((self.family.clone(), object)).or_insert(self.id);
                if holder == self.id {
                    return Ok(());
                }
            }
            self.engine.pace.step().await?;
        }
        Err(conflict("a lock was waited for too long"))
    }

    /// Takes the snapshot, if there is none yet or each statement has its own.
    fn look(&mut self, anew: bool) -> Result<(), WarehouseError> {
        if self.snapshot.is_some() && !anew {
            return Ok(());
        }
        let state = self.engine.state();
        self.alive(&state)?;
        let mut view = state.family(&self.family).cloned().ok_or_else(|| never_ensured("begin", &self.family))?;
        self.snapshot = Some(state.changes());
        drop(state);
        for write in &self.writes {
            view.apply(write, u64::MAX);
        }
        self.view = view;
        Ok(())
    }

    /// A row that another changed after our snapshot cannot be changed by us.
    fn unchanged(&self, writes: &[Object]) -> Result<(), WarehouseError> {
        let state = self.engine.state();
        self.alive(&state)?;
        let changed = state.family(&self.family).map_or(0, |family| family.fence_changed);
        if writes.contains(&Object::Fence) && Some(changed) > self.snapshot {
            return Err(conflict("the fence was changed by another transaction after the snapshot"));
        }
        Ok(())
    }

    fn alive(&self, state: &State) -> Result<(), WarehouseError> {
        if state.life == self.life {
            return Ok(());
        }
        Err(unavailable("the warehouse was restored", Effect::Unknown))
    }

    /// Writes, for its own eyes until the end.
    pub(super) fn write(&mut self, write: Write) {
        self.view.apply(&write, u64::MAX);
        self.writes.push(write);
    }

    /// A number for a new row or marker.
    pub(super) fn number(&self) -> u64 {
        self.engine.state().number()
    }

    /// Commits what was written since the beginning or the last end.
    pub(super) async fn end(&mut self) -> Result<(), WarehouseError> {
        self.engine.pace.step().await?;
        let mut state = self.engine.state();
        self.alive(&state)?;
        let change = state.change();
        let snapshot = self.snapshot.unwrap_or(0);
        let strict = self.engine.isolation != Isolation::ReadCommitted;
        let family = state.family_mut(&self.family).ok_or_else(|| never_ensured("end", &self.family))?;
        let is_stale = |write: &Write| match write {
            Write::Delete(id) | Write::Stand(id, _) => {
                family.rows.get(id).is_none_or(|kept| kept.changed > snapshot) && !self.made(*id)
            }
            Write::Unmark(id) => {
                family.markers.get(id).is_none_or(|(_, changed)| *changed > snapshot) && !self.made(*id)
            }
            _ => false,
        };
        if strict && self.writes.iter().any(is_stale) {
            return Err(conflict("a row was changed by another transaction after the snapshot"));
        }
        for write in std::mem::take(&mut self.writes) {
            family.apply(&write, change);
        }
        state.locks.retain(|_, holder| *holder != self.id);
        self.snapshot = None;
        Ok(())
    }

    /// Whether the row or marker of this number is this transaction's own.
    fn made(&self, number: u64) -> bool {
        self.writes.iter().any(|write| matches!(write, Write::Insert(id, _) | Write::Mark(id, _) if *id == number))
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let id = self.id;
        self.engine.state().locks.retain(|_, holder| *holder != id);
    }
}
