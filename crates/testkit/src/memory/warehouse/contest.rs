//! How rows stand: a function of the rows and markers that are there, never of their order.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use lakehand_domain::shape::{Contest, OnRewrite, lineage};

use super::reference;
use super::scope::{Verdicts, verdicts};
use super::state::{Cell, Family, Kept, Row, Standing, Table};

/// How a row stands that has no rivals.
pub(super) fn unrivalled(row: &Row) -> Standing {
    if row.passes() { Standing::Visible } else { Standing::Filtered }
}

/// The rows that stand otherwise than they should, and how they should.
pub(super) fn stand(family: &Family) -> Vec<(u64, Standing)> {
    let mut standings = BTreeMap::new();
    for (name, table) in &family.tables {
        let rows: Vec<(u64, &Kept)> =
            family.rows.iter().filter(|(_, kept)| kept.table == *name).map(|(id, kept)| (*id, kept)).collect();
        let verdicts = match &table.shape.contest {
            Contest::Replace { scope, run } => verdicts(family, &table.shape.dataset, scope, run.as_ref()),
            Contest::Append { .. } | Contest::Upsert { .. } => Verdicts::default(),
        };
        for (id, kept) in &rows {
            let wins = match &table.shape.contest {
                Contest::Append { on_rewrite: OnRewrite::Append } => true,
                Contest::Append { on_rewrite } => is_of_winning_load(family, kept, *on_rewrite),
                Contest::Replace { .. } => verdicts.of(&kept.row.load).is_none(),
                Contest::Upsert { key, version } => {
                    let same =
                        |rival: &Kept| key.iter().all(|column| rival.row.value(column) == kept.row.value(column));
                    let rivals = rows.iter().filter(|(rival, other)| rival != id && same(other));
                    rivals.into_iter().all(|(_, rival)| beats(&kept.row, &rival.row, version.as_deref()))
                }
            };
            let unseen = || verdicts.of(&kept.row.load).unwrap_or(Standing::Lost);
            let standing = if wins { of_winner(table, &kept.row) } else { unseen() };
            standings.insert(*id, standing);
        }
    }
    reference::wait(family, &mut standings);
    standings.retain(|id, standing| family.rows.get(id).is_some_and(|kept| kept.standing != *standing));
    standings.into_iter().collect()
}

fn of_winner(table: &Table, row: &Row) -> Standing {
    if table.shape.has_where { unrivalled(row) } else { Standing::Visible }
}

fn is_of_winning_load(family: &Family, kept: &Kept, on_rewrite: OnRewrite) -> bool {
    let object = kept.row.value(lineage::OBJECT).map(Cell::text).unwrap_or_default();
    let live: BTreeMap<_, _> = family.orders_of(&object).map(|(order, entry, load)| ((order, entry), load)).collect();
    let winner = if on_rewrite == OnRewrite::Ignore { live.first_key_value() } else { live.last_key_value() };
    winner.is_some_and(|(_, load)| **load == kept.row.load)
}

/// Nulls lose to any value; ties fall by order, object, record and element.
fn beats(row: &Row, rival: &Row, version: Option<&str>) -> bool {
    let rank = |row: &Row, column: &str| row.value(column).cloned();
    let versions = version.map_or(Ordering::Equal, |column| rank(row, column).cmp(&rank(rival, column)));
    let ties = [lineage::ORDER, lineage::OBJECT, lineage::RECORD, lineage::ELEMENT];
    let ties = ties.into_iter().map(|column| rank(row, column).cmp(&rank(rival, column)));
    std::iter::once(versions).chain(ties).find(|ordering| ordering.is_ne()) == Some(Ordering::Greater)
}
