//! Columns whose values name rows of other datasets, and whose records are visible only with them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::TableShape;
use crate::id::DatasetId;

/// A record is visible, with all its rows in all tables of its dataset, while each value of such a column, null excepted,
/// is a value of the other column in a visible row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The column.
    pub column: String,
    /// The other dataset.
    pub dataset: DatasetId,
    /// Its table.
    pub table: String,
    /// The column there.
    pub to: String,
}

impl Reference {
    /// Whether this is the table that it is to, with the column that it is to.
    pub fn is_to(&self, table: &TableShape) -> bool {
        table.dataset == self.dataset
            && table.name == self.table
            && table.columns.iter().any(|column| column.name == self.to)
    }
}

/// Whether a dataset of a family references others.
pub fn has_references<'a>(tables: impl IntoIterator<Item = &'a TableShape>, dataset: &DatasetId) -> bool {
    tables.into_iter().any(|table| table.dataset == *dataset && !table.references.is_empty())
}

/// The datasets whose records may become visible, or stop being so, when rows of this one come or go: those that
/// reference it, those that reference these, and so on, each after all that it references.
///
/// Definitions are put in force one by one, so that for a while there may be a circle of old and new ones; what is in it
/// comes last, by name, and is decided anew when the next of them is put in force.
pub fn affected(tables: &[&TableShape], changed: &DatasetId) -> Vec<DatasetId> {
    let mut parents: BTreeMap<&DatasetId, BTreeSet<&DatasetId>> = BTreeMap::new();
    for table in tables {
        for reference in table.references.iter().filter(|reference| reference.dataset != table.dataset) {
            parents.entry(&table.dataset).or_default().insert(&reference.dataset);
        }
    }
    let mut reached = BTreeSet::from([changed]);
    loop {
        let before = reached.len();
        reached.extend(
            parents
                .iter()
                .filter(|(_, of)| of.iter().any(|one| reached.contains(one)))
                .map(|(child, _)| *child)
                .collect::<Vec<_>>(),
        );
        if reached.len() == before {
            break;
        }
    }
    reached.remove(changed);
    let mut sorted: Vec<DatasetId> = Vec::new();
    while let Some(first) = reached.first().copied() {
        let is_ready = |child: &&&DatasetId| parents.get(**child).is_none_or(|of| of.is_disjoint(&reached));
        let next = reached.iter().find(is_ready).copied().unwrap_or(first);
        reached.remove(next);
        sorted.push(next.clone());
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Contest, OnRewrite, TableLayout};

    fn table(dataset: &str, parents: &[&str]) -> TableShape {
        let reference = |parent: &&str| Reference {
            column: "c".to_owned(),
            dataset: DatasetId::new(*parent),
            table: "t".to_owned(),
            to: "k".to_owned(),
        };
        TableShape {
            dataset: DatasetId::new(dataset),
            name: "t".to_owned(),
            columns: Vec::new(),
            contest: Contest::Append { on_rewrite: OnRewrite::Append },
            has_where: false,
            exploded: false,
            layout: TableLayout::default(),
            subjects: Vec::new(),
            references: parents.iter().map(reference).collect(),
        }
    }

    #[test]
    fn children_come_after_all_their_parents() {
        let tables =
            [table("a", &["c", "d"]), table("b", &["d"]), table("c", &["b"]), table("d", &[]), table("e", &[])];
        let tables: Vec<&TableShape> = tables.iter().collect();
        let names = |changed: &str| -> Vec<String> {
            affected(&tables, &DatasetId::new(changed)).iter().map(ToString::to_string).collect()
        };
        assert_eq!(names("d"), ["b", "c", "a"]);
        assert_eq!(names("b"), ["c", "a"]);
        assert!(names("a").is_empty() && names("e").is_empty() && names("nowhere").is_empty());
    }

    #[test]
    fn a_circle_ends() {
        let tables = [table("a", &["b"]), table("b", &["c"]), table("c", &["b"])];
        let tables: Vec<&TableShape> = tables.iter().collect();
        let names: Vec<String> = affected(&tables, &DatasetId::new("c")).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["b", "a"]);
    }
}
