//! Which run a scope has its rows of.

use std::collections::BTreeSet;

use super::Live;
use crate::definitions::{Said, said};
use crate::plan::Mode;

/// What becomes of the rows of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// They are those of the scope.
    Wins,
    /// A newer run has others.
    Lost,
    /// The rest of its run is missing.
    Waits,
}

/// The scope, the run and the number of its files of which a load speaks.
fn spoken(mode: Mode, live: &Live<'_>) -> (u64, String, usize) {
    let uri = &live.version.stat.uri;
    let object = uri.key().rsplit(['-', '.']).nth(1).and_then(|number| number.parse().ok());
    let Said { day, run, files } = said(object.expect("the number of an object"));
    match mode {
        Mode::Runs => (day, run.to_string(), files),
        Mode::Whole => (0, uri.to_string(), 1),
        _ => (day, uri.to_string(), 1),
    }
}

pub(super) fn verdict(mode: Mode, live: &[Live<'_>], of: &Live<'_>) -> Verdict {
    let order = |load: &Live<'_>| load.version.stat.order();
    let (scope, mine, _) = spoken(mode, of);
    let of_run = |run: &str| -> Vec<&Live<'_>> {
        live.iter().filter(|load| matches!(spoken(mode, load), (s, r, _) if s == scope && r == run)).collect()
    };
    let is_whole = |run: &str| {
        let objects: BTreeSet<_> = of_run(run).into_iter().map(|load| &load.version.stat.uri).collect();
        of_run(run).into_iter().all(|load| spoken(mode, load).2 <= objects.len())
    };
    let rank = |run: &str| (of_run(run).into_iter().map(order).max(), run.to_owned());
    let rivals: BTreeSet<String> = live
        .iter()
        .map(|load| spoken(mode, load))
        .filter(|(other, ..)| *other == scope)
        .map(|(_, run, _)| run)
        .collect();
    let is_newer = |load: &&Live<'_>| load.version.stat.uri == of.version.stat.uri && order(load) > order(of);
    if of_run(&mine).iter().any(is_newer) {
        Verdict::Lost
    } else if !is_whole(&mine) {
        Verdict::Waits
    } else if rivals.iter().any(|run| is_whole(run) && rank(run) > rank(&mine)) {
        Verdict::Lost
    } else {
        Verdict::Wins
    }
}
