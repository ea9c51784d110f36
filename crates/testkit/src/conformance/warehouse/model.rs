//! What the end of any set of loads has to be, said in the fewest words: the reference that warehouses are compared
//! with.

use std::collections::BTreeMap;

use lakehand_domain::shape::{Contest, OnRewrite};

use super::sample::{Dump, SampleLoad, SampleRow, Site};

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
    let wins = |load: &SampleLoad, at: usize, row: &SampleRow| match contest {
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
