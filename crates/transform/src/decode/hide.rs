//! Rejects of datasets that mask columns: what is masked in the lake is not shown in quarantine either.

use lakehand_domain::reject::Reject;

use super::plan::{ColumnOrigin, Plan, WITHHELD};
use super::reject::{Refusal, cut_raw};
use super::slot::{Kind, Records, Slot};
use crate::mask::HIDDEN;

/// Hides the masked values of a record that was read: each where it stands.
#[cold]
pub(super) fn values(reject: &mut Reject, plan: &Plan, records: &Records, refusal: &Refusal<'_>) {
    if reject.column.as_deref().is_some_and(|column| plan.masks(column)) {
        reject.value = reject.value.take().map(|_| HIDDEN.to_owned());
    }
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut hide = |slot: &Slot| {
        if matches!(slot.kind, Kind::Absent | Kind::Null) {
            return;
        }
        // Of JSON the quotes stay; of delimited text they are no part of it.
        ranges.push((slot.start as usize, slot.end as usize));
    };
    for &(table, column) in &plan.masked {
        let table = &plan.tables[table];
        match (&table.columns[column].origin, table.list) {
            (ColumnOrigin::Record(slot), _) => hide(records.slot(*slot)),
            (ColumnOrigin::Element(slot), Some(list)) => {
                let list = &records.lists[list];
                list.slots.iter().skip(*slot).step_by(list.width.max(1)).for_each(&mut hide);
            }
            _ => {}
        }
    }
    ranges.sort_unstable();
    let raw = String::from_utf8_lossy(refusal.raw);
    let mut shown = String::with_capacity(raw.len());
    let mut at = 0;
    for (start, end) in ranges {
        let (start, end) = (start.saturating_sub(refusal.start), end.saturating_sub(refusal.start));
        // A value within another that is hidden is hidden with it.
        if start < at {
            continue;
        }
        let Some(before) = raw.get(at..start) else { return all(reject) };
        shown.push_str(before);
        shown.push_str(HIDDEN);
        at = end;
    }
    let Some(rest) = raw.get(at..) else { return all(reject) };
    shown.push_str(rest);
    let (kept, cut) = cut_raw(&shown);
    kept.clone_into(&mut reject.raw);
    reject.raw_base64 = None;
    reject.raw_cut = cut;
}

/// Withholds a record in which it is not known where masked values stand.
#[cold]
pub(crate) fn all(reject: &mut Reject) {
    WITHHELD.clone_into(&mut reject.raw);
    reject.raw_base64 = None;
    reject.raw_cut = true;
    reject.value = None;
}
