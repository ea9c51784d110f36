//! What the end of any set of loads has to be, said in the fewest words: the reference that warehouses are compared
//! with.

use std::collections::{BTreeMap, BTreeSet};

use lakehand_domain::shape::{Contest, OnRewrite};

use super::sample::{Dump, SampleLoad, SampleRow, Site};
use super::scope::said;

/// Every accepted row of every live load with its standing, for loads delivered in any order and any batches.
pub fn expected_rows(site: &Site, contest: &Contest, loads: &[SampleLoad]) -> Dump {
    let mut live: BTreeMap<(u32, u32), &SampleLoad> = BTreeMap::new();
    for load in loads {
        let entry = live.entry((load.object, load.version)).or_insert(load);
        if load.generation > entry.generation {
            *entry = load;
        }
    }
    let rows: Vec<(&SampleLoad, usize, &SampleRow)> =
        live.values().flat_map(|load| load.rows.iter().enumerate().map(|(at, row)| (*load, at, row))).collect();
    let loads: Vec<&SampleLoad> = live.values().copied().collect();
    let wins = |load: &SampleLoad, at: usize, row: &SampleRow| match contest {
        Contest::Replace { .. } => of_scope(site, contest, &loads, load) == "wins",
        Contest::Append { on_rewrite: OnRewrite::Append } => true,
        Contest::Append { on_rewrite } => live.values().filter(|other| other.object == load.object).all(|other| {
            let (mine, others) = (site.order(load), site.order(other));
            if *on_rewrite == OnRewrite::Ignore { mine <= others } else { mine >= others }
        }),
        Contest::Upsert { version, .. } => {
            let rank = |load: &SampleLoad, at: usize, row: &SampleRow| {
                (row.version.filter(|_| version.is_some()), site.order(load), site.object(load.object), at)
            };
            let rivals = rows.iter().filter(|(_, _, rival)| rival.key == row.key);
            rivals.map(|(load, at, rival)| rank(load, *at, rival)).max() == Some(rank(load, at, row))
        }
    };
    let stand = |(load, at, row): &(&SampleLoad, usize, &SampleRow)| {
        let standing = match (wins(load, *at, row), row.passes) {
            (false, _) if matches!(contest, Contest::Replace { .. }) => of_scope(site, contest, &loads, load),
            (false, _) => "lost",
            (true, false) => "filtered",
            (true, true) => "visible",
        };
        site.dumped(load, *at, row, standing)
    };
    let mut dump: Dump = rows.iter().map(stand).collect();
    dump.sort();
    dump
}

/// Whether the rows of a load are those of its scope: `wins`, `lost`, or `waiting` for the rest of their run.
fn of_scope(site: &Site, contest: &Contest, live: &[&SampleLoad], load: &SampleLoad) -> &'static str {
    let Contest::Replace { scope, run } = contest else { return "wins" };
    let said = |load: &SampleLoad, name: &str| said(load.object).remove(name).unwrap_or_default();
    let scope_of = |load: &SampleLoad| -> Vec<String> { scope.iter().map(|part| said(load, part)).collect() };
    let run_of = |load: &SampleLoad| {
        run.as_ref().map_or_else(|| site.object(load.object).to_string(), |run| said(load, &run.capture))
    };
    let files_of =
        |load: &SampleLoad| run.as_ref().map_or(1, |run| said(load, &run.files_said()).parse::<usize>().unwrap_or(0));
    let of_run = |name: &str| -> Vec<&SampleLoad> {
        let same = |other: &&&SampleLoad| scope_of(other) == scope_of(load) && run_of(other) == name;
        live.iter().filter(same).copied().collect()
    };
    let is_whole = |name: &str| {
        let objects: BTreeSet<u32> = of_run(name).iter().map(|load| load.object).collect();
        of_run(name).iter().all(|load| files_of(load) <= objects.len())
    };
    let rank = |name: &str| (of_run(name).iter().map(|load| site.order(load)).max(), name.to_owned());
    let mine = run_of(load);
    let is_old = of_run(&mine).iter().any(|other| other.object == load.object && site.order(other) > site.order(load));
    let rivals = live.iter().filter(|other| scope_of(other) == scope_of(load)).map(|other| run_of(other));
    if is_old {
        "lost"
    } else if !is_whole(&mine) {
        "waiting"
    } else if rivals.into_iter().any(|rival| is_whole(&rival) && rank(&rival) > rank(&mine)) {
        "lost"
    } else {
        "wins"
    }
}

/// Asserts that two dumps are the same, and shows both where they are not.
pub(super) fn similar(found: &Dump, expected: &Dump) {
    let text = |dump: &Dump| dump.iter().map(|row| format!("{row:?}\n")).collect::<Vec<_>>().concat();
    assert!(found == expected, "found\n{}expected\n{}", text(found), text(expected));
}
