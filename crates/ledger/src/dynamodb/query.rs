//! What a query of entries reads: which partitions of which index, between which positions.

use lakehand_domain::entry::{Entry, StateName};
use lakehand_domain::id::DatasetId;
use lakehand_domain::object::ObjectUri;
use lakehand_domain::port::ledger::{EntryQuery, LedgerError, PageToken};

use super::call::unintelligible;
use super::item::{STATES, instant, instant_of, is_untold, place, position, untold_place};
use super::merge::is_before;
use super::table::{BY_STATE, PLACE, UNTOLD, UNTOLD_INDEX};

/// Entries of a page where the caller does not say, and the most it gets.
const USUAL: usize = 100;
const MOST: usize = 1_000;

/// Before every position, and after every one.
const FIRST: &str = "0";
const LAST: &str = "g";

/// How a query is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing can match.
    Nothing,
    /// From all versions of one object, which are few and have no order of their own.
    Object(ObjectUri),
    /// From partitions that each are in order.
    Lanes(Lanes),
}

/// Partitions of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lanes {
    /// The index.
    pub(super) index: &'static str,
    /// The attribute of its partition key.
    pub(super) partition: &'static str,
    /// The partitions.
    pub(super) values: Vec<String>,
    /// Positions, both ends included.
    pub(super) between: (String, String),
}

/// What a query needs beside its plan.
#[derive(Debug)]
pub(super) struct Wanted<'q> {
    query: &'q EntryQuery,
    /// The page before ended here.
    pub(super) after: Option<String>,
    /// Entries of the page at most.
    pub(super) limit: usize,
}

impl<'q> Wanted<'q> {
    pub(super) fn of(query: &'q EntryQuery) -> Result<Self, LedgerError> {
        let after = query.after.as_ref().map(read_token).transpose()?;
        let limit = if query.limit == 0 { USUAL } else { query.limit.min(MOST) };
        Ok(Self { query, after, limit })
    }

    pub(super) fn newest_first(&self) -> bool {
        self.query.newest_first
    }

    /// Whether lanes show entries that do not match.
    pub(super) fn is_narrower_than_its_lanes(&self) -> bool {
        self.query.untold && self.query.dataset.is_some()
    }

    /// Whether datasets are to be known before a plan can be made.
    pub(super) fn needs_datasets(&self) -> bool {
        let query = self.query;
        query.object.is_none() && !query.untold && query.dataset.is_none()
    }

    /// How to answer, where these are all `datasets`.
    pub(super) fn plan(&self, shards: u16, datasets: &[DatasetId]) -> Plan {
        let query = self.query;
        let states: Vec<StateName> = match query.state {
            Some(state) if query.untold && state != StateName::SetAside => return Plan::Nothing,
            Some(state) => vec![state],
            None => STATES.to_vec(),
        };
        if let Some(object) = &query.object {
            return Plan::Object(object.clone());
        }
        let Some(between) = self.between() else { return Plan::Nothing };
        let shards = 0..shards.max(1);
        if query.untold {
            let values = shards.map(untold_place).collect();
            return Plan::Lanes(Lanes { index: UNTOLD_INDEX, partition: UNTOLD, values, between });
        }
        let datasets = query.dataset.as_ref().map_or(datasets, std::slice::from_ref);
        let values = datasets
            .iter()
            .flat_map(|dataset| states.iter().map(move |state| (dataset, *state)))
            .flat_map(|(dataset, state)| shards.clone().map(move |shard| place(dataset, state, shard)))
            .collect();
        Plan::Lanes(Lanes { index: BY_STATE, partition: PLACE, values, between })
    }

    /// The positions that may match; `None` where there are none between the two ends.
    fn between(&self) -> Option<(String, String)> {
        let query = self.query;
        let mut low = query.since.map_or_else(|| FIRST.to_owned(), instant);
        // An instant alone comes before all positions at this instant.
        let mut high = query.until.map_or_else(|| LAST.to_owned(), instant);
        if let Some(after) = &self.after {
            let end = if query.newest_first { &mut high } else { &mut low };
            if is_before(end, after, query.newest_first) {
                end.clone_from(after);
            }
        }
        (low <= high).then_some((low, high))
    }

    /// Whether an entry, as it is now, belongs on the page.
    pub(super) fn matches(&self, entry: &Entry) -> bool {
        let query = self.query;
        query.dataset.as_ref().is_none_or(|dataset| entry.dataset == *dataset)
            && query.object.as_ref().is_none_or(|object| entry.object.uri == *object)
            && query.state.is_none_or(|state| entry.state_name() == state)
            && (!query.untold || is_untold(entry))
            && query.since.is_none_or(|since| entry.updated >= since)
            && query.until.is_none_or(|until| entry.updated < until)
            && self
                .after
                .as_ref()
                .is_none_or(|after| is_before(after, &position(entry.updated, &entry.id), query.newest_first))
    }
}

/// Where a page ends whose last position this is.
pub(super) fn token(position: String) -> PageToken {
    PageToken(position)
}

fn read_token(token: &PageToken) -> Result<String, LedgerError> {
    if instant_of(&token.0).is_none() {
        return Err(unintelligible("list", format!("the page token {:?}", token.0)));
    }
    Ok(token.0.clone())
}
