//! What is referenced in a family: the columns whose visible values others wait for.

use std::collections::BTreeSet;

use lakehand_domain::shape::{Contest, Reference, TableShape};

/// A column that is referenced, with the table that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) table: &'a TableShape,
    pub(crate) column: &'a str,
}

impl Target<'_> {
    /// Whether the reference is to it.
    pub(crate) fn is_of(self, reference: &Reference) -> bool {
        self.column == reference.to && reference.is_to(self.table)
    }
}

/// The referenced columns that are there, each once. The place in the list is the number of what is kept for it.
pub(crate) fn targets<'a>(all: &[&'a TableShape]) -> Vec<Target<'a>> {
    let references: BTreeSet<&Reference> = all.iter().flat_map(|table| &table.references).collect();
    let mut targets: Vec<Target<'a>> = Vec::new();
    for reference in references {
        let is_new = !targets.iter().any(|known| known.is_of(reference));
        let table = all.iter().find(|table| reference.is_to(table)).filter(|_| is_new);
        targets.extend(table.map(|table| Target { table, column: &reference.to }));
    }
    targets
}

/// Rows of such a table wait for other files of their run. No definition has both runs and references.
pub(crate) fn waits_for_runs(table: &TableShape) -> bool {
    matches!(table.contest, Contest::Replace { run: Some(_), .. })
}
