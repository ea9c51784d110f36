//! Records that wait for what they reference: a function of how all rows of the family stand by themselves.

use std::collections::{BTreeMap, BTreeSet};

use lakehand_domain::id::{DatasetId, LoadId};
use lakehand_domain::shape::{Reference, lineage};

use super::state::{Cell, Family, Kept, Standing};

/// Lets records wait whose parents are not visible, in `standing`, which has every row by its number.
pub(super) fn wait(family: &Family, standing: &mut BTreeMap<u64, Standing>) {
    if family.tables.values().all(|table| table.shape.references.is_empty()) {
        return;
    }
    let alone = standing.clone();
    // Each round is right one level further down; nothing references itself, be it through others.
    for _ in 0..=family.tables.len() {
        let mut next = alone.clone();
        let unmet = unmet(family, standing);
        for (id, kept) in &family.rows {
            let record = dataset_of(family, kept).zip(record_of(kept));
            if record.is_some_and(|(dataset, record)| unmet.contains(&(dataset, kept.load(), record))) {
                next.entry(*id).and_modify(|stands| {
                    if *stands == Standing::Visible {
                        *stands = Standing::Waiting;
                    }
                });
            }
        }
        if next == *standing {
            return;
        }
        *standing = next;
    }
}

type Record<'a> = (&'a DatasetId, &'a LoadId, &'a Cell);

fn dataset_of<'a>(family: &'a Family, kept: &Kept) -> Option<&'a DatasetId> {
    family.tables.get(&kept.table).map(|table| &table.shape.dataset)
}

fn record_of(kept: &Kept) -> Option<&Cell> {
    kept.row.value(lineage::RECORD)
}

/// The records of which one value is in no visible row.
fn unmet<'a>(family: &'a Family, standing: &BTreeMap<u64, Standing>) -> BTreeSet<Record<'a>> {
    let mut unmet = BTreeSet::new();
    for (name, table) in &family.tables {
        for reference in &table.shape.references {
            let there = visible(family, reference, standing);
            for kept in family.rows().filter(|kept| kept.table == *name) {
                let is_unmet = kept.row.value(&reference.column).is_some_and(|value| !there.contains(value));
                unmet.extend(
                    record_of(kept).filter(|_| is_unmet).map(|record| (&table.shape.dataset, kept.load(), record)),
                );
            }
        }
    }
    unmet
}

fn visible<'a>(family: &'a Family, reference: &Reference, standing: &BTreeMap<u64, Standing>) -> BTreeSet<&'a Cell> {
    let parent = family.tables.iter().find(|(_, table)| reference.is_to(&table.shape));
    let Some((name, _)) = parent else { return BTreeSet::new() };
    let rows =
        family.rows.iter().filter(|(id, kept)| kept.table == *name && standing.get(id) == Some(&Standing::Visible));
    rows.filter_map(|(_, kept)| kept.row.value(&reference.to)).collect()
}
