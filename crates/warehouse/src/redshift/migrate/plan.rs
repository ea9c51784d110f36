//! The statements of a migration: pure functions of what was read before it.

use lakehand_domain::shape::{FamilyShape, TableShape, has_references};
use lakehand_domain::warehousing::Fence;

use super::in_force_literal;
use crate::redshift::contest::{self, Scope};
use crate::redshift::ddl;
use crate::redshift::fence;
use crate::redshift::limits::COMFORTABLE_BYTES;
use crate::redshift::names::{self, Names};
use crate::redshift::physical::{RowsColumn, lineage_names};
use crate::redshift::reference;
use crate::redshift::sql::{literal, number, quote, quoted_list};
use crate::redshift::state::{Registered, State, register};
use crate::redshift::trouble::Trouble;

/// The statement of the transaction that fails unless the fence is ours.
pub(crate) const HOLDS_THE_FENCE: usize = 1;

/// How a table becomes what the shape says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// It is not there.
    Create,
    /// It is there, and empty.
    Remake,
    /// Columns are added.
    Alter,
    /// Its rows are copied into its next form.
    Copy,
}

/// One table that changes.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) table: TableShape,
    /// The columns that it has, lineage left out.
    pub(crate) known: Vec<RowsColumn>,
    /// The columns that it is to have.
    pub(crate) columns: Vec<RowsColumn>,
    pub(crate) how: Move,
    /// Whether the standing of all rows is decided anew.
    pub(crate) is_recomputed: bool,
}

impl Change {
    pub(crate) fn new(table: &TableShape, columns: Vec<RowsColumn>, how: Move) -> Self {
        Self { table: table.clone(), known: Vec::new(), columns, how, is_recomputed: false }
    }

    /// The columns that become wider: what they are and what they are to be.
    pub(crate) fn wider(&self) -> impl Iterator<Item = (&RowsColumn, &RowsColumn)> {
        self.known.iter().zip(&self.columns).filter(|(old, new)| old != new)
    }

    /// Copies the table in place of altering it column by column.
    pub(crate) fn copy_instead(&mut self) {
        if self.how == Move::Alter && self.known.len() < self.columns.len() {
            self.how = Move::Copy;
        }
    }

    fn statements(&self, names: &Names, shape: &FamilyShape) -> Vec<String> {
        let (table, rows) = (&self.table, names.rows(&self.table));
        let create = || ddl::create_rows(&rows, &self.columns, &table.layout);
        let drop_view = format!("DROP VIEW IF EXISTS {}", names.view(table));
        let mut statements = Vec::new();
        match self.how {
            Move::Create => statements.push(create()),
            Move::Remake => statements.extend([drop_view, format!("DROP TABLE {rows}"), create()]),
            Move::Alter => {
                statements.push(drop_view);
                let added = self.columns.iter().skip(self.known.len());
                statements.extend(added.map(|column| {
                    format!("ALTER TABLE {rows} ADD COLUMN {} {}", quote(&column.name), column.declared())
                }));
            }
            Move::Copy => {
                statements.push(drop_view);
                statements.extend(self.copy(names));
            }
        }
        if self.is_recomputed {
            let markers = names.markers(&shape.family);
            statements.extend(contest::recompute(&rows, &markers, table, Scope::All));
        }
        statements.push(ddl::create_view(names, table));
        statements
    }

    fn copy(&self, names: &Names) -> [String; 4] {
        let (rows, rebuilt) = (names.rows(&self.table), names.rebuilt(&self.table));
        let mut targets: Vec<&str> = self.known.iter().map(|column| column.name.as_str()).collect();
        let mut sources: Vec<String> =
            self.known.iter().zip(&self.columns).map(|(old, new)| new.converted(old)).collect();
        for name in lineage_names() {
            targets.push(name);
            sources.push(quote(name));
        }
        [
            ddl::create_rows(&rebuilt, &self.columns, &self.table.layout),
            format!("INSERT INTO {rebuilt} ({}) SELECT {} FROM {rows}", quoted_list("", &targets), sources.join(", ")),
            format!("DROP TABLE {rows}"),
            format!("ALTER TABLE {rebuilt} RENAME TO {}", quote(&names::rows(&self.table))),
        ]
    }
}

/// The statements of the transaction, in their order.
pub(crate) fn transaction(
    names: &Names,
    fence: &Fence,
    shape: &FamilyShape,
    state: &State,
    changes: &[Change],
) -> Result<Vec<String>, Trouble> {
    let mut statements = vec![
        fence::write(names, fence, &format!("\"in_force\" = {}", in_force_literal(shape, &state.fence.in_force)?)),
        fence::hold(names, fence),
    ];
    statements.extend(changes.iter().flat_map(|change| change.statements(names, shape)));
    // The tables of other datasets as they are, and those of ours as they are to be.
    let is_ours = |table: &&TableShape| shape.definitions.iter().any(|one| one.dataset == table.dataset);
    let known = state.tables.iter().map(|table| &table.shape);
    let dropped = |table: &&TableShape| {
        !shape.tables.iter().any(|next| (&next.dataset, &next.name) == (&table.dataset, &table.name))
    };
    let family: Vec<&TableShape> =
        known.filter(|table| !is_ours(table) || dropped(table)).chain(&shape.tables).collect();
    let before = || state.tables.iter().map(|table| &table.shape);
    for definition in &shape.definitions {
        let dataset = &definition.dataset;
        let is_parent = family.iter().any(|table| table.references.iter().any(|one| one.dataset == *dataset));
        if is_parent || has_references(family.iter().copied(), dataset) || has_references(before(), dataset) {
            statements.extend(reference::redefine(names, &family, dataset));
        }
    }
    let registered: Vec<Registered> = changes
        .iter()
        .map(|change| Registered { shape: change.table.clone(), columns: change.columns.clone() })
        .collect();
    statements.extend(register(names, &shape.family, &registered, COMFORTABLE_BYTES)?);
    let definitions = names.definitions(&shape.family);
    let (mut known, mut rows) = (Vec::new(), Vec::new());
    for definition in &shape.definitions {
        let (dataset, fingerprint) = (literal(definition.dataset.as_str()), literal(definition.fingerprint.as_str()));
        known.push(format!("(\"dataset\" = {dataset} AND \"fingerprint\" = {fingerprint})"));
        rows.push(format!("({dataset}, {fingerprint}, {})", number(fence.token.0)));
    }
    if !rows.is_empty() {
        statements.push(format!("DELETE FROM {definitions} WHERE {}", known.join(" OR ")));
        statements.push(format!("INSERT INTO {definitions} VALUES {}", rows.join(", ")));
    }
    Ok(statements)
}
