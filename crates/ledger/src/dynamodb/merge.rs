//! Merges the pages of many partitions of an index into one order.
//!
//! A lane is one partition, read page by page in the order asked for. What comes next of all is known as soon as every
//! lane that has not ended shows its next position. Nothing is kept between two lists: a list begins in every lane after
//! the last position of the page before it, wherever that was found.

use std::collections::VecDeque;

/// Reads lanes as far as needed, and no further.
#[derive(Debug)]
pub(super) struct Merge<P> {
    lanes: Vec<Lane<P>>,
    newest_first: bool,
    /// The last position that was given, or that a page before ended at.
    last: Option<String>,
}

#[derive(Debug)]
struct Lane<P> {
    shown: VecDeque<String>,
    rest: Rest<P>,
}

/// What a lane has beyond what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rest<P> {
    /// It was not read yet.
    Unread,
    /// More, from here.
    From(P),
    /// Nothing.
    Nothing,
}

/// What a merge needs, or has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<P> {
    /// These lanes are to be read, each from where it says.
    Read(Vec<(usize, Rest<P>)>),
    /// This lane shows what comes next.
    Take {
        /// The lane.
        lane: usize,
    },
    /// All lanes have ended.
    End,
}

impl<P: Clone + PartialEq> Merge<P> {
    /// Nothing is read yet. `after` is not given again.
    pub(super) fn new(lanes: usize, newest_first: bool, after: Option<String>) -> Self {
        let lane = || Lane { shown: VecDeque::new(), rest: Rest::Unread };
        Self { lanes: std::iter::repeat_with(lane).take(lanes).collect(), newest_first, last: after }
    }

    /// What is to be done next.
    pub(super) fn next(&mut self) -> Next<P> {
        self.pass_over();
        let hungry =
            self.lanes.iter().enumerate().filter(|(_, lane)| lane.shown.is_empty() && lane.rest != Rest::Nothing);
        let hungry: Vec<_> = hungry.map(|(at, lane)| (at, lane.rest.clone())).collect();
        match self.first() {
            _ if !hungry.is_empty() => Next::Read(hungry),
            Some(lane) => Next::Take { lane },
            None => Next::End,
        }
    }

    /// A page of a lane, in the order asked for.
    pub(super) fn feed(&mut self, lane: usize, page: impl IntoIterator<Item = String>, rest: Rest<P>) {
        let lane = &mut self.lanes[lane];
        lane.shown.extend(page);
        lane.rest = rest;
    }

    /// Takes the next position, which this lane shows.
    pub(super) fn take(&mut self, lane: usize) -> Option<String> {
        let taken = self.lanes[lane].shown.pop_front()?;
        self.last = Some(taken.clone());
        Some(taken)
    }

    /// An entry that moved while the lanes were read may show in two of them; and a page begins with the position that
    /// the one before it ended at.
    fn pass_over(&mut self) {
        let Some(last) = self.last.as_deref() else { return };
        let newest_first = self.newest_first;
        for lane in &mut self.lanes {
            while lane.shown.front().is_some_and(|shown| !is_before(last, shown, newest_first)) {
                lane.shown.pop_front();
            }
        }
    }

    fn first(&self) -> Option<usize> {
        let shown = self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((at, lane.shown.front()?)));
        let first = shown.reduce(|one, other| if is_before(one.1, other.1, self.newest_first) { one } else { other });
        first.map(|(at, _)| at)
    }
}

/// Whether `one` comes before `other` in the order asked for.
pub(super) fn is_before(one: &str, other: &str, newest_first: bool) -> bool {
    if newest_first { one > other } else { one < other }
}
