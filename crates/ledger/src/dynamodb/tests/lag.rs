//! The merge over partitions of an index that shows changes late, each of its two halves by itself.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::merge::{Merge, Next, Rest};

/// An entry, known by its number, at an instant: sorts by the instant.
fn position(instant: u32, entry: usize) -> String {
    format!("{instant:08}{entry:03}")
}

/// An index whose partitions show where entries were before their newest changes were applied.
#[derive(Debug, Default)]
struct Index {
    lanes: Vec<BTreeSet<String>>,
    /// Applied one after the other: (lane, position, whether it comes or goes).
    pending: Vec<(usize, String, bool)>,
}

impl Index {
    fn moves(&mut self, from: Option<(usize, String)>, to: (usize, String), comes_first: bool) {
        let goes = from.map(|(lane, position)| (lane, position, false));
        let comes = Some((to.0, to.1, true));
        let halves = if comes_first { [comes, goes] } else { [goes, comes] };
        self.pending.extend(halves.into_iter().flatten());
    }

    fn apply(&mut self, some: usize) {
        for (lane, position, comes) in self.pending.drain(..some.min(self.pending.len())) {
            if comes {
                self.lanes[lane].insert(position);
            } else {
                self.lanes[lane].remove(&position);
            }
        }
    }

    fn page(&self, lane: usize, from: &Rest<String>, newest_first: bool, limit: usize) -> (Vec<String>, Rest<String>) {
        let all = self.lanes[lane].iter().cloned();
        let all: Vec<String> = if newest_first { all.rev().collect() } else { all.collect() };
        let beyond = all.into_iter().filter(|position| match from {
            Rest::From(from) if newest_first => position < from,
            Rest::From(from) => position > from,
            _ => true,
        });
        let page: Vec<String> = beyond.take(limit).collect();
        let rest = if page.len() < limit { Rest::Nothing } else { Rest::From(page[limit - 1].clone()) };
        (page, rest)
    }
}

#[derive(Debug, Clone)]
struct Change {
    entry: usize,
    lane: usize,
    comes_first: bool,
    applied: usize,
}

fn change() -> impl Strategy<Value = Change> {
    (0_usize..20, 0_usize..4, any::<bool>(), 0_usize..6).prop_map(|(entry, lane, comes_first, applied)| Change {
        entry,
        lane,
        comes_first,
        applied,
    })
}

/// Lists all pages; before every read of a lane the next change happens, and some of those before show.
fn listed(index: &mut Index, newest_first: bool, limit: usize, mut between: impl FnMut(&mut Index)) -> Vec<String> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let mut merge = Merge::new(index.lanes.len(), newest_first, after.clone());
        let mut page = Vec::new();
        let more = loop {
            match merge.next() {
                Next::Read(which) => {
                    for (lane, rest) in which {
                        between(index);
                        let (shown, rest) = index.page(lane, &rest, newest_first, 3);
                        merge.feed(lane, shown, rest);
                    }
                }
                Next::Take { lane } if page.len() < limit => page.extend(merge.take(lane)),
                Next::Take { .. } => break true,
                Next::End => break false,
            }
        };
        after = page.last().cloned().or(after);
        listed.extend(page);
        if !more {
            return listed;
        }
    }
}

proptest! {
    #[test]
    fn what_stays_is_listed_once_in_order_and_what_moves_is_never_lost(
        changes in prop::collection::vec(change(), 0..40),
        newest_first: bool,
        limit in 1_usize..9,
    ) {
        let mut index = Index { lanes: vec![BTreeSet::new(); 4], pending: Vec::new() };
        let mut now: BTreeMap<usize, (usize, String)> = BTreeMap::new();
        for entry in 0..20 {
            let place = (entry % 4, position(u32::try_from(entry / 2).unwrap(), entry));
            index.lanes[place.0].insert(place.1.clone());
            now.insert(entry, place);
        }
        let moved: BTreeSet<usize> = changes.iter().map(|change| change.entry).collect();
        let mut instant = 100;
        let mut to_come = changes.into_iter();
        let seen = listed(&mut index, newest_first, limit, |index| {
            let Some(change) = to_come.next() else { return };
            instant += 1;
            let place = (change.lane, position(instant, change.entry));
            index.moves(now.insert(change.entry, place.clone()), place, change.comes_first);
            index.apply(change.applied);
        });
        prop_assert!(seen.windows(2).all(|two| if newest_first { two[0] > two[1] } else { two[0] < two[1] }), "{seen:?}");
        for entry in (0..20).filter(|entry| !moved.contains(entry)) {
            let place = &now[&entry].1;
            prop_assert_eq!(seen.iter().filter(|position| *position == place).count(), 1, "entry {}", entry);
        }
        index.apply(usize::MAX);
        let expected: BTreeSet<String> = now.values().map(|(_, position)| position.clone()).collect();
        let after: BTreeSet<String> = listed(&mut index, newest_first, limit, |_| {}).into_iter().collect();
        prop_assert_eq!(after, expected, "once the index has caught up, everything is where it is");
    }
}
