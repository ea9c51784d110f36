//! What is committed, and what is staged.

use std::collections::BTreeMap;
use std::sync::Arc;

use lakehand_domain::id::{EntryId, FamilyId, FencingToken, LedgerId, LoadId, Nonce};
use lakehand_domain::object::{ObjectUri, Order};
use lakehand_domain::shape::{ColumnShape, DefinitionInForce, TableShape, lineage};
use lakehand_domain::value::decimal_text;
use lakehand_domain::warehousing::{Fence, Marker, TableStanding};

use super::transaction::{Object, Write};

/// The name of the table of every accepted row of every live load.
pub fn rows_name(table: &TableShape) -> String {
    format!("{}__rows", view_name(table))
}

/// The name of the view that people read.
pub fn view_name(table: &TableShape) -> String {
    format!("{}_{}", table.dataset, table.name)
}

/// A value that is not null. Values of one column compare as its type does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named for the type of its column")]
pub enum Cell {
    Boolean(bool),
    Integer(i64),
    /// The bits of a double, turned so that they compare as the numbers do.
    Double(i64),
    Decimal {
        scale: u8,
        unscaled: i128,
    },
    Text(String),
    Date(i32),
    Timestamp(i64),
}

impl Cell {
    /// As people read it.
    pub fn text(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) | Self::Double(value) | Self::Timestamp(value) => value.to_string(),
            Self::Decimal { scale, unscaled } => decimal_text(*unscaled, *scale),
            Self::Text(value) => value.clone(),
            Self::Date(value) => value.to_string(),
        }
    }
}

/// How a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Readers see it.
    Visible,
    /// It lost its contest.
    Lost,
    /// It does not pass the table's `where`.
    Filtered,
    /// Its run is not complete, or a parent of its record not visible.
    Waiting,
}

impl Standing {
    /// As the column `_standing` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Visible => "visible",
            Self::Lost => "lost",
            Self::Filtered => "filtered",
            Self::Waiting => "waiting",
        }
    }
}

/// A row as it was loaded; it never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The load that brought it.
    pub(super) load: LoadId,
    /// All columns of its part by name, lineage included.
    pub(super) values: BTreeMap<String, Option<Cell>>,
}

impl Row {
    pub(super) fn value(&self, column: &str) -> Option<&Cell> {
        self.values.get(column).and_then(Option::as_ref)
    }

    pub(super) fn passes(&self) -> bool {
        self.value(lineage::PASSES) != Some(&Cell::Boolean(false))
    }
}

/// A row of a table, and how it stands.
#[derive(Debug, Clone)]
pub struct Kept {
    pub(super) table: String,
    pub(super) row: Arc<Row>,
    pub(super) standing: Standing,
    /// The change that made it what it is.
    pub(super) changed: u64,
}

impl Kept {
    /// The name of its table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Its load.
    pub fn load(&self) -> &LoadId {
        &self.row.load
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The value of a column, as text.
    pub fn text(&self, column: &str) -> Option<String> {
        self.row.value(column).map(Cell::text)
    }
}

/// A table as the warehouse has it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// What the definition in force says of it.
    pub(super) shape: TableShape,
    /// The declared columns it has, also those that the definition does not name any more.
    pub(super) columns: Vec<ColumnShape>,
}

/// The fence row of a family.
#[derive(Debug, Clone, Default)]
pub(super) struct FenceRow {
    pub(super) token: u64,
    pub(super) owner: Option<Nonce>,
    pub(super) batches: u64,
    pub(super) erasure_epoch: u64,
    pub(super) ledger: Option<LedgerId>,
    pub(super) in_force: Vec<DefinitionInForce>,
    pub(super) retired: Vec<DefinitionInForce>,
}

/// All that one fence guards.
#[derive(Debug, Clone, Default)]
pub struct Family {
    pub(super) fence: FenceRow,
    pub(super) fence_changed: u64,
    /// By the name of the view.
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) rows: BTreeMap<u64, Kept>,
    /// No key is enforced: whoever writes one removes the one before.
    pub(super) markers: BTreeMap<u64, (Marker, u64)>,
}

impl Family {
    /// All markers.
    pub fn markers(&self) -> impl Iterator<Item = &Marker> {
        self.markers.values().map(|(marker, _)| marker)
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Kept> {
        self.rows.values()
    }

    /// How many batches were committed.
    pub fn batches(&self) -> u64 {
        self.fence.batches
    }

    /// The definitions in force.
    pub fn in_force(&self) -> &[DefinitionInForce] {
        &self.fence.in_force
    }

    pub(super) fn as_fence(&self, family: &FamilyId) -> Fence {
        let row = self.fence.clone();
        Fence {
            family: family.clone(),
            token: FencingToken(row.token),
            owner: row.owner.unwrap_or_else(|| Nonce::new("")),
            batches: row.batches,
            erasure_epoch: row.erasure_epoch,
            in_force: row.in_force,
            retired: row.retired,
        }
    }

    pub(super) fn is_held(&self, fence: &Fence) -> bool {
        self.fence.token == fence.token.0 && self.fence.owner.as_ref() == Some(&fence.owner)
    }

    pub(super) fn marker_of(&self, entry: &EntryId) -> Vec<(u64, &Marker)> {
        self.markers.iter().filter(|(_, (marker, _))| marker.entry == *entry).map(|(id, (m, _))| (*id, m)).collect()
    }

    /// The markers of an object, with the order of each.
    pub(super) fn orders_of(&self, object: &str) -> impl Iterator<Item = (&Order, &EntryId, &LoadId)> {
        let of_object = move |uri: &ObjectUri| uri.as_str() == object;
        self.markers().filter(move |m| of_object(&m.object)).map(|m| (&m.order, &m.entry, &m.load_id))
    }

    pub(super) fn standing(&self, table: &TableShape, load: &LoadId) -> Option<TableStanding> {
        let name = view_name(table);
        let rows = self.rows().filter(|kept| kept.table == name && kept.row.load == *load);
        let mut counts: BTreeMap<Standing, u64> = BTreeMap::new();
        for kept in rows {
            *counts.entry(kept.standing).or_default() += 1;
        }
        let count = |standing| counts.get(&standing).copied().unwrap_or(0);
        (!counts.is_empty()).then(|| TableStanding {
            table: table.name.clone(),
            visible: count(Standing::Visible),
            lost: count(Standing::Lost),
            filtered: count(Standing::Filtered),
            waiting: count(Standing::Waiting),
        })
    }

    /// Does what a transaction wrote.
    pub(super) fn apply(&mut self, write: &Write, change: u64) {
        match write {
            Write::Fence(row) => {
                self.fence = row.clone();
                self.fence_changed = change;
            }
            Write::Table(name, table) => drop(self.tables.insert(name.clone(), table.clone())),
            Write::Insert(id, kept) => drop(self.rows.insert(*id, Kept { changed: change, ..kept.clone() })),
            Write::Delete(id) => drop(self.rows.remove(id)),
            Write::Stand(id, standing) => {
                if let Some(kept) = self.rows.get_mut(id) {
                    (kept.standing, kept.changed) = (*standing, change);
                }
            }
            Write::Mark(id, marker) => drop(self.markers.insert(*id, (marker.clone(), change))),
            Write::Unmark(id) => drop(self.markers.remove(id)),
        }
    }
}

/// The staging tables of one name.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub(super) family: FamilyId,
    /// By the name of the view of the table they are for.
    pub(super) rows: BTreeMap<String, Vec<Arc<Row>>>,
}

/// All that is committed, and who locks what.
#[derive(Debug, Default)]
pub struct State {
    made: u64,
    changes: u64,
    /// Raised by a restore: transactions of before come to nothing.
    pub(super) life: u64,
    families: BTreeMap<FamilyId, Family>,
    pub(super) staged: BTreeMap<Nonce, Staged>,
    pub(super) locks: BTreeMap<(FamilyId, Object), u64>,
}

impl State {
    /// A number nobody had before.
    pub(super) fn number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    pub(super) fn family(&self, family: &FamilyId) -> Option<&Family> {
        self.families.get(family)
    }

    pub(super) fn family_mut(&mut self, family: &FamilyId) -> Option<&mut Family> {
        self.families.get_mut(family)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Family> {
        self.families.values()
    }

    /// The family that has this table.
    pub(super) fn owner_of(&self, view: &str) -> Option<FamilyId> {
        let mut families = self.families.iter();
        families.find(|(_, family)| family.tables.contains_key(view)).map(|(name, _)| name.clone())
    }

    pub(super) fn ensure(&mut self, family: &FamilyId) {
        self.families.entry(family.clone()).or_default();
    }

    pub(super) fn drop_staging(&mut self, name: &Nonce) {
        self.staged.remove(name);
    }

    pub(super) fn stagings(&self, family: &FamilyId) -> Vec<Nonce> {
        self.staged.iter().filter(|(_, staged)| staged.family == *family).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn committed(&self) -> Self {
        let (families, staged) = (self.families.clone(), self.staged.clone());
        Self { made: self.made, changes: self.changes, life: 0, families, staged, locks: BTreeMap::new() }
    }

    pub(super) fn restore(&mut self, to: &Self) {
        self.families = to.families.clone();
        self.staged = to.staged.clone();
        self.locks.clear();
        self.life += 1;
        // What is numbered after the restore is newer than all that was before it.
        self.changes += 1;
    }
}
